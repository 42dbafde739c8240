/* The bytes of responses (RFC 9112 sections 4, 6 and 7): the twin of `asteri_http1.writer`. Every function writes at
 * `place`, where the caller has made room, and gives the place behind. Nothing is checked here. */
#ifndef H1_WRITER_H
#define H1_WRITER_H

#include "asteri_http/status.h"

#include <string.h>

static inline char *
h1_write(char *place, const char *data, Py_ssize_t size)
{
    if (size > 0) { /* empty data may be NULL */
        memcpy(place, data, (size_t)size);
    }
    return place + size;
}

#define H1_WRITE(place, text) h1_write((place), (text), (Py_ssize_t)sizeof(text) - 1)

#define H1_NUMBER_SIZE 20 /* digits of 64 bits */

static inline char *
h1_write_number(char *place, uint64_t number)
{
    char digits[H1_NUMBER_SIZE];
    int start = H1_NUMBER_SIZE;
    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return h1_write(place, digits + start, H1_NUMBER_SIZE - start);
}

#define H1_STATUS_LINE_SIZE 64 /* with a registered phrase */

/* Always HTTP/1.1, also to an HTTP/1.0 client (RFC 9110 section 6.2). Three digits; an empty `reason` is the usual. */
static inline char *
h1_write_status_line(char *place, int status, asteri_slice reason)
{
    if (reason.size == 0) {
        reason = http_phrase(status);
    }
    place = H1_WRITE(place, "HTTP/1.1 ");
    place[0] = (char)('0' + status / 100);
    place[1] = (char)('0' + status / 10 % 10);
    place[2] = (char)('0' + status % 10);
    place[3] = ' ';
    place = h1_write(place + 4, reason.data, reason.size);
    return H1_WRITE(place, "\r\n");
}

/* Takes the sizes and 4 bytes more. */
static inline char *
h1_write_field(char *place, asteri_slice name, asteri_slice value)
{
    place = h1_write(place, name.data, name.size);
    place = H1_WRITE(place, ": ");
    place = h1_write(place, value.data, value.size);
    return H1_WRITE(place, "\r\n");
}

#define H1_CHUNK_SIZE 18

static inline char *
h1_write_chunk_start(char *place, uint64_t size)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 60;
    while (shift > 0 && size >> shift == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        *place++ = digits[size >> shift & 15];
    }
    return H1_WRITE(place, "\r\n");
}

#define H1_REFUSAL_SIZE 192

/* The head of an answer to what is not accepted, up to the Date and Server lines. */
static inline char *
h1_write_refusal(char *place, int status, Py_ssize_t length)
{
    place = h1_write_status_line(place, status, (asteri_slice){NULL, 0});
    place = H1_WRITE(place, "content-type: text/plain; charset=utf-8\r\ncontent-length: ");
    place = h1_write_number(place, (uint64_t)length);
    return H1_WRITE(place, "\r\n");
}

#endif
