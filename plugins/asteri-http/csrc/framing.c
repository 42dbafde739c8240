/* Reads what frames a request's content, see `asteri_http.framing`. */
#include "asteri_http/framing.h"

#include "asteri/scan.h"
#include "asteri_http/fields.h"

int
http_read_content_length(const http_errors *errors, asteri_slice value, int64_t *length)
{
    uint64_t number = 0; /* holds every number of 19 digits */
    Py_ssize_t at = 0;
    for (; at < value.size && at < 20; at++) {
        unsigned digit = (unsigned char)value.data[at] - (unsigned)'0';
        if (digit > 9) {
            break;
        }
        number = number * 10 + digit;
    }
    if (at < value.size || at < 1 || at > 19) {
        return http_refuse_bytes(errors, 400, "expected 1 to 19 digits as Content-Length, found %R", value, 64);
    }
    if (number > INT64_MAX) {
        return http_refuse_bytes(errors, 413, "a Content-Length of 2^63 bytes or more, found %R", value, 64);
    }
    *length = (int64_t)number;
    return 0;
}

/* Of a list of codings such as "gzip, chunked": 1: chunked is one of them and not the last; 0; -1: it is no list. */
static int
has_early_chunked(asteri_slice value)
{
    const char *data = value.data;
    Py_ssize_t at = 0;
    int early = 0;
    while (1) {
        Py_ssize_t start = at;
        at = asteri_scan(data, at, value.size, ASTERI_TOKEN);
        if (at == start) {
            return -1;
        }
        if (at == value.size) {
            return early;
        }
        early |= http_equals((asteri_slice){data + start, at - start}, "chunked");
        while (at < value.size && (data[at] == ' ' || data[at] == '\t')) {
            at++;
        }
        if (at == value.size || data[at] != ',') {
            return -1;
        }
        at++;
        while (at < value.size && (data[at] == ' ' || data[at] == '\t')) {
            at++;
        }
    }
}

int
http_check_transfer_encoding(const http_errors *errors, asteri_slice value, int version)
{
    if (version != 11) {
        /* RFC 9112 section 6.1: an HTTP/1.0 message with Transfer-Encoding has faulty framing. */
        return http_refuse(errors, 400, "Transfer-Encoding is not part of HTTP/%d.%d", version / 10, version % 10);
    }
    if (http_equals(value, "chunked")) {
        return 0;
    }
    switch (has_early_chunked(value)) {
    case -1:
        return http_refuse_bytes(errors, 400, "expected chunked as Transfer-Encoding, found %R", value, 64);
    case 1:
        return http_refuse_bytes(errors, 400, "chunked must be the last transfer coding, and once, found %R", value,
                                 64);
    default:
        return http_refuse_bytes(errors, 501, "transfer codings other than chunked are not supported, found %R", value,
                                 64);
    }
}
