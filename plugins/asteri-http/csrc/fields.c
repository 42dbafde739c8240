/* Names and values of fields, see `asteri_http.fields`. What is said there in sets of names is here in lists by length:
 * there are few, and most names are told from all of them by their length and first byte. */
#include "asteri_http/fields.h"

#include "asteri/scan.h"

/* ASCII letters in lower case, other bytes as they are. */
static inline unsigned char
lower_of(char byte)
{
    unsigned char letter = (unsigned char)byte;
    return letter >= 'A' && letter <= 'Z' ? letter | 0x20 : letter;
}

static int
alike(asteri_slice any_case, const char *lower, size_t size)
{
    if ((size_t)any_case.size != size) {
        return 0;
    }
    for (size_t index = 0; index < size; index++) {
        if (lower_of(any_case.data[index]) != (unsigned char)lower[index]) {
            return 0;
        }
    }
    return 1;
}

int
http_equals(asteri_slice any_case, const char *lower)
{
    return alike(any_case, lower, strlen(lower));
}

int
http_is_value(asteri_slice value)
{
    return asteri_scan(value.data, 0, value.size, ASTERI_VALUE) == value.size;
}

int
http_is_token(asteri_slice name)
{
    return name.size > 0 && asteri_scan(name.data, 0, name.size, ASTERI_TOKEN) == name.size;
}

static http_role
role_of(asteri_slice name)
{
    switch (name.size) {
    case 2:
        return alike(name, "te", 2) ? HTTP_HOP : HTTP_PLAIN;
    case 4:
        return alike(name, "date", 4) ? HTTP_DATE : HTTP_PLAIN;
    case 6:
        return alike(name, "server", 6) ? HTTP_SERVER : HTTP_PLAIN;
    case 10:
        if (alike(name, "connection", 10)) {
            return HTTP_CONNECTION;
        }
        return alike(name, "keep-alive", 10) ? HTTP_HOP : HTTP_PLAIN;
    case 14:
        return alike(name, "content-length", 14) ? HTTP_CONTENT_LENGTH : HTTP_PLAIN;
    case 16:
        return alike(name, "proxy-connection", 16) ? HTTP_HOP : HTTP_PLAIN;
    case 17:
        return alike(name, "transfer-encoding", 17) ? HTTP_TRANSFER_ENCODING : HTTP_PLAIN;
    default:
        return HTTP_PLAIN;
    }
}

/* LocalProtocolError; `format` has one %R for `name`, and one for `value` where that is not NULL. Always -1. */
static int
refuse_field(const http_errors *errors, const char *format, asteri_slice name, const asteri_slice *value)
{
    PyObject *shown_name = PyBytes_FromStringAndSize(name.data, name.size);
    PyObject *shown_value = value == NULL ? NULL : PyBytes_FromStringAndSize(value->data, value->size);
    if (shown_name != NULL && (value == NULL || shown_value != NULL)) {
        PyErr_Format(errors->local_protocol_error, format, shown_name, shown_value);
    }
    Py_XDECREF(shown_name);
    Py_XDECREF(shown_value);
    return -1;
}

int
http_response_role(const http_errors *errors, asteri_slice name, asteri_slice value)
{
    if (!http_is_token(name)) {
        return refuse_field(errors, "%R is not a field name: expected one or more token characters", name, NULL);
    }
    if (!http_is_value(value)) {
        return refuse_field(errors, "the value of %R has a control byte: %R", name, &value);
    }
    return (int)role_of(name);
}

int
http_keeps_field(asteri_slice name)
{
    if (name.size == 5 && memcmp(name.data, "proxy", 5) == 0) {
        return 0;
    }
    return name.size == 0 || memchr(name.data, '_', (size_t)name.size) == NULL;
}

/* Whether one of the names of the list, which NULL ends, is this one in any case. */
static int
is_one_of(asteri_slice name, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (http_equals(name, *list)) {
            return 1;
        }
    }
    return 0;
}

int
http_keeps_trailer(asteri_slice name)
{
    static const char *const kept[] = {
        "content-digest", "digest",      "etag",          "grpc-message", "grpc-status",     "grpc-status-details-bin",
        "last-modified",  "repr-digest", "server-timing", "signature",    "signature-input", NULL,
    };
    if (name.size >= 2 && memcmp(name.data, "x-", 2) == 0) {
        return memchr(name.data, '_', (size_t)name.size) == NULL;
    }
    return is_one_of(name, kept);
}

int
http_refuses_trailer(asteri_slice name)
{
    static const char *const refused[] = {
        "age",          "authorization",      "cache-control",       "connection",    "content-encoding",
        "content-type", "content-length",     "content-range",       "cookie",        "date",
        "expect",       "expires",            "host",                "keep-alive",    "location",
        "max-forwards", "pragma",             "proxy-authenticate",  "range",         "retry-after",
        "set-cookie",   "te",                 "proxy-authorization", "trailer",       "transfer-encoding",
        "upgrade",      "vary",               "warning",             "www-authenticate", NULL,
    };
    return is_one_of(name, refused);
}

int
http_has_option(asteri_slice list, const char *member)
{
    size_t size = strlen(member);
    const char *at = list.data, *end = list.data + list.size;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma == NULL ? end : comma;
        const char *last = stop;
        while (at < last && (*at == ' ' || *at == '\t')) {
            at++;
        }
        while (at < last && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }
        if (alike((asteri_slice){at, last - at}, member, size)) {
            return 1;
        }
        at = stop + 1;
    }
    return 0;
}
