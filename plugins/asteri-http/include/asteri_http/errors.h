/* The exceptions of asteri_core.api that C code of HTTP raises. */
#ifndef ASTERI_HTTP_ERRORS_H
#define ASTERI_HTTP_ERRORS_H

#include "asteri/slice.h"

typedef struct {
    PyObject *local_protocol_error;  /* owned, as the others */
    PyObject *remote_protocol_error;
    PyObject *disconnected;
} http_errors;

/* Looks the classes up in asteri_core.api. 0, -1. */
int http_errors_load(http_errors *errors);
int http_errors_visit(http_errors *errors, visitproc visit, void *arg);
void http_errors_clear(http_errors *errors);

/* Raises RemoteProtocolError(message, status), the message by the rules of PyUnicode_FromFormat. Always -1. */
int http_refuse(const http_errors *errors, int status, const char *format, ...);
/* The same where the message shows bytes of the peer: `format` has one %R, for at most `most` bytes of `found`. */
int http_refuse_bytes(const http_errors *errors, int status, const char *format, asteri_slice found, Py_ssize_t most);

#endif
