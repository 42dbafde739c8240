/* See pool.h. The queue and the threads' side of it. */
#include "pool.h"

#include "call.h"

#define AS_CALL(object) ((shared_exchange *)(object))

/* -- the steps, each under the critical section -------------------------------------------------------------------- */

static void
add_running(pool_executor *self, shared_exchange *call)
{
    call->before = NULL;
    call->after = self->running;
    if (call->after != NULL) {
        call->after->before = call;
    }
    self->running = call;
    self->count++;
}

static void
remove_running(pool_executor *self, shared_exchange *call)
{
    if (call->before != NULL) {
        call->before->after = call->after;
    } else {
        self->running = call->after;
    }
    if (call->after != NULL) {
        call->after->before = call->before;
    }
    call->before = call->after = NULL;
    self->count--;
}

/* Whom to wake now, or NULL. That one is on its way from here on. */
static pool_parked *
next_to_wake(pool_executor *self)
{
    pool_parked *next = self->queue.count > 0 && !self->on_its_way ? self->parked : NULL;
    if (next != NULL) {
        self->parked = next->below;
        self->on_its_way = 1;
    }
    return next;
}

static void
park(pool_executor *self, pool_parked *place)
{
    place->below = self->parked;
    self->parked = place;
}

/* A woken thread's frame lives on until it has the GIL, or at least its own bed: the last thing we touch. */
static void
wake(pool_parked *parked)
{
    if (parked != NULL) {
        PyThread_release_lock(parked->bed);
    }
}

/* -- what is done with them ---------------------------------------------------------------------------------------- */

int
pool_push(pool_executor *self, shared_exchange *call)
{
    int failed;
    Py_BEGIN_CRITICAL_SECTION(self);
    failed = ring_push(&self->queue, (PyObject *)call);
    if (!failed) {
        add_running(self, call);
    }
    Py_END_CRITICAL_SECTION();
    return failed;
}

Py_ssize_t
pool_count(pool_executor *self)
{
    Py_ssize_t count;
    Py_BEGIN_CRITICAL_SECTION(self);
    count = self->count;
    Py_END_CRITICAL_SECTION();
    return count;
}

void
pool_wake(pool_executor *self)
{
    pool_parked *next;
    Py_BEGIN_CRITICAL_SECTION(self);
    next = next_to_wake(self);
    Py_END_CRITICAL_SECTION();
    wake(next);
}

void
pool_close(pool_executor *self)
{
    pool_parked *sleeping;
    Py_BEGIN_CRITICAL_SECTION(self);
    self->closing = 1;
    sleeping = self->parked;
    self->parked = NULL;
    Py_END_CRITICAL_SECTION();
    while (sleeping != NULL) {
        pool_parked *parked = sleeping;
        sleeping = parked->below; /* before its frame can be gone */
        wake(parked);
    }
}

void
pool_forget(pool_executor *self)
{
    self->running = NULL;
    self->count = 0;
    ring_clear(&self->queue);
}

/* The next call, now the caller's. NULL: there is none, and this thread is parked in `place`, or is to end. `called`
 * says that it has been on its way. */
static shared_exchange *
take(pool_executor *self, pool_parked *place, unsigned long thread, int called, int *end)
{
    shared_exchange *call;
    pool_parked *next = NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (called) {
        self->on_its_way = 0;
    }
    call = AS_CALL(ring_pop(&self->queue));
    *end = call == NULL && self->closing;
    if (call != NULL) {
        call->thread = thread;
        next = next_to_wake(self);
    } else if (!*end) {
        park(self, place);
    }
    Py_END_CRITICAL_SECTION();
    wake(next);
    return call;
}

/* Runs a call (borrowed). 0, or -1 when not even the failure could be dealt with. */
static int
run(pool_executor *self, shared_exchange *call)
{
    /* Neither for a client that has left while its request waited, nor for one that has had its 504. */
    int failed = 0;
    int there = shared_retract(call);
    if (there < 0 || (there > 0 && call_handler(self->handler, self->context, (PyObject *)call, self->wait) < 0)) {
        failed = call_failed(self->state, (PyObject *)call);
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    remove_running(self, call);
    Py_END_CRITICAL_SECTION();
    return failed;
}

int
pool_work(pool_executor *self)
{
    pool_parked place = {.bed = PyThread_allocate_lock()};
    if (place.bed == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    (void)PyThread_acquire_lock(place.bed, NOWAIT_LOCK);
    unsigned long thread = PyThread_get_thread_ident();
    int failed = 0, called = 0, end = 0;
    while (!failed) {
        shared_exchange *call = take(self, &place, thread, called, &end);
        called = 0;
        if (call != NULL) {
            failed = run(self, call);
            Py_DECREF((PyObject *)call);
        } else if (end) {
            break;
        } else {
            Py_BEGIN_ALLOW_THREADS
            (void)PyThread_acquire_lock(place.bed, WAIT_LOCK);
            Py_END_ALLOW_THREADS
            called = 1;
        }
    }
    PyThread_free_lock(place.bed);
    return failed;
}
