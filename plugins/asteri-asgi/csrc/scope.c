/* Makes the scope of a request. See scope.h.
 *
 * What the head alone decides is kept with it, where the exchange has a place for that, as a tuple of the handler's
 * key, a scope that is the template of those to come, its headers and its scheme. Of what is kept, a scope gets a copy
 * with everything set in it that is the request's own: the containers, which are new each time, and what is known of
 * the peer.
 */
#include "pool.h"
#include "scope.h"

#include <string.h>

/* -- what is the same for all requests ----------------------------------------------------------------------------- */

/* Reads what the containers of the template have in them, to tell it again. 0, -1. */
static int
read_template(asgi_scopes *scopes)
{
    Py_ssize_t count = PyDict_GET_SIZE(scopes->extensions);
    if (count > ASGI_EXTENSIONS || PyDict_GET_SIZE(scopes->asgi) != 2) {
        PyErr_SetString(PyExc_SystemError, "the scopes of the Python twin have got more in them");
        return -1;
    }
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(scopes->extensions, &position, &key, NULL)) {
        scopes->offered[scopes->count++] = Py_NewRef(key);
    }
    position = 0;
    for (int index = 0; PyDict_Next(scopes->asgi, &position, &key, &value); index++) {
        scopes->told[0][index] = Py_NewRef(key);
        scopes->told[1][index] = Py_NewRef(value);
    }
    return 0;
}

int
asgi_scopes_load(asgi_scopes *scopes, const asgi_state *state, PyObject *root_path, PyObject *lifespan_state,
                 PyObject *version, int debug)
{
    if (!PyUnicode_Check(root_path) || !PyDict_Check(lifespan_state)) {
        PyErr_SetString(PyExc_TypeError, "expected a str as root_path and a dict as the state of the lifespan");
        return -1;
    }
    scopes->root_path = Py_NewRef(root_path);
    scopes->state = Py_NewRef(lifespan_state);
    scopes->below_root = PyUnicode_FromFormat("%U/", root_path);
    scopes->key = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    scopes->template = PyObject_CallFunction(state->shared.scope_template, "OOO", root_path, version,
                                             debug ? Py_True : Py_False);
    if (scopes->below_root == NULL || scopes->key == NULL || scopes->template == NULL) {
        return -1;
    }
    scopes->asgi = PyObject_GetItem(scopes->template, state->name.asgi);
    scopes->extensions = PyObject_GetItem(scopes->template, state->name.extensions);
    if (scopes->asgi == NULL || scopes->extensions == NULL) {
        return -1;
    }
    return read_template(scopes);
}

int
asgi_scopes_visit(asgi_scopes *scopes, visitproc visit, void *arg)
{
    Py_VISIT(scopes->template);
    Py_VISIT(scopes->asgi);
    Py_VISIT(scopes->extensions);
    Py_VISIT(scopes->state);
    Py_VISIT(scopes->key);
    for (int index = 0; index < scopes->spares; index++) {
        int stopped = asgi_containers_visit(&scopes->spare[index], visit, arg);
        if (stopped != 0) {
            return stopped;
        }
    }
    return 0;
}

void
asgi_scopes_clear(asgi_scopes *scopes)
{
    Py_CLEAR(scopes->template);
    Py_CLEAR(scopes->asgi);
    Py_CLEAR(scopes->extensions);
    Py_CLEAR(scopes->root_path);
    Py_CLEAR(scopes->below_root);
    Py_CLEAR(scopes->state);
    Py_CLEAR(scopes->key);
    for (int index = 0; index < ASGI_EXTENSIONS; index++) {
        Py_CLEAR(scopes->offered[index]);
    }
    for (int index = 0; index < 2; index++) {
        Py_CLEAR(scopes->told[0][index]);
        Py_CLEAR(scopes->told[1][index]);
    }
    while (scopes->spares > 0) {
        asgi_containers_drop(&scopes->spare[--scopes->spares]);
    }
}

/* -- what the head decides ----------------------------------------------------------------------------------------- */

static int
hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Percent-decoding (RFC 3986 section 2.1) into `target`, which has room for all; what is no escape stays as it is.
 * Returns the number of bytes. */
static Py_ssize_t
unquote(asteri_slice from, char *target)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t index = 0; index < from.size; index++) {
        char byte = from.data[index];
        if (byte == '%' && from.size - index > 2) {
            int high = hex_digit(from.data[index + 1]);
            int low = hex_digit(from.data[index + 2]);
            if (high >= 0 && low >= 0) {
                byte = (char)(high << 4 | low);
                index += 2;
            }
        }
        target[size++] = byte;
    }
    return size;
}

