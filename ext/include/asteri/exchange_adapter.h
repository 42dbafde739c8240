/* One way to reach every exchange from C.
 *
 * An exchange whose type has the contract of exchange.h is reached by its own functions. Any other object that keeps
 * the Python contract (`asteri_core.api.Exchange`, and what HTTP adds to it) is reached through an adapter: an object
 * that has taken the request's facts from the exchange's attributes and calls its methods. Code in C is written once:
 *
 *     typedef struct {                    the state of your module
 *         asteri_exchanges exchanges;
 *     } state;
 *
 *     in Py_mod_exec:                     asteri_exchanges_load(&state->exchanges, module)
 *     in m_traverse, m_clear:             asteri_exchanges_visit, asteri_exchanges_clear
 *     for each exchange:                  asteri_reached reached;
 *                                         asteri_reach(&state->exchanges, exchange, &reached)
 *                                         reached.functions->respond(reached.self, ...)
 *                                         Py_DECREF(reached.self)
 *
 * What is not in exchange.h (inform, upgrade, watch, finish with trailers) is called by name on the exchange itself,
 * which is also what `wait` is given. The adapter adds no meaning and no checks but for the types that it needs; it
 * takes no lock. Everything here is called with the GIL held (free-threaded build: attached). Pointers are borrowed
 * unless said otherwise.
 */
#ifndef ASTERI_EXCHANGE_ADAPTER_H
#define ASTERI_EXCHANGE_ADAPTER_H

#include "exchange.h"

#include <string.h>

/* The names of the attributes: first those of `asteri_fact`, in its order. */
enum {
    ASTERI_NAME_HAS_BODY = ASTERI_BODY + 1,
    ASTERI_NAME_EXPECTS_CONTINUE,
    ASTERI_NAME_CONTENT_LENGTH,
    ASTERI_NAME_READ,
    ASTERI_NAME_RESPOND,
    ASTERI_NAME_RETRACT,
    ASTERI_NAME_SEND,
    ASTERI_NAME_FINISH,
    ASTERI_NAME_ABORT,
    ASTERI_NAME_STATUS,
    ASTERI_NAME_SENT,
    ASTERI_NAMES
};

/* What a module needs to reach exchanges; a member of its state. Filled with zeros before it is loaded. */
typedef struct {
    PyObject *names[ASTERI_NAMES]; /* owned, interned str */
    PyTypeObject *adapter_type;    /* owned */
    asteri_exchange_kind last;     /* its type is owned; no functions: the adapter's */
} asteri_exchanges;

/* An exchange, whatever it is: `functions` take `self`. */
typedef struct {
    const asteri_exchange_v1 *functions;
    PyObject *self; /* owned: the exchange, or its adapter, which owns it */
} asteri_reached;

typedef struct {
    PyObject_HEAD
    const asteri_exchanges *exchanges; /* of the module, which the type keeps alive as long as anything can call us */
    PyObject *exchange;                /* owned */
    PyObject *facts[ASTERI_BODY + 1];  /* owned, NULL until asked for */
    PyObject *pairs;                   /* owned: the headers as a tuple, since the list may be changed */
    asteri_field *fields;              /* owned memory */
    asteri_request request;
} asteri_adapter;

/* -- the request: read once, when the exchange is reached ---------------------------------------------------------- */

/* A new reference to the attribute `name`, one of the above. */
static inline PyObject *
asteri_adapter_get(asteri_adapter *self, int name)
{
    return PyObject_GetAttr(self->exchange, self->exchanges->names[name]);
}

static inline int
asteri_adapter_slice(PyObject *bytes, const char *what, asteri_slice *slice)
{
    if (!PyBytes_Check(bytes)) {
        PyErr_Format(PyExc_TypeError, "%s of an exchange must be bytes, not %.100s", what, Py_TYPE(bytes)->tp_name);
        return -1;
    }
    slice->data = PyBytes_AS_STRING(bytes);
    slice->size = PyBytes_GET_SIZE(bytes);
    return 0;
}

/* The attribute `name` as a truth value: 1, 0, or -1. */
static inline int
asteri_adapter_flag(asteri_adapter *self, int name)
{
    PyObject *value = asteri_adapter_get(self, name);
    if (value == NULL) {
        return -1;
    }
    int flag = PyObject_IsTrue(value);
    Py_DECREF(value);
    return flag;
}

static inline int
asteri_adapter_read_length(asteri_adapter *self)
{
    PyObject *length = asteri_adapter_get(self, ASTERI_NAME_CONTENT_LENGTH);
    if (length == NULL) {
        return -1;
    }
    self->request.content_length = length == Py_None ? -1 : (int64_t)PyLong_AsLongLong(length);
    int failed = length != Py_None && self->request.content_length == -1 && PyErr_Occurred() != NULL;
    Py_DECREF(length);
    return failed ? -1 : 0;
}

