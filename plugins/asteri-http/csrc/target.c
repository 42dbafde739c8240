/* Reads request targets, see `asteri_http.target`. */
#include "asteri_http/target.h"

#include "asteri/scan.h"
#include "asteri_http/fields.h"
#include "asteri_http/host.h"

static const asteri_slice nothing = {"", 0};

static int
is_exactly(asteri_slice found, const char *expected, Py_ssize_t size)
{
    return found.size == size && memcmp(found.data, expected, (size_t)size) == 0;
}

static int
is_hex(char byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

static int
check_bytes(const http_errors *errors, asteri_slice target)
{
    const char *data = target.data;
    Py_ssize_t at = 0;
    while ((at = asteri_scan(data, at, target.size, ASTERI_URI)) < target.size) {
        if (data[at] == '#') {
            return http_refuse(errors, 400, "a fragment (#) is not part of a request target");
        }
        if (data[at] != '%') {
            return http_refuse_bytes(errors, 400, "a request target may not contain the raw byte %R",
                                     (asteri_slice){data + at, 1}, 1);
        }
        if (target.size - at < 3 || !is_hex(data[at + 1]) || !is_hex(data[at + 2])) {
            return http_refuse(errors, 400,
                               "a percent sign in the request target is not followed by two hexadecimal digits");
        }
        if (data[at + 1] == '0' && data[at + 2] == '0') {
            return http_refuse(errors, 400, "a request target may not contain %%00");
        }
        at += 3;
    }
    return 0;
}

/* A path with a query behind it, or only one of them, or nothing. */
static void
split_query(const char *data, const char *end, http_target *parts)
{
    const char *mark = data == end ? NULL : memchr(data, '?', (size_t)(end - data));
    parts->raw_path = (asteri_slice){data, (mark == NULL ? end : mark) - data};
    parts->query = mark == NULL ? nothing : (asteri_slice){mark + 1, end - mark - 1};
}

/* `http://host/path?query`, the host not yet checked. Whether the target has this form. */
static int
split_absolute(asteri_slice target, http_target *parts)
{
    const char *end = target.data + target.size;
    int scheme = 4;
    if (target.size < 7 || !http_equals((asteri_slice){target.data, 4}, "http")) {
        return 0;
    }
    if ((target.data[4] | 0x20) == 's') {
        scheme = 5;
    }
    if (target.size < scheme + 3 || memcmp(target.data + scheme, "://", 3) != 0) {
        return 0;
    }
    const char *host = target.data + scheme + 3, *at = host;
    while (at < end && *at != '/' && *at != '?') {
        at++;
    }
    parts->authority = (asteri_slice){host, at - host};
    split_query(at, end, parts);
    return 1;
}

static int
read_connect(const http_errors *errors, asteri_slice target, http_target *parts)
{
    *parts = (http_target){nothing, nothing, target};
    if (http_check_authority(errors, target) < 0) {
        return -1;
    }
    /* Behind the host of an authority there is nothing but a port. */
    const char *data = target.data;
    Py_ssize_t at = target.size;
    while (at > 0 && data[at - 1] >= '0' && data[at - 1] <= '9') {
        at--;
    }
    if (at == target.size || at == 0 || data[at - 1] != ':') {
        return http_refuse_bytes(errors, 400, "CONNECT needs host:port, found %R", target, 256);
    }
    return 0;
}

int
http_read_target(const http_errors *errors, asteri_slice method, asteri_slice target, http_target *parts)
{
    if (is_exactly(method, "CONNECT", 7)) {
        return read_connect(errors, target, parts);
    }
    if (check_bytes(errors, target) < 0) {
        return -1;
    }
    if (target.size > 0 && target.data[0] == '/') {
        parts->authority = nothing;
        split_query(target.data, target.data + target.size, parts);
        return 0;
    }
    int is_options = is_exactly(method, "OPTIONS", 7);
    if (is_exactly(target, "*", 1)) {
        *parts = (http_target){target, nothing, nothing};
        if (is_options) {
            return 0;
        }
        PyObject *name = PyUnicode_DecodeASCII(method.data, method.size, "replace");
        if (name != NULL) {
            http_refuse(errors, 400, "the target * is for OPTIONS only, found %U", name);
            Py_DECREF(name);
        }
        return -1;
    }
    if (!split_absolute(target, parts)) {
        return http_refuse_bytes(errors, 400, "expected /path, http://host/path or *, found %R", target, 256);
    }
    if (parts->raw_path.size == 0) {
        /* RFC 9112 section 3.2.4: an OPTIONS without a path asks about the server as a whole. */
        int asks_server = is_options && parts->raw_path.data == target.data + target.size;
        parts->raw_path = asks_server ? (asteri_slice){"*", 1} : (asteri_slice){"/", 1};
    }
    return http_check_authority(errors, parts->authority);
}

static int
differ(asteri_slice one, asteri_slice other)
{
    if (one.size != other.size) {
        return 1;
    }
    for (Py_ssize_t index = 0; index < one.size; index++) {
        if (Py_TOLOWER(one.data[index]) != Py_TOLOWER(other.data[index])) {
            return 1;
        }
    }
    return 0;
}

int
http_check_host(const http_errors *errors, asteri_slice *authority, const asteri_slice *host)
{
    if (host == NULL) {
        return 0;
    }
    if (http_check_authority(errors, *host) < 0) {
        return -1;
    }
    if (authority->size == 0) {
        *authority = *host;
        return 0;
    }
    if (!differ(*authority, *host)) {
        return 0;
    }
    PyObject *named = PyBytes_FromStringAndSize(authority->data, authority->size < 256 ? authority->size : 256);
    PyObject *given = PyBytes_FromStringAndSize(host->data, host->size < 256 ? host->size : 256);
    if (named != NULL && given != NULL) {
        http_refuse(errors, 400, "the target names %R but Host is %R", named, given);
    }
    Py_XDECREF(named);
    Py_XDECREF(given);
    return -1;
}
