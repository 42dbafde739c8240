/* The type `Reactor`: its methods and attributes are those of `asteri_core.reactor.Reactor`, which explains them. */
#include <sys/epoll.h>

#include "asteri/arguments.h"
#include "asteri/reactor.h"
#include "reactor.h"

#include <structmember.h>

/* None for success; what -1 stands for has been set. Leaves the reactor. */
static PyObject *
left(reactor *self, int status)
{
    reactor_leave(self);
    if (status < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static PyObject *
reactor_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    reactor_state *state = reactor_state_of_type(type);
    if (state == NULL) {
        return NULL;
    }
    reactor *self = (reactor *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    reactor_blank(self);
    self->lock = lock_new(state);
    if (self->lock == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
set_clock(reactor *self, PyObject *clock)
{
    self->monotonic = clock == self->state->monotonic;
    Py_XSETREF(self->clock, Py_NewRef(clock));
}

static int
reactor_init(reactor *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"started", "finished", "failed", "write_timeout", "max_connections", "clock", NULL};
    PyObject *started = NULL, *finished = NULL, *failed = NULL, *clock = self->state->monotonic;
    double write_timeout = 30.0;
    Py_ssize_t max_connections = 1000;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$OOOdnO:Reactor", names, &started, &finished, &failed,
                                     &write_timeout, &max_connections, &clock)) {
        return -1;
    }
    if (self->epoll >= 0) {
        PyErr_SetString(PyExc_RuntimeError, "the reactor has been made already");
        return -1;
    }
    reactor_enter(self);
    Py_XSETREF(self->started, Py_XNewRef(started));
    Py_XSETREF(self->finished, Py_XNewRef(finished));
    Py_XSETREF(self->failed, Py_XNewRef(failed));
    self->write_timeout = write_timeout;
    self->max_connections = max_connections;
    self->accept_batch = 8;
    set_clock(self, clock);
    int status = reactor_open(self);
    reactor_leave(self);
    return status;
}

static void
reactor_dealloc(reactor *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    reactor_free(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- turning ------------------------------------------------------------------------------------------------------- */

static PyObject *
reactor_method_poll(reactor *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout"};
    PyObject *given;
    double timeout = INFINITY;
    if (asteri_arguments("poll", arguments, count, keywords, names, 0, 1, &given) < 0 ||
        (given != NULL && given != Py_None && asteri_seconds(given, &timeout) < 0)) {
        return NULL;
    }
    if (reactor_turn(self, timeout, NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
reactor_method_timeout(reactor *self, PyObject *Py_UNUSED(ignored))
{
    double timeout;
    reactor_enter(self);
    int status = reactor_timeout(self, &timeout);
    reactor_leave(self);
    if (status < 0) {
        return NULL;
    }
    if (timeout == INFINITY) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble(timeout);
}

static PyObject *
reactor_method_fileno(reactor *self, PyObject *Py_UNUSED(ignored))
{
    if (self->epoll < 0) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed epoll object");
        return NULL;
    }
    reactor_enter(self);
    if (!self->watched) {
        /* Who asks for it may sleep for us between two turns. */
        int between = PHASE_BETWEEN;
        self->watched = 1;
        atomic_compare_exchange_strong(&self->phase, &between, PHASE_SLEEPING);
        if (atomic_load(&self->woken) || atomic_load(&self->posted.count) > 0) {
            reactor_wake(self);
        }
    }
    reactor_leave(self);
    return PyLong_FromLong(self->epoll);
}

static PyObject *
reactor_method_flush(reactor *self, PyObject *Py_UNUSED(ignored))
{
    reactor_enter(self);
    return left(self, reactor_flush(self));
}

static PyObject *
reactor_method_post(reactor *self, PyObject *callback)
{
    if (reactor_post(self, callback) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
reactor_method_wake(reactor *self, PyObject *Py_UNUSED(ignored))
{
    reactor_wake(self);
    Py_RETURN_NONE;
}

static PyObject *
reactor_method_call_at(reactor *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "call_at() takes a time and a callback, not %zd arguments", count);
    }
    double when;
    if (asteri_seconds(arguments[0], &when) < 0) {
        return NULL;
    }
    reactor_enter(self);
    PyObject *timer = timers_add(&self->timers, self->state, when, arguments[1]);
    if (timer != NULL) {
        reactor_sleeps_until(self, when);
    }
    reactor_leave(self);
    return timer;
}

/* -- peers --------------------------------------------------------------------------------------------------------- */

static PyObject *
reactor_method_listen(reactor *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "listen() takes a socket and a factory, not %zd arguments", count);
    }
    reactor_enter(self);
    return left(self, reactor_listen(self, arguments[0], arguments[1]));
}

static PyObject *
reactor_method_accept_waiting(reactor *self, PyObject *Py_UNUSED(ignored))
{
    reactor_enter(self);
    return left(self, reactor_accept_waiting(self));
}

static PyObject *
reactor_method_unlisten(reactor *self, PyObject *Py_UNUSED(ignored))
{
    reactor_enter(self);
    reactor_unlisten(self);
    return left(self, 0);
}

static PyObject *
reactor_method_attach(reactor *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3) {
        return PyErr_Format(PyExc_TypeError, "attach() takes a socket, a peer and a factory, not %zd arguments", count);
    }
    reactor_enter(self);
    return left(self, reactor_attach(self, arguments[0], arguments[1], arguments[2]));
}

static PyObject *
reactor_method_drain(reactor *self, PyObject *until)
{
    double when;
    if (asteri_seconds(until, &when) < 0) {
        return NULL;
    }
    reactor_enter(self);
    return left(self, reactor_drain(self, when));
}

static PyObject *
reactor_method_abandon(reactor *self, PyObject *Py_UNUSED(ignored))
{
    reactor_enter(self);
    return left(self, reactor_abandon(self));
}

static PyObject *
reactor_method_close(reactor *self, PyObject *Py_UNUSED(ignored))
{
    reactor_enter(self);
    return left(self, reactor_close(self));
}

/* -- other descriptors --------------------------------------------------------------------------------------------- */

static PyObject *
reactor_method_add(reactor *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3) {
        return PyErr_Format(PyExc_TypeError, "add() takes a file, events and a callback, not %zd arguments", count);
    }
    reactor_enter(self);
    return left(self, foreign_add(self, arguments[0], arguments[1], arguments[2]) == NULL ? -1 : 0);
}

static PyObject *
reactor_method_change(reactor *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3) {
        return PyErr_Format(PyExc_TypeError, "change() takes a file, events and a callback, not %zd arguments", count);
    }
    int status = -1;
    PyObject *before = NULL;
    reactor_enter(self);
    foreign *one = foreign_find_object(self, arguments[0]);
    if (one != NULL && foreign_change(self, one, arguments[0], arguments[1]) == 0) {
        before = one->ready;
        one->ready = Py_NewRef(arguments[2]);
        status = 0;
    }
    Py_XDECREF(before);
    return left(self, status);
}

