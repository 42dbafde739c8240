/* Reads what the variables of a request say, in the order of the Python twin: see request.h and `read_request` in
 * `asteri_uwsgi.request`. The checks are those of every protocol. */
#include "request.h"

#include "asteri_http/fields.h"
#include "asteri_http/framing.h"
#include "asteri_http/target.h"
#include "client.h"
#include "target.h"
#include "variables.h"

#include <string.h>

/* The items of a RequestHead. */
enum { METHOD, TARGET, VERSION, HEADERS, AUTHORITY, RAW_PATH, QUERY, CONTENT_LENGTH, CLIENT, ITEMS };

/* A head in the making. Slices are of the packet, of the target or of static bytes. */
typedef struct {
    uw_variables variables;
    PyObject *target; /* owned, NULL until it is made */
    http_target parts;
    int version; /* of the state's versions */
    int64_t length;
} reading;

PyObject *
uw_named_tuple(PyTypeObject *type, PyObject *const *items, Py_ssize_t count)
{
    PyObject *plain = PyTuple_New(count), *arguments = NULL, *named = NULL;
    int missing = plain == NULL;
    for (Py_ssize_t index = 0; index < count; index++) {
        missing |= items[index] == NULL;
        if (plain == NULL) {
            Py_XDECREF(items[index]);
        }
        else {
            PyTuple_SET_ITEM(plain, index, items[index]);
        }
    }
    if (!missing) {
        arguments = PyTuple_Pack(1, plain);
    }
    if (arguments != NULL) {
        named = PyTuple_Type.tp_new(type, arguments, NULL); /* as the `_make` of a named tuple */
    }
    Py_XDECREF(arguments);
    Py_XDECREF(plain);
    return named;
}

/* The index of the version that SERVER_PROTOCOL names. -1: RemoteProtocolError (505). */
static int
read_version(const http_errors *errors, asteri_slice protocol)
{
    static const struct {
        const char *name;
        int version;
    } names[] = {{"HTTP/1.1", 1}, {"HTTP/2.0", 2}, {"HTTP/1.0", 0}, {"HTTP/3.0", 3}, {"HTTP/2", 2}, {"HTTP/3", 3}};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        const char *name = names[index].name;
        if (strlen(name) == (size_t)protocol.size && memcmp(name, protocol.data, (size_t)protocol.size) == 0) {
            return names[index].version;
        }
    }
    return http_refuse_bytes(errors, 505, "expected a version of HTTP, found %R", protocol, 64);
}

/* The bytes of the body. A proxy that says two lengths has been talked into something. 0, -1. */
static int
read_length(const http_errors *errors, asteri_slice said, asteri_slice other, int64_t *length)
{
    *length = 0;
    if (other.size > 0 && (other.size != said.size || memcmp(other.data, said.data, (size_t)said.size) != 0)) {
        PyObject *one = PyBytes_FromStringAndSize(said.data, said.size < 64 ? said.size : 64);
        PyObject *two = PyBytes_FromStringAndSize(other.data, other.size < 64 ? other.size : 64);
        if (one != NULL && two != NULL) {
            http_refuse(errors, 400, "CONTENT_LENGTH is %R, and HTTP_CONTENT_LENGTH is %R", one, two);
        }
        Py_XDECREF(one);
        Py_XDECREF(two);
        return -1;
    }
    return said.size > 0 ? http_read_content_length(errors, said, length) : 0;
}

/* Whether HTTP allows what the variables say, apart from who the client is. 0, -1. */
static int
understand(const http_errors *errors, reading *r, const http_limits *limits)
{
    const asteri_slice *said = r->variables.said;
    asteri_slice method = said[UW_REQUEST_METHOD], host = said[UW_HTTP_HOST];
    if (!http_is_token(method)) {
        return http_refuse_bytes(errors, 400, "expected a method, found %R", method, 64);
    }
    r->version = read_version(errors, said[UW_SERVER_PROTOCOL]);
    if (r->version < 0) {
        return -1;
    }
    r->target = uw_target(&r->variables);
    if (r->target == NULL) {
        return -1;
    }
    asteri_slice target = {PyBytes_AS_STRING(r->target), PyBytes_GET_SIZE(r->target)};
    if (http_check_limits(errors, method, target, r->variables.fields, r->variables.count, limits) < 0
        || http_read_target(errors, method, target, &r->parts) < 0) {
        return -1;
    }
    if (method.size == 7 && memcmp(method.data, "CONNECT", 7) == 0) {
        return http_refuse(errors, 501, "CONNECT asks for a proxy, which this server is not");
    }
    if (http_check_host(errors, &r->parts.authority, host.size > 0 ? &host : NULL) < 0) {
        return -1;
    }
    return read_length(errors, said[UW_CONTENT_LENGTH], said[UW_HTTP_CONTENT_LENGTH], &r->length);
}

static PyObject *
bytes_of(asteri_slice slice)
{
    return PyBytes_FromStringAndSize(slice.data, slice.size);
}

static PyObject *
make_headers(const uw_variables *variables)
{
    PyObject *headers = PyList_New(variables->count);
    for (Py_ssize_t index = 0; headers != NULL && index < variables->count; index++) {
        PyObject *name = bytes_of(variables->fields[index].name), *value = bytes_of(variables->fields[index].value);
        PyObject *pair = name == NULL || value == NULL ? NULL : PyTuple_Pack(2, name, value);
        Py_XDECREF(name);
        Py_XDECREF(value);
        if (pair == NULL) {
            Py_CLEAR(headers);
        }
        else {
            PyList_SET_ITEM(headers, index, pair);
        }
    }
    return headers;
}

static PyObject *
make_head(const uw_state *state, const reading *r, PyObject *peer)
{
    asteri_slice method = r->variables.said[UW_REQUEST_METHOD];
    PyObject *items[ITEMS] = {NULL};
    items[CLIENT] = uw_client(state, peer, &r->variables);
    if (items[CLIENT] == NULL) {
        return NULL;
    }
    items[METHOD] = PyUnicode_DecodeASCII(method.data, method.size, NULL);
    items[TARGET] = Py_NewRef(r->target);
    items[VERSION] = Py_NewRef(state->versions[r->version]);
    items[HEADERS] = make_headers(&r->variables);
    items[AUTHORITY] = bytes_of(r->parts.authority);
    items[RAW_PATH] = bytes_of(r->parts.raw_path);
    items[QUERY] = bytes_of(r->parts.query);
    items[CONTENT_LENGTH] = PyLong_FromLongLong(r->length);
    return uw_named_tuple(state->request_head, items, ITEMS);
}

PyObject *
uw_request_read(const uw_state *state, const uw_packet *packet, PyObject *peer, const http_limits *limits)
{
    reading r = {.target = NULL};
    if (uw_variables_read(&state->errors, packet, &r.variables) < 0) {
        return NULL;
    }
    PyObject *head = understand(&state->errors, &r, limits) < 0 ? NULL : make_head(state, &r, peer);
    Py_XDECREF(r.target);
    uw_variables_clear(&r.variables);
    return head;
}
