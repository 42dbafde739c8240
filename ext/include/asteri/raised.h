/* The exception that is set, as one object: what CPython has since 3.12, for 3.11 too. */
#ifndef ASTERI_RAISED_H
#define ASTERI_RAISED_H

#include "slice.h"

/* Takes the exception away, with its traceback: a new reference, NULL when none is set. */
static inline PyObject *
asteri_raised_take(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace != NULL) {
        (void)PyException_SetTraceback(error, trace);
        Py_DECREF(trace);
    }
    Py_DECREF(type);
    return error;
#endif
}

/* Sets an exception again, as it is. `error` is stolen. */
static inline void
asteri_raised_give(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

#endif
