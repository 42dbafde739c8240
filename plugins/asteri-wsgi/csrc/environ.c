/* The environ of a request.
 *
 * An environ is made in three steps: a copy of the template of its address; what the head says; what differs between
 * equal requests (the peer, the body). Equal requests share a head, and what the first two steps have made is kept with
 * it from the second time on: a head that never comes again is not worth a second dict. */
#include "environ.h"

#include "keys.h"

/* -- what the head says -------------------------------------------------------------------------------------------- */

static inline PyObject *
latin(asteri_slice slice)
{
    return PyUnicode_DecodeLatin1(slice.data, slice.size, NULL);
}

/* Stolen: value, which may be NULL with an exception. */
static inline int
put(PyObject *environ, PyObject *key, PyObject *value)
{
    int failed = value == NULL ? -1 : PyDict_SetItem(environ, key, value);
    Py_XDECREF(value);
    return failed;
}

static inline int
hex_digit(char character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    char lower = (char)(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Takes the percent-encoding off, as `urllib.parse.unquote_to_bytes`: what is none stays. The number of bytes. */
static Py_ssize_t
decode_percent(asteri_slice raw, char *decoded)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t index = 0; index < raw.size; index++) {
        int high, low;
        if (raw.data[index] == '%' && index + 2 < raw.size && (high = hex_digit(raw.data[index + 1])) >= 0 &&
            (low = hex_digit(raw.data[index + 2])) >= 0) {
            decoded[size++] = (char)(high << 4 | low);
            index += 2;
        } else {
            decoded[size++] = raw.data[index];
        }
    }
    return size;
}

static PyObject *
path_without_root(asteri_slice path, PyObject *root)
{
    Py_ssize_t size = PyBytes_GET_SIZE(root);
    if (size > 0 && path.size >= size && memcmp(path.data, PyBytes_AS_STRING(root), (size_t)size) == 0 &&
        (path.size == size || path.data[size] == '/')) {
        path.data += size;
        path.size -= size;
    }
    return latin(path);
}

/* PATH_INFO: decoded, as a native string, without the root path where the proxy has left it in front. */
static PyObject *
path_info(asteri_slice raw, PyObject *root)
{
    if (raw.size == 1 && raw.data[0] == '*') {
        return latin((asteri_slice){NULL, 0}); /* OPTIONS *: the server as a whole */
    }
    if (raw.size == 0 || memchr(raw.data, '%', (size_t)raw.size) == NULL) {
        return path_without_root(raw, root);
    }
    char few[512] = "";
    char *decoded = raw.size <= (Py_ssize_t)sizeof few ? few : PyMem_Malloc((size_t)raw.size);
    if (decoded == NULL) {
        return PyErr_NoMemory();
    }
    Py_ssize_t size = decode_percent(raw, decoded);
    PyObject *path = path_without_root((asteri_slice){decoded, size}, root);
    if (decoded != few) {
        PyMem_Free(decoded);
    }
    return path;
}

static PyObject *
server_protocol(wsgi_state *state, int version)
{
    switch (version) {
    case 11:
        return state->text.http_11;
    case 10:
        return state->text.http_10;
    case 20:
        return state->text.http_2;
    case 30:
        return state->text.http_3;
    default:
        return NULL;
    }
}

static int
put_request_line(wsgi_environs *environs, const wsgi_response *response, PyObject *environ)
{
    wsgi_state *state = response->state;
    asteri_reached reached = response->reached;
    const asteri_request *request = response->request;
    asteri_slice target = request->target, path = request->raw_path;
    PyObject *protocol = server_protocol(state, request->version);
    PyObject *method = reached.functions->fact(reached.self, ASTERI_METHOD);
    if (method == NULL || PyDict_SetItem(environ, state->text.request_method, method) < 0) {
        return -1;
    }
    if (protocol == NULL) {
        PyObject *version = reached.functions->fact(reached.self, ASTERI_VERSION);
        if (version != NULL) {
            PyErr_SetObject(PyExc_KeyError, version);
        }
        return -1;
    }
    PyObject *uri = latin(target);
    if (uri == NULL) {
        return -1;
    }
    int failed = PyDict_SetItem(environ, state->text.request_uri, uri) < 0 ||
                 PyDict_SetItem(environ, state->text.raw_uri, uri) < 0 ||
                 put(environ, state->text.path_info, path_info(path, environs->root)) < 0 ||
                 put(environ, state->text.query_string, latin(request->query)) < 0 ||
                 PyDict_SetItem(environ, state->text.server_protocol, protocol) < 0;
    Py_DECREF(uri);
    return failed ? -1 : 0;
}

