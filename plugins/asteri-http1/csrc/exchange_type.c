/* `asteri_http1._native.Exchange`: the attributes and methods of `asteri_http.exchange.Exchange`, and the native
 * contract of asteri/exchange.h. Nothing is decided here. */
#include "asteri/arguments.h"
#include "exchange.h"

static h1_exchange *
exchange_of(PyObject *self)
{
    return (h1_exchange *)self;
}

/* -- what Python objects an exchange has --------------------------------------------------------------------------- */

static int
exchange_traverse(PyObject *object, visitproc visit, void *arg)
{
    h1_exchange *self = exchange_of(object);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->binding);
    Py_VISIT(self->connection);
    Py_VISIT(self->peer);
    Py_VISIT(self->headers);
    Py_VISIT(self->pairs);
    Py_VISIT(self->trailers);
    Py_VISIT(self->body);
    Py_VISIT(self->response_headers);
    return http_exchange_visit(&self->http, visit, arg);
}

static int
exchange_clear(PyObject *object)
{
    h1_exchange *self = exchange_of(object);
    if (self->http.phase != HTTP_COMPLETE) {
        self->http.phase = HTTP_CUT;
    }
    Py_CLEAR(self->connection);
    Py_CLEAR(self->headers);
    h1_exchange_forget_pairs(self);
    Py_CLEAR(self->trailers);
    Py_CLEAR(self->body);
    Py_CLEAR(self->response_headers);
    http_exchange_clear(&self->http);
    return 0;
}

static void
exchange_dealloc(PyObject *object)
{
    h1_exchange *self = exchange_of(object);
    PyTypeObject *type = Py_TYPE(self);
    h1_binding *binding = self->binding; /* which has the module: at the end of the interpreter the type may not */
    PyObject_GC_UnTrack(self);
    (void)exchange_clear(object);
    Py_CLEAR(self->peer);
    Py_CLEAR(self->scheme);
    PyMem_Free(self->request);
    h1_given_release(self->given);
    h1_head_release(self->head);
    h1_exchange_give_spare(binding->state, self);
    Py_DECREF(type);
    Py_DECREF(binding);
}

/* -- the facts ----------------------------------------------------------------------------------------------------- */

/* Borrowed; as in asteri/exchange.h. */
static PyObject *
fact(PyObject *object, asteri_fact which)
{
    h1_exchange *self = exchange_of(object);
    switch (which) {
    case ASTERI_SCHEME:
        return self->scheme;
    case ASTERI_PEER:
        return self->peer;
    case ASTERI_TRAILERS:
        return h1_exchange_trailers(self);
    case ASTERI_BODY:
        return self->body == NULL ? Py_None : self->body;
    case ASTERI_HEADERS:
        if (self->headers != NULL) {
            return self->headers;
        }
        /* fall through */
    default:
        return h1_head_fact(self->binding->state, self->head, which);
    }
}

#define FACT_GETTER(name, which)                                                                                       \
    static PyObject *get_##name(PyObject *self, void *Py_UNUSED(closure))                                              \
    {                                                                                                                  \
        return Py_XNewRef(fact(self, which));                                                                          \
    }

FACT_GETTER(method, ASTERI_METHOD)
FACT_GETTER(target, ASTERI_TARGET)
FACT_GETTER(raw_path, ASTERI_RAW_PATH)
FACT_GETTER(query, ASTERI_QUERY)
FACT_GETTER(authority, ASTERI_AUTHORITY)
FACT_GETTER(protocol, ASTERI_PROTOCOL)
FACT_GETTER(version, ASTERI_VERSION)
FACT_GETTER(scheme, ASTERI_SCHEME)
FACT_GETTER(peer, ASTERI_PEER)
FACT_GETTER(trailers, ASTERI_TRAILERS)
FACT_GETTER(body, ASTERI_BODY)

static PyObject *
get_headers(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_XNewRef(h1_exchange_headers(exchange_of(self)));
}

static int
set_body(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    Py_XSETREF(exchange_of(self)->body, Py_XNewRef(value));
    return 0;
}

static PyObject *
get_content_length(PyObject *self, void *Py_UNUSED(closure))
{
    int64_t length = exchange_of(self)->head->request.content_length;
    if (length < 0) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(length);
}

static PyObject *
get_has_body(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(exchange_of(self)->head->request.has_body);
}

static PyObject *
get_expects_continue(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(exchange_of(self)->waits);
}

static PyObject *
get_buffered(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(exchange_of(self)->http.buffered);
}

static PyObject *
get_status(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(exchange_of(self)->http.status);
}

