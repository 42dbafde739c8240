/* The type `Router`: the twin of `asteri_core.sansio.router.Router`, which says what it is for. It is driven by its
 * functions ("asteri/connection.h"), or by its methods, which are made of the same parts. Sniffers and factories are
 * Python's: they are called once or twice in the life of a connection. */
#include "asteri/connection.h"
#include "state.h"

#include <structmember.h>

#define SNIFF_LIMIT 4096 /* bytes after which an undecided router stops waiting */
#define FIRST_WORDS 1.0  /* seconds that a silent peer gets when the server stops */

enum { ROUTE_SNIFF = 1, ROUTE_FACTORY, ROUTE_FIELDS }; /* the fields of a Route that matter */

typedef struct {
    PyObject_HEAD
    reactor_state *state; /* the module's, which the type keeps alive */
    PyObject *routes;     /* owned, a tuple of tuples */
    PyObject *peer;       /* owned */
    PyObject *wake;       /* owned: the attribute; nobody is ever woken */
    PyObject *buffer;     /* owned bytes, NULL while there are none */
    PyObject *events;     /* owned list, NULL while there are none */
    double deadline;
    int closed;
} router;

#define ROUTER(object) ((router *)(object))

/* -- deciding ------------------------------------------------------------------------------------------------------ */

static PyObject *
field_of(PyObject *route, Py_ssize_t field)
{
    return Py_NewRef(PyTuple_GET_ITEM(route, field));
}

/* The route for the first bytes, borrowed from `routes`. NULL without an exception: more bytes are needed. */
static PyObject *
decide(router *self, int complete)
{
    Py_ssize_t count = PyTuple_GET_SIZE(self->routes);
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *route = PyTuple_GET_ITEM(self->routes, index);
        PyObject *sniff = field_of(route, ROUTE_SNIFF);
        PyObject *answer = PyObject_CallOneArg(sniff, self->buffer);
        Py_DECREF(sniff);
        Py_XDECREF(answer); /* compared only, and a member of an enumeration lives for ever */
        if (answer == NULL) {
            return NULL;
        }
        if (answer == self->state->sniff_yes) {
            return route;
        }
        if (answer == self->state->sniff_more && !complete) {
            return NULL;
        }
    }
    return PyTuple_GET_ITEM(self->routes, count - 1);
}

/* `event` is stolen. 0, -1. */
static int
add_event(router *self, PyObject *event)
{
    if (event != NULL && self->events == NULL) {
        self->events = PyList_New(0);
    }
    int status = event == NULL || self->events == NULL ? -1 : PyList_Append(self->events, event);
    Py_XDECREF(event);
    return status;
}

