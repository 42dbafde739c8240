/* The values of HttpSettings that HTTP/1.1 needs. */
#ifndef H1_SETTINGS_H
#define H1_SETTINGS_H

#include "asteri/slice.h"

#include <stdint.h>

typedef struct {
    double keep_alive, header_timeout, body_timeout;
    int64_t body_min_rate;
    Py_ssize_t limit_request_line, limit_request_fields, limit_request_field_size, limit_request_head;
    int64_t limit_request_body; /* 0: none */
} h1_limits;

/* From an HttpSettings. A number that is more than any message can have is made smaller. 0, -1. */
int h1_limits_read(h1_limits *limits, PyObject *settings);

#endif
