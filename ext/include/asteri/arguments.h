/* Arguments and results of methods in C that are called with METH_FASTCALL | METH_KEYWORDS, for which CPython has no
 * public function. Every argument may be given by its place or by its name. */
#ifndef ASTERI_ARGUMENTS_H
#define ASTERI_ARGUMENTS_H

#include "slice.h"

/* Such a function, and its flags, in a PyMethodDef. */
#define ASTERI_KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS

/* One that is given by its name. 0, -1: TypeError. */
static inline int
asteri_put_keyword(const char *function, PyObject *keyword, PyObject *value, const char *const *names,
                   Py_ssize_t count, PyObject **values)
{
    for (Py_ssize_t index = 0; index < count; index++) {
        if (PyUnicode_CompareWithASCIIString(keyword, names[index]) == 0) {
            if (values[index] != NULL) {
                PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", function, keyword);
                return -1;
            }
            values[index] = value;
            return 0;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, keyword);
    return -1;
}

/* Puts the arguments of `function`, borrowed, into `values` in the order of the `count` names, of which the first
 * `required` have to be there; any other one that was left out is NULL. 0, -1: TypeError. */
static inline int
asteri_arguments(const char *function, PyObject *const *arguments, Py_ssize_t positional, PyObject *keywords,
                 const char *const *names, Py_ssize_t required, Py_ssize_t count, PyObject **values)
{
    if (positional > count) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd positional arguments but %zd were given", function, count,
                     positional);
        return -1;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        values[index] = index < positional ? arguments[index] : NULL;
    }
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t index = 0; index < named; index++) {
        PyObject *keyword = PyTuple_GET_ITEM(keywords, index);
        if (asteri_put_keyword(function, keyword, arguments[positional + index], names, count, values) < 0) {
            return -1;
        }
    }
    for (Py_ssize_t index = 0; index < required; index++) {
        if (values[index] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing the required argument '%s'", function, names[index]);
            return -1;
        }
    }
    return 0;
}

/* A number of seconds. 0, -1. */
static inline int
asteri_seconds(PyObject *number, double *seconds)
{
    *seconds = PyFloat_AsDouble(number);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* What a method gives whose work gave 0, or -1 with an exception. */
static inline PyObject *
asteri_none(int result)
{
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

#endif
