/* A run of bytes that somebody else owns. No terminator, may be empty (then `data` may be NULL). */
#ifndef ASTERI_SLICE_H
#define ASTERI_SLICE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

typedef struct {
    const char *data;
    Py_ssize_t size;
} asteri_slice;

#endif
