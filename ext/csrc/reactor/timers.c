/* See timers.h: a binary heap of timers, and the type `Timer`. */
#include "timers.h"

#include <math.h>

#include <structmember.h>

#include "asteri/threads.h"

struct reactor_timer {
    PyObject_HEAD
    double when;
    PyObject *callback; /* owned; None: it is cancelled, or has been called */
};

/* -- Timer --------------------------------------------------------------------------------------------------------- */

static reactor_timer *
timer_new(reactor_state *state, double when, PyObject *callback)
{
    reactor_timer *self = PyObject_GC_New(reactor_timer, state->timer_type);
    if (self != NULL) {
        self->when = when;
        self->callback = Py_NewRef(callback);
        PyObject_GC_Track(self);
    }
    return self;
}

/* The callback, which is called at most once: a new reference, or NULL (no exception) when it is not to be called. */
static PyObject *
timer_take(reactor_timer *self)
{
    PyObject *callback;
    Py_BEGIN_CRITICAL_SECTION(self);
    callback = self->callback;
    self->callback = Py_NewRef(Py_None);
    Py_END_CRITICAL_SECTION();
    if (callback == Py_None) {
        Py_DECREF(callback);
        return NULL;
    }
    return callback;
}

static int
timer_is_cancelled(reactor_timer *self)
{
    return self->callback == Py_None;
}

static PyObject *
timer_cancel(reactor_timer *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *callback = timer_take(self);
    Py_XDECREF(callback);
    Py_RETURN_NONE;
}

static int
timer_traverse(reactor_timer *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->callback);
    return 0;
}

static int
timer_clear(reactor_timer *self)
{
    Py_XSETREF(self->callback, Py_NewRef(Py_None));
    return 0;
}

static void
timer_dealloc(reactor_timer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->callback);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef timer_methods[] = {
    {"cancel", (PyCFunction)timer_cancel, METH_NOARGS, "Have the callback never come."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef timer_members[] = {
    {"when", T_DOUBLE, offsetof(reactor_timer, when), READONLY, "When it is due, by the reactor's clock."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_doc, "A callback that waits for its time; `cancel` makes it never come."},
    {Py_tp_dealloc, timer_dealloc},
    {Py_tp_traverse, timer_traverse},
    {Py_tp_clear, timer_clear},
    {Py_tp_methods, timer_methods},
    {Py_tp_members, timer_members},
    {0, NULL},
};

static PyType_Spec timer_spec = {
    .name = "asteri_native._reactor.Timer",
    .basicsize = sizeof(reactor_timer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = timer_slots,
};

int
reactor_add_timer(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    return asteri_add_type(module, &timer_spec, &state->timer_type);
}

/* -- the heap ------------------------------------------------------------------------------------------------------ */

static int
comes_before(const timer_entry *one, const timer_entry *other)
{
    return one->when < other->when || (one->when == other->when && one->number < other->number);
}

/* Puts the entry, whose timer is stolen, into its place. 0, -1. */
static int
push(timers *self, timer_entry entry)
{
    if (self->count == self->capacity) {
        Py_ssize_t capacity = self->capacity ? 2 * self->capacity : 8;
        timer_entry *heap = PyMem_Realloc(self->heap, (size_t)capacity * sizeof(*heap));
        if (heap == NULL) {
            Py_DECREF((PyObject *)entry.timer);
            PyErr_NoMemory();
            return -1;
        }
        self->heap = heap;
        self->capacity = capacity;
    }
    Py_ssize_t place = self->count++;
    while (place > 0) {
        Py_ssize_t parent = (place - 1) / 2;
        if (!comes_before(&entry, &self->heap[parent])) {
            break;
        }
        self->heap[place] = self->heap[parent];
        place = parent;
    }
    self->heap[place] = entry;
    return 0;
}

/* Takes out the first entry; there is one. Its timer is the caller's. */
static timer_entry
pop(timers *self)
{
    timer_entry first = self->heap[0];
    timer_entry last = self->heap[--self->count];
    Py_ssize_t place = 0, child;
    while ((child = 2 * place + 1) < self->count) {
        if (child + 1 < self->count && comes_before(&self->heap[child + 1], &self->heap[child])) {
            child++;
        }
        if (!comes_before(&self->heap[child], &last)) {
            break;
        }
        self->heap[place] = self->heap[child];
        place = child;
    }
    if (self->count > 0) {
        self->heap[place] = last;
    }
    return first;
}

PyObject *
timers_add(timers *self, reactor_state *state, double when, PyObject *callback)
{
    reactor_timer *timer = timer_new(state, when, callback);
    if (timer == NULL) {
        return NULL;
    }
    timer_entry entry = {when, self->set++, (reactor_timer *)Py_NewRef((PyObject *)timer)};
    if (push(self, entry) < 0) {
        Py_DECREF((PyObject *)timer);
        return NULL;
    }
    return (PyObject *)timer;
}

double
timers_next(timers *self)
{
    while (self->count > 0 && timer_is_cancelled(self->heap[0].timer)) {
        timer_entry entry = pop(self);
        Py_DECREF((PyObject *)entry.timer);
    }
    return self->count > 0 ? self->heap[0].when : INFINITY;
}

int
timers_run(timers *self, double now)
{
    Py_ssize_t count = 0, done = 0;
    int status = 0;
    if (timers_next(self) > now) {
        return 0;
    }
    timer_entry *due = PyMem_Malloc((size_t)self->count * sizeof(*due));
    if (due == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    while (self->count > 0 && self->heap[0].when <= now) {
        due[count++] = pop(self);
    }
    while (done < count && status == 0) {
        /* Asked only now: the one before it may have cancelled it. */
        PyObject *callback = timer_take(due[done].timer);
        Py_DECREF((PyObject *)due[done++].timer);
        if (callback != NULL) {
            PyObject *result = PyObject_CallNoArgs(callback);
            Py_DECREF(callback);
            Py_XDECREF(result);
            status = result == NULL ? -1 : 0;
        }
    }
    if (done < count) {
        PyObject *error = asteri_raised_take();
        while (done < count) {
            if (push(self, due[done++]) < 0) {
                PyErr_WriteUnraisable(NULL);
            }
        }
        asteri_raised_give(error);
    }
    PyMem_Free(due);
    return status;
}

int
timers_traverse(timers *self, visitproc visit, void *arg)
{
    for (Py_ssize_t index = 0; index < self->count; index++) {
        Py_VISIT((PyObject *)self->heap[index].timer);
    }
    return 0;
}

void
timers_clear(timers *self)
{
    Py_ssize_t count = self->count;
    timer_entry *heap = self->heap;
    self->count = self->capacity = 0;
    self->heap = NULL;
    for (Py_ssize_t index = 0; index < count; index++) {
        Py_DECREF((PyObject *)heap[index].timer);
    }
    PyMem_Free(heap);
}
