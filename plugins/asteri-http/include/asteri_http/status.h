/* Status codes: the twin of `asteri_http.status`, and of what `asteri_http.failure` answers. */
#ifndef ASTERI_HTTP_STATUS_H
#define ASTERI_HTTP_STATUS_H

#include "asteri/slice.h"

/* The reason phrase, empty for a status that has none registered. Static. */
asteri_slice http_phrase(int status);

/* Whether a final response ends with its head: 204, 205, 304 (RFC 9110 sections 6.4.1 and 15). */
static inline int
http_without_content(int status)
{
    return status == 204 || status == 205 || status == 304;
}

/* The content of an answer that the server gives itself: code and phrase, nothing of the request. The bytes written. */
#define HTTP_PLAIN_ANSWER_SIZE 64
Py_ssize_t http_plain_answer(int status, char content[HTTP_PLAIN_ANSWER_SIZE]);

#endif
