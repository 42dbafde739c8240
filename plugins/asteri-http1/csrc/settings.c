/* Reads an HttpSettings, once for a worker. */
#include "settings.h"

#include "asteri_http/limits.h"

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

int
h1_limits_read(h1_limits *limits, PyObject *settings)
{
    if (read_seconds(settings, "keep_alive", &limits->keep_alive) < 0
        || read_seconds(settings, "header_timeout", &limits->header_timeout) < 0
        || read_seconds(settings, "body_timeout", &limits->body_timeout) < 0
        || http_read_number(settings, "body_min_rate", INT64_MAX, &limits->body_min_rate) < 0
        || http_read_size(settings, "limit_request_line", &limits->limit_request_line) < 0
        || http_read_size(settings, "limit_request_fields", &limits->limit_request_fields) < 0
        || http_read_size(settings, "limit_request_field_size", &limits->limit_request_field_size) < 0
        || http_read_size(settings, "limit_request_head", &limits->limit_request_head) < 0) {
        return -1;
    }
    /* A limit that no length can reach is none. */
    return http_read_number(settings, "limit_request_body", 0, &limits->limit_request_body);
}
