/* See shared.h. Here is the Python side of it: the attributes and methods. */
#include "shared.h"

#include "asteri/arguments.h"
#include "raised.h"

#define MOST_ARGUMENTS 4 /* of any method of an exchange, and one more, so that the exchange says what is wrong */

/* -- under the lock ------------------------------------------------------------------------------------------------ */

int
shared_lock(shared_exchange *self)
{
    if (self->link == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "SharedExchange.__init__() has not been called");
        return -1;
    }
    return link_lock(self->link);
}

int
shared_enter(shared_exchange *self)
{
    if (shared_lock(self) < 0) {
        return -1;
    }
    if (atomic_load(&self->detached)) {
        PyErr_SetString(self->state->disconnected, "the request has been ended by the server");
        (void)link_unlock(self->link);
        return -1;
    }
    return 0;
}

int
shared_leave(shared_exchange *self, int result, shared_sending sending)
{
    if (sending == SEND_ANYWAY || (sending == SEND_WHEN_DONE && result >= 0)) {
        PyObject *error = result < 0 ? raised_take() : NULL;
        self->link->sending++;
        if (link_flush(self->link) < 0) {
            result = -1;
        }
        self->link->sending--;
        raised_give(error);
    }
    return link_unlock(self->link) < 0 ? -1 : result;
}

/* -- operations ---------------------------------------------------------------------------------------------------- */

/* Calls a method of the exchange with the arguments that one of the view was given. A new reference. */
static PyObject *
pass_on(shared_exchange *self, PyObject *name, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    PyObject *all[1 + MOST_ARGUMENTS] = {self->exchange};
    Py_ssize_t total = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    if (total > MOST_ARGUMENTS) {
        return PyErr_Format(PyExc_TypeError, "%U() of an exchange does not take %zd arguments", name, total);
    }
    for (Py_ssize_t index = 0; index < total; index++) {
        all[1 + index] = arguments[index];
    }
    return PyObject_VectorcallMethod(name, all, (size_t)count + 1, names);
}

