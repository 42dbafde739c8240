/* Python 3.11: what waits for an eager task, the iterator of its `__await__`. asyncio's own for futures would ask the
 * future that the task extends for the result, and so lose the CancelledError that the task keeps. */
#include "eager_task.h"

#if OWN_TASK

typedef struct {
    PyObject_HEAD
    PyObject *task; /* owned; NULL when it has ended */
    bool asked;
} iterator;

static PySendResult
iterator_send(iterator *self, PyObject *Py_UNUSED(value), PyObject **result)
{
    *result = NULL;
    PyObject *task = self->task;
    if (task == NULL) {
        *result = Py_NewRef(Py_None); /* exhausted */
        return PYGEN_RETURN;
    }
    eager_task *its = eager_of(task);
    if (!its->over) {
        if (self->asked) {
            PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
            return PYGEN_ERROR;
        }
        self->asked = true;
        if (PyObject_SetAttr(task, its->state->names._asyncio_future_blocking, Py_True) < 0) {
            return PYGEN_ERROR;
        }
        *result = Py_NewRef(task);
        return PYGEN_NEXT;
    }
    self->task = NULL;
    *result = eager_result(task, NULL);
    Py_DECREF(task);
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

static PyObject *
iterator_next(iterator *self)
{
    PyObject *result;
    PySendResult how = iterator_send(self, Py_None, &result);
    if (how == PYGEN_RETURN) {
        /* An instance, because a value that is a tuple or an exception would be taken for its arguments. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        Py_CLEAR(result);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    return result;
}

static PyObject *
iterator_send_method(iterator *self, PyObject *Py_UNUSED(value))
{
    return iterator_next(self);
}

static PyObject *
iterator_throw(iterator *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count < 1 || count > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", count);
        return NULL;
    }
    PyObject *error = arguments[0];
    Py_CLEAR(self->task);
    if (PyExceptionInstance_Check(error)) {
        asteri_raised_give(Py_NewRef(error));
    } else if (PyExceptionClass_Check(error)) {
        PyErr_SetObject(error, count > 1 && arguments[1] != Py_None ? arguments[1] : NULL);
    } else {
        PyErr_SetString(PyExc_TypeError, "exceptions must be classes or instances deriving from BaseException");
    }
    return NULL;
}

static PyObject *
iterator_close(iterator *self, PyObject *Py_UNUSED(ignored))
{
    Py_CLEAR(self->task);
    Py_RETURN_NONE;
}

static int
iterator_traverse(iterator *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->task);
    return 0;
}

static int
iterator_clear(iterator *self)
{
    Py_CLEAR(self->task);
    return 0;
}

static void
iterator_dealloc(iterator *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->task);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef iterator_methods[] = {
    {"send", (PyCFunction)iterator_send_method, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))iterator_throw, METH_FASTCALL, NULL},
    {"close", (PyCFunction)iterator_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_traverse, iterator_traverse},
    {Py_tp_clear, iterator_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_next},
    {Py_tp_methods, iterator_methods},
    {Py_am_send, iterator_send},
    {0, NULL},
};

static PyType_Spec iterator_spec = {
    .name = "asteri_native._tasks.TaskIterator",
    .basicsize = sizeof(iterator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = iterator_slots,
};

PyObject *
eager_await(PyObject *self)
{
    eager_task *task = eager_of(self);
    PyTypeObject *type = task->state->eager_iterator_type;
    task->seen = true;
    iterator *made = (iterator *)type->tp_alloc(type, 0);
    if (made != NULL) {
        made->task = Py_NewRef(self);
    }
    return (PyObject *)made;
}

int
eager_add_iterator(PyObject *module)
{
    tasks_state *state = tasks_state_of(module);
    state->eager_iterator_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &iterator_spec, NULL);
    return state->eager_iterator_type == NULL ? -1 : 0;
}

#endif