static PyObject *
decode_path(asteri_slice raw)
{
    if (raw.size == 0 || memchr(raw.data, '%', (size_t)raw.size) == NULL) {
        return PyUnicode_DecodeUTF8(raw.data, raw.size, "replace");
    }
    char *bytes = PyMem_Malloc((size_t)raw.size);
    if (bytes == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *path = PyUnicode_DecodeUTF8(bytes, unquote(raw, bytes), "replace");
    PyMem_Free(bytes);
    return path;
}

/* The path of the scope, below the root path. A new reference. */
static PyObject *
make_path(const asgi_scopes *scopes, asteri_slice raw)
{
    PyObject *path = decode_path(raw);
    if (path == NULL || PyUnicode_GET_LENGTH(scopes->root_path) == 0 || PyUnicode_GET_LENGTH(path) == 0 ||
        PyUnicode_READ_CHAR(path, 0) != '/' || PyUnicode_Compare(path, scopes->root_path) == 0) {
        return path;
    }
    Py_ssize_t below = PyUnicode_Tailmatch(path, scopes->below_root, 0, PY_SSIZE_T_MAX, -1);
    if (below == 0) {
        PyObject *whole = PyUnicode_Concat(scopes->root_path, path);
        Py_DECREF(path);
        return whole;
    }
    if (below < 0) {
        Py_CLEAR(path);
    }
    return path;
}

static int
equals(asteri_slice slice, const char *data, Py_ssize_t size)
{
    return slice.size == size && memcmp(slice.data, data, (size_t)size) == 0;
}

/* Whether the headers name the authority as it is; where there is none there is nothing to name. */
static int
host_is_authority(const asteri_request *request)
{
    asteri_slice authority = request->authority;
    if (authority.size == 0) {
        return 1;
    }
    for (Py_ssize_t index = 0; index < request->count; index++) {
        const asteri_field *field = &request->fields[index];
        if (equals(field->name, "host", 4) && equals(field->value, authority.data, authority.size)) {
            return 1;
        }
    }
    return 0;
}

/* The headers with the authority of the target in the place of Host (RFC 9112 section 3.2.2). A new reference. */
static PyObject *
override_host(PyObject *headers, PyObject *authority)
{
    PyObject *host = Py_BuildValue("(y#O)", "host", (Py_ssize_t)4, authority);
    PyObject *changed = host != NULL ? PyList_New(0) : NULL;
    if (changed == NULL || PyList_Append(changed, host) < 0) {
        goto failed;
    }
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(headers); index++) {
        PyObject *pair = PyList_GET_ITEM(headers, index);
        PyObject *name = PyTuple_GET_ITEM(pair, 0);
        asteri_slice slice = {PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)};
        if (!equals(slice, "host", 4) && PyList_Append(changed, pair) < 0) {
            goto failed;
        }
    }
    Py_DECREF(host);
    return changed;

failed:
    Py_XDECREF(host);
    Py_XDECREF(changed);
    return NULL;
}

/* A new list. The contract has it that headers are tuples of two bytes; an adapter has checked it. */
static PyObject *
make_headers(const asteri_reached *exchange, const asteri_request *request)
{
    PyObject *headers = exchange->functions->fact(exchange->self, ASTERI_HEADERS);
    PyObject *authority = exchange->functions->fact(exchange->self, ASTERI_AUTHORITY);
    if (headers == NULL || authority == NULL) {
        return NULL;
    }
    PyObject *copy = PySequence_List(headers);
    if (copy == NULL || host_is_authority(request)) {
        return copy;
    }
    PyObject *changed = override_host(copy, authority);
    Py_DECREF(copy);
    return changed;
}

/* Sets a key to a value that is stolen; NULL: the exception is set already. */
static int
set_new(PyObject *scope, PyObject *key, PyObject *value)
{
    int failed = value == NULL ? -1 : PyDict_SetItem(scope, key, value);
    Py_XDECREF(value);
    return failed;
}

/* Sets a key to a fact of the exchange. */
static int
set_fact(PyObject *scope, PyObject *key, const asteri_reached *exchange, asteri_fact which)
{
    PyObject *fact = exchange->functions->fact(exchange->self, which);
    return fact == NULL ? -1 : PyDict_SetItem(scope, key, fact);
}

