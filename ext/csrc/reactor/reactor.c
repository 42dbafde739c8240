/* See reactor.h: what holds the reactor together between its turns. */
#include "reactor.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SLAB_STREAMS 64

struct slab {
    slab *next;
    stream streams[SLAB_STREAMS];
};

/* -- the lock and what is closed under it -------------------------------------------------------------------------- */

void
reactor_bury(reactor *self)
{
    self->remains = 0;
    listeners_free(self);
    while (self->closed != NULL) {
        stream *old = self->closed;
        self->closed = old->next;
        old->next = self->retired;
        self->retired = old;
        stream_release(old);
    }
}

void
reactor_enter(reactor *self)
{
    lock_acquire(self->lock);
    self->depth++;
}

void
reactor_leave(reactor *self)
{
    while (self->depth == 1 && self->remains) {
        reactor_bury(self);
    }
    self->depth--;
    lock_release(self->lock);
}

/* -- time ---------------------------------------------------------------------------------------------------------- */

int
reactor_time(reactor *self, double *now)
{
    if (self->monotonic) {
        *now = monotonic_time();
        return 0;
    }
    PyObject *clock = Py_NewRef(self->clock);
    PyObject *time = PyObject_CallNoArgs(clock);
    Py_DECREF(clock);
    *now = time == NULL ? -1.0 : PyFloat_AsDouble(time);
    Py_XDECREF(time);
    return *now == -1.0 && PyErr_Occurred() ? -1 : 0;
}

int
reactor_update_now(reactor *self)
{
    double now;
    if (reactor_time(self, &now) < 0) {
        return -1;
    }
    self->now = self->asked = now;
    self->precision = NOW_OF_TURN;
    return 0;
}

int
reactor_arrival(reactor *self, double *when)
{
    *when = self->now;
    return self->precision == NOW_LATE ? reactor_time(self, when) : 0;
}

int
reactor_exact_time(reactor *self, double *now)
{
    *now = self->now;
    return self->precision == NOW_EXACT ? 0 : reactor_time(self, now);
}

/* -- waking and posting -------------------------------------------------------------------------------------------- */

void
reactor_wake(reactor *self)
{
    int phase = PHASE_SLEEPING;
    /* Who is about to sleep says so first, and then looks at this. */
    atomic_store(&self->woken, 1);
    if (atomic_compare_exchange_strong(&self->phase, &phase, PHASE_WOKEN)) {
        const uint64_t one = 1;
        ssize_t written = 0;
        /* The mutex is for the descriptor: another thread may be about to close it. */
        pthread_mutex_lock(&self->posted.mutex);
        if (self->waker.fd >= 0) {
            /* Watched edge by edge: it is never read, and every write wakes. */
            written = write(self->waker.fd, &one, sizeof(one));
        }
        pthread_mutex_unlock(&self->posted.mutex);
        (void)written;
    }
}

void
reactor_sleeps_until(reactor *self, double when)
{
    if (when < self->sleeping_until && atomic_load(&self->phase) == PHASE_SLEEPING) {
        reactor_wake(self);
    }
}

int
reactor_post(reactor *self, PyObject *callback)
{
    posted *posted = &self->posted;
    int status = 0;
    PyObject **full = NULL;
    pthread_mutex_lock(&posted->mutex);
    Py_ssize_t count = (Py_ssize_t)atomic_load(&posted->count);
    if (count == posted->capacity) {
        Py_ssize_t capacity = count ? 2 * count : 16;
        PyObject **items = PyMem_RawMalloc((size_t)capacity * sizeof(*items));
        if (items == NULL) {
            status = -1;
        } else {
            for (Py_ssize_t index = 0; index < count; index++) {
                items[index] = posted->items[(posted->first + index) % count];
            }
            full = posted->items;
            posted->items = items;
            posted->first = 0;
            posted->capacity = capacity;
        }
    }
    if (status == 0) {
        posted->items[(posted->first + count) % posted->capacity] = Py_NewRef(callback);
        atomic_store(&posted->count, count + 1);
    }
    pthread_mutex_unlock(&posted->mutex);
    PyMem_RawFree(full);
    if (status < 0) {
        PyErr_NoMemory();
        return -1;
    }
    reactor_wake(self);
    return 0;
}

PyObject *
reactor_take_posted(reactor *self)
{
    posted *posted = &self->posted;
    PyObject *callback = NULL;
    if (atomic_load(&posted->count) == 0) {
        return NULL;
    }
    pthread_mutex_lock(&posted->mutex);
    long long count = atomic_load(&posted->count);
    if (count > 0) {
        callback = posted->items[posted->first];
        posted->first = (posted->first + 1) % posted->capacity;
        atomic_store(&posted->count, count - 1);
    }
    pthread_mutex_unlock(&posted->mutex);
    return callback;
}

