/* What differs among the versions of CPython that this is built for, under one name. It adds no behaviour. */
#ifndef ASGI_CPYTHON_H
#define ASGI_CPYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h> /* in Python.h since 3.12, under other names */

#include "asteri/threads.h"

/* 1: `*value` is a new reference; 0: there is no such key; -1: an exception. */
static inline int
asgi_dict_find(PyObject *dict, PyObject *key, PyObject **value)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyDict_GetItemRef(dict, key, value);
#else
    *value = PyDict_GetItemWithError(dict, key);
    if (*value != NULL) {
        Py_INCREF(*value);
        return 1;
    }
    return PyErr_Occurred() != NULL ? -1 : 0;
#endif
}

#endif
