/* The keys of keys.h. */
#include "keys.h"

#include "asteri_http/fields.h"

/* The environ key of an ASCII name: HTTP_, and the name in upper case with underscores. A new reference. */
static PyObject *
spell_key(asteri_slice name)
{
    PyObject *key = PyUnicode_New(name.size + 5, 127);
    if (key == NULL) {
        return NULL;
    }
    char *text = (char *)PyUnicode_1BYTE_DATA(key);
    memcpy(text, "HTTP_", 5);
    for (Py_ssize_t index = 0; index < name.size; index++) {
        char character = name.data[index];
        if (character >= 'a' && character <= 'z') {
            character = (char)(character - 'a' + 'A');
        }
        text[5 + index] = character == '-' ? '_' : character;
    }
    return key;
}

static int
is_ascii(asteri_slice slice)
{
    unsigned char all = 0;
    for (Py_ssize_t index = 0; index < slice.size; index++) {
        all |= (unsigned char)slice.data[index];
    }
    return all < 0x80;
}

/* The key of a name that is in no table. NULL: it is dropped, or an exception. A new reference. */
static PyObject *
make_key(wsgi_state *state, asteri_slice name, PyObject *name_bytes)
{
    if (!http_keeps_field(name)) {
        return NULL;
    }
    if (is_ascii(name)) {
        return spell_key(name);
    }
    /* Not a field name by RFC 9110, and no protocol lets it pass. The twin knows the capitals of latin-1. */
    return PyObject_CallOneArg(state->python.key_of, name_bytes);
}

PyObject *
wsgi_key_learn(wsgi_state *state, asteri_slice name)
{
    PyObject *name_bytes = PyBytes_FromStringAndSize(name.data, name.size);
    if (name_bytes == NULL) {
        return NULL;
    }
    PyObject *key = make_key(state, name, name_bytes);
    if (key != NULL || !PyErr_Occurred()) {
        (void)wsgi_table_add(&state->keys, wsgi_hash_slice(name), name_bytes, key, 0);
    }
    Py_DECREF(name_bytes);
    return key;
}

/* Adds a name with its key; `key` is stolen. NULL: the exception of making it, if one is set, else the name is dropped.
 * 0, -1. */
static int
add_key(wsgi_state *state, const char *name, PyObject *key)
{
    asteri_slice slice = {name, (Py_ssize_t)strlen(name)};
    PyObject *name_bytes = PyErr_Occurred() ? NULL : PyBytes_FromString(name);
    if (name_bytes != NULL) {
        (void)wsgi_table_add(&state->keys, wsgi_hash_slice(slice), name_bytes, key, 0);
    }
    Py_XDECREF(key);
    Py_XDECREF(name_bytes);
    return name_bytes == NULL ? -1 : 0;
}

/* The usual names are there before any peer can fill the table with invented ones. Their keys are the very objects that
 * an application asks for. */
int
wsgi_add_keys(PyObject *module)
{
    static const char *const usual[] = {
        "accept", "accept-charset", "accept-encoding", "accept-language", "access-control-request-headers",
        "access-control-request-method", "authorization", "cache-control", "cdn-loop", "cf-connecting-ip",
        "cf-ipcountry", "cf-ray", "cf-visitor", "connection", "content-encoding", "content-language", "cookie",
        "date", "dnt", "expect", "forwarded", "from", "host", "if-match", "if-modified-since", "if-none-match",
        "if-range", "if-unmodified-since", "keep-alive", "last-event-id", "max-forwards", "origin", "pragma",
        "priority", "range", "referer", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest",
        "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "sec-gpc", "te", "traceparent", "tracestate",
        "transfer-encoding", "upgrade", "upgrade-insecure-requests", "user-agent", "via", "x-amzn-trace-id",
        "x-api-key", "x-correlation-id", "x-csrf-token", "x-csrftoken", "x-forwarded-for", "x-forwarded-host",
        "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto", "x-real-ip", "x-request-id",
        "x-requested-with",
    };
    wsgi_state *state = wsgi_state_of(module);
    /* The exchange knows the length of the body. */
    if (add_key(state, "content-type", PyUnicode_InternFromString("CONTENT_TYPE")) < 0 ||
        add_key(state, "content-length", NULL) < 0) {
        return -1;
    }
    for (size_t index = 0; index < sizeof usual / sizeof *usual; index++) {
        PyObject *key = spell_key((asteri_slice){usual[index], (Py_ssize_t)strlen(usual[index])});
        if (key != NULL) {
            PyUnicode_InternInPlace(&key);
        }
        if (add_key(state, usual[index], key) < 0) {
            return -1;
        }
    }
    return 0;
}
