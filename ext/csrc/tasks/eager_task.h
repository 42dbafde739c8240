/* Python 3.11: an asyncio task whose first step runs on the spot. What the eager_*.c files share.
 *
 * It is an asyncio.Future with the fields below behind it, and says of itself that it is an asyncio.Task (`__class__`).
 * A task that has come to its end in its first step, and that nobody has looked at meanwhile, is as good as new.
 */
#ifndef ASTERI_EAGER_TASK_H
#define ASTERI_EAGER_TASK_H

#include <stdbool.h>

#include "tasks.h"

typedef struct {
    tasks_state *state;  /* of the module of our type, which lives as long as it */
    PyObject *loop;      /* owned */
    PyObject *coroutine; /* owned */
    PyObject *context;   /* owned */
    PyObject *name;      /* owned; NULL until somebody asks */
    PyObject *waiter;    /* owned: the future that is waited for, or NULL */
    PyObject *cancelled; /* owned: the CancelledError that has ended it, until it has been raised again, or NULL */
    long cancels;        /* requests that have not been taken back */
    bool must_cancel;    /* the next step begins with a CancelledError */
    bool suspended;      /* it has been, at least once, and is registered with asyncio */
    bool over;
    bool seen; /* an attribute was asked for, so that it may have been changed or kept */
    bool log_destroy_pending;
} eager_task;

static inline eager_task *
eager_of(PyObject *self)
{
    return (eager_task *)((char *)self + Py_TYPE(self)->tp_base->tp_basicsize);
}

/* A task without a coroutine. `arguments` are those of asyncio.Future. Both are borrowed. New reference, NULL. */
PyObject *eager_new(tasks_state *state, PyObject *loop, PyObject *arguments);

/* Whether nobody has come to know a spare task meanwhile: the collector's list of objects has it too. */
bool eager_is_new(PyObject *self);

enum { EAGER_SEEN = 0, EAGER_UNSEEN = 1 };

/* Runs the first step of `coroutine` in `context`, both borrowed. `unseen` permits to leave the result out of a task
 * that nobody has seen: EAGER_UNSEEN says that this is so, and that it can be used again. -1: an exception. */
int eager_begin(tasks_state *state, PyObject *self, PyObject *coroutine, PyObject *context, int unseen);

/* 0, -1: add to the module. */
int eager_add_iterator(PyObject *module);
/* `__await__` of a task: a new reference to an iterator, NULL. */
PyObject *eager_await(PyObject *self);
/* The CancelledError that has ended the task, once, as a new reference; NULL (no exception) when there is none. */
PyObject *eager_take_cancelled(PyObject *self);
/* As Future.result: new reference, NULL. */
PyObject *eager_result(PyObject *self, PyObject *ignored);

#endif