/* A field that is there already: RFC 9110 section 5.3; RFC 6265 section 5.4 for cookies, which HTTP/2 may split. */
static int
join_field(wsgi_state *state, PyObject *environ, PyObject *key, PyObject *value)
{
    int is_cookie = PyUnicode_Compare(key, state->text.http_cookie) == 0;
    PyObject *separator = is_cookie ? state->text.semicolon : state->text.comma;
    PyObject *before = wsgi_dict_get(environ, key);
    PyObject *joined = before == NULL ? NULL : PyUnicode_Concat(before, separator);
    Py_XDECREF(before);
    if (joined == NULL) {
        return -1;
    }
    PyUnicode_Append(&joined, value);
    return put(environ, key, joined);
}

static int
put_field(wsgi_state *state, PyObject *environ, const asteri_field *field)
{
    PyObject *key;
    if (wsgi_key_of(state, field->name, &key) < 0) {
        return -1;
    }
    if (key == NULL) {
        return 0;
    }
    PyObject *value = latin(field->value);
    int added = value == NULL ? -1 : wsgi_dict_add(environ, key, value);
    if (added == 0) {
        added = join_field(state, environ, key, value);
    }
    Py_XDECREF(value);
    Py_DECREF(key);
    return added < 0 ? -1 : 0;
}

static int
put_head(wsgi_environs *environs, const wsgi_response *response, PyObject *environ)
{
    wsgi_state *state = response->state;
    const asteri_request *request = response->request;
    if (put_request_line(environs, response, environ) < 0) {
        return -1;
    }
    for (Py_ssize_t index = 0; index < request->count; index++) {
        if (put_field(state, environ, &request->fields[index]) < 0) {
            return -1;
        }
    }
    /* An absolute target overrides Host (RFC 9112 section 3.2.2); HTTP/2 may have no Host at all. */
    if (request->authority.size > 0 && put(environ, state->text.http_host, latin(request->authority)) < 0) {
        return -1;
    }
    if (request->content_length >= 0) {
        PyObject *length = PyUnicode_FromFormat("%lld", (long long)request->content_length);
        return put(environ, state->text.content_length, length);
    }
    return 0;
}

/* -- what differs between equal requests --------------------------------------------------------------------------- */

static PyObject *
decimal(long number)
{
    char digits[5];
    int first = 5;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return PyUnicode_DecodeLatin1(digits + first, 5 - first, NULL);
}

/* A new reference: the number as a native string. */
static PyObject *
port_text(wsgi_state *state, PyObject *port)
{
    long number = PyLong_CheckExact(port) ? PyLong_AsLong(port) : -1;
    if (number < 0 || number > 65535) {
        PyErr_Clear();
        return PyObject_Str(port);
    }
    if (!ASTERI_GIL) {
        return decimal(number);
    }
    wsgi_ports *ports = &state->ports;
    size_t place = (size_t)number % WSGI_PORTS;
    if (ports->texts[place] == NULL || ports->numbers[place] != number) {
        PyObject *text = decimal(number);
        if (text == NULL) {
            return NULL;
        }
        Py_XSETREF(ports->texts[place], text);
        ports->numbers[place] = (unsigned short)number;
    }
    return Py_NewRef(ports->texts[place]);
}

static inline int
has_port(PyObject *address)
{
    return PyTuple_CheckExact(address) && PyTuple_GET_SIZE(address) >= 2;
}

/* REMOTE_ADDR, borrowed from the peer. A unix peer has no address; the keys stay, since applications index them. */
static inline PyObject *
host_of(wsgi_state *state, PyObject *peer)
{
    PyObject *address = PyTuple_GET_ITEM(peer, 0);
    return has_port(address) ? PyTuple_GET_ITEM(address, 0) : state->text.empty;
}

/* `known` is the REMOTE_ADDR that the environ has already, or NULL: behind a proxy all connections have the same. 1: it
 * has the same still; 0; -1. */
static int
put_peer(wsgi_state *state, wsgi_environ *environ, PyObject *peer, PyObject *known)
{
    PyObject *host = host_of(state, peer), *address = PyTuple_GET_ITEM(peer, 0);
    int same = known != NULL && (host == known || wsgi_same_text(host, known));
    if (!same && PyDict_SetItem(environ->dict, state->text.remote_addr, host) < 0) {
        return -1;
    }
    PyObject *port = has_port(address) ? port_text(state, PyTuple_GET_ITEM(address, 1)) : Py_NewRef(state->text.empty);
    if (port == NULL) {
        return -1;
    }
    if (port == environ->port) {
        Py_DECREF(port);
        return same;
    }
    environ->port = port;
    return put(environ->dict, state->text.remote_port, port) < 0 ? -1 : same;
}