static int
route(router *self, double now, int complete)
{
    PyObject *found = decide(self, complete);
    if (found == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    self->deadline = ASTERI_NEVER;
    PyObject *factory = field_of(found, ROUTE_FACTORY);
    PyObject *connection = PyObject_CallFunction(factory, "Od", self->peer, now);
    Py_DECREF(factory);
    if (connection == NULL) {
        return -1;
    }
    PyObject *items = PyTuple_Pack(2, connection, self->buffer);
    Py_DECREF(connection);
    return add_event(self, named_tuple((PyTypeObject *)self->state->switched, items));
}

static void
close_router(router *self)
{
    self->deadline = ASTERI_NEVER;
    self->closed = 1;
}

/* -- the contract -------------------------------------------------------------------------------------------------- */

static void
router_drive(PyObject *Py_UNUSED(self), asteri_driver *Py_UNUSED(driver))
{
    /* There are no exchanges that could change anything behind the driver's back. */
}

static int
router_receive_data(PyObject *object, const char *data, Py_ssize_t size, double now)
{
    router *self = ROUTER(object);
    PyObject *more = PyBytes_FromStringAndSize(data, size);
    if (more == NULL) {
        return -1;
    }
    if (self->buffer == NULL) {
        self->buffer = more;
    } else {
        PyBytes_ConcatAndDel(&self->buffer, more);
        if (self->buffer == NULL) {
            return -1;
        }
    }
    return route(self, now, PyBytes_GET_SIZE(self->buffer) >= SNIFF_LIMIT);
}

static int
router_receive_eof(PyObject *object, double now)
{
    router *self = ROUTER(object);
    if (self->buffer != NULL) {
        return route(self, now, 1);
    }
    close_router(self);
    return 0;
}

static int
router_lost(PyObject *self, double Py_UNUSED(now))
{
    close_router(ROUTER(self));
    return 0;
}

static int
router_next_event(PyObject *object, asteri_event *event)
{
    router *self = ROUTER(object);
    if (self->events == NULL) {
        return 0;
    }
    PyObject *item = Py_NewRef(PyList_GET_ITEM(self->events, 0)); /* the list is ours alone */
    if (PyList_SetSlice(self->events, 0, 1, NULL) < 0) {
        Py_DECREF(item);
        return -1;
    }
    if (PyList_GET_SIZE(self->events) == 0) {
        Py_CLEAR(self->events);
    }
    int switched = (PyObject *)Py_TYPE(item) == self->state->switched;
    event->kind = switched ? ASTERI_SWITCHED : ASTERI_FAILED;
    event->object = Py_NewRef(PyTuple_GET_ITEM(item, 0));
    event->leftover = switched ? Py_NewRef(PyTuple_GET_ITEM(item, 1)) : NULL;
    Py_DECREF(item);
    return 1;
}

static Py_ssize_t
router_data_to_send(PyObject *object, double Py_UNUSED(now), asteri_piece *pieces, Py_ssize_t Py_UNUSED(room))
{
    router *self = ROUTER(object);
    if (!self->closed) {
        return 0;
    }
    self->closed = 0;
    pieces[0].kind = ASTERI_HALF_CLOSE;
    pieces[0].owner = NULL;
    return 1;
}

static int
router_wants_data(PyObject *Py_UNUSED(self))
{
    return 1;
}

static double
router_deadline(PyObject *self)
{
    return ROUTER(self)->deadline;
}

static int
router_expire(PyObject *object, double now)
{
    router *self = ROUTER(object);
    if (now < self->deadline) {
        return 0;
    }
    if (self->buffer != NULL) {
        return route(self, now, 1);
    }
    PyObject *error = PyObject_CallFunction(PyExc_TimeoutError, "s", "no bytes within the handshake time-out");
    if (error == NULL) {
        return -1;
    }
    PyObject *items = PyTuple_Pack(1, error);
    Py_DECREF(error);
    if (add_event(self, named_tuple((PyTypeObject *)self->state->failed, items)) < 0) {
        return -1;
    }
    close_router(self);
    return 0;
}

static int
router_drain(PyObject *object, double until, double now)
{
    router *self = ROUTER(object);
    if (self->deadline < ASTERI_NEVER) {
        self->deadline = fmin(self->deadline, fmax(until, now + FIRST_WORDS));
    }
    return 0;
}

static const asteri_connection_v1 functions = {
    .size = sizeof(asteri_connection_v1),
    .drive = router_drive,
    .receive_data = router_receive_data,
    .receive_eof = router_receive_eof,
    .lost = router_lost,
    .next_event = router_next_event,
    .data_to_send = router_data_to_send,
    .wants_data = router_wants_data,
    .deadline = router_deadline,
    .expire = router_expire,
    .drain = router_drain,
};

/* -- the same as methods ------------------------------------------------------------------------------------------- */

static PyObject *
none_or_error(int status)
{
    if (status < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* A time. 0, -1. */
static int
seconds_of(PyObject *object, double *seconds)
{
    *seconds = PyFloat_AsDouble(object);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
router_method_receive_data(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    double now;
    Py_buffer data;
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "receive_data() takes data and a time, not %zd arguments", count);
    }
    if (seconds_of(arguments[1], &now) < 0 || PyObject_GetBuffer(arguments[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int status = router_receive_data(self, data.buf, data.len, now);
    PyBuffer_Release(&data);
    return none_or_error(status);
}

static PyObject *
router_method_receive_eof(PyObject *self, PyObject *time)
{
    double now;
    return none_or_error(seconds_of(time, &now) < 0 ? -1 : router_receive_eof(self, now));
}

static PyObject *
router_method_lost(PyObject *self, PyObject *time)
{
    double now;
    return none_or_error(seconds_of(time, &now) < 0 ? -1 : router_lost(self, now));
}

static PyObject *
router_method_events(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *events = ROUTER(self)->events;
    ROUTER(self)->events = NULL;
    return events != NULL ? events : PyTuple_New(0);
}

static PyObject *
router_method_data_to_send(PyObject *self, PyObject *time)
{
    double now;
    asteri_piece end;
    if (seconds_of(time, &now) < 0) {
        return NULL;
    }
    return router_data_to_send(self, now, &end, 1) == 0 ? PyTuple_New(0) : Py_BuildValue("(y#)", "", (Py_ssize_t)0);
}

static PyObject *
router_method_deadline(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    double deadline = ROUTER(self)->deadline;
    if (deadline == ASTERI_NEVER) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble(deadline);
}

static PyObject *
router_method_expire(PyObject *self, PyObject *time)
{
    double now;
    return none_or_error(seconds_of(time, &now) < 0 ? -1 : router_expire(self, now));
}

static PyObject *
router_method_drain(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    double until, now;
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "drain() takes two times, not %zd arguments", count);
    }
    if (seconds_of(arguments[0], &until) < 0 || seconds_of(arguments[1], &now) < 0) {
        return NULL;
    }
    return none_or_error(router_drain(self, until, now));
}

/* -- the type ------------------------------------------------------------------------------------------------------ */

static PyObject *
router_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"routes", "peer", "deadline", NULL};
    reactor_state *state = reactor_state_of_type(type);
    PyObject *routes, *peer;
    double deadline;
    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "OOd:Router", names, &routes, &peer, &deadline)) {
        return NULL;
    }
    routes = PySequence_Tuple(routes);
    if (routes == NULL) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(routes), fit = 0;
    while (fit < count && PyTuple_Check(PyTuple_GET_ITEM(routes, fit)) &&
           PyTuple_GET_SIZE(PyTuple_GET_ITEM(routes, fit)) >= ROUTE_FIELDS) {
        fit++;
    }
    router *self = NULL;
    if (count == 0 || fit < count) {
        PyErr_SetString(PyExc_TypeError, "a router needs routes, each a Route");
    } else {
        self = (router *)type->tp_alloc(type, 0);
    }
    if (self == NULL) {
        Py_DECREF(routes);
        return NULL;
    }
    self->state = state;
    self->routes = routes;
    self->peer = Py_NewRef(peer);
    self->wake = Py_NewRef(Py_None);
    self->deadline = deadline;
    return (PyObject *)self;
}

