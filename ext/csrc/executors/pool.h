/* The pool's queue between the reactor's thread and those that run the application: its state, and who wakes whom.
 *
 * A call waits in the queue. A thread that has nothing to do is parked: it sleeps without the GIL, on a lock of its own,
 * and is on the stack of those that sleep; the last one that went to sleep is the first to be woken. At most one thread
 * at a time is *on its way*: woken, but not at the queue yet, most of the time because it waits for the GIL. It is woken
 *
 *   - when a turn of the reactor that has started calls ends, and not at every start: so a turn's requests are handed
 *     over with one wake-up, and who is woken finds the GIL free;
 *   - by a thread that takes a call and leaves others behind. Should this call block, somebody else is there to go on;
 *     if it does not, that thread takes the next one itself, and who is on the way finds nothing, or the next turn's.
 *
 * So no more threads are woken than there are calls, and with calls that do not block two are at work, whatever their
 * number is: each wake-up costs a switch of threads and a fight for the GIL.
 *
 * Everything here is guarded by the executor's critical section but what is said to be guarded by the reactor's lock.
 */
#ifndef EXECUTORS_POOL_H
#define EXECUTORS_POOL_H

#include "ring.h"
#include "shared.h"

/* A sleeping thread; in its own frame. */
typedef struct pool_parked {
    PyThread_type_lock bed; /* held, until it is to wake up */
    struct pool_parked *below;
} pool_parked;

typedef struct {
    PyObject_HEAD
    executors_state *state; /* of the module, which the type keeps alive */
    reactor_link *link;     /* owned, as all objects that follow */
    PyObject *handler;
    PyObject *context;  /* in copies of which the handler is called */
    PyObject *wait;     /* our own bound methods, made once */
    PyObject *work;
    PyObject *hand_over;
    PyObject *post;     /* `reactor.post` */
    PyObject *start_thread, *stack_of; /* of asteri_core.executors.pool */
    PyObject *threads;  /* list of threading.Thread; guarded by the reactor's lock */
    Py_ssize_t limit;
    int posted;         /* guarded by the reactor's lock: `hand_over` will be called at the end of this turn */

    ring queue;               /* of shared exchanges */
    shared_exchange *running; /* all that have been started and have not returned; the queue or a thread owns them */
    Py_ssize_t count;         /* of them */
    pool_parked *parked;
    int on_its_way;
    int closing;              /* threads end when the queue is empty */
} pool_executor;

/* Puts a call into the queue (borrowed). 0; -1 when there is no memory, without an exception. */
int pool_push(pool_executor *self, shared_exchange *call);

/* Calls that have been started and have not returned. */
Py_ssize_t pool_count(pool_executor *self);

/* Wakes a thread if calls wait, one sleeps and none is on its way. */
void pool_wake(pool_executor *self);

/* Wakes all, to run what is left and end. */
void pool_close(pool_executor *self);

/* Lets go of what waits, when there is no thread (any more). */
void pool_forget(pool_executor *self);

/* What a thread of the pool runs. 0 when it is to end, or -1. */
int pool_work(pool_executor *self);

#endif
