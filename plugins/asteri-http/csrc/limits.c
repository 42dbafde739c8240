/* Keeps the limits of request heads that are not written as HTTP/1.1 writes them, see `asteri_http.limits`. */
#include "asteri_http/limits.h"

#define LONGEST_METHOD 32
#define MOST (PY_SSIZE_T_MAX / 4) /* more than any message has */

int
http_read_number(PyObject *settings, const char *name, int64_t beyond, int64_t *number)
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

int
http_read_size(PyObject *settings, const char *name, Py_ssize_t *size)
{
    int64_t number;
    if (http_read_number(settings, name, MOST, &number) < 0) {
        return -1;
    }
    *size = (Py_ssize_t)(number > MOST ? MOST : number);
    return 0;
}

int
http_limits_read(http_limits *limits, PyObject *settings)
{
    if (http_read_size(settings, "limit_request_line", &limits->request_line) < 0
        || http_read_size(settings, "limit_request_fields", &limits->request_fields) < 0
        || http_read_size(settings, "limit_request_field_size", &limits->request_field_size) < 0) {
        return -1;
    }
    return http_read_size(settings, "limit_request_head", &limits->request_head);
}

int
http_check_limits(const http_errors *errors, asteri_slice method, asteri_slice target, const asteri_field *fields,
                  Py_ssize_t count, const http_limits *limits)
{
    if (method.size > LONGEST_METHOD) {
        return http_refuse(errors, 501, "a method of more than %d bytes", LONGEST_METHOD);
    }
    Py_ssize_t line = method.size + target.size + (Py_ssize_t)sizeof "  HTTP/1.1" - 1;
    if (line > limits->request_line) {
        return http_refuse(errors, 414, "a request line of more than %zd bytes", limits->request_line);
    }
    if (count > limits->request_fields) {
        return http_refuse(errors, 431, "more than %zd fields", limits->request_fields);
    }
    Py_ssize_t head = line + 4;
    for (Py_ssize_t index = 0; index < count; index++) {
        Py_ssize_t size = fields[index].name.size + fields[index].value.size + 2; /* ": " */
        if (size > limits->request_field_size) {
            return http_refuse(errors, 431, "a field of more than %zd bytes", limits->request_field_size);
        }
        head += size + 2; /* CR LF */
    }
    if (head > limits->request_head) {
        return http_refuse(errors, 431, "more than %zd bytes of fields", limits->request_head);
    }
    return 0;
}