static int
put_body(const wsgi_response *response, wsgi_environ *environ)
{
    wsgi_state *state = response->state;
    const asteri_request *request = response->request;
    PyObject *body = response->reached.functions->fact(response->reached.self, ASTERI_BODY);
    if (body == NULL) {
        return -1;
    }
    if (body == state->python.empty_body && (request->content_length >= 0 || !request->has_body)) {
        return 0; /* the template has it */
    }
    Py_CLEAR(environ->kept);
    if (body != Py_None && (request->content_length >= 0 || !request->has_body)) {
        return PyDict_SetItem(environ->dict, state->text.wsgi_input, body);
    }
    PyObject *arguments[] = {environ->dict, response->exchange, response->wait};
    PyObject *done = PyObject_Vectorcall(state->python.add_body, arguments, 3, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* What is known of the TLS of a peer that has spoken it. */
static int
put_tls(const wsgi_response *response, wsgi_environ *environ, PyObject *peer)
{
    if (PyTuple_GET_SIZE(peer) <= ASTERI_PEER_TLS || PyTuple_GET_ITEM(peer, ASTERI_PEER_TLS) == Py_None) {
        return 0;
    }
    Py_CLEAR(environ->kept); /* it is this peer's */
    PyObject *arguments[] = {environ->dict, PyTuple_GET_ITEM(peer, ASTERI_PEER_TLS)};
    PyObject *done = PyObject_Vectorcall(response->state->python.add_tls, arguments, 2, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
put_early_hints(wsgi_response *response, wsgi_environ *environ)
{
    if (environ->early_hints != NULL) {
        wsgi_early_hints_join(environ->early_hints, response);
        return 0;
    }
    environ->early_hints = wsgi_early_hints_of(response);
    return put(environ->dict, response->state->text.wsgi_early_hints, environ->early_hints);
}

/* -- making one ---------------------------------------------------------------------------------------------------- */

/* Keeps a copy of an environ with its head, the second time the head is seen, and `host`, its REMOTE_ADDR. 0, -1. */
static int
memo_keep(wsgi_state *state, asteri_memo *memo, wsgi_template *template, PyObject *environ, PyObject *host)
{
    wsgi_kept *kept = NULL;
    if (memo->key == template) {
        kept = wsgi_kept_new(state, template, environ, host);
        if (kept == NULL) {
            return -1;
        }
    }
    PyObject *before = memo->thing;
    memo->key = template;
    memo->thing = (PyObject *)kept;
    Py_XDECREF(before);
    return 0;
}

/* All but the body and wsgi.early_hints. 0, -1. */
static int
make_of_head(wsgi_environs *environs, const wsgi_response *response, wsgi_template *template, PyObject *peer,
             wsgi_environ *made)
{
    wsgi_state *state = response->state;
    asteri_memo *memo = response->request->memo;
    if (memo != NULL && memo->key == template && memo->thing != NULL) {
        made->kept = (wsgi_kept *)Py_NewRef(memo->thing);
        if (wsgi_kept_take(made->kept, made) < 0) {
            return -1;
        }
        int same = put_peer(state, made, peer, made->kept->host);
        if (same == 0) {
            Py_CLEAR(made->kept);
        }
        return same < 0 ? -1 : 0;
    }
    made->dict = PyDict_Copy(template->environ);
    if (made->dict == NULL || put_head(environs, response, made->dict) < 0 ||
        put_peer(state, made, peer, NULL) < 0) {
        return -1;
    }
    return memo == NULL ? 0 : memo_keep(state, memo, template, made->dict, host_of(state, peer));
}

int
wsgi_environ_make(wsgi_environs *environs, wsgi_response *response, wsgi_environ *made)
{
    asteri_reached reached = response->reached;
    PyObject *peer = reached.functions->fact(reached.self, ASTERI_PEER);
    PyObject *scheme = reached.functions->fact(reached.self, ASTERI_SCHEME);
    if (peer == NULL || scheme == NULL) {
        return -1;
    }
    if (!PyTuple_Check(peer) || PyTuple_GET_SIZE(peer) < 2) {
        PyErr_Format(PyExc_TypeError, "peer of an exchange must be a Peer, not %.100s", Py_TYPE(peer)->tp_name);
        return -1;
    }
    wsgi_template *template = wsgi_template_of(response->state, environs, scheme, PyTuple_GET_ITEM(peer, 1));
    if (template == NULL) {
        return -1;
    }
    int failed = make_of_head(environs, response, template, peer, made);
    Py_DECREF(template);
    if (failed || put_tls(response, made, peer) < 0 || put_body(response, made) < 0 || put_early_hints(response, made) < 0) {
        Py_CLEAR(made->kept);
        return -1;
    }
    made->version = wsgi_dict_version(made->dict);
    return 0;
}