static int
router_traverse(router *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->routes);
    Py_VISIT(self->peer);
    Py_VISIT(self->wake);
    Py_VISIT(self->events);
    return 0;
}

static int
router_clear(router *self)
{
    Py_CLEAR(self->wake);
    Py_CLEAR(self->events);
    return 0;
}

static void
router_dealloc(router *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)router_clear(self);
    Py_XDECREF(self->routes);
    Py_XDECREF(self->peer);
    Py_XDECREF(self->buffer);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
router_get_wants_data(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_TRUE;
}

static PyGetSetDef router_attributes[] = {
    {"wants_data", router_get_wants_data, NULL, "Always.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef router_members[] = {
    {"wake", T_OBJECT, offsetof(router, wake), 0, "Set by whoever drives it."},
    {NULL, 0, 0, 0, NULL},
};

#define FAST(name, flags) {#name, (PyCFunction)(void (*)(void))router_method_##name, flags, NULL}

static PyMethodDef router_methods[] = {
    FAST(receive_data, METH_FASTCALL),
    FAST(receive_eof, METH_O),
    FAST(lost, METH_O),
    FAST(events, METH_NOARGS),
    FAST(data_to_send, METH_O),
    FAST(deadline, METH_NOARGS),
    FAST(expire, METH_O),
    FAST(drain, METH_FASTCALL),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot router_slots[] = {
    {Py_tp_doc, "Collects the first bytes of one peer until a route is clear."},
    {Py_tp_new, router_new},
    {Py_tp_dealloc, router_dealloc},
    {Py_tp_traverse, router_traverse},
    {Py_tp_clear, router_clear},
    {Py_tp_methods, router_methods},
    {Py_tp_members, router_members},
    {Py_tp_getset, router_attributes},
    {0, NULL},
};

static PyType_Spec router_spec = {
    .name = "asteri_native._reactor.Router",
    .basicsize = sizeof(router),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = router_slots,
};

int
reactor_add_router(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    state->router_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &router_spec, NULL);
    if (state->router_type == NULL) {
        return -1;
    }
    PyObject *capsule = PyCapsule_New((void *)&functions, ASTERI_CONNECTION_CAPSULE, NULL);
    if (capsule == NULL) {
        return -1;
    }
    int status = PyObject_SetAttrString((PyObject *)state->router_type, ASTERI_CONNECTION_ATTRIBUTE, capsule);
    Py_DECREF(capsule);
    return status < 0 ? -1 : PyModule_AddType(module, state->router_type);
}
