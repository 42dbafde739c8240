/* The callback that a waiting call gives to `Exchange.watch`: it remembers that it was called, and wakes a thread. */
#ifndef EXECUTORS_WAKER_H
#define EXECUTORS_WAKER_H

#include "state.h"

#include <stdatomic.h>

enum { WAKER_QUIET, WAKER_CALLED, WAKER_SLEPT_ON };

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    atomic_int condition;      /* one of the above */
    PyThread_type_lock bed;    /* held while somebody sleeps; NULL until then */
} waker;

/* A new waker, owned by the caller, or NULL. */
waker *waker_new(executors_state *state);

/* Watches `exchange` for `want` with `self` (all borrowed), as the Python method: 1: it holds already; 0; -1. */
int waker_watch(waker *self, executors_state *state, PyObject *exchange, PyObject *want);

static inline int
waker_called(waker *self)
{
    return atomic_load(&self->condition) == WAKER_CALLED;
}

/* Blocks the calling thread, without the GIL, until the waker has been called. Only one thread. 0, -1. */
int waker_sleep(waker *self);

#endif
