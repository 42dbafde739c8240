/* Makes the scope of a request. See scope.h.
 *
 * What the head alone decides is kept with it, where the exchange has a place for that. Of what is kept, a scope gets a
 * copy with everything set in it that is the request's own: the containers, which are new each time, and what is known
 * of the peer. A scope that has come back as it was needs less: only what differs is set.
 */
#include "scope.h"

#include <string.h>

/* -- what is the same for all requests ----------------------------------------------------------------------------- */

/* Whether the keys of the template that are set here by their place are in it. */
static int
are_in_place(const asgi_scopes *scopes, const asgi_state *state)
{
    PyObject *const *keys = scopes->keys;
    return keys[ASGI_ASGI_KEY] == state->name.asgi && keys[ASGI_SCHEME_KEY] == state->name.scheme &&
           keys[ASGI_HEADERS_KEY] == state->name.headers && keys[ASGI_CLIENT_KEY] == state->name.client &&
           keys[ASGI_SERVER_KEY] == state->name.server && keys[ASGI_STATE_KEY] == state->name.state &&
           keys[ASGI_EXTENSIONS_KEY] == state->name.extensions;
}

/* Reads what the template and its containers have in them, to tell it again. 0, -1. */
static int
read_template(asgi_scopes *scopes, const asgi_state *state)
{
    Py_ssize_t count = PyDict_GET_SIZE(scopes->extensions);
    Py_ssize_t position = 0;
    PyObject *key, *value;
    for (int index = 0; index < ASGI_KEYS && PyDict_Next(scopes->template, &position, &key, NULL); index++) {
        scopes->keys[index] = Py_NewRef(key);
    }
    if (count > ASGI_EXTENSIONS || PyDict_GET_SIZE(scopes->asgi) != 2 ||
        PyDict_GET_SIZE(scopes->template) != ASGI_KEYS || !are_in_place(scopes, state)) {
        PyErr_SetString(PyExc_SystemError, "the scopes of the Python twin have got other things in them");
        return -1;
    }
    position = 0;
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
    return read_template(scopes, state);
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
    for (int index = 0; index < ASGI_KEYS; index++) {
        Py_CLEAR(scopes->keys[index]);
    }
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

/* Whether a header is a Host: 1, 0, or -1. It is a tuple of two bytes, unless a hook has put something else there. */
static int
is_host(PyObject *header)
{
    PyObject *name = PySequence_GetItem(header, 0);
    if (name == NULL) {
        return -1;
    }
    int found = 0;
    if (PyBytes_Check(name)) {
        found = equals((asteri_slice){PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)}, "host", 4);
    }
    Py_DECREF(name);
    return found;
}

/* The headers, a tuple, with the authority of the target in the place of Host (RFC 9112 section 3.2.2). A new reference
 * to a list. */
