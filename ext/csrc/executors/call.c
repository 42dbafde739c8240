/* See call.h. */
#include "call.h"

#include "raised.h"

int
call_handler(PyObject *handler, PyObject *context, PyObject *exchange, PyObject *wait)
{
    PyObject *copy = PyContext_Copy(context);
    if (copy == NULL) {
        return -1;
    }
    PyObject *result = NULL;
    if (PyContext_Enter(copy) == 0) {
        PyObject *arguments[] = {NULL, exchange, wait};
        result = PyObject_Vectorcall(handler, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (PyContext_Exit(copy) < 0) {
            Py_CLEAR(result);
        }
    }
    Py_DECREF(copy);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
call_failed(executors_state *state, PyObject *exchange)
{
    PyObject *error = raised_take();
    PyObject *arguments[] = {NULL, exchange, error};
    PyObject *done = PyObject_Vectorcall(state->end_failed, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(error);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int
call_startup(executors_state *state, PyObject *handler, PyObject **context)
{
    PyObject *done = PyObject_CallMethodNoArgs(handler, state->name_startup);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    PyObject *fresh = PyContext_CopyCurrent();
    if (fresh == NULL) {
        return -1;
    }
    Py_SETREF(*context, fresh);
    return 0;
}
