/* See reactor.h: how the reactor turns, and what it sends. */
#include "reactor.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

#define EVENTS_WITHIN 64 /* of a turn within another one */

/* -- sending ------------------------------------------------------------------------------------------------------- */

/* Sends what was kept back. */
static int
uncork(reactor *self)
{
    self->together = 0;
    while (self->corked != NULL) {
        if (stream_uncork(self->corked->stream) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Pumps what is dirty, and what becomes so meanwhile. */
static int
pump_dirty(reactor *self, wait_for later)
{
    while (self->dirty != NULL) {
        stream *next = self->dirty;
        self->dirty = next->next_dirty;
        if (self->dirty == NULL) {
            self->dirty_end = &self->dirty;
        }
        next->flags &= ~(uint32_t)STREAM_QUEUED;
        if (next->flags & STREAM_DIRTY && stream_pump(next, later) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The time of a flush. Each answer asks for it, to know how long its peer may be slow or idle from here on, so without
 * a cork a tick of the system's timer is exact enough. It never goes back. */
static int
update_now(reactor *self)
{
    if (!self->monotonic || self->corked != NULL) {
        return reactor_update_now(self);
    }
    double now = coarse_time();
    self->precision = NOW_LATE;
    if (now > self->now) {
        self->now = now;
    }
    return 0;
}

/* As `reactor_flush`; `now` is up to date. */
static int
flush_now(reactor *self, wait_for later)
{
    /* A thread that sleeps in `reactor_turn` would not come back in time to send what is kept. */
    if (self->polls > 0) {
        later = WAIT_FOR_NONE;
    }
    int enough = later == WAIT_FOR_NONE || self->together >= TOGETHER;
    if (self->corked != NULL && (enough || self->now - self->corked_since >= CORK_SECONDS) && uncork(self) < 0) {
        return -1;
    }
    return pump_dirty(self, later);
}

int
reactor_flush(reactor *self)
{
    if (self->dirty == NULL && self->corked == NULL) {
        return 0;
    }
    return update_now(self) < 0 ? -1 : flush_now(self, WAIT_FOR_NONE);
}

int
reactor_flush_later(reactor *self, double now, int all)
{
    if (self->dirty == NULL && self->corked == NULL) {
        return 0;
    }
    if (now > self->now) {
        self->now = now;
    }
    self->asked = now;
    self->precision = NOW_EXACT;
    return flush_now(self, all ? WAIT_FOR_ALL : WAIT_FOR_OWN);
}

/* -- time ---------------------------------------------------------------------------------------------------------- */

/* When something has to be done next. */
static double
next_time(reactor *self)
{
    double when = fmin(deadlines_next(&self->deadlines), timers_next(&self->timers));
    return fmin(when, self->pause_until);
}

int
reactor_timeout(reactor *self, double *timeout)
{
    double now;
    *timeout = 0.0;
    if (self->dirty != NULL || self->backlog != NULL || atomic_load(&self->posted.count) > 0) {
        return 0;
    }
    double when = next_time(self);
    if (self->corked != NULL) {
        when = fmin(when, self->corked_since + CORK_SECONDS);
    }
    if (when == INFINITY) {
        *timeout = INFINITY;
        return 0;
    }
    if (reactor_time(self, &now) < 0) {
        return -1;
    }
    *timeout = fmax(0.0, when - now);
    return 0;
}

/* -- turning ------------------------------------------------------------------------------------------------------- */

/* What has to be done before anybody sleeps. `*timeout` is what is left of it. */
static int
prepare(reactor *self, double *timeout, int *dispatched)
{
    if (self->epoll < 0) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed epoll object");
        return -1;
    }
    for (pump_frame *frame = self->pumps; frame != NULL; frame = frame->below) {
        if (stream_pump_within(frame->stream) < 0) {
            return -1;
        }
    }
    if (self->dirty != NULL || self->corked != NULL) {
        /* What leaves now may be what somebody waits for, so they get their turn before we sleep. */
        if (self->dirty != NULL) {
            *timeout = 0;
            *dispatched = 1;
        }
        if (reactor_flush(self) < 0) {
            return -1;
        }
    }
    if (self->backlog != NULL) {
        *timeout = 0;
    }
    self->sleeping_until = -INFINITY;
    if (*timeout > 0) {
        double now = 0, when = next_time(self);
        if ((when < INFINITY || *timeout < INFINITY) && reactor_time(self, &now) < 0) {
            return -1;
        }
        *timeout = fmax(0.0, fmin(*timeout, when - now));
        self->sleeping_until = now + *timeout;
    }
    return 0;
}

/* Waits without the lock, and, if at all, without the GIL. The number of events; -1: errno says why. */
static int
sleep_in(reactor *self, double timeout, struct epoll_event *events, int room)
{
    int count, milliseconds = 0;
    /* From here on whoever posts, or sets an earlier deadline, wakes us. */
    atomic_store(&self->phase, PHASE_SLEEPING);
    lock_release(self->lock);
    if (!atomic_exchange(&self->woken, 0) && atomic_load(&self->posted.count) == 0) {
        double rounded = ceil(timeout * 1e3);
        milliseconds = timeout == INFINITY ? -1 : rounded < INT_MAX ? (int)rounded : INT_MAX;
    }
    if (milliseconds == 0) {
        count = epoll_wait(self->epoll, events, room, 0);
    } else {
        Py_BEGIN_ALLOW_THREADS
        count = epoll_wait(self->epoll, events, room, milliseconds);
        Py_END_ALLOW_THREADS
    }
    int error = errno;
    lock_acquire(self->lock);
    atomic_store(&self->phase, PHASE_DISPATCHING);
    errno = error;
    return count;
}

static int
dispatch_event(reactor *self, const struct epoll_event *event)
{
    source *from = event->data.ptr;
    switch (from->kind) {
    case SOURCE_STREAM:
        return from->state == STREAM_CLOSED ? 0 : stream_ready((stream *)from, event->events);
    case SOURCE_LISTENER:
        return listener_ready(self, from);
    case SOURCE_FOREIGN:
        return foreign_ready(self, from, event->events);
    default:
        return 0; /* it was only to wake us */
    }
}

/* An exception ends this turn: what epoll will not say again is kept for the next one. */
static void
keep_events(reactor *self, const struct epoll_event *events, int count)
{
    for (int index = 0; index < count; index++) {
        stream *from = events[index].data.ptr;
        if (from->source.kind == SOURCE_STREAM && from->source.state != STREAM_CLOSED) {
            stream_note(from, events[index].events);
            reactor_list(self, from);
        }
    }
}

/* Those that could have gone on in the turn before. */
static int
run_backlog(reactor *self)
{
    stream *list = self->backlog, *next;
    int status = 0;
    self->backlog = NULL;
    self->backlog_end = &self->backlog;
    for (; list != NULL && status == 0; list = next) {
        next = list->next_in_backlog;
        list->flags &= ~(uint32_t)STREAM_LISTED;
        if (list->source.state != STREAM_CLOSED) {
            status = stream_ready(list, 0);
        }
    }
    for (; list != NULL; list = next) {
        next = list->next_in_backlog;
        list->flags &= ~(uint32_t)STREAM_LISTED;
        reactor_list(self, list);
    }
    return status;
}

static int
run_posted(reactor *self, int *dispatched)
{
    PyObject *callback;
    while ((callback = reactor_take_posted(self)) != NULL) {
        PyObject *result = PyObject_CallNoArgs(callback);
        Py_DECREF(callback);
        Py_XDECREF(result);
        *dispatched = 1;
        if (result == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
run_deadlines(reactor *self)
{
    due_link *due = NULL;
    int status = 0;
    deadlines_due(&self->deadlines, self->now, &due);
    for (due_link *next; status == 0 && (next = due_take(&due)) != NULL;) {
        status = stream_expire(stream_of_link(next));
    }
    for (due_link *next; (next = due_take(&due)) != NULL;) {
        deadlines_set(&self->deadlines, next, 0.0, self->now);
    }
    return status;
}

/* What was said in time is heard before anybody is told that he is late: a wait that a signal has ended had no look at
 * the end, after a look everybody may have been stopped, and a look sees no more than it has room for. Who watches a
 * foreign descriptor has been told of it, or is in the next turn. */
static int
hear_late(reactor *self, struct epoll_event *events, int room)
{
    Py_ssize_t left = self->connections + self->foreigns_size; /* a foreign one stays ready: each is seen once */
    for (int count = room; count == room && left > 0; left -= count) {
        count = epoll_wait(self->epoll, events, room, 0);
        for (int index = 0; index < count; index++) {
            source *from = events[index].data.ptr;
            if (from->kind == SOURCE_STREAM && dispatch_event(self, &events[index]) < 0) {
                keep_events(self, events + index + 1, count - index - 1);
                return -1;
            }
        }
    }
    return 0;
}

/* Everything that has happened: `count` of `room` events, and the rest. */
static int
dispatch(reactor *self, struct epoll_event *events, int count, int room, int *dispatched)
{
    if (reactor_update_now(self) < 0) {
        keep_events(self, events, count);
        return -1;
    }
    *dispatched |= count > 0;
    if (self->backlog != NULL) {
        *dispatched = 1;
        if (run_backlog(self) < 0) {
            keep_events(self, events, count);
            return -1;
        }
    }
    for (int index = 0; index < count; index++) {
        if (dispatch_event(self, &events[index]) < 0) {
            keep_events(self, events + index + 1, count - index - 1);
            return -1;
        }
    }
    if (run_posted(self, dispatched) < 0) {
        return -1;
    }
    if (timers_next(&self->timers) <= self->now) {
        *dispatched = 1;
        if (timers_run(&self->timers, self->now) < 0) {
            return -1;
        }
    }
    if (deadlines_next(&self->deadlines) <= self->now) {
        *dispatched = 1;
        if (hear_late(self, events, room) < 0 || run_deadlines(self) < 0) {
            return -1;
        }
    }
    if (self->pause_until <= self->now) {
        self->pause_until = INFINITY;
        reactor_resume_accepting(self);
    }
    return reactor_flush(self);
}

/* Gives the places of closed streams back. No turn has their addresses. */
static void
reclaim(reactor *self)
{
    stream *left = NULL;
    while (self->retired != NULL) {
        stream *old = self->retired;
        self->retired = old->next;
        stream **to = old->flags & (STREAM_QUEUED | STREAM_LISTED) ? &left : &self->free;
        old->next = *to;
        *to = old;
    }
    self->retired = left;
}

int
reactor_turn(reactor *self, double timeout, int *dispatched)
{
    struct epoll_event within[EVENTS_WITHIN];
    int ignored = 0, status = -1;
    if (dispatched == NULL) {
        dispatched = &ignored;
    }
    *dispatched = 0;
    reactor_enter(self);
    int phase = atomic_exchange(&self->phase, PHASE_DISPATCHING);
    int outermost = self->polls++ == 0;
    if (prepare(self, &timeout, dispatched) < 0) {
        goto end;
    }
    struct epoll_event *events = outermost ? self->events : within;
    int room = outermost ? EVENTS : EVENTS_WITHIN;
    self->depth--;
    int count = sleep_in(self, timeout, events, room);
    self->depth++;
    if (count < 0 && errno != EINTR) {
        PyErr_SetFromErrno(PyExc_OSError);
        goto end;
    }
    status = dispatch(self, events, count > 0 ? count : 0, room, dispatched);
    /* Last, since what epoll has said it does not say again. */
    if (status == 0 && PyErr_CheckSignals() < 0) {
        status = -1;
    }
end:
    self->polls--;
    self->sleeping_until = INFINITY;
    if (self->depth == 1 && self->remains) {
        reactor_bury(self);
    }
    if (self->depth == 1 && self->polls == 0 && self->retired != NULL) {
        reclaim(self);
    }
    atomic_store(&self->woken, 0);
    /* Between two turns somebody may sleep for us; within another turn nobody does. */
    phase = self->depth > 1 ? phase : self->watched ? PHASE_SLEEPING : PHASE_BETWEEN;
    atomic_store(&self->phase, phase);
    reactor_leave(self);
    return status;
}