/* -- what streams ask for ------------------------------------------------------------------------------------------ */

int
reactor_call(reactor *self, PyObject *callback, PyObject *one, PyObject *other)
{
    if (callback == NULL) {
        return 0;
    }
    PyObject *arguments[] = {NULL, one, other};
    /* Whoever sets another callback meanwhile lets go of this one. */
    Py_INCREF(callback);
    size_t count = (other != NULL ? 2 : 1) | PY_VECTORCALL_ARGUMENTS_OFFSET;
    PyObject *result = PyObject_Vectorcall(callback, arguments + 1, count, NULL);
    Py_DECREF(callback);
    Py_XDECREF(result);
    if (self->precision == NOW_EXACT) {
        self->precision = NOW_OF_TURN; /* that may have taken its time */
    }
    return result == NULL ? -1 : 0;
}

void
reactor_queue(reactor *self, stream *stream)
{
    stream->flags |= STREAM_DIRTY;
    if (!(stream->flags & STREAM_QUEUED)) {
        stream->flags |= STREAM_QUEUED;
        stream->next_dirty = NULL;
        *self->dirty_end = stream;
        self->dirty_end = &stream->next_dirty;
    }
}

void
reactor_mark(reactor *self, stream *stream)
{
    reactor_queue(self, stream);
    if (self->on_dirty != NULL) {
        PyObject *callback = Py_NewRef(self->on_dirty);
        PyObject *error = PyErr_Occurred() ? asteri_raised_take() : NULL;
        PyObject *result = PyObject_CallNoArgs(callback);
        if (result == NULL) {
            PyErr_WriteUnraisable(callback);
        }
        Py_XDECREF(result);
        Py_DECREF(callback);
        if (error != NULL) {
            asteri_raised_give(error);
        }
    }
}

void
reactor_list(reactor *self, stream *stream)
{
    if (!(stream->flags & STREAM_LISTED)) {
        stream->flags |= STREAM_LISTED;
        stream->next_in_backlog = NULL;
        *self->backlog_end = stream;
        self->backlog_end = &stream->next_in_backlog;
        reactor_sleeps_until(self, -INFINITY);
    }
}

void
reactor_set_deadline(reactor *self, stream *stream, double when)
{
    if (deadlines_set(&self->deadlines, &stream->deadline, when, self->now)) {
        reactor_sleeps_until(self, when);
    }
}

int
reactor_watch(reactor *self, int operation, source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = source}};
    return epoll_ctl(self->epoll, operation, source->fd, &event);
}

const asteri_connection_v1 *
reactor_functions(reactor *self, PyTypeObject *type)
{
    for (int index = 0; index < KNOWN_TYPES; index++) {
        if (self->known[index].type == type) {
            return self->known[index].functions;
        }
    }
    const asteri_connection_v1 *functions = asteri_connection_of(type);
    if (functions != NULL && functions->size < (Py_ssize_t)offsetof(asteri_connection_v1, advance)) {
        functions = NULL;
    }
    int index = self->next_known;
    self->next_known = (index + 1) % KNOWN_TYPES;
    self->known[index].functions = functions;
    Py_XSETREF(self->known[index].type, (PyTypeObject *)Py_NewRef((PyObject *)type));
    return functions;
}

stream *
reactor_new_stream(reactor *self)
{
    if (self->free == NULL) {
        slab *more = PyMem_Calloc(1, sizeof(*more));
        if (more == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        more->next = self->slabs;
        self->slabs = more;
        for (int index = SLAB_STREAMS - 1; index >= 0; index--) {
            more->streams[index].source.state = STREAM_CLOSED;
            more->streams[index].next = self->free;
            self->free = &more->streams[index];
        }
    }
    stream *new = self->free;
    self->free = new->next;
    memset(new, 0, sizeof(*new));
    new->source.kind = SOURCE_STREAM;
    new->source.state = STREAM_OPEN;
    new->reactor = self;
    new->next = self->streams;
    if (new->next != NULL) {
        new->next->previous = new;
    }
    self->streams = new;
    self->connections++;
    return new;
}

void
reactor_forget(reactor *self, stream *stream)
{
    deadlines_discard(&self->deadlines, &stream->deadline);
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        self->streams = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    stream->next = self->closed;
    self->closed = stream;
    self->remains = 1;
    self->connections--;
    reactor_resume_accepting(self);
}

void
reactor_free_streams(reactor *self)
{
    while (self->slabs != NULL) {
        slab *old = self->slabs;
        self->slabs = old->next;
        PyMem_Free(old);
    }
    self->free = self->retired = NULL;
}
