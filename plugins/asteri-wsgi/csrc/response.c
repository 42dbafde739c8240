/* The response of response.h: what the application calls, and what goes to the exchange.
 *
 * start_response is the response itself; write and wsgi.early_hints are small objects that refer to it, so that neither
 * is taken for the other. None of them has a tp_clear: they refer to the same things for life, as a bound method to its
 * object, so a cycle has something else in it that can be cleared. */
#include "response.h"

#include <stddef.h>
#include <structmember.h>

/* The final statuses whose responses have no content (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5). */
static inline int
has_no_content(int status)
{
    return status == 204 || status == 205 || status == 304;
}

/* -- towards the exchange ------------------------------------------------------------------------------------------ */

int
wsgi_check_block(wsgi_state *state, PyObject *block)
{
    if (PyBytes_Check(block)) {
        return 0;
    }
    PyObject *accepted = PyObject_CallOneArg(state->python.check_block, block);
    if (accepted != NULL) {
        Py_DECREF(accepted);
        PyErr_SetString(PyExc_TypeError, "a block of content must be bytes");
    }
    return -1;
}

int
wsgi_declare(wsgi_response *self, int64_t length)
{
    int failed = 0;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->head.length < 0 && !has_no_content(self->head.status) && !self->sending) {
        failed = wsgi_head_declare(&self->head, length);
    }
    Py_END_CRITICAL_SECTION();
    return failed;
}

int
wsgi_send_head(wsgi_response *self)
{
    const wsgi_head *head = &self->head;
    int begun;
    /* It may have to wait for the reactor's lock, and the application may have other threads. */
    Py_BEGIN_CRITICAL_SECTION(self);
    begun = head->status != 0;
    self->sending += begun;
    Py_END_CRITICAL_SECTION();
    if (!begun) {
        PyErr_SetString(PyExc_AssertionError, "the application gave content before it called start_response");
        return -1;
    }
    asteri_reached reached = self->reached;
    int failed = reached.functions->respond(reached.self, head->status, head->reason, head->fields, head->count) < 0;
    Py_BEGIN_CRITICAL_SECTION(self);
    self->sending--;
    self->head_sent |= !failed;
    Py_END_CRITICAL_SECTION();
    return failed ? -1 : 0;
}

/* Waits until more may be given. */
static int
response_wait(wsgi_response *self)
{
    PyObject *arguments[] = {NULL, self->exchange, self->state->want_write};
    PyObject *done = PyObject_Vectorcall(self->wait, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
refuse_content(wsgi_response *self)
{
    PyObject *error = self->state->errors.local_protocol_error;
    if (self->head.length < 0) {
        PyErr_SetString(error, "the content is longer than its content-length, None bytes");
    } else {
        PyErr_Format(error, "the content is longer than its content-length, %lld bytes", (long long)self->head.length);
    }
    return -1;
}

int
wsgi_send(wsgi_response *self, PyObject *data, int64_t size)
{
    if (self->over) {
        return self->has_content ? refuse_content(self) : 0;
    }
    if (!self->has_content) {
        return wsgi_end(self);
    }
    self->written += size;
    int end = self->written == self->head.length;
    if (self->reached.functions->send(self->reached.self, data, end) < 0) {
        return -1;
    }
    self->over = (unsigned char)end;
    /* Also when there is room: an executor in the reactor's own thread sends what we have given while we wait. */
    return end ? 0 : response_wait(self);
}

int
wsgi_end(wsgi_response *self)
{
    if (self->over) {
        return 0;
    }
    if (!self->head_sent && wsgi_send_head(self) < 0) {
        return -1;
    }
    self->over = 1;
    return self->reached.functions->finish(self->reached.self);
}

/* -- write and wsgi.early_hints ------------------------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call; /* says which of the two it is */
    wsgi_response *response; /* owned; NULL between two requests, when nobody has the operation */
} wsgi_operation;

static PyObject *
operation_new(wsgi_response *response, vectorcallfunc call)
{
    wsgi_state *state = response->state;
    PyObject *made = wsgi_spare_take(&state->spare_operations, state->operation_type);
    if (made != NULL) {
        ((wsgi_operation *)made)->call = call;
        ((wsgi_operation *)made)->response = (wsgi_response *)Py_NewRef(response);
        PyObject_GC_Track(made);
    }
    return made;
}

/* What a call may give, by place or by name: puts borrowed references, NULL for what is not given, into `found`. 1:
 * done; 0: it is not such a call. */
static int
take_arguments(PyObject *const *arguments, Py_ssize_t count, PyObject *names, const char *const *expected,
               Py_ssize_t most, Py_ssize_t least, PyObject **found)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    if (count > most) {
        return 0;
    }
    for (Py_ssize_t place = 0; place < most; place++) {
        found[place] = place < count ? arguments[place] : NULL;
    }
    for (Py_ssize_t index = 0; index < named; index++) {
        Py_ssize_t place = count;
        while (place < most &&
               PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, index), expected[place]) != 0) {
            place++;
        }
        if (place == most) {
            return 0;
        }
        found[place] = arguments[count + index];
    }
    for (Py_ssize_t place = 0; place < least; place++) {
        if (found[place] == NULL) {
            return 0;
        }
    }
    return 1;
}