static PyObject *
get_sent(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(exchange_of(self)->http.sent);
}

static PyObject *
get_head_sent(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(http_head_sent(&exchange_of(self)->http));
}

static PyObject *
get_response_headers(PyObject *self, void *Py_UNUSED(closure))
{
    return h1_exchange_response_headers(exchange_of(self));
}

static PyGetSetDef exchange_attributes[] = {
    {"method", get_method, NULL, NULL, NULL},
    {"target", get_target, NULL, "The request target as received.", NULL},
    {"raw_path", get_raw_path, NULL, "The path, percent-encoded, without the query.", NULL},
    {"query", get_query, NULL, NULL, NULL},
    {"authority", get_authority, NULL, "Host, or the authority of the target.", NULL},
    {"version", get_version, NULL, "\"1.0\" or \"1.1\".", NULL},
    {"scheme", get_scheme, NULL, NULL, NULL},
    {"headers", get_headers, NULL, "A list of this exchange's own.", NULL},
    {"peer", get_peer, NULL, NULL, NULL},
    {"content_length", get_content_length, NULL, "The declared length of the body, or None.", NULL},
    {"has_body", get_has_body, NULL, NULL, NULL},
    {"trailers", get_trailers, NULL, "The request's trailer fields, filled when the body has ended.", NULL},
    {"expects_continue", get_expects_continue, NULL, NULL, NULL},
    {"protocol", get_protocol, NULL, "What the client asks to talk instead of HTTP, in lower case; else empty.", NULL},
    {"body", get_body, set_body, "The collected body, or None.", NULL},
    {"buffered", get_buffered, NULL, "Bytes of the body that wait to be read.", NULL},
    {"status", get_status, NULL, "The final status answered, 0 until then.", NULL},
    {"response_headers", get_response_headers, NULL, NULL, NULL},
    {"sent", get_sent, NULL, "Bytes of content handed over.", NULL},
    {"head_sent", get_head_sent, NULL, "Whether the response can no longer be replaced by another one.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* -- the operations ------------------------------------------------------------------------------------------------ */

static PyObject *
exchange_read(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    PyObject *data;
    int result = h1_exchange_read(exchange_of(self), &data);
    return result == 1 ? data : asteri_none(result);
}

static PyObject *
exchange_respond(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"status", "headers", "reason"};
    PyObject *values[3];
    if (asteri_arguments("respond", arguments, number, keywords, names, 2, 3, values) < 0) {
        return NULL;
    }
    return asteri_none(h1_exchange_respond_objects(exchange_of(self), values[0], values[1], values[2]));
}

static PyObject *
exchange_retract(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    return PyBool_FromLong(h1_exchange_retract(exchange_of(self)));
}

static PyObject *
exchange_inform(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"status", "headers"};
    PyObject *values[2];
    if (asteri_arguments("inform", arguments, number, keywords, names, 2, 2, values) < 0) {
        return NULL;
    }
    return asteri_none(h1_exchange_inform(exchange_of(self), values[0], values[1]));
}

static PyObject *
exchange_send(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"data", "end"};
    PyObject *values[2];
    if (asteri_arguments("send", arguments, number, keywords, names, 1, 2, values) < 0) {
        return NULL;
    }
    int end = values[1] == NULL ? 0 : PyObject_IsTrue(values[1]);
    int result = end < 0 ? -1 : h1_exchange_send(exchange_of(self), values[0], end);
    return result < 0 ? NULL : PyBool_FromLong(result);
}

static PyObject *
exchange_finish(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"trailers"};
    PyObject *values[1];
    if (asteri_arguments("finish", arguments, number, keywords, names, 0, 1, values) < 0) {
        return NULL;
    }
    return asteri_none(h1_exchange_finish(exchange_of(self), values[0]));
}

static PyObject *
exchange_upgrade(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"connection", "headers"};
    PyObject *values[2];
    if (asteri_arguments("upgrade", arguments, number, keywords, names, 1, 2, values) < 0) {
        return NULL;
    }
    return h1_exchange_upgrade(exchange_of(self), values[0], values[1]) < 0 ? NULL : Py_NewRef(values[0]);
}

static PyObject *
exchange_abort(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    return asteri_none(h1_exchange_abort(exchange_of(self)));
}

