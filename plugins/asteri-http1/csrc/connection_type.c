/* `asteri_http1._native.Connection`: the attributes and methods of `asteri_core.api.Connection`, and the native
 * contract of asteri/connection.h. Nothing is decided here. */
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
        if (piece.data != NULL) {
            *place = (asteri_piece){ASTERI_BYTES, piece.owner, piece.data, (Py_ssize_t)piece.size, 0, 0};
        }
        else {
            *place = (asteri_piece){ASTERI_FILE, piece.owner, NULL, 0, piece.offset, piece.size};
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
            step->last = connection_of(self)->stage == H1_IDLE;
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

/* -- the type ------------------------------------------------------------------------------------------------------ */

#define ASTERI_CONNECTION_FUNCTIONS contract
#define ASTERI_CONNECTION_API(self) (&connection_of(self)->binding->state->api)
#include "asteri/connection_methods.h"

static PyGetSetDef connection_attributes[] = {
    {"wake", get_wake, set_wake, "Called when an operation of an exchange has left something.", NULL},
    {"peer", get_peer, NULL, NULL, NULL},
    ASTERI_CONNECTION_WANTS_DATA,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef connection_methods[] = {
    ASTERI_CONNECTION_METHODS,
    {NULL, NULL, 0, NULL},
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
    if (asteri_add_type(module, &connection_spec, &state->connection_type) < 0) {
        return -1;
    }
    return asteri_add_contract(state->connection_type, ASTERI_CONNECTION_ATTRIBUTE, ASTERI_CONNECTION_CAPSULE,
                               &contract);
}
