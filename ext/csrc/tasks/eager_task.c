/* Python 3.11: the task as an object: its life, and what others ask of it. Its steps are in eager_step.c. */
#include "eager_task.h"

#if OWN_TASK

#include <stddef.h>

PyObject *
eager_new(tasks_state *state, PyObject *loop, PyObject *arguments)
{
    PyTypeObject *type = state->eager_type;
    PyObject *self = type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    eager_task *task = eager_of(self);
    task->state = state;
    task->log_destroy_pending = true;
    if (type->tp_base->tp_init(self, state->no_arguments, arguments) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    task->loop = Py_NewRef(loop);
    return self;
}

PyObject *
eager_take_cancelled(PyObject *self)
{
    PyObject *cancelled = eager_of(self)->cancelled;
    eager_of(self)->cancelled = NULL;
    return cancelled;
}

/* -- the methods of a future that a task has in its own way -------------------------------------------------------- */

static PyObject *
eager_make_cancelled_error(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *make = eager_of(self)->state->future_make_cancelled_error;
    PyObject *cancelled = eager_take_cancelled(self);
    return cancelled != NULL ? cancelled : PyObject_CallOneArg(make, self);
}

/* `method` of the future, unless a CancelledError is kept, which is raised. */
static PyObject *
raise_or_ask(PyObject *self, PyObject *method)
{
    PyObject *cancelled = eager_take_cancelled(self);
    if (cancelled != NULL) {
        asteri_raised_give(cancelled);
        return NULL;
    }
    return PyObject_CallOneArg(method, self);
}

PyObject *
eager_result(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return raise_or_ask(self, eager_of(self)->state->future_result);
}

static PyObject *
eager_exception(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return raise_or_ask(self, eager_of(self)->state->future_exception);
}

static PyObject *
eager_set_result(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(result))
{
    PyErr_SetString(PyExc_RuntimeError, "Task does not support set_result operation");
    return NULL;
}

static PyObject *
eager_set_exception(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(exception))
{
    PyErr_SetString(PyExc_RuntimeError, "Task does not support set_exception operation");
    return NULL;
}

/* -- the methods of a task ----------------------------------------------------------------------------------------- */

static PyObject *
eager_cancel(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"msg", NULL};
    eager_task *task = eager_of(self);
    tasks_state *state = task->state;
    PyObject *message = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:cancel", names, &message)) {
        return NULL;
    }
    if (task->over) {
        /* Who cancels has taken notice of how it has ended. */
        if (PyObject_SetAttr(self, state->names._log_traceback, Py_False) < 0) {
            return NULL;
        }
        Py_RETURN_FALSE;
    }
    task->cancels++;
    if (task->waiter != NULL) {
        PyObject *waiter = Py_NewRef(task->waiter);
        PyObject *said = call_method(waiter, state->names.cancel, message);
        Py_DECREF(waiter);
        int cancelled = said == NULL ? -1 : PyObject_IsTrue(said);
        Py_XDECREF(said);
        if (cancelled != 0) {
            return cancelled < 0 ? NULL : Py_NewRef(Py_True);
        }
    }
    if (PyObject_SetAttr(self, state->names._cancel_message, message) < 0) {
        return NULL;
    }
    task->must_cancel = true;
    Py_RETURN_TRUE;
}

static PyObject *
eager_cancelling(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(eager_of(self)->cancels);
}

static PyObject *
eager_uncancel(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    eager_task *task = eager_of(self);
    if (task->cancels > 0) {
        task->cancels--;
    }
    return PyLong_FromLong(task->cancels);
}

static PyObject *
eager_get_coro(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *coroutine = eager_of(self)->coroutine;
    return Py_NewRef(coroutine != NULL ? coroutine : Py_None);
}

static PyObject *
eager_get_name(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    eager_task *task = eager_of(self);
    if (task->name == NULL) {
        task->name = PyUnicode_FromFormat("Task-%llu", ++task->state->task_number);
    }
    return Py_XNewRef(task->name);
}

