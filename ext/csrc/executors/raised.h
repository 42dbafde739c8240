/* The exception that is being raised, as one object: what CPython has since 3.12, for 3.11 too. */
#ifndef EXECUTORS_RAISED_H
#define EXECUTORS_RAISED_H

#include "asteri/slice.h"

/* Takes the exception away: owned by the caller, NULL when there is none. */
static inline PyObject *
raised_take(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL) {
        (void)PyException_SetTraceback(value, trace);
    }
    Py_DECREF(type);
    Py_XDECREF(trace);
    return value;
#endif
}

/* Raises `error` (stolen; NULL: nothing). One that is raised already has come while `error` was handled: it stays, and
 * `error` becomes its context, as after a `finally`. */
static inline void
raised_give(PyObject *error)
{
    if (error == NULL) {
        return;
    }
    PyObject *later = raised_take();
    if (later != NULL) {
        PyException_SetContext(later, error); /* steals */
        error = later;
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
#endif
}

#endif
