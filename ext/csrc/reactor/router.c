/* The type `Router`: the twin of `asteri_core.sansio.router.Router`, which says what it is for. It is driven by its
 * functions ("asteri/connection.h"), or by the methods that are made of them. Sniffers and factories are
 * Python's: they are called once or twice in the life of a connection. */
#include "asteri/arguments.h"
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
    PyObject *successor;  /* owned: to be told with the buffer; NULL: nothing has been decided, or it is told */
    PyObject *failure;    /* owned: to be told; NULL */
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

static int
route(router *self, double now, int complete)
{
    PyObject *found = decide(self, complete);
    if (found == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    self->deadline = ASTERI_NEVER;
    PyObject *factory = field_of(found, ROUTE_FACTORY);
    PyObject *successor = connection_new(factory, self->peer, now);
    Py_DECREF(factory);
    Py_XSETREF(self->successor, successor);
    return successor == NULL ? -1 : 0;
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
    if (self->successor != NULL) {
        *event = (asteri_event){ASTERI_SWITCHED, self->successor, Py_NewRef(self->buffer)};
        self->successor = NULL;
        return 1;
    }
    if (self->failure != NULL) {
        *event = (asteri_event){ASTERI_FAILED, self->failure, NULL};
        self->failure = NULL;
        return 1;
    }
    return 0;
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
    Py_XSETREF(self->failure, error);
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

#define ASTERI_CONNECTION_FUNCTIONS functions
#define ASTERI_CONNECTION_API(self) (&ROUTER(self)->state->api)
#include "asteri/connection_methods.h"

/* -- the type ------------------------------------------------------------------------------------------------------ */

static PyObject *
router_new(PyObject *called, PyObject *const *arguments, size_t given, PyObject *keywords)
{
    static const char *const names[] = {"routes", "peer", "deadline"};
    PyTypeObject *type = (PyTypeObject *)called;
    reactor_state *state = reactor_state_of_type(type);
    PyObject *values[3];
    double deadline;
    if (state == NULL ||
        asteri_arguments("Router", arguments, PyVectorcall_NARGS(given), keywords, names, 3, 3, values) < 0 ||
        asteri_seconds(values[2], &deadline) < 0) {
        return NULL;
    }
    PyObject *routes = PySequence_Tuple(values[0]);
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
    self->peer = Py_NewRef(values[1]);
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
    Py_VISIT(self->successor);
    Py_VISIT(self->failure);
    return 0;
}

static int
router_clear(router *self)
{
    Py_CLEAR(self->wake);
    Py_CLEAR(self->successor);
    Py_CLEAR(self->failure);
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

static PyGetSetDef router_attributes[] = {
    ASTERI_CONNECTION_WANTS_DATA,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef router_members[] = {
    {"wake", T_OBJECT, offsetof(router, wake), 0, "Set by whoever drives it."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef router_methods[] = {
    ASTERI_CONNECTION_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyType_Slot router_slots[] = {
    {Py_tp_doc, "Collects the first bytes of one peer until a route is clear."},
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
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = router_slots,
};

int
reactor_add_router(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    if (asteri_add_type(module, &router_spec, &state->router_type) < 0) {
        return -1;
    }
    state->router_type->tp_vectorcall = router_new; /* in place of a `__new__`: one for every peer */
    return asteri_add_contract(state->router_type, ASTERI_CONNECTION_ATTRIBUTE, ASTERI_CONNECTION_CAPSULE, &functions);
}
