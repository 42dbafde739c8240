/* The response's side of `asteri_http/exchange.h`: what its fields say, its phases, its content and the account of
 * it. */
#include "asteri_http/exchange.h"
#include "asteri_http/status.h"

#include <string.h>

static const char *const PHASES[] = {
    [HTTP_WAITING] = "no response yet", [HTTP_DECIDED] = "head set, not sent",   [HTTP_SENDING] = "head sent",
    [HTTP_COMPLETE] = "response complete", [HTTP_CUT] = "cut",
};

int
http_refuse_move(const http_exchange *exchange, const http_errors *errors, const char *operation)
{
    if (exchange->phase == HTTP_CUT) {
        PyErr_SetString(errors->disconnected, "the exchange is over");
    }
    else {
        PyErr_Format(errors->local_protocol_error, "cannot %s in state '%s'", operation, PHASES[exchange->phase]);
    }
    return -1;
}

/* -- fields -------------------------------------------------------------------------------------------------------- */

/* Raises LocalProtocolError with the bytes in place of the format's %R. Always -1. */
static int
refuse_bytes(const http_errors *errors, const char *format, asteri_slice found)
{
    PyObject *bytes = PyBytes_FromStringAndSize(found.data, found.size);
    if (bytes != NULL) {
        PyErr_Format(errors->local_protocol_error, format, bytes);
        Py_DECREF(bytes);
    }
    return -1;
}

int
http_refuse_field(const http_errors *errors, PyObject *name, PyObject *value)
{
    if (PyBytes_Check(name) && PyBytes_GET_SIZE(name) == 14
        && memcmp(PyBytes_AS_STRING(name), "content-length", 14) == 0) {
        PyErr_Format(errors->local_protocol_error, "expected digits as Content-Length, found %R", value);
    }
    else {
        PyErr_Format(errors->local_protocol_error,
                     "expected a field of a bytes name and a bytes value, found (%R, %R)", name, value);
    }
    return -1;
}

/* Nineteen digits, as in a request: what fits into 64 bits. */
static int
declare_length(const http_errors *errors, asteri_slice value, http_said *said)
{
    uint64_t length = 0;
    int wrong = value.size < 1 || value.size > 19;
    for (Py_ssize_t index = 0; !wrong && index < value.size; index++) {
        unsigned digit = (unsigned char)value.data[index] - (unsigned)'0';
        wrong = digit > 9;
        length = length * 10 + digit;
    }
    if (wrong) {
        return refuse_bytes(errors, "expected digits as Content-Length, found %R", value);
    }
    if (said->has_length && said->length != length) {
        PyErr_Format(errors->local_protocol_error, "two different values of Content-Length, %llu and %llu",
                     (unsigned long long)said->length, (unsigned long long)length);
        return -1;
    }
    said->has_length = 1;
    said->length = length;
    return HTTP_DROP;
}

int
http_sort_field(const http_errors *errors, asteri_slice name, asteri_slice value, http_said *said)
{
    if (name.size == 14 && memcmp(name.data, "content-length", 14) == 0) {
        return declare_length(errors, value, said);
    }
    int role = http_response_role(errors, name, value);
    switch (role) {
    case HTTP_PLAIN:
        return HTTP_KEEP;
    case HTTP_DATE:
    case HTTP_SERVER:
        said->added |= (unsigned char)role;
        return HTTP_KEEP;
    case HTTP_CONTENT_LENGTH:
        return declare_length(errors, value, said);
    case HTTP_CONNECTION:
        said->closes |= (unsigned char)http_has_option(value, "close");
        return http_has_option(value, "upgrade") ? HTTP_KEEP_UPGRADE : HTTP_DROP;
    case HTTP_TRANSFER_ENCODING:
        /* The protocol frames the content itself, so `chunked` says nothing new and any other coding would be a lie. */
        if (!http_equals(value, "chunked")) {
            return refuse_bytes(errors, "an application cannot apply a transfer coding, found %R", value);
        }
        return HTTP_DROP;
    case HTTP_HOP:
        return HTTP_DROP;
    default:
        return -1;
    }
}