/* What is kept with a head. A new reference. */
static PyObject *
read_head(const asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange)
{
    const asteri_request *request = exchange->functions->request(exchange->self);
    PyObject *scope = PyDict_Copy(scopes->template);
    PyObject *headers = make_headers(exchange, request);
    PyObject *method = exchange->functions->fact(exchange->self, ASTERI_METHOD);
    PyObject *scheme = exchange->functions->fact(exchange->self, ASTERI_SCHEME);
    PyObject *kept = NULL;
    if (scope != NULL && headers != NULL && method != NULL && scheme != NULL &&
        PyDict_SetItem(scope, state->name.scheme, scheme) == 0 &&
        set_fact(scope, state->name.http_version, exchange, ASTERI_VERSION) == 0 &&
        set_new(scope, state->name.method, PyObject_CallMethodNoArgs(method, state->name.upper)) == 0 &&
        set_new(scope, state->name.path, make_path(scopes, request->raw_path)) == 0 &&
        set_fact(scope, state->name.raw_path, exchange, ASTERI_RAW_PATH) == 0 &&
        set_fact(scope, state->name.query_string, exchange, ASTERI_QUERY) == 0) {
        kept = PyTuple_Pack(4, scopes->key, scope, headers, scheme);
    }
    Py_XDECREF(scope);
    Py_XDECREF(headers);
    return kept;
}

/* What is kept with the head of this request, made and kept if it is not yet. A new reference. */
static PyObject *
find_head(const asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange)
{
    asteri_memo *memo = exchange->functions->request(exchange->self)->memo;
    if (memo != NULL && memo->key == scopes->key && memo->thing != NULL) {
        return Py_NewRef(memo->thing);
    }
    PyObject *kept = read_head(scopes, state, exchange);
    if (memo != NULL && kept != NULL) {
        PyObject *before = memo->thing;
        memo->key = scopes->key;
        memo->thing = Py_NewRef(kept);
        Py_XDECREF(before);
    }
    return kept;
}

/* -- the containers ------------------------------------------------------------------------------------------------ */

void
asgi_containers_drop(asgi_containers *containers)
{
    for (int index = 0; index < ASGI_EXTENSIONS; index++) {
        Py_CLEAR(containers->each[index]);
    }
    Py_CLEAR(containers->extensions);
    Py_CLEAR(containers->asgi);
}

int
asgi_containers_visit(asgi_containers *containers, visitproc visit, void *arg)
{
    for (int index = 0; index < ASGI_EXTENSIONS; index++) {
        Py_VISIT(containers->each[index]);
    }
    Py_VISIT(containers->extensions);
    Py_VISIT(containers->asgi);
    return 0;
}

/* Makes containers. 0; -1, and there are none. */
static int
make_containers(const asgi_scopes *scopes, asgi_containers *containers)
{
    containers->asgi = PyDict_Copy(scopes->asgi);
    containers->extensions = PyDict_Copy(scopes->extensions);
    if (containers->asgi == NULL || containers->extensions == NULL) {
        goto failed;
    }
    for (int index = 0; index < scopes->count; index++) {
        containers->each[index] = PyDict_New();
        if (containers->each[index] == NULL ||
            PyDict_SetItem(containers->extensions, scopes->offered[index], containers->each[index]) < 0) {
            goto failed;
        }
    }
    return 0;

failed:
    asgi_containers_drop(containers);
    return -1;
}

/* Containers that have come back, or new ones. 0, -1. */
static int
take_containers(asgi_scopes *scopes, asgi_containers *containers)
{
    if (scopes->spares == 0) {
        return make_containers(scopes, containers);
    }
    *containers = scopes->spare[--scopes->spares];
    return 0;
}

/* Whether a dictionary has these keys, in this order, with these values, and no more. */
static int
has_only(PyObject *dict, PyObject *const *keys, PyObject *const *values, int count)
{
    Py_ssize_t position = 0;
    PyObject *key, *value;
    if (PyDict_GET_SIZE(dict) != count) {
        return 0;
    }
    for (int index = 0; index < count; index++) {
        if (!PyDict_Next(dict, &position, &key, &value) || key != keys[index] || value != values[index]) {
            return 0;
        }
    }
    return 1;
}

/* Whether the references here are the only ones, and nothing is in the containers but what has been from the start. A
 * build without the GIL cannot tell, and says no. */