static PyObject *
eager_set_name(PyObject *self, PyObject *name)
{
    PyObject *text = PyUnicode_CheckExact(name) ? Py_NewRef(name) : PyObject_Str(name);
    if (text == NULL) {
        return NULL;
    }
    Py_XSETREF(eager_of(self)->name, text);
    Py_RETURN_NONE;
}

static PyObject *
eager_get_stack(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"limit", NULL};
    PyObject *limit = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$O:get_stack", names, &limit)) {
        return NULL;
    }
    return PyObject_CallFunctionObjArgs(eager_of(self)->state->task_get_stack, self, limit, NULL);
}

static PyObject *
eager_print_stack(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"limit", "file", NULL};
    PyObject *limit = Py_None, *file = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$OO:print_stack", names, &limit, &file)) {
        return NULL;
    }
    return PyObject_CallFunctionObjArgs(eager_of(self)->state->task_print_stack, self, limit, file, NULL);
}

/* -- attributes ---------------------------------------------------------------------------------------------------- */

static PyObject *
get_class(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(eager_of(self)->state->asyncio_task);
}

static PyObject *
get_coroutine(PyObject *self, void *Py_UNUSED(closure))
{
    return eager_get_coro(self, NULL);
}

static PyObject *
get_waiter(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *waiter = eager_of(self)->waiter;
    return Py_NewRef(waiter != NULL ? waiter : Py_None);
}

static PyObject *
get_must_cancel(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(eager_of(self)->must_cancel);
}

static PyObject *
get_log_destroy_pending(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(eager_of(self)->log_destroy_pending);
}

static int
set_log_destroy_pending(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    int truth = PyObject_IsTrue(value);
    if (truth >= 0) {
        eager_of(self)->log_destroy_pending = truth;
    }
    return truth < 0 ? -1 : 0;
}

static PyObject *
eager_getattro(PyObject *self, PyObject *name)
{
    eager_of(self)->seen = true;
    return PyObject_GenericGetAttr(self, name);
}

static int
eager_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    eager_of(self)->seen = true;
    return PyObject_GenericSetAttr(self, name, value);
}

static PyObject *
eager_repr(PyObject *self)
{
    return PyObject_CallOneArg(eager_of(self)->state->task_repr, self);
}

/* -- the end of the object ----------------------------------------------------------------------------------------- */

/* Tell the loop that the task will never come to its end. 0, -1. */
static int
report_destroyed(PyObject *self)
{
    tasks_names *names = &eager_of(self)->state->names;
    int result = -1;
    PyObject *called = NULL;
    PyObject *trace = PyObject_GetAttr(self, names->_source_traceback);
    PyObject *text = PyUnicode_FromString("Task was destroyed but it is pending!");
    PyObject *facts = PyDict_New();
    if (trace == NULL || text == NULL || facts == NULL || PyDict_SetItem(facts, names->task, self) < 0 ||
        PyDict_SetItem(facts, names->message, text) < 0) {
        goto done;
    }
    if (trace != Py_None && PyDict_SetItem(facts, names->source_traceback, trace) < 0) {
        goto done;
    }
    called = call_method(eager_of(self)->loop, names->call_exception_handler, facts);
    result = called == NULL ? -1 : 0;
done:
    Py_XDECREF(called);
    Py_XDECREF(facts);
    Py_XDECREF(text);
    Py_XDECREF(trace);
    return result;
}

static void
eager_finalize(PyObject *self)
{
    eager_task *task = eager_of(self);
    if (task->suspended && !task->over && task->log_destroy_pending) {
        PyObject *error = PyErr_Occurred() ? asteri_raised_take() : NULL;
        if (report_destroyed(self) < 0) {
            PyErr_WriteUnraisable(self);
        }
        if (error != NULL) {
            asteri_raised_give(error);
        }
    }
    Py_TYPE(self)->tp_base->tp_finalize(self);
}

static int
eager_traverse(PyObject *self, visitproc visit, void *arg)
{
    eager_task *task = eager_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(task->loop);
    Py_VISIT(task->coroutine);
    Py_VISIT(task->context);
    Py_VISIT(task->name);
    Py_VISIT(task->waiter);
    Py_VISIT(task->cancelled);
    return Py_TYPE(self)->tp_base->tp_traverse(self, visit, arg);
}

