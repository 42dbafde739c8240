/* See reactor.h: the beginning and the end of a reactor. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "reactor.h"

void
reactor_blank(reactor *self)
{
    self->epoll = -1;
    self->waker.fd = -1;
    self->waker.kind = SOURCE_WAKER;
    self->monotonic = 1;
    self->pause_until = INFINITY;
    self->sleeping_until = INFINITY;
    self->dirty_end = &self->dirty;
    self->backlog_end = &self->backlog;
    self->corked_end = &self->corked;
    atomic_init(&self->phase, PHASE_BETWEEN);
    atomic_init(&self->woken, 0);
    atomic_init(&self->posted.count, 0);
    pthread_mutex_init(&self->posted.mutex, NULL);
    deadlines_init(&self->deadlines, 0.0);
}

int
reactor_open(reactor *self)
{
    self->buffer = PyMem_Malloc(READ_SIZE);
    self->events = PyMem_Malloc(EVENTS * sizeof(*self->events));
    if (self->buffer == NULL || self->events == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->waker.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->waker.fd < 0 || self->epoll < 0 ||
        reactor_watch(self, EPOLL_CTL_ADD, &self->waker, EPOLLIN | EPOLLET) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    self->process = getpid();
    if (reactor_update_now(self) < 0) {
        return -1;
    }
    deadlines_init(&self->deadlines, self->now);
    return 0;
}

static void
close_descriptors(reactor *self)
{
    reactor_wake(self); /* whoever sleeps in there */
    pthread_mutex_lock(&self->posted.mutex);
    int waker = self->waker.fd;
    self->waker.fd = -1;
    pthread_mutex_unlock(&self->posted.mutex);
    int epoll = self->epoll;
    self->epoll = -1;
    if (waker >= 0) {
        close(waker);
    }
    if (epoll >= 0) {
        close(epoll);
    }
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

/* Calls `step` for every stream that is open now. */
static int
for_each_stream(reactor *self, int (*step)(stream *stream, double until), double until)
{
    Py_ssize_t count = 0, index = 0;
    int status = 0;
    reactor_unlisten(self);
    if (reactor_update_now(self) < 0) {
        return -1;
    }
    /* A step may close others as well; their places are not given to new ones meanwhile. */
    stream **open = PyMem_Malloc((size_t)self->connections * sizeof(*open));
    if (open == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (stream *next = self->streams; next != NULL; next = next->next) {
        open[count++] = next;
    }
    while (index < count && status == 0) {
        status = step(open[index++], until);
    }
    PyMem_Free(open);
    return status;
}

static int
abandon_step(stream *stream, double Py_UNUSED(until))
{
    return stream_abandon(stream);
}

int
reactor_drain(reactor *self, double until)
{
    return for_each_stream(self, stream_drain, until);
}

int
reactor_abandon(reactor *self)
{
    return for_each_stream(self, abandon_step, 0.0);
}

int
reactor_close(reactor *self)
{
    int status = reactor_abandon(self);
    close_descriptors(self);
    PyObject *error = status < 0 ? asteri_raised_take() : NULL;
    foreigns_free(self);
    if (error != NULL) {
        asteri_raised_give(error);
    }
    return status;
}

int
reactor_traverse(reactor *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->lock);
    Py_VISIT(self->started);
    Py_VISIT(self->finished);
    Py_VISIT(self->failed);
    Py_VISIT(self->on_dirty);
    Py_VISIT(self->clock);
    for (int index = 0; index < KNOWN_TYPES; index++) {
        Py_VISIT(self->known[index].type);
    }
    const posted *posted = &self->posted;
    Py_ssize_t count = (Py_ssize_t)atomic_load(&posted->count);
    for (Py_ssize_t index = 0; index < count; index++) {
        Py_VISIT(posted->items[(posted->first + index) % posted->capacity]);
    }
    stream *lists[] = {self->streams, self->closed};
    for (size_t index = 0; index < sizeof(lists) / sizeof(lists[0]); index++) {
        for (stream *next = lists[index]; next != NULL; next = next->next) {
            int stop = stream_traverse(next, visit, arg);
            if (stop) {
                return stop;
            }
        }
    }
    int stop = timers_traverse(&self->timers, visit, arg);
    if (!stop) {
        stop = listeners_traverse(self, visit, arg);
    }
    return stop ? stop : foreigns_traverse(self, visit, arg);
}

int
reactor_clear(reactor *self)
{
    self->monotonic = 1;
    Py_CLEAR(self->started);
    Py_CLEAR(self->finished);
    Py_CLEAR(self->failed);
    Py_CLEAR(self->on_dirty);
    Py_CLEAR(self->clock);
    if (self->epoll >= 0 && self->process != getpid()) {
        /* The end of a forked child. What it took out of the shared instance its parent would hear of no more. */
        close(self->epoll);
        self->epoll = -1;
    }
    if (self->lock != NULL) {
        reactor_enter(self);
        reactor_unlisten(self);
        while (self->streams != NULL) {
            stream_drop(self->streams);
        }
        foreigns_free(self);
        reactor_leave(self);
    }
    listeners_free(self);
    known_hosts_clear(&self->hosts);
    timers_clear(&self->timers);
    PyObject *callback;
    while ((callback = reactor_take_posted(self)) != NULL) {
        Py_DECREF(callback);
    }
    for (int index = 0; index < KNOWN_TYPES; index++) {
        Py_CLEAR(self->known[index].type);
    }
    return 0;
}

void
reactor_free(reactor *self)
{
    (void)reactor_clear(self);
    close_descriptors(self);
    output_free_corks(self);
    foreigns_release(self);
    listeners_release(self);
    reactor_free_streams(self);
    PyMem_Free(self->buffer);
    PyMem_Free(self->events);
    PyMem_RawFree(self->posted.items);
    pthread_mutex_destroy(&self->posted.mutex);
    Py_CLEAR(self->lock);
}
