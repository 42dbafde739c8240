/* The framing of a request's content: the twin of `asteri_http.framing`. */
#ifndef ASTERI_HTTP_FRAMING_H
#define ASTERI_HTTP_FRAMING_H

#include "asteri_http/errors.h"

#include <stdint.h>

/* What a Content-Length declares. 0; -1: RemoteProtocolError (400, 413), in the words of the Python twin. */
int http_read_content_length(const http_errors *errors, asteri_slice value, int64_t *length);
/* Whether a Transfer-Encoding is exactly chunked, in HTTP/1.1. `version`: 10, 11. 0; -1: RemoteProtocolError (400,
 * 501). */
int http_check_transfer_encoding(const http_errors *errors, asteri_slice value, int version);

#endif
