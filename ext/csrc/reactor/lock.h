/* The reactor's lock: re-entrant, a Python object with the methods of `threading.RLock`, and cheap for C when nobody
 * else has it. It belongs to no reactor in particular. */
#ifndef REACTOR_LOCK_H
#define REACTOR_LOCK_H

#include <stdatomic.h>

#include "state.h"

typedef struct {
    PyObject_HEAD
    PyThread_type_lock lock;
    _Atomic(unsigned long) owner; /* the thread that holds `lock`, 0: none */
    unsigned long depth;          /* how often; only the owner looks at it */
} reactor_lock;

reactor_lock *lock_new(reactor_state *state); /* NULL: an exception */
void lock_acquire_slowly(reactor_lock *self, unsigned long me);

/* Waits without the GIL, never fails, is not interrupted by signals. */
static inline void
lock_acquire(reactor_lock *self)
{
    unsigned long me = PyThread_get_thread_ident();
    /* Only this thread can have written its own number there, so nothing has to be ordered. */
    if (atomic_load_explicit(&self->owner, memory_order_relaxed) == me) {
        self->depth++;
    } else {
        lock_acquire_slowly(self, me);
    }
}

/* The calling thread holds it. */
static inline void
lock_release(reactor_lock *self)
{
    if (--self->depth == 0) {
        atomic_store_explicit(&self->owner, 0, memory_order_relaxed);
        PyThread_release_lock(self->lock);
    }
}

#endif