/* Raises TypeError for arguments that are not those of the twin's method `name`: by giving them to it. Always NULL. */
static PyObject *
refuse_arguments(wsgi_state *state, PyObject *name, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    PyObject *method = PyObject_GetAttr(state->python.twin, name);
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    PyObject **with_self = method == NULL ? NULL : PyMem_New(PyObject *, all + 1);
    if (with_self == NULL) {
        Py_XDECREF(method);
        return method == NULL ? NULL : PyErr_NoMemory();
    }
    with_self[0] = Py_None;
    memcpy(with_self + 1, arguments, (size_t)all * sizeof *arguments);
    PyObject *result = PyObject_Vectorcall(method, with_self, (size_t)count + 1, names);
    PyMem_Free(with_self);
    Py_DECREF(method);
    if (result != NULL) {
        Py_DECREF(result);
        PyErr_SetString(PyExc_TypeError, "these are not the arguments of this function");
    }
    return NULL;
}

static PyObject *
operation_write(PyObject *callable, PyObject *const *arguments, size_t nargs, PyObject *names)
{
    static const char *const expected[] = {"data"};
    wsgi_response *self = ((wsgi_operation *)callable)->response;
    Py_ssize_t count = PyVectorcall_NARGS(nargs);
    PyObject *data;
    if (!take_arguments(arguments, count, names, expected, 1, 1, &data)) {
        return refuse_arguments(self->state, self->state->text.name_write, arguments, count, names);
    }
    if (wsgi_check_block(self->state, data) < 0) {
        return NULL;
    }
    int first = !self->head_sent; /* the head goes out also without data */
    if (first && wsgi_send_head(self) < 0) {
        return NULL;
    }
    if ((first || PyBytes_GET_SIZE(data) > 0) && wsgi_send(self, data, PyBytes_GET_SIZE(data)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* A 103 response (RFC 8297) with these fields. 0, -1. */
static int
send_early_hints(wsgi_response *self, PyObject *headers)
{
    PyObject *done = NULL;
    PyObject *fields, *length;
    PyObject *parsed = PyObject_CallOneArg(self->state->python.parse_headers, headers);
    PyObject *status = PyLong_FromLong(103);
    if (parsed != NULL && status != NULL && PyArg_ParseTuple(parsed, "OO", &fields, &length)) {
        PyObject *arguments[] = {self->exchange, status, fields};
        done = PyObject_VectorcallMethod(self->state->text.name_inform, arguments, 3, NULL);
    }
    Py_XDECREF(parsed);
    Py_XDECREF(status);
    Py_XDECREF(done);
    return done == NULL ? -1 : response_wait(self);
}

static PyObject *
operation_early_hints(PyObject *callable, PyObject *const *arguments, size_t nargs, PyObject *names)
{
    static const char *const expected[] = {"headers"};
    wsgi_response *self = ((wsgi_operation *)callable)->response;
    Py_ssize_t count = PyVectorcall_NARGS(nargs);
    PyObject *headers;
    if (self == NULL) {
        PyErr_SetString(PyExc_AssertionError, "early hints were given after the request");
        return NULL;
    }
    if (!take_arguments(arguments, count, names, expected, 1, 1, &headers)) {
        return refuse_arguments(self->state, self->state->text.name_early_hints, arguments, count, names);
    }
    if (self->head_sent) {
        PyErr_SetString(PyExc_AssertionError, "early hints were given after the response had begun");
        return NULL;
    }
    if (send_early_hints(self, headers) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
wsgi_early_hints_of(wsgi_response *response)
{
    return operation_new(response, operation_early_hints);
}

int
wsgi_early_hints_part(PyObject *early_hints)
{
    wsgi_operation *operation = (wsgi_operation *)early_hints;
    if (!asteri_is_alone(early_hints, 1)) {
        return 0;
    }
    PyObject_GC_UnTrack(early_hints);
    Py_CLEAR(operation->response);
    return 1;
}

void
wsgi_early_hints_join(PyObject *early_hints, wsgi_response *response)
{
    ((wsgi_operation *)early_hints)->response = (wsgi_response *)Py_NewRef(response);
    PyObject_GC_Track(early_hints);
}

/* -- start_response ------------------------------------------------------------------------------------------------ */

/* Whether a head may be set. 0; -1: AssertionError, or the error in `exc_info` itself when it comes too late. */
static int
check_start(wsgi_response *self, PyObject *exc_info)
{
    int replaces = exc_info == NULL || exc_info == Py_None ? 0 : PyObject_IsTrue(exc_info);
    if (replaces < 0) {
        return -1;
    }
    if (!replaces && self->head.status != 0) {
        PyErr_SetString(PyExc_AssertionError, "start_response was called a second time without exc_info");
        return -1;
    }
    if (replaces && self->head_sent) {
        PyObject *raised = PyObject_CallOneArg(self->state->python.raise_again, exc_info);
        Py_XDECREF(raised);
        return raised == NULL ? -1 : 0;
    }
    return 0;
}

/* Puts a head, which is stolen, in the place of the one that was set before. 0: that one is being sent. */
static int
take_over(wsgi_response *self, const wsgi_head *head)
{
    asteri_slice method = self->request->method;
    int is_head = method.size == 4 && memcmp(method.data, "HEAD", 4) == 0, taken;
    Py_BEGIN_CRITICAL_SECTION(self);
    taken = !self->sending;
    if (taken) {
        wsgi_head_clear(&self->head); /* of str and bytes, whose end calls nothing */
        wsgi_head_move(&self->head, head);
        self->has_content = !is_head && !has_no_content(head->status);
    }
    Py_END_CRITICAL_SECTION();
    return taken;
}

static PyObject *
response_start(PyObject *callable, PyObject *const *arguments, size_t nargs, PyObject *names)
{
    static const char *const expected[] = {"status", "headers", "exc_info"};
    wsgi_response *self = (wsgi_response *)callable;
    wsgi_state *state = self->state;
    Py_ssize_t count = PyVectorcall_NARGS(nargs);
    PyObject *given[3];
    if (!take_arguments(arguments, count, names, expected, 3, 2, given)) {
        return refuse_arguments(state, state->text.name_start, arguments, count, names);
    }
    if (check_start(self, given[2]) < 0) {
        return NULL;
    }
    /* Taken over when all of it is good: an application may catch the error of a bad head, and call again. */
    wsgi_head head;
    wsgi_head_init(&head);
    if (wsgi_head_parse(state, &head, given[0], given[1]) < 0) {
        wsgi_head_clear(&head);
        return NULL;
    }
    if (!take_over(self, &head)) {
        wsgi_head_clear(&head);
        PyErr_SetString(PyExc_AssertionError, "start_response was called while the head is being sent");
        return NULL;
    }
    return operation_new(self, operation_write);
}

/* -- the types ----------------------------------------------------------------------------------------------------- */

wsgi_response *
wsgi_response_new(wsgi_state *state, PyObject *exchange, PyObject *wait)
{
    asteri_reached reached;
    if (asteri_reach(&state->exchanges, exchange, &reached) < 0) {
        return NULL;
    }
    wsgi_response *self = (wsgi_response *)wsgi_spare_take(&state->spare_responses, state->response_type);
    if (self == NULL) {
        Py_DECREF(reached.self);
        return NULL;
    }
    self->call = response_start;
    self->module = Py_NewRef(state->module);
    self->state = state;
    self->reached = reached;
    self->request = reached.functions->request(reached.self);
    self->exchange = Py_NewRef(exchange);
    self->wait = Py_NewRef(wait);
    self->written = 0;
    self->has_content = 1;
    self->sending = 0;
    self->head_sent = 0;
    self->over = 0;
    wsgi_head_init(&self->head);
    PyObject_GC_Track((PyObject *)self);
    return self;
}

static int
response_traverse(PyObject *object, visitproc visit, void *arg)
{
    wsgi_response *self = (wsgi_response *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->module);
    Py_VISIT(self->reached.self);
    Py_VISIT(self->exchange);
    Py_VISIT(self->wait);
    return 0; /* the head has only str and bytes */
}

static void
response_dealloc(PyObject *object)
{
    wsgi_response *self = (wsgi_response *)object;
    PyObject *module = self->module;
    PyObject_GC_UnTrack(object);
    wsgi_head_release(&self->head);
    Py_DECREF(self->reached.self);
    Py_DECREF(self->exchange);
    Py_DECREF(self->wait);
    wsgi_spare_give(&self->state->spare_responses, object);
    Py_DECREF(module);
}

static int
operation_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((wsgi_operation *)object)->response);
    return 0;
}

static void
operation_dealloc(PyObject *object)
{
    wsgi_response *response = ((wsgi_operation *)object)->response;
    PyObject_GC_UnTrack(object);
    if (response == NULL) {
        PyTypeObject *type = Py_TYPE(object);
        PyObject_GC_Del(object);
        Py_DECREF(type);
        return;
    }
    wsgi_spare_give(&response->state->spare_operations, object);
    Py_DECREF(response);
}

/* The name of the twin's method that a callable stands for. */
static PyObject *
name_in_twin(PyObject *object)
{
    vectorcallfunc call = ((wsgi_operation *)object)->call; /* or a response's, at the same place */
    wsgi_state *state = (wsgi_state *)PyType_GetModuleState(Py_TYPE(object));
    return state == NULL                ? NULL
           : call == response_start     ? state->text.name_start
           : call == operation_write    ? state->text.name_write
                                        : state->text.name_early_hints;
}

static PyObject *
callable_name(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_XNewRef(name_in_twin(object));
}

/* As `inspect.signature` wants it: that of the twin's bound method. */
static PyObject *
callable_signature(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *signature = NULL;
    PyObject *name = name_in_twin(object);
    if (name == NULL) {
        return NULL;
    }
    wsgi_state *state = (wsgi_state *)PyType_GetModuleState(Py_TYPE(object));
    PyObject *method = PyObject_GetAttr(state->python.twin, name);
    PyObject *bound = method == NULL ? NULL : PyMethod_New(method, object);
    PyObject *inspect = bound == NULL ? NULL : PyImport_ImportModule("inspect");
    if (inspect != NULL) {
        signature = PyObject_CallMethod(inspect, "signature", "O", bound);
    }
    Py_XDECREF(method);
    Py_XDECREF(bound);
    Py_XDECREF(inspect);
    return signature;
}

static PyObject *
callable_repr(PyObject *object)
{
    PyObject *name = name_in_twin(object);
    return name == NULL ? NULL : PyUnicode_FromFormat("<%U of a WSGI response at %p>", name, object);
}

static PyTypeObject *
add_callable_type(PyObject *module, const char *name, const char *doc, int size, traverseproc traverse,
                  destructor dealloc)
{
    PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(wsgi_operation, call), READONLY, NULL},
        {NULL, 0, 0, 0, NULL},
    };
    static const PyGetSetDef getset[] = {
        {"__name__", callable_name, NULL, NULL, NULL},
        {"__signature__", callable_signature, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)doc},
        {Py_tp_call, (void *)PyVectorcall_Call},
        {Py_tp_repr, (void *)callable_repr},
        {Py_tp_traverse, (void *)traverse},
        {Py_tp_dealloc, (void *)dealloc},
        {Py_tp_members, (void *)members},
        {Py_tp_getset, (void *)getset},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = size,
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                 Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

_Static_assert(offsetof(wsgi_operation, call) == offsetof(wsgi_response, call), "the call is at one place in both");

int
wsgi_add_response(PyObject *module)
{
    wsgi_state *state = wsgi_state_of(module);
    state->response_type = add_callable_type(module, "asteri_wsgi._native.Response", "start_response of one request.",
                                             sizeof(wsgi_response), response_traverse, response_dealloc);
    state->operation_type = add_callable_type(module, "asteri_wsgi._native.Operation",
                                              "write or wsgi.early_hints of one request.", sizeof(wsgi_operation),
                                              operation_traverse, operation_dealloc);
    if (state->response_type == NULL || state->operation_type == NULL) {
        return -1;
    }
    state->spare_responses.room = WSGI_SPARE;
    state->spare_operations.room = WSGI_SPARE;
    return 0;
}