static inline int
asteri_adapter_read_fields(asteri_adapter *self)
{
    self->pairs = PySequence_Tuple(self->facts[ASTERI_HEADERS]);
    if (self->pairs == NULL) {
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(self->pairs);
    self->fields = PyMem_New(asteri_field, count > 0 ? count : 1);
    if (self->fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *pair = PyTuple_GET_ITEM(self->pairs, index);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_Format(PyExc_TypeError, "a header of an exchange must be a (name, value) tuple, not %R", pair);
            return -1;
        }
        if (asteri_adapter_slice(PyTuple_GET_ITEM(pair, 0), "a header name", &self->fields[index].name) < 0 ||
            asteri_adapter_slice(PyTuple_GET_ITEM(pair, 1), "a header value", &self->fields[index].value) < 0) {
            return -1;
        }
    }
    self->request.fields = self->fields;
    self->request.count = count;
    return 0;
}

/* 10, 11, 20 or 30; 0 for a version that this contract does not know. */
static inline int
asteri_version(const char *text)
{
    static const struct {
        const char *text;
        int version;
    } known[] = {{"1.1", 11}, {"1.0", 10}, {"2", 20}, {"3", 30}};
    for (size_t index = 0; index < sizeof known / sizeof *known; index++) {
        if (strcmp(text, known[index].text) == 0) {
            return known[index].version;
        }
    }
    return 0;
}

static inline int
asteri_adapter_read_request(asteri_adapter *self)
{
    asteri_request *request = &self->request;
    for (int which = ASTERI_METHOD; which <= ASTERI_HEADERS; which++) {
        self->facts[which] = asteri_adapter_get(self, which);
        if (self->facts[which] == NULL) {
            return -1;
        }
    }
    /* The UTF-8 form of a str lives as long as the str. */
    request->method.data = PyUnicode_AsUTF8AndSize(self->facts[ASTERI_METHOD], &request->method.size);
    const char *version = PyUnicode_AsUTF8AndSize(self->facts[ASTERI_VERSION], NULL);
    if (request->method.data == NULL || version == NULL) {
        return -1;
    }
    request->version = asteri_version(version);
    if (asteri_adapter_slice(self->facts[ASTERI_TARGET], "target", &request->target) < 0 ||
        asteri_adapter_slice(self->facts[ASTERI_RAW_PATH], "raw_path", &request->raw_path) < 0 ||
        asteri_adapter_slice(self->facts[ASTERI_QUERY], "query", &request->query) < 0 ||
        asteri_adapter_slice(self->facts[ASTERI_AUTHORITY], "authority", &request->authority) < 0 ||
        asteri_adapter_slice(self->facts[ASTERI_PROTOCOL], "protocol", &request->protocol) < 0) {
        return -1;
    }
    request->has_body = asteri_adapter_flag(self, ASTERI_NAME_HAS_BODY);
    request->expects_continue = asteri_adapter_flag(self, ASTERI_NAME_EXPECTS_CONTINUE);
    if (request->has_body < 0 || request->expects_continue < 0 || asteri_adapter_read_length(self) < 0) {
        return -1;
    }
    return asteri_adapter_read_fields(self);
}

/* -- the functions: as exchange.h says ----------------------------------------------------------------------------- */

static inline const asteri_request *
asteri_adapter_request(PyObject *self)
{
    return &((asteri_adapter *)self)->request;
}

static inline PyObject *
asteri_adapter_fact(PyObject *self, asteri_fact which)
{
    asteri_adapter *adapter = (asteri_adapter *)self;
    /* The body is set when it has been collected, which may be after the first look. */
    if (adapter->facts[which] == NULL || which == ASTERI_BODY) {
        PyObject *fresh = asteri_adapter_get(adapter, which);
        if (fresh == NULL) {
            return NULL;
        }
        PyObject *stale = adapter->facts[which];
        adapter->facts[which] = fresh;
        Py_XDECREF(stale);
    }
    return adapter->facts[which];
}

/* Calls a method with up to 3 arguments; `arguments` has a free place before the first. A new reference. */
static inline PyObject *
asteri_adapter_call(asteri_adapter *self, int name, PyObject **arguments, size_t count)
{
    arguments[0] = self->exchange;
    return PyObject_VectorcallMethod(self->exchanges->names[name], arguments, count + 1, NULL);
}