static PyObject *
override_host(PyObject *headers, PyObject *authority)
{
    PyObject *host = Py_BuildValue("(y#O)", "host", (Py_ssize_t)4, authority);
    PyObject *changed = host != NULL ? PyList_New(0) : NULL;
    if (changed == NULL || PyList_Append(changed, host) < 0) {
        goto failed;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(headers); index++) {
        PyObject *header = PyTuple_GET_ITEM(headers, index);
        int replaced = is_host(header);
        if (replaced < 0 || (!replaced && PyList_Append(changed, header) < 0)) {
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

/* A new list. */
static PyObject *
make_headers(const asteri_reached *exchange, const asteri_request *request)
{
    PyObject *headers = exchange->functions->fact(exchange->self, ASTERI_HEADERS);
    PyObject *authority = exchange->functions->fact(exchange->self, ASTERI_AUTHORITY);
    if (headers == NULL || authority == NULL) {
        return NULL;
    }
    if (host_is_authority(request)) {
        return PySequence_List(headers);
    }
    PyObject *copy = PySequence_Tuple(headers);
    if (copy == NULL) {
        return NULL;
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

/* -- what is kept with a head -------------------------------------------------------------------------------------- */

static void
kept_drop(asgi_kept *kept)
{
    if (kept->spare != NULL) {
        asgi_lent_drop(kept->spare);
    }
    Py_XDECREF(kept->key);
    Py_XDECREF(kept->template);
    Py_XDECREF(kept->headers);
    PyMem_Free(kept);
}

static asgi_kept *
kept_of(PyObject *capsule)
{
    return (asgi_kept *)PyCapsule_GetPointer(capsule, NULL);
}

static void
capsule_dying(PyObject *capsule)
{
    kept_drop(kept_of(capsule));
}

/* Reads what the head decides into `kept`. 0, -1. */
static int
read_head(asgi_kept *kept, const asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange)
{
    const asteri_request *request = exchange->functions->request(exchange->self);
    PyObject *method = exchange->functions->fact(exchange->self, ASTERI_METHOD);
    PyObject *scope = PyDict_Copy(scopes->template);
    kept->key = Py_NewRef(scopes->key);
    kept->template = scope;
    kept->headers = make_headers(exchange, request);
    if (scope == NULL || kept->headers == NULL || method == NULL) {
        return -1;
    }
    if (set_fact(scope, state->name.scheme, exchange, ASTERI_SCHEME) < 0 ||
        set_fact(scope, state->name.http_version, exchange, ASTERI_VERSION) < 0 ||
        set_new(scope, state->name.method, PyObject_CallMethodNoArgs(method, state->name.upper)) < 0 ||
        set_new(scope, state->name.path, make_path(scopes, request->raw_path)) < 0 ||
        set_fact(scope, state->name.raw_path, exchange, ASTERI_RAW_PATH) < 0) {
        return -1;
    }
    return set_fact(scope, state->name.query_string, exchange, ASTERI_QUERY);
}

/* A new reference to a capsule of what a head decides. */
static PyObject *
make_kept(const asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange)
{
    asgi_kept *kept = PyMem_Calloc(1, sizeof *kept);
    if (kept == NULL) {
        return PyErr_NoMemory();
    }
    if (read_head(kept, scopes, state, exchange) == 0) {
        PyObject *capsule = PyCapsule_New(kept, NULL, capsule_dying);
        if (capsule != NULL) {
            return capsule;
        }
    }
    kept_drop(kept);
    return NULL;
}

/* What is kept with the head of this request, made and kept if it is not yet. A new reference. */
static PyObject *
find_kept(const asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange)
{
    asteri_memo *memo = exchange->functions->request(exchange->self)->memo;
    if (memo != NULL && memo->key == scopes->key && memo->thing != NULL) {
        return Py_NewRef(memo->thing);
    }
    PyObject *capsule = make_kept(scopes, state, exchange);
    if (memo != NULL && capsule != NULL) {
        PyObject *before = memo->thing;
        memo->key = scopes->key;
        memo->thing = Py_NewRef(capsule);
        Py_XDECREF(before);
    }
    return capsule;
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
tell_tls(PyObject *extensions, const asgi_state *state, PyObject *tls)
{
    PyObject *extension = PyObject_CallOneArg(state->shared.tls_extension, tls);
    int failed = extension == NULL || PyDict_SetItemString(extensions, "tls", extension) < 0;
    Py_XDECREF(extension);
    return failed ? -1 : 0;
}

/* The extensions that only some exchanges have. 0, -1. */
static int
extend(PyObject *extensions, const asgi_state *state, const asteri_reached *exchange)
{
    PyObject *peer = exchange->functions->fact(exchange->self, ASTERI_PEER);
    if (peer == NULL) {
        return -1;
    }
    if (PyTuple_Check(peer) && PyTuple_GET_SIZE(peer) > ASTERI_PEER_TLS && PyTuple_GET_ITEM(peer, ASTERI_PEER_TLS) != Py_None &&
        tell_tls(extensions, state, PyTuple_GET_ITEM(peer, ASTERI_PEER_TLS)) < 0) {
        return -1;
    }
    const asteri_request *request = exchange->functions->request(exchange->self);
    if (!request->has_body || request->content_length >= 0) {
        return 0;
    }
    return offer_trailers(extensions, state, exchange);
}

/* Sets a key of a scope that is lent to a value, which is stolen; NULL: the exception is set already. 0, -1. */
static int
put(const asgi_scopes *scopes, asgi_lent *lent, int key, PyObject *value)
{
    if (value == NULL || PyDict_SetItem(lent->scope, scopes->keys[key], value) < 0) {
        Py_XDECREF(value);
        return -1;
    }
    Py_XSETREF(lent->values[key], value);
    return 0;
}

static int
put_peer(const asgi_scopes *scopes, asgi_lent *lent, PyObject *peer)
{
    if (!PyTuple_Check(peer) || PyTuple_GET_SIZE(peer) < 2) {
        PyErr_Format(PyExc_TypeError, "expected a Peer as the peer of an exchange, found %.100s",
                     Py_TYPE(peer)->tp_name);
        return -1;
    }
    PyObject *client = PyTuple_GET_ITEM(peer, 0);
    PyObject *server = PyTuple_GET_ITEM(peer, 1);
    Py_XSETREF(lent->peer, Py_NewRef(peer));
    if (put(scopes, lent, ASGI_CLIENT_KEY, Py_NewRef(PyTuple_CheckExact(client) ? client : Py_None)) < 0) {
        return -1;
    }
    server = PyTuple_CheckExact(server) ? Py_NewRef(server) : PyTuple_Pack(2, server, Py_None);
    return put(scopes, lent, ASGI_SERVER_KEY, server);
}

/* What exchanges of one head may differ in. 0, -1. */
static int
put_connection(const asgi_scopes *scopes, asgi_lent *lent, const asteri_reached *exchange)
{
    PyObject *scheme = exchange->functions->fact(exchange->self, ASTERI_SCHEME);
    PyObject *peer = scheme != NULL ? exchange->functions->fact(exchange->self, ASTERI_PEER) : NULL;
    if (peer == NULL ||
        (scheme != lent->values[ASGI_SCHEME_KEY] && put(scopes, lent, ASGI_SCHEME_KEY, Py_NewRef(scheme)) < 0)) {
        return -1;
    }
    return peer != lent->peer ? put_peer(scopes, lent, peer) : 0;
}

/* Fills in one that has nothing yet. 0, -1. */
static int
fill(asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange, asgi_lent *lent)
{
    PyObject *headers = lent->kept->headers;
    lent->scope = PyDict_Copy(lent->kept->template);
    if (lent->scope == NULL || asgi_scopes_take_containers(scopes, &lent->containers) < 0 ||
        extend(lent->containers.extensions, state, exchange) < 0) {
        return -1;
    }
    if (put(scopes, lent, ASGI_HEADERS_KEY, PyList_GetSlice(headers, 0, PyList_GET_SIZE(headers))) < 0 ||
        put(scopes, lent, ASGI_EXTENSIONS_KEY, Py_NewRef(lent->containers.extensions)) < 0 ||
        put(scopes, lent, ASGI_ASGI_KEY, Py_NewRef(lent->containers.asgi)) < 0 ||
        put(scopes, lent, ASGI_STATE_KEY, PyDict_Copy(scopes->state)) < 0 ||
        put_connection(scopes, lent, exchange) < 0) {
        return -1;
    }
    asgi_lent_remember(lent);
    return 0;
}

/* Makes one that has come back right for this request. 0, -1. */
static int
renew(const asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange, asgi_lent *lent)
{
    if (PyDict_GET_SIZE(scopes->state) > 0 && PyDict_Update(lent->values[ASGI_STATE_KEY], scopes->state) < 0) {
        return -1;
    }
    return extend(lent->containers.extensions, state, exchange) < 0 ? -1 : put_connection(scopes, lent, exchange);
}

asgi_lent *
asgi_make_scope(asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange)
{
    PyObject *capsule = find_kept(scopes, state, exchange);
    if (capsule == NULL) {
        return NULL;
    }
    asgi_kept *kept = kept_of(capsule);
    asgi_lent *lent = asgi_scopes_take_spare(scopes, capsule, kept);
    int failed;
    if (lent != NULL) {
        failed = renew(scopes, state, exchange, lent) < 0;
    } else {
        lent = asgi_lent_new(capsule, kept);
        failed = lent == NULL || fill(scopes, state, exchange, lent) < 0;
    }
    if (failed && lent != NULL) {
        asgi_lent_drop(lent);
        lent = NULL;
    }
    Py_DECREF(capsule);
    return lent;
}
