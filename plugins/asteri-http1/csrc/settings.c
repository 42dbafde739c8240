/* Reads an HttpSettings, once for a worker. */
#include "settings.h"

/* More than any message has, so that nothing changes by it; and sums of two of them are still a Py_ssize_t. */
#define MOST (PY_SSIZE_T_MAX / 4)

static int
read_seconds(PyObject *settings, const char *name, double *seconds)
{
    PyObject *found = PyObject_GetAttrString(settings, name);
    if (found == NULL) {
        return -1;
    }
    *seconds = PyFloat_AsDouble(found);
    Py_DECREF(found);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* `beyond`: for a number that an int64_t does not hold. */
static int
read_number(PyObject *settings, const char *name, int64_t beyond, int64_t *number)
{
    PyObject *found = PyObject_GetAttrString(settings, name);
    if (found == NULL) {
        return -1;
    }
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(found, &overflow);
    Py_DECREF(found);
    if (value == -1 && !overflow && PyErr_Occurred()) {
        return -1;
    }
    *number = overflow > 0 ? beyond : value;
    return 0;
}

static int
read_size(PyObject *settings, const char *name, Py_ssize_t *size)
{
    int64_t number;
    if (read_number(settings, name, MOST, &number) < 0) {
        return -1;
    }
    *size = (Py_ssize_t)(number > MOST ? MOST : number);
    return 0;
}

int
h1_limits_read(h1_limits *limits, PyObject *settings)
{
    if (read_seconds(settings, "keep_alive", &limits->keep_alive) < 0
        || read_seconds(settings, "header_timeout", &limits->header_timeout) < 0
        || read_seconds(settings, "body_timeout", &limits->body_timeout) < 0
        || read_number(settings, "body_min_rate", INT64_MAX, &limits->body_min_rate) < 0
        || read_size(settings, "limit_request_line", &limits->limit_request_line) < 0
        || read_size(settings, "limit_request_fields", &limits->limit_request_fields) < 0
        || read_size(settings, "limit_request_field_size", &limits->limit_request_field_size) < 0
        || read_size(settings, "limit_request_head", &limits->limit_request_head) < 0) {
        return -1;
    }
    /* A limit that no length can reach is none. */
    return read_number(settings, "limit_request_body", 0, &limits->limit_request_body);
}
