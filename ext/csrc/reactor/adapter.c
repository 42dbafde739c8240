/* See adapter.h. What a connection of Python gives is taken as the Python reactor takes it: events and pieces of other
 * types than the contract names are passed over, or raise, as they do there. */
#include "adapter.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    reactor_state *state;   /* the module's, which the type keeps alive */
    PyObject *connection;   /* owned; NULL: nobody drives it any more */
    asteri_driver *driver;  /* borrowed; NULL as well */
    PyObject *events;       /* owned: a tuple, those from next_event on are still to be passed on; NULL */
    PyObject *pieces;       /* owned: the same of pieces */
    Py_ssize_t next_event, next_piece;
} adapter;

#define ADAPTER(object) ((adapter *)(object))

/* -- calling ------------------------------------------------------------------------------------------------------- */

/* A new reference: while one of its methods runs, its stream may be closed. NULL: an exception. */
static PyObject *
held(adapter *self)
{
    if (self->connection == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the connection has been given up");
    }
    return Py_XNewRef(self->connection);
}

/* `connection.name(*arguments)`. Every argument is stolen, and NULL is an exception that has happened. */
static PyObject *
call_method(PyObject *object, PyObject *name, PyObject *one, PyObject *other, int count)
{
    PyObject *connection = held(ADAPTER(object));
    PyObject *arguments[] = {connection, one, other};
    PyObject *result = NULL;
    if (connection != NULL && (count < 1 || one != NULL) && (count < 2 || other != NULL)) {
        result = PyObject_VectorcallMethod(name, arguments, (size_t)count + 1, NULL);
    }
    Py_XDECREF(connection);
    Py_XDECREF(one);
    Py_XDECREF(other);
    return result;
}