/* The truth of what a method without arguments gives: 1, 0, or -1. */
static inline int
asteri_adapter_ask(asteri_adapter *self, int name)
{
    PyObject *arguments[1];
    PyObject *answer = asteri_adapter_call(self, name, arguments, 0);
    if (answer == NULL) {
        return -1;
    }
    int truth = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return truth;
}

static inline int
asteri_adapter_read(PyObject *self, PyObject **data)
{
    PyObject *arguments[1];
    PyObject *piece = asteri_adapter_call((asteri_adapter *)self, ASTERI_NAME_READ, arguments, 0);
    if (piece == NULL) {
        return -1;
    }
    if (PyBytes_Check(piece)) {
        *data = piece;
        return 1;
    }
    int blocks = piece == Py_None;
    if (!blocks) {
        PyErr_Format(PyExc_TypeError, "read() of an exchange gave %.100s, not bytes or None", Py_TYPE(piece)->tp_name);
    }
    Py_DECREF(piece);
    return blocks ? 0 : -1;
}

/* A new list of tuples of two bytes. */
static inline PyObject *
asteri_adapter_headers(const asteri_field *fields, Py_ssize_t count)
{
    PyObject *headers = PyList_New(count);
    for (Py_ssize_t index = 0; headers != NULL && index < count; index++) {
        const asteri_field *field = &fields[index];
        PyObject *name = PyBytes_FromStringAndSize(field->name.data, field->name.size);
        PyObject *value = PyBytes_FromStringAndSize(field->value.data, field->value.size);
        PyObject *pair = name != NULL && value != NULL ? PyTuple_Pack(2, name, value) : NULL;
        Py_XDECREF(name);
        Py_XDECREF(value);
        if (pair == NULL) {
            Py_CLEAR(headers);
        } else {
            PyList_SET_ITEM(headers, index, pair);
        }
    }
    return headers;
}