static PyObject *
reactor_method_remove(reactor *self, PyObject *fileobj)
{
    reactor_enter(self);
    foreign *one = foreign_find_object(self, fileobj);
    if (one != NULL) {
        foreign_remove(self, one);
    }
    return left(self, one == NULL ? -1 : 0);
}

/* -- attributes ---------------------------------------------------------------------------------------------------- */

static PyObject *
object_at(reactor *self, void *offset)
{
    reactor_enter(self);
    PyObject *value = *(PyObject **)((char *)self + (size_t)offset);
    value = Py_NewRef(value != NULL ? value : Py_None);
    reactor_leave(self);
    return value;
}

/* None, as no value, means that nothing is called. */
static int
set_object_at(reactor *self, PyObject *value, void *offset)
{
    PyObject **place = (PyObject **)((char *)self + (size_t)offset);
    reactor_enter(self);
    PyObject *before = *place;
    *place = value == Py_None ? NULL : Py_XNewRef(value);
    reactor_leave(self);
    Py_XDECREF(before);
    return 0;
}

static int
set_clock_attribute(reactor *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a reactor cannot be without a clock");
        return -1;
    }
    reactor_enter(self);
    set_clock(self, value);
    reactor_leave(self);
    return 0;
}

#define OBJECT(name, doc)                                                                                              \
    {#name, (getter)object_at, (setter)set_object_at, doc, (void *)offsetof(reactor, name)}

static PyGetSetDef reactor_attributes[] = {
    OBJECT(started, "Called with an exchange that begins."),
    OBJECT(finished, "Called with an exchange that is over."),
    OBJECT(failed, "Called with the error and the peer that made it."),
    OBJECT(on_dirty, "Set by a foreign loop: called when `poll` is needed although no descriptor will say so."),
    {"clock", (getter)object_at, (setter)set_clock_attribute, "Gives the time.", (void *)offsetof(reactor, clock)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef reactor_members[] = {
    {"lock", T_OBJECT, offsetof(reactor, lock), READONLY, "Held while `poll` dispatches."},
    {"now", T_DOUBLE, offsetof(reactor, now), READONLY, "The time of the last turn or flush."},
    {"write_timeout", T_DOUBLE, offsetof(reactor, write_timeout), 0, "Seconds a peer may leave our bytes untaken."},
    {"accepted", T_PYSSIZET, offsetof(reactor, accepted), READONLY, "Peers accepted so far."},
    {"accept_batch", T_PYSSIZET, offsetof(reactor, accept_batch), 0, "Peers accepted in one turn."},
    {"connections", T_PYSSIZET, offsetof(reactor, connections), READONLY, "Open peers."},
    {NULL, 0, 0, 0, NULL},
};

#define FAST(name, flags, doc) {#name, (PyCFunction)(void (*)(void))reactor_method_##name, flags, doc}

static PyMethodDef reactor_methods[] = {
    FAST(poll, METH_FASTCALL | METH_KEYWORDS, "One turn: wait at most `timeout` seconds, handle what has happened."),
    FAST(timeout, METH_NOARGS, "Seconds until the next deadline or timer; 0 when work is waiting, None without any."),
    FAST(fileno, METH_NOARGS, "A descriptor that is readable when `poll` has something to do."),
    FAST(flush, METH_NOARGS, "Send and pass on what exchanges have left since the last turn."),
    FAST(post, METH_O, "Have a callback called in the reactor's thread, with the lock held."),
    FAST(wake, METH_NOARGS, "End a wait in `poll`."),
    FAST(call_at, METH_FASTCALL, "Have a callback called at a time by the reactor's clock."),
    FAST(listen, METH_FASTCALL, "Accept peers from a bound, listening, non-blocking socket."),
    FAST(accept_waiting, METH_NOARGS, "Accept the peers that the listening queues hold now."),
    FAST(unlisten, METH_NOARGS, "Accept no more."),
    FAST(attach, METH_FASTCALL, "Drive a connected socket from now on and close it in the end."),
    FAST(drain, METH_O, "Accept no more and let every peer finish; idle ones may stay until a time."),
    FAST(abandon, METH_NOARGS, "Give every peer up at once."),
    FAST(close, METH_NOARGS, "Give every peer up and free the reactor's own descriptors."),
    FAST(add, METH_FASTCALL, "Watch a foreign descriptor in the same wait."),
    FAST(change, METH_FASTCALL, "Change what a foreign descriptor is watched for."),
    FAST(remove, METH_O, "Watch a foreign descriptor no more."),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reactor_slots[] = {
    {Py_tp_doc, "Moves the bytes of one worker."},
    {Py_tp_new, reactor_new},
    {Py_tp_init, reactor_init},
    {Py_tp_dealloc, reactor_dealloc},
    {Py_tp_traverse, reactor_traverse},
    {Py_tp_clear, reactor_clear},
    {Py_tp_methods, reactor_methods},
    {Py_tp_members, reactor_members},
    {Py_tp_getset, reactor_attributes},
    {0, NULL},
};

static PyType_Spec reactor_spec = {
    .name = "asteri_native._reactor.Reactor",
    .basicsize = sizeof(reactor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = reactor_slots,
};

/* -- for executors in C -------------------------------------------------------------------------------------------- */

static void
function_lock(PyObject *self)
{
    lock_acquire(((reactor *)self)->lock);
}

static void
function_unlock(PyObject *self)
{
    lock_release(((reactor *)self)->lock);
}

static int
function_flush(PyObject *object)
{
    reactor *self = (reactor *)object;
    reactor_enter(self);
    int status = reactor_flush(self);
    reactor_leave(self);
    return status;
}

static int
function_flush_later(PyObject *object, double now, int all)
{
    reactor *self = (reactor *)object;
    reactor_enter(self);
    int status = reactor_flush_later(self, now, all);
    reactor_leave(self);
    return status;
}

static int
function_arrival(PyObject *self, double *when)
{
    return reactor_arrival((reactor *)self, when);
}

static int
function_time(PyObject *self, double *now)
{
    return reactor_exact_time((reactor *)self, now);
}

static const asteri_reactor_v1 functions = {
    .size = sizeof(asteri_reactor_v1),
    .lock = function_lock,
    .unlock = function_unlock,
    .flush = function_flush,
    .flush_later = function_flush_later,
    .arrival = function_arrival,
    .time = function_time,
};

int
reactor_add_reactor(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    if (asteri_add_type(module, &reactor_spec, &state->reactor_type) < 0) {
        return -1;
    }
    return asteri_add_contract(state->reactor_type, ASTERI_REACTOR_ATTRIBUTE, ASTERI_REACTOR_CAPSULE, &functions);
}
