/* A task of a coroutine whose first step runs before there is more to do: asyncio.Task itself from Python 3.12 on, our
 * own in 3.11. It knows nothing of exchanges. */
#include "tasks.h"

#if OWN_TASK
#include "eager_task.h"
#endif

int
task_maker_fill(tasks_state *state, task_maker *maker, PyObject *loop)
{
    PyObject *arguments = PyDict_New();
    if (arguments == NULL || PyDict_SetItem(arguments, state->names.loop, loop) < 0) {
        goto failed;
    }
#if !OWN_TASK
    if (PyDict_SetItem(arguments, state->names.eager_start, Py_True) < 0) {
        goto failed;
    }
#endif
    task_maker_clear(maker);
    maker->loop = Py_NewRef(loop);
    maker->arguments = arguments;
    return 0;
failed:
    Py_XDECREF(arguments);
    return -1;
}

int
task_maker_traverse(task_maker *maker, visitproc visit, void *arg)
{
    Py_VISIT(maker->loop);
    Py_VISIT(maker->arguments);
    Py_VISIT(maker->spare);
    return 0;
}

void
task_maker_clear(task_maker *maker)
{
    Py_CLEAR(maker->loop);
    Py_CLEAR(maker->arguments);
    Py_CLEAR(maker->spare);
}

#if OWN_TASK

int
task_begin(tasks_state *state, task_maker *maker, PyObject *coroutine, PyObject *context, int unseen, PyObject **task)
{
    PyObject *made = maker->spare;
    maker->spare = NULL;
    *task = NULL;
    if (made != NULL && !eager_is_new(made)) {
        Py_CLEAR(made);
    }
    if (made == NULL) {
        made = eager_new(state, maker->loop, maker->arguments);
        if (made == NULL) {
            return -1;
        }
    }
    int begun = eager_begin(state, made, coroutine, context, unseen);
    if (begun < 0) {
        Py_DECREF(made);
        return -1;
    }
    if (begun == EAGER_SEEN) {
        *task = made;
    } else if (maker->spare == NULL) {
        maker->spare = made;
    } else {
        Py_DECREF(made);
    }
    return 0;
}

#else

int
task_begin(tasks_state *state, task_maker *maker, PyObject *coroutine, PyObject *context, int Py_UNUSED(unseen),
           PyObject **task)
{
    /* The dictionary is ours and used again: the constructor has taken its arguments before it runs the coroutine,
     * which may bring us here anew. The context is not left behind in it. */
    *task = NULL;
    PyObject *arguments = PyTuple_Pack(1, coroutine);
    if (arguments == NULL || PyDict_SetItem(maker->arguments, state->names.context, context) < 0) {
        goto done;
    }
    *task = PyObject_Call(state->asyncio_task, arguments, maker->arguments);
    PyObject *error = *task == NULL ? asteri_raised_take() : NULL;
    if (PyDict_SetItem(maker->arguments, state->names.context, Py_None) < 0) {
        PyErr_Clear(); /* it replaces a value: nothing is allocated */
    }
    if (error != NULL) {
        asteri_raised_give(error);
    }
done:
    Py_XDECREF(arguments);
    return *task == NULL ? -1 : 0;
}

#endif

/* -- the same for anybody's coroutine ------------------------------------------------------------------------------ */

static PyObject *
eager_task_function(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "eager_task expected 3 arguments, got %zd", count);
        return NULL;
    }
    if (!PyContext_CheckExact(arguments[2])) {
        PyErr_SetString(PyExc_TypeError, "the third argument of eager_task must be a context");
        return NULL;
    }
    tasks_state *state = tasks_state_of(module);
    if (!PyCoro_CheckExact(arguments[0]) && !PyObject_HasAttr(arguments[0], state->names.throw)) {
        PyErr_Format(PyExc_TypeError, "a coroutine was expected, got %R", arguments[0]);
        return NULL;
    }
    task_maker maker = {NULL, NULL, NULL};
    PyObject *task = NULL;
    if (task_maker_fill(state, &maker, arguments[1]) == 0) {
        (void)task_begin(state, &maker, arguments[0], arguments[2], 0, &task);
    }
    task_maker_clear(&maker);
    return task;
}

static PyMethodDef functions[] = {
    {"eager_task", (PyCFunction)(void (*)(void))eager_task_function, METH_FASTCALL,
     "A task of a coroutine, a loop and a context; its first step has run."},
    {NULL, NULL, 0, NULL},
};

int
tasks_add_functions(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
