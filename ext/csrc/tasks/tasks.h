/* What the files of `asteri_native._tasks` share.
 *
 *     starter.c     the hot part of TaskExecutor: `start`
 *     call.c        one application call as a coroutine: the handler's awaitable and what is done at its end
 *     task_maker.c  a task of a coroutine, its first step run on the spot
 *     eager_*.c     Python 3.11 only: such a task
 *
 * From Python 3.12 on asyncio.Task itself can do that (eager_start).
 */
#ifndef ASTERI_TASKS_H
#define ASTERI_TASKS_H

#include "asteri/module_state.h"
#include "asteri/raised.h"

/* Whether the eager task is our own. */
#define OWN_TASK (PY_VERSION_HEX < 0x030C0000)

/* Names that are looked up at run time: `state->names.send` is the interned string "send". */
#define EACH_NAME(DO)                                                                                                  \
    DO(_asyncio_future_blocking)                                                                                       \
    DO(_cancel_message)                                                                                                \
    DO(_log_traceback)                                                                                                 \
    DO(_loop)                                                                                                          \
    DO(_source_traceback)                                                                                              \
    DO(_task_factory)                                                                                                  \
    DO(_thread_id)                                                                                                     \
    DO(abort)                                                                                                          \
    DO(add_done_callback)                                                                                              \
    DO(begin)                                                                                                          \
    DO(call_exception_handler)                                                                                         \
    DO(call_soon)                                                                                                      \
    DO(cancel)                                                                                                         \
    DO(close)                                                                                                          \
    DO(context)                                                                                                        \
    DO(cr_await)                                                                                                       \
    DO(cr_code)                                                                                                        \
    DO(cr_frame)                                                                                                       \
    DO(eager_start)                                                                                                    \
    DO(get_loop)                                                                                                       \
    DO(get_task_factory)                                                                                               \
    DO(is_running)                                                                                                     \
    DO(limit)                                                                                                          \
    DO(loop)                                                                                                           \
    DO(message)                                                                                                        \
    DO(result)                                                                                                         \
    DO(source_traceback)                                                                                               \
    DO(task)                                                                                                           \
    DO(throw)                                                                                                          \
    DO(wait)

typedef struct {
#define DECLARE(name) PyObject *name;
    EACH_NAME(DECLARE)
#undef DECLARE
} tasks_names;

typedef struct {
    tasks_names names;
    PyTypeObject *starter_type;
    PyTypeObject *call_type;
    PyObject *cancelled_error; /* asyncio.CancelledError */
    PyObject *asyncio_task;    /* asyncio.Task */
    PyObject *base_loop;       /* asyncio.BaseEventLoop */
    PyObject *end_failed;      /* asteri_core.executors.executor.end_failed */
    PyObject *no_arguments;    /* () */
    PyObject *context_keyword; /* ("context",) */
#if OWN_TASK
    PyTypeObject *eager_type;
    PyTypeObject *eager_iterator_type;
    PyTypeObject *future_type; /* asyncio.Future, which eager_type extends */
    PyObject *current_tasks;   /* asyncio's dict of loops and the tasks that run in them */
    PyObject *enter_task;      /* four functions of asyncio.tasks and base_tasks */
    PyObject *leave_task;
    PyObject *register_task;
    PyObject *task_repr;
    PyObject *task_get_stack;
    PyObject *task_print_stack;
    PyObject *invalid_state_error;
    PyObject *future_set_result; /* six methods of future_type, unbound */
    PyObject *future_set_exception;
    PyObject *future_cancel;
    PyObject *future_result;
    PyObject *future_exception;
    PyObject *future_make_cancelled_error;
    unsigned long long task_number; /* of the last task that was asked for its name */
#endif
} tasks_state;

/* `module` is borrowed. */
tasks_state *tasks_state_of(PyObject *module);
/* Of a type of this module, or one that inherits from it; borrowed. NULL: an exception. */
tasks_state *tasks_state_of_type(PyTypeObject *type);

/* What makes a task in one loop out of one coroutine after the other. Filled by `task_maker_fill`. */
typedef struct {
    PyObject *loop;      /* owned */
    PyObject *arguments; /* owned: the keyword arguments of a task (from 3.12 on) or future (3.11), a dict */
    PyObject *spare;     /* owned: a task that has run without being seen and can be used again, or NULL (3.11) */
} task_maker;

/* `loop` is borrowed. 0, or -1 with an exception. */
int task_maker_fill(tasks_state *state, task_maker *maker, PyObject *loop);
int task_maker_traverse(task_maker *maker, visitproc visit, void *arg);
void task_maker_clear(task_maker *maker);

/* Makes a task of `coroutine`, whose first step runs before this returns, in `context`. Both are borrowed.
 *
 * `*task` becomes a new reference, or NULL: it is over already, nobody has seen it, and its result is of no interest
 * to the caller either (`unseen` permits that). 0, or -1 with an exception, which is only what a step may raise
 * (KeyboardInterrupt, SystemExit) or a defect. */
int task_begin(tasks_state *state, task_maker *maker, PyObject *coroutine, PyObject *context, int unseen,
               PyObject **task);

/* The hot part of an executor. The members are those that the Python class sets. All are owned; NULL until set. */
typedef struct {
    PyObject_HEAD
    tasks_state *state; /* of the module of our type, which lives as long as it */
    PyObject *handler;
    PyObject *flush;
    PyObject *loop;
    PyObject *attributes; /* the loop's dictionary, if it is one of asyncio's own in what we ask of it; else NULL */
    PyObject *context;
    PyObject *tasks;
    PyObject *waits;
    PyObject *wait; /* the bound method, fetched with the first start */
    task_maker maker;
    PyObject *spare_call; /* a call that is over and can be used again, or NULL */
    int depth;            /* first steps that run within each other */
} starter;

/* 0, -1: add to the module. */
int tasks_add_starter(PyObject *module);
int tasks_add_call(PyObject *module);
int tasks_add_functions(PyObject *module);
#if OWN_TASK
int tasks_add_eager(PyObject *module);
#endif

/* A new reference to a call of the starter's handler for `exchange`; both arguments are borrowed. */
PyObject *call_new(starter *executor, PyObject *exchange);
/* Whether it has come to its end. */
int call_is_over(PyObject *call);
/* The caller needs it no more, and it may be used for a next one if nobody else does. `call` is stolen, may be NULL. */
void call_keep(starter *executor, PyObject *call);
/* The exchange has been put into the starter's table of tasks: it is taken out again at the end. */
void call_is_listed(PyObject *call);

/* An interpreter's call of a method with no arguments or one; `method` is the interned name. New reference, NULL. */
static inline PyObject *
call_method(PyObject *self, PyObject *method, PyObject *argument)
{
    PyObject *arguments[] = {self, argument};
    size_t count = argument == NULL ? 1 : 2;
    return PyObject_VectorcallMethod(method, arguments, count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

#endif