static PyObject *
operate(shared_exchange *self, PyObject *name, PyObject *const *arguments, Py_ssize_t count, PyObject *names,
        shared_sending sending)
{
    if (shared_enter(self) < 0) {
        return NULL;
    }
    PyObject *result = pass_on(self, name, arguments, count, names);
    if (shared_leave(self, result == NULL ? -1 : 0, sending) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *
shared_read(shared_exchange *self, PyObject *Py_UNUSED(ignored))
{
    if (shared_enter(self) < 0) {
        return NULL;
    }
    PyObject *data = pass_on(self, self->state->name_read, NULL, 0, NULL);
    /* What has to be sent for more of the body to come: 100 (Continue), or room in a window. */
    if (shared_leave(self, data == NULL ? -1 : 0, data == Py_None ? SEND_WHEN_DONE : SEND_NOTHING) < 0) {
        Py_CLEAR(data);
    }
    return data;
}

static PyObject *
shared_respond(shared_exchange *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    return operate(self, self->state->name_respond, arguments, count, names, SEND_NOTHING);
}

static PyObject *
shared_inform(shared_exchange *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    return operate(self, self->state->name_inform, arguments, count, names, SEND_WHEN_DONE);
}

static PyObject *
shared_send(shared_exchange *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    return operate(self, self->state->name_send, arguments, count, names, SEND_ANYWAY);
}

static PyObject *
shared_finish(shared_exchange *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    return operate(self, self->state->name_finish, arguments, count, names, SEND_ANYWAY);
}

static PyObject *
shared_upgrade(shared_exchange *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    PyObject *connection = operate(self, self->state->name_upgrade, arguments, count, names, SEND_WHEN_DONE);
    if (connection == NULL) {
        return NULL;
    }
    shared_exchange *view = shared_make(self->state, self->link, connection, NULL);
    Py_DECREF(connection);
    return (PyObject *)view;
}

/* -- operations that a detached view answers by itself ------------------------------------------------------------- */

/* Calls a method of the exchange under the lock, or gives `otherwise` (borrowed) when the view has been detached. */
static PyObject *
operate_unless_detached(shared_exchange *self, PyObject *name, PyObject *const *arguments, Py_ssize_t count,
                        PyObject *names, PyObject *otherwise, shared_sending sending)
{
    if (shared_lock(self) < 0) {
        return NULL;
    }
    PyObject *result;
    if (atomic_load(&self->detached)) {
        result = Py_NewRef(otherwise);
        sending = SEND_NOTHING;
    } else {
        result = pass_on(self, name, arguments, count, names);
    }
    if (shared_leave(self, result == NULL ? -1 : 0, sending) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *
shared_abort(shared_exchange *self, PyObject *Py_UNUSED(ignored))
{
    return operate_unless_detached(self, self->state->name_abort, NULL, 0, NULL, Py_None, SEND_WHEN_DONE);
}

static PyObject *
shared_watch(shared_exchange *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    return operate_unless_detached(self, self->state->name_watch, arguments, count, names, Py_True, SEND_NOTHING);
}

static PyObject *
shared_retract_method(shared_exchange *self, PyObject *Py_UNUSED(ignored))
{
    return operate_unless_detached(self, self->state->name_retract, NULL, 0, NULL, Py_False, SEND_NOTHING);
}

int
shared_retract(shared_exchange *self)
{
    if (self->functions != NULL) {
        if (shared_lock(self) < 0) {
            return -1;
        }
        int there = atomic_load(&self->detached) ? 0 : self->functions->retract(self->exchange);
        return shared_leave(self, there, SEND_NOTHING);
    }
    PyObject *answer = shared_retract_method(self, NULL);
    if (answer == NULL) {
        return -1;
    }
    int there = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return there;
}

/* -- attributes ---------------------------------------------------------------------------------------------------- */

static PyObject *
shared_detach(shared_exchange *self, PyObject *Py_UNUSED(ignored))
{
    atomic_store(&self->detached, 1);
    Py_RETURN_NONE;
}

static PyObject *
shared_detached(shared_exchange *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(atomic_load(&self->detached));
}

/* An attribute of the exchange itself. Some are made when they are first asked for: one step with the GIL. */
static PyObject *
get_of_exchange(shared_exchange *self, PyObject *name)
{
    if (ASTERI_GIL || self->link == NULL) {
        return PyObject_GetAttr(self->exchange, name);
    }
    if (link_lock(self->link) < 0) {
        return NULL;
    }
    PyObject *found = PyObject_GetAttr(self->exchange, name);
    if (link_unlock(self->link) < 0) {
        Py_CLEAR(found);
    }
    return found;
}

/* What the view does not have itself is asked of the exchange, and not kept: it may change. */
static PyObject *
shared_getattro(PyObject *object, PyObject *name)
{
    shared_exchange *self = (shared_exchange *)object;
    executors_state *state = self->state;
    if (Py_TYPE(object) == state->native_shared_type || Py_TYPE(object) == state->shared_type) {
        /* An AttributeError that is raised only to be caught costs more than the rest. */
        int own = PySet_Contains(state->own_names, name);
        if (own) {
            return own < 0 ? NULL : PyObject_GenericGetAttr(object, name);
        }
    } else {
        PyObject *found = PyObject_GenericGetAttr(object, name);
        if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return found;
        }
        PyErr_Clear();
    }
    return get_of_exchange(self, name);
}

/* -- the types ----------------------------------------------------------------------------------------------------- */

const asteri_exchange_v1 *
shared_functions_of(executors_state *state, PyObject *exchange)
{
    return asteri_exchange_functions(&state->last_exchange, exchange);
}

/* Fills in a new view, whose memory may be anything. */
static void
fill(shared_exchange *self, executors_state *state, reactor_link *link, PyObject *exchange,
     const asteri_exchange_v1 *functions)
{
    self->state = state;
    self->link = (reactor_link *)Py_XNewRef((PyObject *)link);
    self->exchange = Py_NewRef(exchange);
    self->functions = functions;
    atomic_init(&self->detached, 0);
    self->thread = 0;
    self->before = self->after = NULL;
}

shared_exchange *
shared_make(executors_state *state, reactor_link *link, PyObject *exchange, const asteri_exchange_v1 *functions)
{
    PyTypeObject *type = functions != NULL ? state->native_shared_type : state->shared_type;
    shared_exchange *self = PyObject_GC_New(shared_exchange, type);
    if (self != NULL) {
        fill(self, state, link, exchange, functions);
        PyObject_GC_Track(self);
    }
    return self;
}

/* The arguments of the constructor: the exchange, borrowed, and a new link to the reactor, or NULL. */
static reactor_link *
parse(executors_state *state, PyObject *args, PyObject *kwargs, PyObject **exchange)
{
    char *names[] = {"exchange", "reactor", NULL};
    PyObject *reactor;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:SharedExchange", names, exchange, &reactor)) {
        return NULL;
    }
    return link_new(state, reactor);
}

/* A view is whole when it has been made. That of a subclass is not before `__init__`, which may have been given other
 * arguments; and it has no functions, which would pass by the methods that the subclass may have changed. */
static PyObject *
shared_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    executors_state *state = executors_state_of(type);
    if (state == NULL) {
        return NULL;
    }
    if (type != state->shared_type) {
        shared_exchange *self = (shared_exchange *)type->tp_alloc(type, 0);
        if (self != NULL) {
            fill(self, state, NULL, Py_None, NULL);
        }
        return (PyObject *)self;
    }
    PyObject *exchange;
    reactor_link *link = parse(state, args, kwargs, &exchange);
    if (link == NULL) {
        return NULL;
    }
    shared_exchange *self = shared_make(state, link, exchange, shared_functions_of(state, exchange));
    Py_DECREF((PyObject *)link);
    return (PyObject *)self;
}

static int
shared_init(shared_exchange *self, PyObject *args, PyObject *kwargs)
{
    if (self->link != NULL) {
        return 0; /* whole, and perhaps in use */
    }
    PyObject *exchange;
    self->link = parse(self->state, args, kwargs, &exchange);
    if (self->link == NULL) {
        return -1;
    }
    Py_SETREF(self->exchange, Py_NewRef(exchange));
    return 0;
}

/* There is no tp_clear, as in a tuple: what a view refers to never changes, and the exchange breaks every cycle. */
static int
shared_traverse(shared_exchange *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->link);
    Py_VISIT(self->exchange);
    return 0;
}

