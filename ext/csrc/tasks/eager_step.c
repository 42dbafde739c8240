/* Python 3.11: the steps of a task, as asyncio defines them (asyncio.tasks.Task.__step). */
#include "eager_task.h"

#include "asteri/threads.h"

#if OWN_TASK

static PyObject *step_callback(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
static PyObject *wake_up(PyObject *self, PyObject *future);

static PyMethodDef step_definition = {
    "__step", (PyCFunction)(void (*)(void))step_callback, METH_FASTCALL, NULL,
};
static PyMethodDef wake_up_definition = {"__wakeup", (PyCFunction)wake_up, METH_O, NULL};

/* A call that says whether it went well. The result is stolen. 0, -1. */
static int
done(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* -- what comes after a step -------------------------------------------------------------------------------------- */

/* Have the next step run in the next turn of the loop; it begins with `error`, which may be NULL. 0, -1. */
static int
step_soon(PyObject *self, PyObject *error)
{
    eager_task *task = eager_of(self);
    PyObject *step = PyCFunction_New(&step_definition, self);
    if (step == NULL) {
        return -1;
    }
    PyObject *arguments[4] = {task->loop, step, error != NULL ? error : task->context, task->context};
    size_t count = error != NULL ? 3 : 2;
    PyObject *handle = PyObject_VectorcallMethod(task->state->names.call_soon, arguments,
                                                 count | PY_VECTORCALL_ARGUMENTS_OFFSET, task->state->context_keyword);
    Py_DECREF(step);
    return done(handle);
}

/* Have the next step begin with the RuntimeError of this text, which is stolen. 0, -1. */
static int
fail_soon(PyObject *self, PyObject *text)
{
    PyObject *error = text == NULL ? NULL : PyObject_CallOneArg(PyExc_RuntimeError, text);
    Py_XDECREF(text);
    if (error == NULL) {
        return -1;
    }
    int result = step_soon(self, error);
    Py_DECREF(error);
    return result;
}

/* The loop of a future: new reference, NULL. */
static PyObject *
loop_of(tasks_state *state, PyObject *future)
{
    PyObject *get_loop = PyObject_GetAttr(future, state->names.get_loop);
    if (get_loop != NULL) {
        PyObject *loop = PyObject_CallNoArgs(get_loop);
        Py_DECREF(get_loop);
        return loop;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return NULL;
    }
    PyErr_Clear();
    return PyObject_GetAttr(future, state->names._loop);
}

/* Wait for `future`, which is borrowed. 0, -1. */
static int
wait_for(PyObject *self, PyObject *future)
{
    eager_task *task = eager_of(self);
    tasks_state *state = task->state;
    if (PyObject_SetAttr(future, state->names._asyncio_future_blocking, Py_False) < 0) {
        return -1;
    }
    PyObject *wakeup = PyCFunction_New(&wake_up_definition, self);
    if (wakeup == NULL) {
        return -1;
    }
    PyObject *arguments[] = {future, wakeup, task->context};
    PyObject *added = PyObject_VectorcallMethod(state->names.add_done_callback, arguments,
                                                2 | PY_VECTORCALL_ARGUMENTS_OFFSET, state->context_keyword);
    Py_DECREF(wakeup);
    if (done(added) < 0) {
        return -1;
    }
    Py_XSETREF(task->waiter, Py_NewRef(future));
    if (!task->must_cancel) {
        return 0;
    }
    PyObject *message = PyObject_GetAttr(self, state->names._cancel_message);
    PyObject *said = message == NULL ? NULL : call_method(future, state->names.cancel, message);
    Py_XDECREF(message);
    int cancelled = said == NULL ? -1 : PyObject_IsTrue(said);
    Py_XDECREF(said);
    if (cancelled > 0) {
        task->must_cancel = false;
    }
    return cancelled < 0 ? -1 : 0;
}

/* What is no future has been yielded. 0, -1. */
static int
refuse(PyObject *self, PyObject *yielded)
{
    const char *text = PyGen_CheckExact(yielded)
                           ? "yield was used instead of yield from for generator in task %R with %R"
                           : NULL;
    return fail_soon(self, text != NULL ? PyUnicode_FromFormat(text, self, yielded)
                                        : PyUnicode_FromFormat("Task got bad yield: %R", yielded));
}

/* 1: a future that somebody waits for; 0: a future; 2: no future; -1. */
static int
blocking(tasks_state *state, PyObject *yielded)
{
    PyObject *said = PyObject_GetAttr(yielded, state->names._asyncio_future_blocking);
    if (said == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 2;
    }
    int result = said == Py_None ? 2 : PyObject_IsTrue(said);
    Py_DECREF(said);
    return result;
}

/* The coroutine has yielded something, which is borrowed. 0, -1. */
static int
suspend(PyObject *self, PyObject *yielded)
{
    eager_task *task = eager_of(self);
    tasks_state *state = task->state;
    if (!task->suspended) {
        task->suspended = true;
        if (done(PyObject_CallOneArg(state->register_task, self)) < 0) {
            return -1;
        }
    }
    if (yielded == Py_None) {
        return step_soon(self, NULL);
    }
    if (yielded == self) {
        return fail_soon(self, PyUnicode_FromFormat("Task cannot await on itself: %R", self));
    }
    int waits = blocking(state, yielded);
    if (waits < 0) {
        return -1;
    }
    if (waits == 2) {
        return refuse(self, yielded);
    }
    PyObject *loop = loop_of(state, yielded);
    if (loop == NULL) {
        return -1;
    }
    Py_DECREF(loop); /* only its identity counts */
    if (loop != task->loop) {
        return fail_soon(self, PyUnicode_FromFormat("Task %R got Future %R attached to a different loop", self,
                                                    yielded));
    }
    if (!waits) {
        return fail_soon(self, PyUnicode_FromFormat("yield was used instead of yield from in task %R with %R", self,
                                                    yielded));
    }
    return wait_for(self, yielded);
}

/* The coroutine has returned `value`, which is borrowed. 0, -1. */
static int
finish(PyObject *self, PyObject *value)
{
    eager_task *task = eager_of(self);
    task->over = true;
    if (!task->must_cancel) {
        PyObject *arguments[] = {self, value};
        return done(PyObject_Vectorcall(task->state->future_set_result, arguments, 2, NULL));
    }
    /* It was cancelled right before its end. */
    task->must_cancel = false;
    PyObject *message = PyObject_GetAttr(self, task->state->names._cancel_message);
    if (message == NULL) {
        return -1;
    }
    PyObject *arguments[] = {self, message};
    int result = done(PyObject_Vectorcall(task->state->future_cancel, arguments, 2, NULL));
    Py_DECREF(message);
    return result;
}

/* The coroutine has raised what is set. 0, -1. */
static int
fail(PyObject *self)
{
    eager_task *task = eager_of(self);
    int cancelled = PyErr_ExceptionMatches(task->state->cancelled_error);
    int leaves = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit);
    PyObject *error = asteri_raised_take();
    task->over = true;
    if (cancelled) {
        Py_XSETREF(task->cancelled, error);
        return done(PyObject_CallOneArg(task->state->future_cancel, self));
    }
    PyObject *arguments[] = {self, error};
    if (done(PyObject_Vectorcall(task->state->future_set_exception, arguments, 2, NULL)) < 0) {
        Py_DECREF(error);
        return -1;
    }
    if (leaves) {
        asteri_raised_give(error);
        return -1;
    }
    Py_DECREF(error);
    return 0;
}

/* -- a step ------------------------------------------------------------------------------------------------------- */

/* Let the coroutine go on, with `error` if that is not NULL. */
static PySendResult
resume(eager_task *task, PyObject *error, PyObject **result)
{
    if (error == NULL) {
        return PyIter_Send(task->coroutine, Py_None, result);
    }
    *result = call_method(task->coroutine, task->state->names.throw, error);
    if (*result != NULL) {
        return PYGEN_NEXT;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
    PyObject *stop = asteri_raised_take();
    *result = Py_NewRef(((PyStopIterationObject *)stop)->value);
    Py_DECREF(stop);
    return PYGEN_RETURN;
}

/* What a step has come to; `result` is stolen. 0, -1. */
static int
settle(PyObject *self, PySendResult how, PyObject *result)
{
    if (how == PYGEN_ERROR) {
        return fail(self);
    }
    int settled = how == PYGEN_NEXT ? suspend(self, result) : finish(self, result);
    Py_DECREF(result);
    return settled;
}

/* The exception that the next step begins with when the task has been cancelled. New reference, NULL. */
static PyObject *
cancellation(PyObject *self, PyObject *error)
{
    eager_task *task = eager_of(self);
    if (error != NULL) {
        int fits = PyObject_IsInstance(error, task->state->cancelled_error);
        if (fits != 0) {
            return fits < 0 ? NULL : Py_NewRef(error);
        }
    }
    return PyObject_CallOneArg(task->state->future_make_cancelled_error, self);
}

static int
step_within(PyObject *self, PyObject *error)
{
    eager_task *task = eager_of(self);
    if (task->over) {
        PyErr_Format(task->state->invalid_state_error, "_step(): already done: %R %R", self,
                     error != NULL ? error : Py_None);
        return -1;
    }
    PyObject *thrown = Py_XNewRef(error);
    if (task->must_cancel) {
        Py_XSETREF(thrown, cancellation(self, error));
        if (thrown == NULL) {
            return -1;
        }
        task->must_cancel = false;
    }
    Py_CLEAR(task->waiter);
    PyObject *result = NULL;
    PySendResult how = resume(task, thrown, &result);
    Py_XDECREF(thrown);
    return settle(self, how, result);
}

/* One step that the loop has called for. `error` is borrowed, may be NULL. New reference to None, NULL. */
static PyObject *
step(PyObject *self, PyObject *error)
{
    eager_task *task = eager_of(self);
    PyObject *arguments[] = {task->loop, self};
    if (done(PyObject_Vectorcall(task->state->enter_task, arguments, 2, NULL)) < 0) {
        return NULL;
    }
    int result = step_within(self, error);
    PyObject *raised = result < 0 ? asteri_raised_take() : NULL;
    if (done(PyObject_Vectorcall(task->state->leave_task, arguments, 2, NULL)) < 0) {
        Py_XDECREF(raised);
        return NULL;
    }
    if (raised != NULL) {
        asteri_raised_give(raised);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
step_callback(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    return step(self, count > 0 ? arguments[0] : NULL);
}

static PyObject *
wake_up(PyObject *self, PyObject *future)
{
    PyObject *result = call_method(future, eager_of(self)->state->names.result, NULL);
    if (result != NULL) {
        Py_DECREF(result);
        return step(self, NULL);
    }
    PyObject *error = asteri_raised_take();
    PyObject *stepped = step(self, error);
    Py_DECREF(error);
    return stepped;
}

/* -- the first step ----------------------------------------------------------------------------------------------- */

/* Make the task the current one of its loop in the place of the one that runs, which may be none. `*other` becomes a
 * new reference or NULL. 0, -1. */
static int
swap_in(PyObject *self, PyObject **other)
{
    eager_task *task = eager_of(self);
    *other = NULL;
    /* Usually a loop's callback brings us here, and no loop of this process runs a task. */
    if (PyDict_GET_SIZE(task->state->current_tasks) > 0) {
        *other = PyDict_GetItemWithError(task->state->current_tasks, task->loop);
        if (*other == NULL && PyErr_Occurred()) {
            return -1;
        }
        Py_XINCREF(*other);
    }
    if (PyDict_SetItem(task->state->current_tasks, task->loop, self) < 0) {
        Py_CLEAR(*other);
        return -1;
    }
    return 0;
}

/* Undo that; `other` is stolen. 0, -1. */
static int
swap_out(PyObject *self, PyObject *other)
{
    eager_task *task = eager_of(self);
    PyObject *current = task->state->current_tasks;
    int result = other != NULL ? PyDict_SetItem(current, task->loop, other) : PyDict_DelItem(current, task->loop);
    Py_XDECREF(other);
    return result;
}

/* Whether the `known` references to the task are all there are, and it has not been looked at. */
static bool
is_unseen(PyObject *self, Py_ssize_t known)
{
    return !eager_of(self)->seen && asteri_is_alone(self, known) && *PyObject_GET_WEAKREFS_LISTPTR(self) == NULL;
}

bool
eager_is_new(PyObject *self)
{
    return is_unseen(self, 1);
}

int
eager_begin(tasks_state *state, PyObject *self, PyObject *coroutine, PyObject *context, int unseen)
{
    (void)state;
    eager_task *task = eager_of(self);
    PyObject *other;
    int result = -1;
    task->coroutine = Py_NewRef(coroutine);
    task->context = Py_NewRef(context);
    if (PyContext_Enter(context) < 0) {
        return -1;
    }
    if (swap_in(self, &other) < 0) {
        goto leave;
    }
    PyObject *value = NULL;
    PySendResult how = resume(task, NULL, &value);
    /* The caller has it, and asyncio's dict. If nobody else does, its result is of no interest to anybody. */
    if (how == PYGEN_RETURN && unseen && is_unseen(self, 2)) {
        Py_DECREF(value);
        Py_CLEAR(task->coroutine);
        result = EAGER_UNSEEN;
    } else {
        result = settle(self, how, value) < 0 ? -1 : EAGER_SEEN;
    }
    PyObject *error = result < 0 ? asteri_raised_take() : NULL;
    if (swap_out(self, other) < 0) {
        result = -1;
        Py_CLEAR(error);
    } else if (error != NULL) {
        asteri_raised_give(error);
    }
leave:;
    PyObject *raised = result < 0 ? asteri_raised_take() : NULL;
    if (PyContext_Exit(context) < 0) {
        result = -1;
        Py_CLEAR(raised);
    } else if (raised != NULL) {
        asteri_raised_give(raised);
    }
    if (result == EAGER_UNSEEN) {
        Py_CLEAR(task->context);
    }
    return result;
}

#endif