static PyObject *
exchange_watch(PyObject *object, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"want", "callback"};
    PyObject *values[2];
    h1_exchange *self = exchange_of(object);
    if (asteri_arguments("watch", arguments, number, keywords, names, 2, 2, values) < 0) {
        return NULL;
    }
    const h1_state *state = self->binding->state;
    http_want want = values[0] == state->want_read    ? HTTP_WANT_READ
                     : values[0] == state->want_write ? HTTP_WANT_WRITE
                                                      : HTTP_WANT_GONE;
    int writable = self->connection == NULL || h1_connection_below_mark(self->connection);
    int result = http_exchange_watch(&self->http, want, values[1], writable);
    return result < 0 ? NULL : PyBool_FromLong(result);
}

static PyMethodDef exchange_methods[] = {
    {"read", exchange_read, METH_NOARGS,
     "read($self)\n--\n\nThe next piece of the body; empty at its end; None: it would block."},
    {"respond", ASTERI_KEYWORDS(exchange_respond), "respond($self, status, headers, reason=b'')\n--\n\nSet the head."},
    {"retract", exchange_retract, METH_NOARGS, "retract($self)\n--\n\nTake a head back that has not been sent."},
    {"inform", ASTERI_KEYWORDS(exchange_inform), "inform($self, status, headers)\n--\n\nSend an interim response."},
    {"send", ASTERI_KEYWORDS(exchange_send), "send($self, data, end=False)\n--\n\nSend content. False asks to wait."},
    {"finish", ASTERI_KEYWORDS(exchange_finish), "finish($self, trailers=())\n--\n\nThe response is complete."},
    {"upgrade", ASTERI_KEYWORDS(exchange_upgrade), "upgrade($self, connection, headers=())\n--\n\nHand the stream over."},
    {"abort", exchange_abort, METH_NOARGS, "abort($self)\n--\n\nCut the response short."},
    {"watch", ASTERI_KEYWORDS(exchange_watch),
     "watch($self, want, callback)\n--\n\nTrue, or the callback is kept for when it may hold."},
    {NULL, NULL, 0, NULL},
};

/* -- the native contract ------------------------------------------------------------------------------------------- */

static const asteri_request *
native_request(PyObject *self)
{
    return h1_exchange_request(exchange_of(self));
}

static int
native_read(PyObject *self, PyObject **data)
{
    return h1_exchange_read(exchange_of(self), data);
}

static int
native_respond(PyObject *self, int status, asteri_slice reason, const asteri_field *fields, Py_ssize_t count)
{
    return h1_exchange_respond(exchange_of(self), status, reason, fields, count);
}

static int
native_retract(PyObject *self)
{
    return h1_exchange_retract(exchange_of(self));
}

static int
native_send(PyObject *self, PyObject *data, int end)
{
    return h1_exchange_send(exchange_of(self), data, end);
}

static int
native_finish(PyObject *self)
{
    return h1_exchange_finish(exchange_of(self), NULL);
}

static int
native_abort(PyObject *self)
{
    return h1_exchange_abort(exchange_of(self));
}

static int
native_status(PyObject *self)
{
    return exchange_of(self)->http.status;
}

static int64_t
native_sent(PyObject *self)
{
    return exchange_of(self)->http.sent;
}

static int64_t
native_buffered(PyObject *self)
{
    return exchange_of(self)->http.buffered;
}

static int
native_set_body(PyObject *self, PyObject *body)
{
    return set_body(self, body, NULL);
}

static const asteri_exchange_v1 contract = {
    .size = sizeof(asteri_exchange_v1),
    .request = native_request,
    .fact = fact,
    .read = native_read,
    .respond = native_respond,
    .retract = native_retract,
    .send = native_send,
    .finish = native_finish,
    .abort = native_abort,
    .status = native_status,
    .sent = native_sent,
    .buffered = native_buffered,
    .set_body = native_set_body,
};

PyDoc_STRVAR(exchange_doc, "One HTTP/1.1 request and its response; see asteri_core.api.Exchange for the contract.");

static PyType_Slot exchange_slots[] = {
    {Py_tp_doc, (void *)exchange_doc},
    {Py_tp_dealloc, exchange_dealloc},
    {Py_tp_traverse, exchange_traverse},
    {Py_tp_clear, exchange_clear},
    {Py_tp_getset, exchange_attributes},
    {Py_tp_methods, exchange_methods},
    {0, NULL},
};

static PyType_Spec exchange_spec = {
    .name = "asteri_http1._native.Exchange",
    .basicsize = sizeof(h1_exchange),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = exchange_slots,
};

int
h1_add_exchange_type(PyObject *module, h1_state *state)
{
    if (asteri_add_type(module, &exchange_spec, &state->exchange_type) < 0) {
        return -1;
    }
    return asteri_add_contract(state->exchange_type, ASTERI_EXCHANGE_ATTRIBUTE, ASTERI_EXCHANGE_CAPSULE, &contract);
}
