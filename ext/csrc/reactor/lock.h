/* The reactor's lock: re-entrant, a Python object with the methods of `threading.RLock`, and cheap for C when nobody
 * else has it: two atomic operations, where a lock of Python's also reads the clock. It belongs to no reactor in
 * particular. */
#ifndef REACTOR_LOCK_H
#define REACTOR_LOCK_H

#include <stdatomic.h>

#include "state.h"

enum { LOCK_FREE, LOCK_HELD, LOCK_AWAITED }; /* held, and somebody may wait for it */

typedef struct {
    PyObject_HEAD
    atomic_int state;
    _Atomic(unsigned long) owner; /* the thread that holds it, 0: none */
    unsigned long depth;          /* how often; only the owner looks at it */
    PyThread_type_lock bell;      /* who waits tries to take it; released: the lock has become free */
    atomic_int rung;              /* `bell` is released, or is about to be */
} reactor_lock;

reactor_lock *lock_new(reactor_state *state); /* NULL: an exception */
void lock_wait(reactor_lock *self); /* takes it for the calling thread, which does not hold it */
void lock_ring(reactor_lock *self); /* wakes one of those who wait */

static inline int
lock_try(reactor_lock *self, unsigned long me)
{
    int state = LOCK_FREE;
    if (!atomic_compare_exchange_strong_explicit(&self->state, &state, LOCK_HELD, memory_order_acquire,
                                                 memory_order_relaxed)) {
        return 0;
    }
    atomic_store_explicit(&self->owner, me, memory_order_relaxed);
    self->depth = 1;
    return 1;
}

/* Waits without the GIL, never fails, is not interrupted by signals. */
static inline void
lock_acquire(reactor_lock *self)
{
    unsigned long me = PyThread_get_thread_ident();
    /* Only this thread can have written its own number there, so nothing has to be ordered. */
    if (atomic_load_explicit(&self->owner, memory_order_relaxed) == me) {
        self->depth++;
    } else if (!lock_try(self, me)) {
        lock_wait(self);
    }
}

/* The calling thread holds it. */
static inline void
lock_release(reactor_lock *self)
{
    if (--self->depth == 0) {
        atomic_store_explicit(&self->owner, 0, memory_order_relaxed);
        if (atomic_exchange(&self->state, LOCK_FREE) == LOCK_AWAITED) {
            lock_ring(self);
        }
    }
}

#endif
