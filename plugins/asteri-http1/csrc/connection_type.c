/* `asteri_http1._native.Connection`: the attributes and methods of `asteri_core.api.Connection`, and the native
 * contract of asteri/connection.h. Nothing is decided here. */
#include "arguments.h"
#include "connection_parts.h"

static h1_connection *
connection_of(PyObject *self)
{
    return (h1_connection *)self;
}

/* -- what Python objects a connection has -------------------------------------------------------------------------- */

static int
connection_traverse(PyObject *object, visitproc visit, void *arg)
{
    h1_connection *self = connection_of(object);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->binding);
    Py_VISIT(self->peer);
    Py_VISIT(self->wake);
    Py_VISIT(self->exchange);
    Py_VISIT(self->successor);
    for (int index = self->first; index < self->count; index++) {
        Py_VISIT(self->happened[index]);
    }
    for (Py_ssize_t index = self->output.first; index < self->output.count; index++) {
        Py_VISIT(self->output.large[index].content.owner);
        Py_VISIT(self->output.large[index].content.slice);
    }
    return 0;
}

static int
connection_clear(PyObject *object)
{
    h1_connection *self = connection_of(object);
    Py_XSETREF(self->peer, Py_NewRef(Py_None)); /* which is never NULL */
    Py_CLEAR(self->wake);
    Py_CLEAR(self->exchange);
    Py_CLEAR(self->successor);
    while (self->first < self->count) {
        Py_CLEAR(self->happened[self->first++]);
    }
    if (self->binding != NULL) {
        h1_output_clear(&self->output, &self->binding->spare);
    }
    return 0;
}

static void
connection_dealloc(PyObject *object)
{
    h1_connection *self = connection_of(object);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)connection_clear(object);
    h1_parser_clear(&self->parser);
    h1_chunked_free(self->decoder);
    PyMem_Free(self->input);
    Py_CLEAR(self->leftover);
    Py_CLEAR(self->peer);
    Py_CLEAR(self->scheme);
    Py_CLEAR(self->binding);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- attributes ---------------------------------------------------------------------------------------------------- */

static PyObject *
unheard(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
    Py_RETURN_NONE;
}

static PyMethodDef unheard_method = {
    "unheard", unheard, METH_NOARGS, "The wake-up of a connection that nobody drives yet."};

static PyObject *
get_wake(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *wake = connection_of(self)->wake;
    return wake != NULL ? Py_NewRef(wake) : PyCFunction_New(&unheard_method, NULL);
}

static int
set_wake(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "cannot delete wake");
        return -1;
    }
    Py_XSETREF(connection_of(self)->wake, Py_NewRef(value));
    return 0;
}

static PyObject *
get_peer(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(connection_of(self)->peer);
}

static PyObject *
get_wants_data(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(h1_connection_wants_data(connection_of(self)));
}