static void
clear_own(eager_task *task)
{
    Py_CLEAR(task->loop);
    Py_CLEAR(task->coroutine);
    Py_CLEAR(task->context);
    Py_CLEAR(task->name);
    Py_CLEAR(task->waiter);
    Py_CLEAR(task->cancelled);
}

static int
eager_clear(PyObject *self)
{
    clear_own(eager_of(self));
    return Py_TYPE(self)->tp_base->tp_clear(self);
}

static void
eager_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    clear_own(eager_of(self));
    type->tp_base->tp_dealloc(self); /* frees it */
    Py_DECREF(type);
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef eager_methods[] = {
    {"_make_cancelled_error", eager_make_cancelled_error, METH_NOARGS, NULL},
    {"result", eager_result, METH_NOARGS, NULL},
    {"exception", eager_exception, METH_NOARGS, NULL},
    {"set_result", eager_set_result, METH_O, NULL},
    {"set_exception", eager_set_exception, METH_O, NULL},
    {"cancel", WITH_KEYWORDS(eager_cancel), NULL},
    {"cancelling", eager_cancelling, METH_NOARGS, NULL},
    {"uncancel", eager_uncancel, METH_NOARGS, NULL},
    {"get_coro", eager_get_coro, METH_NOARGS, NULL},
    {"get_name", eager_get_name, METH_NOARGS, NULL},
    {"set_name", eager_set_name, METH_O, NULL},
    {"get_stack", WITH_KEYWORDS(eager_get_stack), NULL},
    {"print_stack", WITH_KEYWORDS(eager_print_stack), NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef eager_getset[] = {
    {"__class__", get_class, NULL, "asyncio.Task, as which it behaves.", NULL},
    {"_coro", get_coroutine, NULL, NULL, NULL},
    {"_fut_waiter", get_waiter, NULL, NULL, NULL},
    {"_must_cancel", get_must_cancel, NULL, NULL, NULL},
    {"_log_destroy_pending", get_log_destroy_pending, set_log_destroy_pending, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot eager_slots[] = {
    {Py_tp_doc, (void *)"An asyncio.Task whose first step has run where it was made."},
    {Py_tp_dealloc, eager_dealloc},
    {Py_tp_traverse, eager_traverse},
    {Py_tp_clear, eager_clear},
    {Py_tp_finalize, eager_finalize},
    {Py_tp_getattro, eager_getattro},
    {Py_tp_setattro, eager_setattro},
    {Py_tp_repr, eager_repr},
    {Py_tp_iter, eager_await},
    {Py_tp_methods, eager_methods},
    {Py_tp_getset, eager_getset},
    {Py_am_await, eager_await},
    {0, NULL},
};

/* -- what it takes from asyncio ------------------------------------------------------------------------------------ */

/* Whether it can be extended. 0, -1. */
static int
check_asyncio(tasks_state *state)
{
    if (!PyType_Check((PyObject *)state->future_type) || !(state->future_type->tp_flags & Py_TPFLAGS_BASETYPE) ||
        (state->future_type->tp_flags & Py_TPFLAGS_HEAPTYPE) || !PyDict_Check(state->current_tasks)) {
        PyErr_SetString(PyExc_ImportError, "asyncio.Future is not the one of CPython 3.11");
        return -1;
    }
    return 0;
}

int
tasks_add_eager(PyObject *module)
{
    tasks_state *state = tasks_state_of(module);
    if (check_asyncio(state) < 0) {
        return -1;
    }
    Py_ssize_t size = state->future_type->tp_basicsize;
    if (size % (Py_ssize_t)_Alignof(eager_task) != 0) {
        PyErr_SetString(PyExc_ImportError, "asyncio.Future has a size that cannot be extended");
        return -1;
    }
    PyType_Spec spec = {
        .name = "asteri_native._tasks.Task", /* its last part is in what asyncio logs */
        .basicsize = (int)(size + (Py_ssize_t)sizeof(eager_task)),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = eager_slots,
    };
    state->eager_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, (PyObject *)state->future_type);
    return state->eager_type == NULL ? -1 : eager_add_iterator(module);
}

#endif
