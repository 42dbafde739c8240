/* Numbers of an HttpSettings, and the limits of a request head for protocols that do not write one as HTTP/1.1 does: the
 * twin of `asteri_http.limits`. */
#ifndef ASTERI_HTTP_LIMITS_H
#define ASTERI_HTTP_LIMITS_H

#include "asteri/exchange.h"
#include "asteri_http/errors.h"

#include <stdint.h>

typedef struct {
    Py_ssize_t request_line, request_fields, request_field_size, request_head;
} http_limits;

/* One number of an HttpSettings; `beyond` for one that an int64_t does not hold. 0, -1. */
int http_read_number(PyObject *settings, const char *name, int64_t beyond, int64_t *number);
/* The same of a size: one that no message has is made smaller, and sums of two of them are still a Py_ssize_t. */
int http_read_size(PyObject *settings, const char *name, Py_ssize_t *size);
/* From an HttpSettings. A limit that no message can reach is made smaller. 0, -1. */
int http_limits_read(http_limits *limits, PyObject *settings);
/* 0; -1: RemoteProtocolError (501, 414, 431), in the words of the Python twin. */
int http_check_limits(const http_errors *errors, asteri_slice method, asteri_slice target, const asteri_field *fields,
                      Py_ssize_t count, const http_limits *limits);

#endif
