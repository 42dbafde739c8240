/* Limits of a request head, for protocols that do not write one as HTTP/1.1 does: the twin of `asteri_http.limits`. */
#ifndef ASTERI_HTTP_LIMITS_H
#define ASTERI_HTTP_LIMITS_H

#include "asteri/exchange.h"
#include "asteri_http/errors.h"

typedef struct {
    Py_ssize_t request_line, request_fields, request_field_size, request_head;
} http_limits;

/* From an HttpSettings. A limit that no message can reach is made smaller. 0, -1. */
int http_limits_read(http_limits *limits, PyObject *settings);
/* 0; -1: RemoteProtocolError (501, 414, 431), in the words of the Python twin. */
int http_check_limits(const http_errors *errors, asteri_slice method, asteri_slice target, const asteri_field *fields,
                      Py_ssize_t count, const http_limits *limits);

#endif