static int
done(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
adapter_clear(adapter *self)
{
    Py_CLEAR(self->connection);
    Py_CLEAR(self->events);
    Py_CLEAR(self->pieces);
    return 0;
}

/* -- the contract -------------------------------------------------------------------------------------------------- */

static void
adapter_drive(PyObject *self, asteri_driver *driver)
{
    ADAPTER(self)->driver = driver;
    if (driver == NULL) {
        /* The connection has us as its `wake`. */
        (void)adapter_clear(ADAPTER(self));
    }
}

static int
adapter_receive_data(PyObject *self, const char *data, Py_ssize_t size, double now)
{
    PyObject *name = ADAPTER(self)->state->name_receive_data;
    return done(call_method(self, name, PyBytes_FromStringAndSize(data, size), PyFloat_FromDouble(now), 2));
}

static int
adapter_receive_eof(PyObject *self, double now)
{
    return done(call_method(self, ADAPTER(self)->state->name_receive_eof, PyFloat_FromDouble(now), NULL, 1));
}

static int
adapter_lost(PyObject *self, double now)
{
    return done(call_method(self, ADAPTER(self)->state->name_lost, PyFloat_FromDouble(now), NULL, 1));
}

/* A sequence as a tuple, which nobody can change; NULL and no exception when it is empty. `sequence` is stolen. */
static PyObject *
as_tuple(PyObject *sequence, int *status)
{
    PyObject *items = sequence == NULL ? NULL : PySequence_Tuple(sequence);
    Py_XDECREF(sequence);
    *status = items == NULL ? -1 : 0;
    if (items != NULL && PyTuple_GET_SIZE(items) == 0) {
        Py_CLEAR(items);
    }
    return items;
}

/* What an item says; 0: nothing that the contract knows. */
static asteri_event_kind
kind_of(reactor_state *state, PyObject *item)
{
    PyObject *type = (PyObject *)Py_TYPE(item);
    if (type == state->api.started) {
        return ASTERI_STARTED;
    }
    if (type == state->api.finished) {
        return ASTERI_FINISHED;
    }
    if (type == state->api.switched) {
        return ASTERI_SWITCHED;
    }
    return type == state->api.failed ? ASTERI_FAILED : 0;
}

static int
adapter_next_event(PyObject *object, asteri_event *event)
{
    adapter *self = ADAPTER(object);
    for (;;) {
        if (self->events == NULL) {
            int status;
            PyObject *events = as_tuple(call_method(object, self->state->name_events, NULL, NULL, 0), &status);
            if (events == NULL) {
                return status;
            }
            Py_XSETREF(self->events, events);
            self->next_event = 0;
        }
        PyObject *item = Py_NewRef(PyTuple_GET_ITEM(self->events, self->next_event));
        if (++self->next_event == PyTuple_GET_SIZE(self->events)) {
            Py_CLEAR(self->events);
        }
        asteri_event_kind kind = kind_of(self->state, item);
        if (kind == 0 || PyTuple_GET_SIZE(item) < (kind == ASTERI_SWITCHED ? 2 : 1)) {
            Py_DECREF(item);
            continue;
        }
        event->kind = kind;
        event->object = Py_NewRef(PyTuple_GET_ITEM(item, 0));
        event->leftover = kind == ASTERI_SWITCHED ? PyBytes_FromObject(PyTuple_GET_ITEM(item, 1)) : NULL;
        Py_DECREF(item);
        if (kind == ASTERI_SWITCHED && event->leftover == NULL) {
            Py_DECREF(event->object);
            return -1;
        }
        return 1;
    }
}

/* What a connection hands out, of any of the types that `Sendable` names. The owner is a new reference. */
static int
as_piece(reactor_state *state, PyObject *item, asteri_piece *piece)
{
    if ((PyObject *)Py_TYPE(item) == state->api.file_slice && PyTuple_GET_SIZE(item) == 3) {
        piece->kind = ASTERI_FILE;
        piece->offset = PyLong_AsLongLong(PyTuple_GET_ITEM(item, 1));
        if (piece->offset == -1 && PyErr_Occurred()) {
            return -1;
        }
        piece->length = PyLong_AsLongLong(PyTuple_GET_ITEM(item, 2));
        if (piece->length == -1 && PyErr_Occurred()) {
            return -1;
        }
        piece->owner = Py_NewRef(PyTuple_GET_ITEM(item, 0));
        return 0;
    }
    if (PyBytes_Check(item)) {
        piece->owner = Py_NewRef(item);
        piece->data = PyBytes_AS_STRING(item);
        piece->size = PyBytes_GET_SIZE(item);
    } else {
        /* The view holds the buffer: a bytearray cannot move as long as it is there. */
        piece->owner = PyMemoryView_FromObject(item);
        if (piece->owner == NULL) {
            return -1;
        }
        Py_buffer *buffer = PyMemoryView_GET_BUFFER(piece->owner);
        if (!PyBuffer_IsContiguous(buffer, 'C')) {
            Py_DECREF(piece->owner);
            PyErr_SetString(PyExc_BufferError, "memoryview: underlying buffer is not C-contiguous");
            return -1;
        }
        piece->data = buffer->buf;
        piece->size = buffer->len;
    }
    piece->kind = ASTERI_BYTES;
    if (piece->size == 0) {
        Py_CLEAR(piece->owner);
        piece->kind = item == state->api.reset   ? ASTERI_RESET
                      : item == state->api.close ? ASTERI_CLOSE
                                                 : ASTERI_HALF_CLOSE;
    }
    return 0;
}

static Py_ssize_t
adapter_data_to_send(PyObject *object, double now, asteri_piece *pieces, Py_ssize_t room)
{
    adapter *self = ADAPTER(object);
    if (self->pieces == NULL) {
        PyObject *name = self->state->name_data_to_send;
        int status;
        PyObject *given = as_tuple(call_method(object, name, PyFloat_FromDouble(now), NULL, 1), &status);
        if (given == NULL) {
            return status;
        }
        Py_XSETREF(self->pieces, given);
        self->next_piece = 0;
    }
    PyObject *given = Py_NewRef(self->pieces); /* what is looked at may be Python's, and the stream be closed by it */
    Py_ssize_t count = 0, total = PyTuple_GET_SIZE(given);
    while (count < room && self->next_piece < total) {
        if (as_piece(self->state, PyTuple_GET_ITEM(given, self->next_piece++), &pieces[count]) < 0) {
            goto failed;
        }
        count++;
    }
    if (self->next_piece == total) {
        Py_CLEAR(self->pieces);
    }
    Py_DECREF(given);
    return count;
failed:
    Py_DECREF(given);
    while (count > 0) {
        Py_XDECREF(pieces[--count].owner);
    }
    return -1;
}

static int
adapter_wants_data(PyObject *self)
{
    PyObject *connection = held(ADAPTER(self));
    PyObject *answer = NULL;
    if (connection != NULL) {
        answer = PyObject_GetAttr(connection, ADAPTER(self)->state->name_wants_data);
        Py_DECREF(connection);
    }
    int wants = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return wants;
}

static double
adapter_deadline(PyObject *self)
{
    PyObject *when = call_method(self, ADAPTER(self)->state->name_deadline, NULL, NULL, 0);
    double deadline = ASTERI_NEVER;
    if (when != Py_None) {
        deadline = when == NULL ? -1.0 : PyFloat_AsDouble(when);
        if (deadline == -1.0 && PyErr_Occurred()) {
            deadline = NAN;
        } else if (isnan(deadline)) {
            PyErr_SetString(PyExc_ValueError, "the deadline of a connection is not a number");
        }
    }
    Py_XDECREF(when);
    return deadline;
}

static int
adapter_expire(PyObject *self, double now)
{
    return done(call_method(self, ADAPTER(self)->state->name_expire, PyFloat_FromDouble(now), NULL, 1));
}

static int
adapter_drain(PyObject *self, double until, double now)
{
    PyObject *name = ADAPTER(self)->state->name_drain;
    return done(call_method(self, name, PyFloat_FromDouble(until), PyFloat_FromDouble(now), 2));
}

const asteri_connection_v1 adapter_functions = {
    .size = sizeof(asteri_connection_v1),
    .drive = adapter_drive,
    .receive_data = adapter_receive_data,
    .receive_eof = adapter_receive_eof,
    .lost = adapter_lost,
    .next_event = adapter_next_event,
    .data_to_send = adapter_data_to_send,
    .wants_data = adapter_wants_data,
    .deadline = adapter_deadline,
    .expire = adapter_expire,
    .drain = adapter_drain,
};

/* -- the type ------------------------------------------------------------------------------------------------------ */

/* The connection calls its `wake`. */
static PyObject *
adapter_call(PyObject *self, PyObject *const *Py_UNUSED(arguments), size_t count, PyObject *keywords)
{
    if (PyVectorcall_NARGS(count) != 0 || keywords != NULL) {
        PyErr_SetString(PyExc_TypeError, "wake() takes no arguments");
        return NULL;
    }
    asteri_driver *driver = ADAPTER(self)->driver;
    if (driver != NULL) {
        driver->wake(driver);
    }
    Py_RETURN_NONE;
}

PyObject *
adapter_new(reactor_state *state, PyObject *connection)
{
    adapter *self = PyObject_GC_New(adapter, state->adapter_type);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = adapter_call;
    self->state = state;
    self->connection = Py_NewRef(connection);
    self->driver = NULL;
    self->events = self->pieces = NULL;
    self->next_event = self->next_piece = 0;
    PyObject_GC_Track(self);
    if (PyObject_SetAttr(connection, state->name_wake, (PyObject *)self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
adapter_traverse(adapter *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->connection);
    Py_VISIT(self->events);
    Py_VISIT(self->pieces);
    return 0;
}

static void
adapter_dealloc(adapter *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)adapter_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMemberDef adapter_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(adapter, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot adapter_slots[] = {
    {Py_tp_doc, "A connection's `wake`, called without arguments."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, adapter_dealloc},
    {Py_tp_traverse, adapter_traverse},
    {Py_tp_clear, adapter_clear},
    {Py_tp_members, adapter_members},
    {0, NULL},
};

static PyType_Spec adapter_spec = {
    .name = "asteri_native._reactor.Adapter",
    .basicsize = sizeof(adapter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = adapter_slots,
};

int
reactor_add_adapter(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    state->adapter_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &adapter_spec, NULL);
    return state->adapter_type == NULL ? -1 : 0;
}