static inline int
asteri_adapter_respond(PyObject *self, int status, asteri_slice reason, const asteri_field *fields, Py_ssize_t count)
{
    PyObject *answer = NULL;
    PyObject *arguments[4] = {NULL, PyLong_FromLong(status), asteri_adapter_headers(fields, count),
                              PyBytes_FromStringAndSize(reason.data, reason.size)};
    if (arguments[1] != NULL && arguments[2] != NULL && arguments[3] != NULL) {
        answer = asteri_adapter_call((asteri_adapter *)self, ASTERI_NAME_RESPOND, arguments, 3);
    }
    Py_XDECREF(arguments[1]);
    Py_XDECREF(arguments[2]);
    Py_XDECREF(arguments[3]);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

static inline int
asteri_adapter_retract(PyObject *self)
{
    return asteri_adapter_ask((asteri_adapter *)self, ASTERI_NAME_RETRACT);
}

static inline int
asteri_adapter_send(PyObject *self, PyObject *data, int end)
{
    PyObject *arguments[3] = {NULL, data, end ? Py_True : Py_False};
    PyObject *answer = asteri_adapter_call((asteri_adapter *)self, ASTERI_NAME_SEND, arguments, 2);
    if (answer == NULL) {
        return -1;
    }
    int more = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return more;
}

static inline int
asteri_adapter_finish(PyObject *self)
{
    return asteri_adapter_ask((asteri_adapter *)self, ASTERI_NAME_FINISH) < 0 ? -1 : 0;
}

static inline int
asteri_adapter_abort(PyObject *self)
{
    return asteri_adapter_ask((asteri_adapter *)self, ASTERI_NAME_ABORT) < 0 ? -1 : 0;
}

/* An attribute as a number, 0 for what is none: these functions cannot fail. */
static inline int64_t
asteri_adapter_number(PyObject *self, int name)
{
    PyObject *kept_type, *kept_value, *kept_trace;
    PyErr_Fetch(&kept_type, &kept_value, &kept_trace);
    PyObject *value = asteri_adapter_get((asteri_adapter *)self, name);
    long long number = value == NULL ? -1 : PyLong_AsLongLong(value);
    Py_XDECREF(value);
    if (number < 0) {
        PyErr_Clear();
        number = 0;
    }
    PyErr_Restore(kept_type, kept_value, kept_trace);
    return number;
}

static inline int
asteri_adapter_status(PyObject *self)
{
    return (int)asteri_adapter_number(self, ASTERI_NAME_STATUS);
}

static inline int64_t
asteri_adapter_sent(PyObject *self)
{
    return asteri_adapter_number(self, ASTERI_NAME_SENT);
}

static inline int
asteri_adapter_set_body(PyObject *self, PyObject *body)
{
    asteri_adapter *adapter = (asteri_adapter *)self;
    return PyObject_SetAttr(adapter->exchange, adapter->exchanges->names[ASTERI_BODY], body);
}

static const asteri_exchange_v1 asteri_adapter_functions = {
    .size = sizeof(asteri_exchange_v1),
    .request = asteri_adapter_request,
    .fact = asteri_adapter_fact,
    .read = asteri_adapter_read,
    .respond = asteri_adapter_respond,
    .retract = asteri_adapter_retract,
    .send = asteri_adapter_send,
    .finish = asteri_adapter_finish,
    .abort = asteri_adapter_abort,
    .status = asteri_adapter_status,
    .sent = asteri_adapter_sent,
    .set_body = asteri_adapter_set_body,
};

/* -- the adapter's type -------------------------------------------------------------------------------------------- */

/* There is no tp_clear: an adapter refers to the same exchange for life, as a bound method to its object, so a cycle
 * has something else in it that can be cleared. */
static inline int
asteri_adapter_traverse(PyObject *self, visitproc visit, void *arg)
{
    asteri_adapter *adapter = (asteri_adapter *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(adapter->exchange);
    Py_VISIT(adapter->pairs);
    for (int which = 0; which <= ASTERI_BODY; which++) {
        Py_VISIT(adapter->facts[which]);
    }
    return 0;
}

static inline void
asteri_adapter_dealloc(PyObject *self)
{
    asteri_adapter *adapter = (asteri_adapter *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(adapter->exchange);
    for (int which = 0; which <= ASTERI_BODY; which++) {
        Py_XDECREF(adapter->facts[which]);
    }
    Py_XDECREF(adapter->pairs);
    PyMem_Free(adapter->fields);
    type->tp_free(self);
    Py_DECREF(type);
}

/* A new adapter of an exchange. NULL: what its attributes raise, or TypeError. */
static inline PyObject *
asteri_adapter_new(const asteri_exchanges *exchanges, PyObject *exchange)
{
    PyObject *self = exchanges->adapter_type->tp_alloc(exchanges->adapter_type, 0); /* filled with zeros */
    if (self == NULL) {
        return NULL;
    }
    asteri_adapter *adapter = (asteri_adapter *)self;
    adapter->exchanges = exchanges;
    Py_INCREF(exchange);
    adapter->exchange = exchange;
    if (asteri_adapter_read_request(adapter) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* -- for the module ------------------------------------------------------------------------------------------------ */

/* Prepares to reach exchanges. 0, -1. */
static inline int
asteri_exchanges_load(asteri_exchanges *exchanges, PyObject *module)
{
    static const char *const names[ASTERI_NAMES] = {
        "method", "target", "raw_path", "query", "authority", "protocol", "version", "scheme", "peer", "headers", "trailers",
        "body",
        "has_body", "expects_continue", "content_length",
        "read", "respond", "retract", "send", "finish", "abort", "status", "sent",
    };
    for (int name = 0; name < ASTERI_NAMES; name++) {
        exchanges->names[name] = PyUnicode_InternFromString(names[name]);
        if (exchanges->names[name] == NULL) {
            return -1;
        }
    }
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)"An exchange that is reached by its Python attributes."},
        {Py_tp_traverse, (void *)asteri_adapter_traverse},
        {Py_tp_dealloc, (void *)asteri_adapter_dealloc},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "asteri.ExchangeAdapter",
        .basicsize = sizeof(asteri_adapter),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    exchanges->adapter_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return exchanges->adapter_type == NULL ? -1 : 0;
}

static inline int
asteri_exchanges_visit(asteri_exchanges *exchanges, visitproc visit, void *arg)
{
    Py_VISIT(exchanges->adapter_type);
    Py_VISIT(exchanges->last.type);
    return 0;
}

static inline void
asteri_exchanges_clear(asteri_exchanges *exchanges)
{
    for (int name = 0; name < ASTERI_NAMES; name++) {
        Py_CLEAR(exchanges->names[name]);
    }
    Py_CLEAR(exchanges->adapter_type);
    Py_CLEAR(exchanges->last.type);
}

/* Fills in `reached` for an exchange. 0; -1: an exception, and `reached` is left as it was. */
static inline int
asteri_reach(asteri_exchanges *exchanges, PyObject *exchange, asteri_reached *reached)
{
    const asteri_exchange_v1 *functions = asteri_exchange_functions(&exchanges->last, exchange);
    PyObject *self;
    if (functions != NULL) {
        Py_INCREF(exchange);
        self = exchange;
    } else {
        self = asteri_adapter_new(exchanges, exchange);
        if (self == NULL) {
            return -1;
        }
        functions = &asteri_adapter_functions;
    }
    reached->functions = functions;
    reached->self = self;
    return 0;
}

#endif
