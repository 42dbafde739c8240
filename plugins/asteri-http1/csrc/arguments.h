/* Arguments of a METH_FASTCALL | METH_KEYWORDS function, for which CPython has no public function. */
#ifndef H1_ARGUMENTS_H
#define H1_ARGUMENTS_H

#include "asteri/slice.h"

/* Puts the arguments, borrowed, into `values` in the order of `names`; what may be left out and was is NULL.
 * 0, -1: TypeError. */
int h1_arguments(const char *function, PyObject *const *arguments, Py_ssize_t positional, PyObject *keywords,
                 const char *const *names, Py_ssize_t required, Py_ssize_t count, PyObject **values);

/* A number of seconds. 0, -1. */
static inline int
h1_read_seconds(PyObject *number, double *seconds)
{
    *seconds = PyFloat_AsDouble(number);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

#endif
