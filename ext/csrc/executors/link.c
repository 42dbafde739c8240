/* See link.h. */
#include "link.h"

#include "raised.h"

#include <time.h>

/* The functions of a type's reactors, NULL when they have none. Who makes shared exchanges one by one asks for each, so
 * they are remembered as those of exchanges are. */
static const asteri_reactor_v1 *
functions_of(executors_state *state, PyTypeObject *type)
{
    if (!ASTERI_GIL) {
        return asteri_reactor_of(type);
    }
    if (type != state->reactor_type) {
        const asteri_reactor_v1 *functions = asteri_reactor_of(type);
        PyTypeObject *last = state->reactor_type;
        Py_INCREF(type); /* so that no other type can come to its address */
        state->reactor_functions = functions;
        state->reactor_type = type;
        Py_XDECREF(last);
    }
    return state->reactor_functions;
}

static int
look_up(reactor_link *self)
{
    executors_state *state = self->state;
    self->clock = PyObject_GetAttr(self->reactor, state->name_clock);
    if (self->clock == NULL) {
        return -1;
    }
    if (self->clock == state->monotonic) {
        Py_CLEAR(self->clock);
    }
    self->native = functions_of(self->state, Py_TYPE(self->reactor));
    if (self->native != NULL) {
        return 0;
    }
    PyObject *lock = PyObject_GetAttr(self->reactor, state->name_lock);
    if (lock == NULL) {
        return -1;
    }
    self->enter = PyObject_GetAttr(lock, state->name_enter);
    self->leave = PyObject_GetAttr(lock, state->name_exit);
    Py_DECREF(lock);
    return self->enter == NULL || self->leave == NULL ? -1 : 0;
}

reactor_link *
link_new(executors_state *state, PyObject *reactor)
{
    reactor_link *self = PyObject_GC_New(reactor_link, state->link_type);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->reactor = Py_NewRef(reactor);
    self->native = NULL;
    self->enter = self->leave = self->clock = NULL;
    self->sending = 0;
    PyObject_GC_Track(self);
    if (look_up(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* Whether a call has gone well; takes its result. */
static int
done(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
link_lock(reactor_link *self)
{
    if (self->native != NULL) {
        self->native->lock(self->reactor);
        return 0;
    }
    return done(PyObject_CallNoArgs(self->enter));
}

int
link_unlock(reactor_link *self)
{
    if (self->native != NULL) {
        self->native->unlock(self->reactor);
        return 0;
    }
    PyObject *error = raised_take();
    PyObject *arguments[] = {NULL, Py_None, Py_None, Py_None};
    int failed = done(PyObject_Vectorcall(self->leave, arguments + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL));
    raised_give(error);
    return failed;
}

static int
flush_by_method(reactor_link *self)
{
    return done(PyObject_CallMethodNoArgs(self->reactor, self->state->name_flush));
}

int
link_flush(reactor_link *self)
{
    return self->native != NULL ? self->native->flush(self->reactor) : flush_by_method(self);
}

int
link_flush_later(reactor_link *self, double now, int all)
{
    return self->native != NULL ? self->native->flush_later(self->reactor, now, all) : flush_by_method(self);
}

int
link_flush_rest(reactor_link *self)
{
    return self->native != NULL ? self->native->flush(self->reactor) : 0;
}

int
link_poll(reactor_link *self, int at_once)
{
    PyObject *zero = NULL;
    if (at_once) {
        zero = PyLong_FromLong(0);
        if (zero == NULL) {
            return -1;
        }
    }
    PyObject *arguments[] = {self->reactor, zero};
    int failed = done(PyObject_VectorcallMethod(self->state->name_poll, arguments, at_once ? 2 : 1, NULL));
    Py_XDECREF(zero);
    return failed;
}

int
link_now(reactor_link *self, double *now)
{
    if (self->clock == NULL) {
        struct timespec time;
        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        *now = (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
        return 0;
    }
    PyObject *answer = PyObject_CallNoArgs(self->clock);
    *now = answer == NULL ? -1.0 : PyFloat_AsDouble(answer);
    Py_XDECREF(answer);
    return *now == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* -- the type ------------------------------------------------------------------------------------------------------ */

/* There is no tp_clear, as in a tuple: what a link refers to never changes, and the reactor breaks every cycle. */
static int
link_traverse(PyObject *object, visitproc visit, void *arg)
{
    reactor_link *self = (reactor_link *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->reactor);
    Py_VISIT(self->enter);
    Py_VISIT(self->leave);
    Py_VISIT(self->clock);
    return 0;
}

static void
link_dealloc(PyObject *object)
{
    reactor_link *self = (reactor_link *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->reactor);
    Py_XDECREF(self->enter);
    Py_XDECREF(self->leave);
    Py_XDECREF(self->clock);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyType_Slot link_slots[] = {
    {Py_tp_doc, (void *)"How an executor reaches its reactor."},
    {Py_tp_traverse, (void *)link_traverse},
    {Py_tp_dealloc, (void *)link_dealloc},
    {0, NULL},
};

static PyType_Spec link_spec = {
    .name = "asteri_native._executors.ReactorLink",
    .basicsize = sizeof(reactor_link),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = link_slots,
};

int
executors_add_link(PyObject *module, executors_state *state)
{
    state->link_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &link_spec, NULL);
    return state->link_type == NULL ? -1 : 0;
}
