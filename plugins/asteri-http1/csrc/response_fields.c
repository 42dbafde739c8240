/* See response_fields.h. */
#include "response_fields.h"

#include <string.h>

/* -- fields as Python has them ------------------------------------------------------------------------------------- */

static int
are_pairs(PyObject *fields)
{
    for (Py_ssize_t index = 0; index < PySequence_Fast_GET_SIZE(fields); index++) {
        PyObject *field = PySequence_Fast_GET_ITEM(fields, index);
        if (!PyTuple_CheckExact(field) || PyTuple_GET_SIZE(field) != 2) {
            return 0;
        }
    }
    return 1;
}

static PyObject *
as_pair(PyObject *field)
{
    if (PyTuple_CheckExact(field) && PyTuple_GET_SIZE(field) == 2) {
        return Py_NewRef(field);
    }
    PyObject *pair = PySequence_Tuple(field);
    if (pair != NULL && PyTuple_GET_SIZE(pair) != 2) {
        Py_ssize_t size = PyTuple_GET_SIZE(pair);
        if (size > 2) {
            PyErr_SetString(PyExc_ValueError, "too many values to unpack (expected 2)");
        }
        else {
            PyErr_Format(PyExc_ValueError, "not enough values to unpack (expected 2, got %zd)", size);
        }
        Py_CLEAR(pair);
    }
    return pair;
}

/* A new reference to a tuple of pairs. All foreign code that `headers` may have runs here, so that none runs while a
 * head is written, and nobody can change under us what we read. */
PyObject *
h1_fields_of(PyObject *headers)
{
    PyObject *fields = PySequence_Tuple(headers);
    if (fields == NULL || are_pairs(fields)) {
        return fields;
    }
    PyObject *pairs = PyTuple_New(PyTuple_GET_SIZE(fields));
    for (Py_ssize_t index = 0; pairs != NULL && index < PyTuple_GET_SIZE(fields); index++) {
        PyObject *pair = as_pair(PyTuple_GET_ITEM(fields, index));
        if (pair == NULL) {
            Py_CLEAR(pairs);
            break;
        }
        PyTuple_SET_ITEM(pairs, index, pair);
    }
    Py_DECREF(fields);
    return pairs;
}

/* The slices of a pair, which lives on. 1; 0: its name or value is not bytes. */
int
h1_field_read(PyObject *pair, asteri_field *field)
{
    PyObject *name = PyTuple_GET_ITEM(pair, 0), *value = PyTuple_GET_ITEM(pair, 1);
    if (!PyBytes_Check(name) || !PyBytes_Check(value)) {
        return 0;
    }
    field->name = (asteri_slice){PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)};
    field->value = (asteri_slice){PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)};
    return 1;
}

/* -- lines --------------------------------------------------------------------------------------------------------- */

/* One field of an interim response, an upgrade or a trailer section. 1: it is to be sent; 0: it says something to the
 * protocol, which then says it itself or not at all; -1. */
static int
check_field(const http_errors *errors, PyObject *pair, h1_which_fields which, asteri_field *field)
{
    PyObject *name = PyTuple_GET_ITEM(pair, 0);
    if (!h1_field_read(pair, field)) {
        PyErr_Format(errors->local_protocol_error,
                     "expected a field of a bytes name and a bytes value, found (%R, %R)", name,
                     PyTuple_GET_ITEM(pair, 1));
        return -1;
    }
    int role = http_response_role(errors, field->name, field->value);
    if (role < 0 || which == H1_PLAIN_FIELDS) {
        return role < 0 ? -1 : role == HTTP_PLAIN;
    }
    if (http_refuses_trailer(field->name)) {
        PyErr_Format(errors->local_protocol_error, "%R cannot be a trailer field (RFC 9110 section 6.5.1)", name);
        return -1;
    }
    return 1;
}

/* The lines of the fields that are to be sent: a new reference to bytes. `*has_upgrade` says whether one is called
 * Upgrade. */
PyObject *
h1_field_lines(const http_errors *errors, PyObject *headers, h1_which_fields which, int *has_upgrade)
{
    PyObject *fields = h1_fields_of(headers), *lines = NULL;
    h1_spare_buffers none = {{NULL}, 0};
    h1_output scratch = {0};
    if (fields == NULL) {
        return NULL;
    }
    *has_upgrade = 0;
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(fields); index++) {
        asteri_field field;
        int sent = check_field(errors, PyTuple_GET_ITEM(fields, index), which, &field);
        if (sent < 0 || (sent && h1_output_add_field(&scratch, &none, field.name, field.value) < 0)) {
            goto done;
        }
        *has_upgrade |= sent && http_equals(field.name, "upgrade");
    }
    lines = PyBytes_FromStringAndSize(scratch.data, scratch.head);
done:
    h1_output_clear(&scratch, &none);
    h1_spare_buffers_clear(&none);
    Py_DECREF(fields);
    return lines;
}