static void
shared_dealloc(shared_exchange *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF((PyObject *)self->link);
    Py_DECREF(self->exchange);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef shared_methods[] = {
    {"read", (PyCFunction)shared_read, METH_NOARGS, NULL},
    {"respond", ASTERI_KEYWORDS(shared_respond), NULL},
    {"retract", (PyCFunction)shared_retract_method, METH_NOARGS, NULL},
    {"inform", ASTERI_KEYWORDS(shared_inform), NULL},
    {"send", ASTERI_KEYWORDS(shared_send), NULL},
    {"finish", ASTERI_KEYWORDS(shared_finish), NULL},
    {"upgrade", ASTERI_KEYWORDS(shared_upgrade), NULL},
    {"abort", (PyCFunction)shared_abort, METH_NOARGS, NULL},
    {"watch", ASTERI_KEYWORDS(shared_watch), NULL},
    {"detach", (PyCFunction)shared_detach, METH_NOARGS,
     "From now on every operation raises `Disconnected`. The caller holds the lock."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef shared_getset[] = {
    {"detached", (getter)shared_detached, NULL, "Whether `detach` has been called.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot shared_slots[] = {
    {Py_tp_doc, (void *)"SharedExchange(exchange, reactor)\n--\n\n"
                        "Satisfies `Exchange`; attributes not listed here are those of the real one."},
    {Py_tp_new, (void *)shared_new},
    {Py_tp_init, (void *)shared_init},
    {Py_tp_traverse, (void *)shared_traverse},
    {Py_tp_dealloc, (void *)shared_dealloc},
    {Py_tp_getattro, (void *)shared_getattro},
    {Py_tp_methods, (void *)shared_methods},
    {Py_tp_getset, (void *)shared_getset},
    {0, NULL},
};

static PyType_Spec shared_spec = {
    .name = "asteri_native._executors.SharedExchange",
    .basicsize = sizeof(shared_exchange),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = shared_slots,
};

/* Everything is inherited; the contract is put into its dictionary. */
static PyType_Slot native_shared_slots[] = {
    {Py_tp_doc, (void *)"A shared exchange that code in C reaches without methods."},
    {Py_tp_traverse, (void *)shared_traverse},
    {Py_tp_dealloc, (void *)shared_dealloc},
    {Py_tp_getattro, (void *)shared_getattro},
    {0, NULL},
};

static PyType_Spec native_shared_spec = {
    .name = "asteri_native._executors.NativeSharedExchange",
    .basicsize = sizeof(shared_exchange),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = native_shared_slots,
};

int
executors_add_shared(PyObject *module, executors_state *state)
{
    state->shared_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &shared_spec, NULL);
    if (state->shared_type == NULL) {
        return -1;
    }
    state->native_shared_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &native_shared_spec, (PyObject *)state->shared_type);
    if (state->native_shared_type == NULL || shared_native_add(state->native_shared_type) < 0) {
        return -1;
    }
    PyObject *names = PyObject_Dir((PyObject *)state->native_shared_type);
    state->own_names = names == NULL ? NULL : PyFrozenSet_New(names);
    Py_XDECREF(names);
    return state->own_names == NULL ? -1 : PyModule_AddType(module, state->shared_type);
}
