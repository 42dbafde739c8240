/* Makes targets, see target.h. */
#include "target.h"

#include <string.h>

/* Of a path; what else there is gets percent-encoded (RFC 3986 section 3.3). */
static int
is_plain(unsigned char byte)
{
    return (unsigned)(byte | 0x20) - 'a' < 26u || (unsigned)byte - '0' <= 9u
           || (byte != 0 && strchr("/!$&'()*+,;=:@-._~", byte) != NULL);
}

/* The path percent-encoded, and the query as it is. */
static PyObject *
join(asteri_slice path, asteri_slice query)
{
    Py_ssize_t size = path.size + (query.size > 0 ? query.size + 1 : 0);
    for (Py_ssize_t at = 0; at < path.size; at++) {
        size += is_plain((unsigned char)path.data[at]) ? 0 : 2;
    }
    PyObject *target = PyBytes_FromStringAndSize(NULL, size);
    if (target == NULL) {
        return NULL;
    }
    char *place = PyBytes_AS_STRING(target);
    for (Py_ssize_t at = 0; at < path.size; at++) {
        unsigned char byte = (unsigned char)path.data[at];
        if (is_plain(byte)) {
            *place++ = (char)byte;
        }
        else {
            *place++ = '%';
            *place++ = "0123456789ABCDEF"[byte >> 4];
            *place++ = "0123456789ABCDEF"[byte & 15];
        }
    }
    if (query.size > 0) {
        *place++ = '?';
        memcpy(place, query.data, (size_t)query.size);
    }
    return target;
}

PyObject *
uw_target(const uw_variables *variables)
{
    const asteri_slice *said = variables->said;
    asteri_slice target = said[UW_REQUEST_URI], path = said[UW_PATH_INFO];
    if (target.size > 0) {
        return PyBytes_FromStringAndSize(target.data, target.size);
    }
    return join(path.size > 0 ? path : (asteri_slice){"/", 1}, said[UW_QUERY_STRING]);
}