static int
are_untouched(const asgi_scopes *scopes, const asgi_containers *containers)
{
    if (!ASGI_POOLED || Py_REFCNT(containers->asgi) != 1 || Py_REFCNT(containers->extensions) != 1) {
        return 0;
    }
    for (int index = 0; index < scopes->count; index++) {
        PyObject *extension = containers->each[index];
        if (Py_REFCNT(extension) != 2 || PyDict_GET_SIZE(extension) != 0) {
            return 0;
        }
    }
    return has_only(containers->extensions, scopes->offered, containers->each, scopes->count) &&
           has_only(containers->asgi, scopes->told[0], scopes->told[1], 2);
}

void
asgi_scopes_take_back(asgi_scopes *scopes, asgi_containers *containers)
{
    if (containers->asgi == NULL) {
        return;
    }
    if (scopes->spares == ASGI_SPARE || !are_untouched(scopes, containers)) {
        asgi_containers_drop(containers);
        return;
    }
    scopes->spare[scopes->spares++] = *containers;
    memset(containers, 0, sizeof *containers);
}

/* -- what is the request's own ------------------------------------------------------------------------------------- */

/* Only a body of unknown length can have trailers; the list is filled when it has ended. */
static int
offer_trailers(PyObject *extensions, const asgi_state *state, const asteri_reached *exchange)
{
    PyObject *trailers = exchange->functions->fact(exchange->self, ASTERI_TRAILERS);
    PyObject *extension = trailers != NULL ? PyDict_New() : NULL;
    int failed = extension == NULL || PyDict_SetItem(extension, state->name.trailers, trailers) < 0 ||
                 PyDict_SetItemString(extensions, "asteri.request.trailers", extension) < 0;
    Py_XDECREF(extension);
    return failed ? -1 : 0;
}

static int
set_peer(PyObject *scope, const asgi_state *state, const asteri_reached *exchange)
{
    PyObject *peer = exchange->functions->fact(exchange->self, ASTERI_PEER);
    if (peer == NULL) {
        return -1;
    }
    if (!PyTuple_Check(peer) || PyTuple_GET_SIZE(peer) < 2) {
        PyErr_Format(PyExc_TypeError, "expected a Peer as the peer of an exchange, found %.100s",
                     Py_TYPE(peer)->tp_name);
        return -1;
    }
    PyObject *client = PyTuple_GET_ITEM(peer, 0);
    PyObject *server = PyTuple_GET_ITEM(peer, 1);
    if (PyDict_SetItem(scope, state->name.client, PyTuple_CheckExact(client) ? client : Py_None) < 0) {
        return -1;
    }
    if (PyTuple_CheckExact(server)) {
        return PyDict_SetItem(scope, state->name.server, server);
    }
    return set_new(scope, state->name.server, PyTuple_Pack(2, server, Py_None));
}

static int
set_own(PyObject *scope, const asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange,
        const asgi_containers *containers)
{
    const asteri_request *request = exchange->functions->request(exchange->self);
    if (request->has_body && request->content_length < 0 &&
        offer_trailers(containers->extensions, state, exchange) < 0) {
        return -1;
    }
    if (PyDict_SetItem(scope, state->name.extensions, containers->extensions) < 0 ||
        PyDict_SetItem(scope, state->name.asgi, containers->asgi) < 0 ||
        set_new(scope, state->name.state, PyDict_Copy(scopes->state)) < 0) {
        return -1;
    }
    return set_peer(scope, state, exchange);
}

/* A new scope for a head of which `kept` is known. */
static PyObject *
copy_kept(PyObject *kept, const asgi_state *state, const asteri_reached *exchange)
{
    PyObject *scope = PyDict_Copy(PyTuple_GET_ITEM(kept, 1));
    PyObject *headers = PyTuple_GET_ITEM(kept, 2);
    PyObject *scheme = exchange->functions->fact(exchange->self, ASTERI_SCHEME);
    if (scope == NULL || scheme == NULL ||
        set_new(scope, state->name.headers, PyList_GetSlice(headers, 0, PyList_GET_SIZE(headers))) < 0 ||
        (scheme != PyTuple_GET_ITEM(kept, 3) && PyDict_SetItem(scope, state->name.scheme, scheme) < 0)) {
        Py_CLEAR(scope);
    }
    return scope;
}

PyObject *
asgi_make_scope(asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange,
                asgi_containers *containers)
{
    PyObject *kept = find_head(scopes, state, exchange);
    if (kept == NULL) {
        return NULL;
    }
    PyObject *scope = copy_kept(kept, state, exchange);
    Py_DECREF(kept);
    if (scope != NULL &&
        (take_containers(scopes, containers) < 0 || set_own(scope, scopes, state, exchange, containers) < 0)) {
        Py_CLEAR(scope);
    }
    return scope;
}
