/* How the native side of a contract is found: a type has an attribute, a capsule around a structure of functions, which
 * live as long as the type. The header of each contract says the names of both, and what the functions mean. */
#ifndef ASTERI_CONTRACT_H
#define ASTERI_CONTRACT_H

#include "slice.h"

/* The functions of a type, borrowed from it; NULL (no exception) when it has none of this contract. */
static inline const void *
asteri_contract_of(PyTypeObject *type, const char *attribute, const char *name)
{
    PyObject *capsule = PyObject_GetAttrString((PyObject *)type, attribute);
    const void *functions = capsule == NULL ? NULL : PyCapsule_GetPointer(capsule, name);
    Py_XDECREF(capsule); /* the type holds it */
    if (functions == NULL) {
        PyErr_Clear();
    }
    return functions;
}

/* Gives a type of ours a contract. 0, -1. */
static inline int
asteri_add_contract(PyTypeObject *type, const char *attribute, const char *name, const void *functions)
{
    PyObject *capsule = PyCapsule_New((void *)functions, name, NULL);
    int result = capsule == NULL ? -1 : PyObject_SetAttrString((PyObject *)type, attribute, capsule);
    Py_XDECREF(capsule);
    return result;
}

#endif