static PyGetSetDef connection_attributes[] = {
    {"wake", get_wake, set_wake, "Called when an operation of an exchange has left something.", NULL},
    {"peer", get_peer, NULL, NULL, NULL},
    {"wants_data", get_wants_data, NULL, "False holds back reading from the peer.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* -- methods ------------------------------------------------------------------------------------------------------- */

static PyObject *
none_or_error(int result)
{
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
connection_receive_data(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"data", "now"};
    PyObject *values[2];
    double now;
    Py_buffer data;
    if (h1_arguments("receive_data", arguments, number, keywords, names, 2, 2, values) < 0
        || h1_read_seconds(values[1], &now) < 0 || PyObject_GetBuffer(values[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int result = data.len == 0 ? 0 : h1_connection_receive_data(connection_of(self), data.buf, data.len, now);
    PyBuffer_Release(&data);
    return none_or_error(result);
}

/* A method of one number, the time. */
static PyObject *
call_at(PyObject *self, const char *name, int (*function)(h1_connection *, double), PyObject *const *arguments,
        Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"now"};
    PyObject *values[1];
    double now;
    if (h1_arguments(name, arguments, number, keywords, names, 1, 1, values) < 0
        || h1_read_seconds(values[0], &now) < 0) {
        return NULL;
    }
    return none_or_error(function(connection_of(self), now));
}

static PyObject *
connection_receive_eof(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    return call_at(self, "receive_eof", h1_connection_receive_eof, arguments, number, keywords);
}

static PyObject *
connection_lost(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    return call_at(self, "lost", h1_connection_lost, arguments, number, keywords);
}

static PyObject *
connection_expire(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    return call_at(self, "expire", h1_connection_expire, arguments, number, keywords);
}

static PyObject *
connection_drain(PyObject *self, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"until", "now"};
    PyObject *values[2];
    double until, now;
    if (h1_arguments("drain", arguments, number, keywords, names, 2, 2, values) < 0
        || h1_read_seconds(values[0], &until) < 0 || h1_read_seconds(values[1], &now) < 0) {
        return NULL;
    }
    return none_or_error(h1_connection_drain(connection_of(self), until, now));
}

static PyObject *
connection_deadline(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    double deadline = connection_of(self)->deadline;
    if (isnan(deadline)) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble(deadline);
}

/* The event as the class of `asteri_core.api` that says it; steals `object`. */
static PyObject *
make_event(h1_connection *self, int kind, PyObject *object)
{
    const h1_state *state = self->binding->state;
    PyObject *event;
    if (kind == ASTERI_SWITCHED) {
        event = PyObject_CallFunctionObjArgs(state->switched, object, self->leftover, NULL);
    }
    else {
        event = PyObject_CallOneArg(kind == ASTERI_STARTED    ? state->started
                                    : kind == ASTERI_FINISHED ? state->finished
                                                              : state->failed,
                                    object);
    }
    Py_DECREF(object);
    return event;
}

static PyObject *
connection_events(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    h1_connection *self = connection_of(object);
    if (h1_connection_settle(self) < 0) {
        return NULL;
    }
    if (self->first == self->count) {
        return PyTuple_New(0);
    }
    PyObject *events = PyList_New(0), *what;
    int kind;
    while (events != NULL && h1_connection_next(self, &kind, &what)) {
        PyObject *event = make_event(self, kind, what);
        if (event == NULL || PyList_Append(events, event) < 0) {
            Py_CLEAR(events);
        }
        Py_XDECREF(event);
    }
    return events;
}

/* A piece of the output as a Python object: a new reference. What `piece` holds is released. */
static PyObject *
make_piece(http_content *piece)
{
    PyObject *object;
    if (piece->owner == NULL) {
        object = PyBytes_FromStringAndSize(piece->data, (Py_ssize_t)piece->size);
    }
    else {
        object = Py_NewRef(piece->slice != NULL ? piece->slice : piece->owner);
    }
    http_content_release(piece);
    return object;
}

/* Appends an object, which it steals. */
static int
append(PyObject *list, PyObject *object)
{
    int result = object == NULL ? -1 : PyList_Append(list, object);
    Py_XDECREF(object);
    return result;
}

static PyObject *
connection_data_to_send(PyObject *object, PyObject *const *arguments, Py_ssize_t number, PyObject *keywords)
{
    static const char *const names[] = {"now"};
    h1_connection *self = connection_of(object);
    PyObject *values[1];
    double now;
    h1_ready ready;
    if (h1_arguments("data_to_send", arguments, number, keywords, names, 1, 1, values) < 0
        || h1_read_seconds(values[0], &now) < 0
        || h1_connection_ready(self, now, PY_SSIZE_T_MAX, &ready) < 0) {
        return NULL;
    }
    if (ready.pieces == 0 && ready.end == 0) {
        return PyTuple_New(0);
    }
    PyObject *pieces = PyList_New(0);
    http_content piece;
    while (pieces != NULL && h1_output_take(&self->output, &piece)) {
        if (append(pieces, make_piece(&piece)) < 0) {
            Py_CLEAR(pieces);
        }
    }
    if (pieces != NULL && ready.end != 0) {
        PyObject *end = ready.end == ASTERI_RESET ? Py_NewRef(self->binding->state->reset)
                                                  : PyBytes_FromStringAndSize(NULL, 0);
        if (append(pieces, end) < 0) {
            Py_CLEAR(pieces);
        }
    }
    return pieces;
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

static PyMethodDef connection_methods[] = {
    {"receive_data", WITH_KEYWORDS(connection_receive_data),
     "receive_data($self, data, now)\n--\n\nBytes from the peer."},
    {"receive_eof", WITH_KEYWORDS(connection_receive_eof),
     "receive_eof($self, now)\n--\n\nThe peer will send no more."},
    {"lost", WITH_KEYWORDS(connection_lost), "lost($self, now)\n--\n\nThe transport is gone."},
    {"events", connection_events, METH_NOARGS, "events($self)\n--\n\nWhat has happened since the last call."},
    {"data_to_send", WITH_KEYWORDS(connection_data_to_send),
     "data_to_send($self, now)\n--\n\nBytes for the peer, in order."},
    {"deadline", connection_deadline, METH_NOARGS, "deadline($self)\n--\n\nWhen expire should be called, or None."},
    {"expire", WITH_KEYWORDS(connection_expire), "expire($self, now)\n--\n\nThe deadline has passed."},
    {"drain", WITH_KEYWORDS(connection_drain), "drain($self, until, now)\n--\n\nFinish politely."},
    {NULL, NULL, 0, NULL},
};

/* -- the native contract ------------------------------------------------------------------------------------------- */

static void
native_drive(PyObject *self, asteri_driver *driver)
{
    connection_of(self)->driver = driver;
}

static int
native_receive_data(PyObject *self, const char *data, Py_ssize_t size, double now)
{
    return h1_connection_receive_data(connection_of(self), data, size, now);
}

static int
native_receive_eof(PyObject *self, double now)
{
    return h1_connection_receive_eof(connection_of(self), now);
}

static int
native_lost(PyObject *self, double now)
{
    return h1_connection_lost(connection_of(self), now);
}

static int
native_next_event(PyObject *object, asteri_event *event)
{
    h1_connection *self = connection_of(object);
    int kind;
    if (h1_connection_settle(self) < 0) {
        return -1;
    }
    if (!h1_connection_next(self, &kind, &event->object)) {
        return 0;
    }
    event->kind = (asteri_event_kind)kind;
    event->leftover = kind == ASTERI_SWITCHED ? Py_XNewRef(self->leftover) : NULL;
    return 1;
}

static Py_ssize_t
native_data_to_send(PyObject *object, double now, asteri_piece *pieces, Py_ssize_t room)
{
    h1_connection *self = connection_of(object);
    h1_ready ready;
    if (h1_connection_ready(self, now, room, &ready) < 0) {
        return -1;
    }
    http_content piece;
    Py_ssize_t number = 0;
    while (number < ready.pieces && h1_output_take(&self->output, &piece)) {
        asteri_piece *place = &pieces[number++];
        if (piece.slice == NULL) {
            *place = (asteri_piece){ASTERI_BYTES, piece.owner, piece.data, (Py_ssize_t)piece.size, 0, 0};
        }
        else {
            *place = (asteri_piece){ASTERI_FILE, piece.owner, NULL, 0, piece.offset, piece.size};
            Py_DECREF(piece.slice);
        }
        if (!ready.whole) {
            self->output.queued -= piece.size;
        }
    }
    if (ready.end != 0) {
        pieces[number++] = (asteri_piece){(asteri_piece_kind)ready.end, NULL, NULL, 0, 0, 0};
    }
    return number;
}

static int
native_wants_data(PyObject *self)
{
    return h1_connection_wants_data(connection_of(self));
}

static double
native_deadline(PyObject *self)
{
    double deadline = connection_of(self)->deadline;
    return isnan(deadline) ? ASTERI_NEVER : deadline;
}

static int
native_advance(PyObject *self, double now, asteri_piece *pieces, Py_ssize_t room, asteri_step *step)
{
    int got = native_next_event(self, &step->event);
    if (got != 0) {
        return got < 0 ? -1 : ASTERI_EVENT;
    }
    if (room > 0 && h1_connection_is_silent(connection_of(self))) {
        h1_tick(connection_of(self), now);
    }
    else if (room > 0) {
        step->count = native_data_to_send(self, now, pieces, room);
        if (step->count != 0) {
            return step->count < 0 ? -1 : ASTERI_PIECES;
        }
    }
    step->wants_data = native_wants_data(self);
    step->deadline = native_deadline(self);
    return ASTERI_REST;
}

static int
native_expire(PyObject *self, double now)
{
    return h1_connection_expire(connection_of(self), now);
}

static int
native_drain(PyObject *self, double until, double now)
{
    return h1_connection_drain(connection_of(self), until, now);
}

static const asteri_connection_v1 contract = {
    .size = sizeof(asteri_connection_v1),
    .drive = native_drive,
    .receive_data = native_receive_data,
    .receive_eof = native_receive_eof,
    .lost = native_lost,
    .next_event = native_next_event,
    .data_to_send = native_data_to_send,
    .wants_data = native_wants_data,
    .deadline = native_deadline,
    .expire = native_expire,
    .drain = native_drain,
    .advance = native_advance,
};

PyDoc_STRVAR(connection_doc, "The state of one HTTP/1.1 peer; see asteri_core.api.Connection for the contract.");

static PyType_Slot connection_slots[] = {
    {Py_tp_doc, (void *)connection_doc},
    {Py_tp_dealloc, connection_dealloc},
    {Py_tp_traverse, connection_traverse},
    {Py_tp_clear, connection_clear},
    {Py_tp_getset, connection_attributes},
    {Py_tp_methods, connection_methods},
    {0, NULL},
};

static PyType_Spec connection_spec = {
    .name = "asteri_http1._native.Connection",
    .basicsize = sizeof(h1_connection),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = connection_slots,
};

int
h1_add_connection_type(PyObject *module, h1_state *state)
{
    state->connection_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &connection_spec, NULL);
    if (state->connection_type == NULL) {
        return -1;
    }
    PyObject *capsule = PyCapsule_New((void *)&contract, ASTERI_CONNECTION_CAPSULE, NULL);
    if (capsule == NULL) {
        return -1;
    }
    int result = PyObject_SetAttrString((PyObject *)state->connection_type, ASTERI_CONNECTION_ATTRIBUTE, capsule);
    Py_DECREF(capsule);
    return result < 0 ? -1 : PyModule_AddType(module, state->connection_type);
}

/* -- what connections and exchanges need of asteri_core.api -------------------------------------------------------- */

static int
load_names(h1_state *state)
{
    PyObject *api = PyImport_ImportModule("asteri_core.api");
    PyObject *want = api == NULL ? NULL : PyObject_GetAttrString(api, "Want");
    int result = -1;
    if (want != NULL) {
        state->started = PyObject_GetAttrString(api, "Started");
        state->finished = PyObject_GetAttrString(api, "Finished");
        state->failed = PyObject_GetAttrString(api, "Failed");
        state->switched = PyObject_GetAttrString(api, "Switched");
        state->file_slice = PyObject_GetAttrString(api, "FileSlice");
        state->reset = PyObject_GetAttrString(api, "RESET");
        state->want_read = PyObject_GetAttrString(want, "READ");
        state->want_write = PyObject_GetAttrString(want, "WRITE");
        state->want_gone = PyObject_GetAttrString(want, "GONE");
        state->scheme_name = PyUnicode_InternFromString("scheme");
        state->status_name = PyUnicode_InternFromString("status");
        int whole = state->started != NULL && state->finished != NULL && state->failed != NULL
                    && state->switched != NULL && state->file_slice != NULL && state->reset != NULL
                    && state->want_read != NULL && state->want_write != NULL && state->want_gone != NULL
                    && state->scheme_name != NULL && state->status_name != NULL;
        result = whole ? 0 : -1;
    }
    Py_XDECREF(want);
    Py_XDECREF(api);
    return result;
}

int
h1_add_connection(PyObject *module)
{
    h1_state *state = h1_state_of(module);
    if (load_names(state) < 0 || h1_add_exchange_type(module, state) < 0 || h1_add_connection_type(module, state) < 0) {
        return -1;
    }
    return h1_add_binding(module, state);
}
