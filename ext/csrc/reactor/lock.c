/* See lock.h. */
#include "lock.h"

#include <math.h>
#include <time.h>

reactor_lock *
lock_new(reactor_state *state)
{
    reactor_lock *self = PyObject_New(reactor_lock, state->lock_type);
    if (self == NULL) {
        return NULL;
    }
    atomic_init(&self->state, LOCK_FREE);
    atomic_init(&self->owner, 0);
    atomic_init(&self->rung, 0);
    self->depth = 0;
    self->bell = PyThread_allocate_lock();
    if (self->bell == NULL) {
        Py_DECREF(self);
        PyErr_NoMemory();
        return NULL;
    }
    PyThread_acquire_lock(self->bell, NOWAIT_LOCK);
    return self;
}

static void
lock_dealloc(reactor_lock *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (self->bell != NULL) {
        if (!atomic_load(&self->rung)) {
            PyThread_release_lock(self->bell);
        }
        PyThread_free_lock(self->bell);
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

/* Says that somebody waits. 0; 1: it was free, and the calling thread has it. Others may wait as well, so it stays
 * awaited. */
static int
lock_await(reactor_lock *self)
{
    if (atomic_exchange(&self->state, LOCK_AWAITED) != LOCK_FREE) {
        return 0;
    }
    atomic_store_explicit(&self->owner, PyThread_get_thread_ident(), memory_order_relaxed);
    self->depth = 1;
    return 1;
}

void
lock_ring(reactor_lock *self)
{
    /* A bell that has been rung and not been heard yet is not rung twice: whoever hears it looks at the lock after he
     * has said so. */
    if (!atomic_exchange(&self->rung, 1)) {
        PyThread_release_lock(self->bell);
    }
}

void
lock_wait(reactor_lock *self)
{
    while (!lock_await(self)) {
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(self->bell, WAIT_LOCK);
        Py_END_ALLOW_THREADS
        atomic_store(&self->rung, 0);
    }
}

static long long
microseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Waits at most so many microseconds, -1: for ever, and lets signal handlers run meanwhile. 1: taken; 0; -1. */
static int
lock_acquire_in(reactor_lock *self, long long microseconds)
{
    unsigned long me = PyThread_get_thread_ident();
    if (atomic_load_explicit(&self->owner, memory_order_relaxed) == me) {
        self->depth++;
        return 1;
    }
    if (lock_try(self, me)) {
        return 1;
    }
    if (microseconds == 0) {
        return 0;
    }
    long long until = microseconds > 0 ? microseconds_now() + microseconds : 0;
    while (!lock_await(self)) {
        if (microseconds == 0) {
            return 0; /* who has it rings in vain, or for others */
        }
        PyLockStatus status;
        Py_BEGIN_ALLOW_THREADS
        status = PyThread_acquire_lock_timed(self->bell, microseconds, 1);
        Py_END_ALLOW_THREADS
        if (status == PY_LOCK_ACQUIRED) {
            atomic_store(&self->rung, 0);
        } else if (status == PY_LOCK_INTR && PyErr_CheckSignals() < 0) {
            return -1;
        }
        if (microseconds > 0) {
            long long left = until - microseconds_now();
            microseconds = left > 0 ? left : 0;
        }
    }
    return 1;
}

static PyObject *
lock_method_acquire(reactor_lock *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"blocking", "timeout", NULL};
    int blocking = 1;
    double timeout = -1.0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|pd:acquire", names, &blocking, &timeout)) {
        return NULL;
    }
    if (!blocking && timeout != -1.0) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return NULL;
    }
    if (timeout < 0 && timeout != -1.0) {
        PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
        return NULL;
    }
    if (!(timeout * 1e6 < (double)PY_TIMEOUT_MAX)) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return NULL;
    }
    long long microseconds = !blocking ? 0 : timeout < 0 ? -1 : (long long)ceil(timeout * 1e6);
    int taken = lock_acquire_in(self, microseconds);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

static PyObject *
lock_method_release(reactor_lock *self, PyObject *Py_UNUSED(ignored))
{
    if (atomic_load_explicit(&self->owner, memory_order_relaxed) != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
        return NULL;
    }
    lock_release(self);
    Py_RETURN_NONE;
}

static PyObject *
lock_method_enter(reactor_lock *self, PyObject *Py_UNUSED(ignored))
{
    int taken = lock_acquire_in(self, -1);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

static PyObject *
lock_method_exit(reactor_lock *self, PyObject *const *Py_UNUSED(arguments), Py_ssize_t Py_UNUSED(count))
{
    return lock_method_release(self, NULL);
}

static PyMethodDef lock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_method_acquire, METH_VARARGS | METH_KEYWORDS,
     "Take the lock, once more if this thread has it. True if it was taken."},
    {"release", (PyCFunction)lock_method_release, METH_NOARGS, "Give back what one `acquire` has taken."},
    {"__enter__", (PyCFunction)lock_method_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))lock_method_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lock_slots[] = {
    {Py_tp_doc, "A re-entrant lock, as `threading.RLock`."},
    {Py_tp_dealloc, lock_dealloc},
    {Py_tp_methods, lock_methods},
    {0, NULL},
};

static PyType_Spec lock_spec = {
    .name = "asteri_native._reactor.Lock",
    .basicsize = sizeof(reactor_lock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = lock_slots,
};

int
reactor_add_lock(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    return asteri_add_type(module, &lock_spec, &state->lock_type);
}