void
http_exchange_decide(http_exchange *exchange, int status, const http_said *said, int is_head)
{
    exchange->status = status;
    exchange->silent = (unsigned char)(is_head || http_without_content(status));
    exchange->has_length = said->has_length;
    exchange->length = said->length;
    if (status == 205) {
        exchange->has_length = 1;
        exchange->length = 0;
    }
    else if (status == 204) {
        exchange->has_length = 0; /* RFC 9110 section 8.6: a 204 has no Content-Length */
    }
    exchange->remaining = exchange->length;
    exchange->added = said->added;
    exchange->closes = said->closes;
    exchange->phase = HTTP_DECIDED;
}

int
http_exchange_retract(http_exchange *exchange)
{
    if (exchange->phase == HTTP_DECIDED) {
        exchange->phase = HTTP_WAITING;
        exchange->status = 0;
    }
    return exchange->phase == HTTP_WAITING;
}

/* -- content ------------------------------------------------------------------------------------------------------- */

static int
read_file_slice(PyObject *data, http_content *content)
{
    PyObject *file = PyTuple_GET_ITEM(data, 0);
    content->offset = PyLong_AsLongLong(PyTuple_GET_ITEM(data, 1));
    if (content->offset == -1 && PyErr_Occurred()) {
        return -1;
    }
    content->owner = Py_NewRef(file);
    content->data = NULL;
    return 0;
}

/* Bytes, a bytearray or a memory view that stay as they are now: what could change under us is copied, and a view is
 * looked at through one of our own, which its owner cannot release. A view may count in other units than bytes. */
static int
read_buffer(PyObject *data, http_content *content)
{
    PyObject *owner = NULL;
    content->offset = 0;
    if (PyMemoryView_Check(data)) {
        if (PyBuffer_IsContiguous(PyMemoryView_GET_BUFFER(data), 'C')) {
            owner = PyObject_CallMethod(data, "cast", "s", "B");
        }
        else {
            owner = PyObject_CallMethod(data, "tobytes", NULL);
        }
    }
    else {
        owner = PyBytes_FromObject(data);
    }
    if (owner == NULL) {
        return -1;
    }
    content->owner = owner;
    if (PyBytes_Check(owner)) {
        content->data = PyBytes_AS_STRING(owner);
        content->size = PyBytes_GET_SIZE(owner);
    }
    else {
        content->data = PyMemoryView_GET_BUFFER(owner)->buf;
        content->size = PyMemoryView_GET_BUFFER(owner)->len;
    }
    return 0;
}

int
http_content_read(const http_errors *errors, PyObject *file_slice, PyObject *data, http_content *content)
{
    if (PyBytes_CheckExact(data)) {
        *content = (http_content){Py_NewRef(data), PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), 0};
        return 0;
    }
    if (PyTuple_Check(data)) {
        int is_slice = PyObject_IsInstance(data, file_slice);
        if (is_slice < 0) {
            return -1;
        }
        if (is_slice && PyTuple_GET_SIZE(data) == 3) {
            content->size = PyLong_AsLongLong(PyTuple_GET_ITEM(data, 2));
            if (content->size == -1 && PyErr_Occurred()) {
                return -1;
            }
            if (content->size >= 0) {
                return read_file_slice(data, content);
            }
        }
    }
    else if (PyBytes_Check(data) || PyByteArray_Check(data) || PyMemoryView_Check(data)) {
        return read_buffer(data, content);
    }
    PyErr_Format(errors->local_protocol_error, "expected bytes or a slice of a file as content, found %.100R", data);
    return -1;
}

void
http_content_release(http_content *content)
{
    Py_CLEAR(content->owner);
}

http_fit
http_exchange_account(http_exchange *exchange, int64_t size, int end)
{
    uint64_t bytes = (uint64_t)size;
    if (bytes > exchange->remaining) {
        return HTTP_LONGER;
    }
    if (end && bytes < exchange->remaining) {
        return HTTP_SHORTER;
    }
    exchange->remaining -= bytes;
    return HTTP_FITS;
}

int
http_refuse_content(const http_exchange *exchange, const http_errors *errors, int64_t size, http_fit fit)
{
    unsigned long long remaining = exchange->remaining;
    if (fit == HTTP_LONGER) {
        PyErr_Format(errors->local_protocol_error,
                     "content is longer than its Content-Length: %lld bytes for the last %llu", (long long)size,
                     remaining);
    }
    else {
        PyErr_Format(errors->local_protocol_error,
                     "content is shorter than its Content-Length: %llu bytes are missing",
                     remaining - (unsigned long long)size);
    }
    return -1;
}
