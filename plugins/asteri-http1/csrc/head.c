/* The life of a head, and its parts as Python objects. It is read in reading.c. */
#include "head.h"

#include "names.h"

h1_head *
h1_head_retain(h1_head *head)
{
    asteri_references_add(&head->references);
    return head;
}

void
h1_head_release(h1_head *head)
{
    if (head == NULL || !asteri_references_drop(&head->references)) {
        return;
    }
    for (int which = 0; which <= ASTERI_HEADERS; which++) {
        Py_XDECREF(head->facts[which]);
    }
    Py_XDECREF(head->memo.thing);
    PyMem_Free(head->joined);
    PyMem_Free(head);
}

static PyObject *
bytes_of(asteri_slice slice)
{
    return PyBytes_FromStringAndSize(slice.data, slice.size);
}

static PyObject *
lower_bytes_of(asteri_slice slice)
{
    PyObject *written = bytes_of(slice); /* may be one that all share, so it is not written to */
    PyObject *lower = written == NULL ? NULL : PyObject_CallMethod(written, "lower", NULL);
    Py_XDECREF(written);
    return lower;
}

static PyObject *
make_method(h1_state *state, asteri_slice method)
{
    int number = h1_method_number(method);
    if (number < 0) {
        return PyUnicode_DecodeASCII(method.data, method.size, NULL);
    }
    return Py_NewRef(PyTuple_GET_ITEM(state->methods, number));
}

static PyObject *
make_field(h1_state *state, const asteri_field *field, unsigned char number)
{
    PyObject *name = number == H1_UNUSUAL ? bytes_of(field->name) : Py_NewRef(PyTuple_GET_ITEM(state->names, number));
    PyObject *value = bytes_of(field->value);
    PyObject *pair = name == NULL || value == NULL ? NULL : PyTuple_New(2);
    if (pair == NULL) {
        Py_XDECREF(name);
        Py_XDECREF(value);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, name);
    PyTuple_SET_ITEM(pair, 1, value);
    return pair;
}

static PyObject *
make_headers(h1_state *state, const h1_head *head)
{
    const asteri_request *request = &head->request;
    PyObject *headers = PyList_New(request->count);
    if (headers == NULL) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < request->count; index++) {
        PyObject *pair = make_field(state, &request->fields[index], head->numbers[index]);
        if (pair == NULL) {
            Py_DECREF(headers);
            return NULL;
        }
        PyList_SET_ITEM(headers, index, pair);
    }
    return headers;
}

static PyObject *
make_fact(h1_state *state, const h1_head *head, asteri_fact which)
{
    const asteri_request *request = &head->request;
    switch (which) {
    case ASTERI_METHOD:
        return make_method(state, request->method);
    case ASTERI_TARGET:
        return bytes_of(request->target);
    case ASTERI_RAW_PATH:
        return bytes_of(request->raw_path);
    case ASTERI_QUERY:
        return bytes_of(request->query);
    case ASTERI_AUTHORITY:
        return bytes_of(request->authority);
    case ASTERI_PROTOCOL:
        return lower_bytes_of(request->protocol);
    case ASTERI_VERSION:
        return Py_NewRef(PyTuple_GET_ITEM(state->versions, request->version - 10));
    case ASTERI_HEADERS:
        return make_headers(state, head);
    default:
        PyErr_BadInternalCall(); /* not a head's */
        return NULL;
    }
}

PyObject *
h1_head_fact(h1_state *state, h1_head *head, asteri_fact which)
{
    if (which > ASTERI_HEADERS) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (head->facts[which] == NULL) {
        head->facts[which] = make_fact(state, head, which);
    }
    return head->facts[which];
}
