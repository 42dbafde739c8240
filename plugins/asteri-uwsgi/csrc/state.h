/* What the C files of `asteri_uwsgi._native` share: the state of the module. */
#ifndef UW_STATE_H
#define UW_STATE_H

#include "asteri/module_state.h"
#include "asteri_http/errors.h"

#define UW_VERSIONS 4

/* Every object is owned. */
typedef struct {
    http_errors errors;
    PyTypeObject *reader_type;
    PyTypeObject *request_head; /* `asteri_uwsgi.request.RequestHead`, a named tuple */
    PyObject *read_address;     /* `asteri_uwsgi.request.read_address` */
    PyObject *versions[UW_VERSIONS]; /* "1.0", "1.1", "2", "3" */
    PyObject *http, *https;
} uw_state;

int uw_add_reader(PyObject *module, uw_state *state); /* reader.c: 0, -1 */

/* A named tuple of these items, which are stolen, be there an error or not, and may be NULL after one: a new reference;
 * NULL: an exception. (request.c) */
PyObject *uw_named_tuple(PyTypeObject *type, PyObject *const *items, Py_ssize_t count);

#endif
