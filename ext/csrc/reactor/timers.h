/* Exact timers for the callbacks of the server itself: the twin of `asteri_core.reactor.timers.Timers`. Reads no
 * clock; the caller holds the reactor's lock. */
#ifndef REACTOR_TIMERS_H
#define REACTOR_TIMERS_H

#include "state.h"

typedef struct reactor_timer reactor_timer; /* a Python object */

typedef struct {
    double when;
    uint64_t number; /* those of one time come in the order in which they were set */
    reactor_timer *timer; /* owned */
} timer_entry;

typedef struct {
    timer_entry *heap; /* owned */
    Py_ssize_t count, capacity;
    uint64_t set; /* timers so far */
} timers;

/* `callback` is borrowed. A new reference to the timer; NULL: an exception. */
PyObject *timers_add(timers *self, reactor_state *state, double when, PyObject *callback);

/* When the first timer is due; infinity if there is none. */
double timers_next(timers *self);

/* Calls the callbacks whose time has come, not those that are set meanwhile. 0; -1: one has raised, and those behind it
 * are left for the next time. */
int timers_run(timers *self, double now);

int timers_traverse(timers *self, visitproc visit, void *arg);
void timers_clear(timers *self);

#endif
