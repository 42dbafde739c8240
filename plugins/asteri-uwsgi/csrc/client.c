/* Finds out who the client is, see client.h. */
#include "client.h"

#include "address.h"
#include "asteri_http/fields.h"

#include <string.h>

/* The items of a Peer. */
#define ADDRESS 0
#define SCHEME 2
#define PEER_ITEMS 4

static int
is_exactly(asteri_slice found, const char *expected)
{
    return (size_t)found.size == strlen(expected) && memcmp(found.data, expected, (size_t)found.size) == 0;
}

/* As Python's `ipaddress` writes it, a new reference. */
static PyObject *
read_host(const uw_state *state, asteri_slice host)
{
    if (uw_is_plain_address(host)) {
        return PyUnicode_DecodeASCII(host.data, host.size, NULL);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(host.data, host.size);
    PyObject *address = bytes == NULL ? NULL : PyObject_CallOneArg(state->read_address, bytes);
    Py_XDECREF(bytes);
    return address;
}

/* (address, port), a new reference. */
static PyObject *
read_address(const uw_state *state, asteri_slice host, asteri_slice port)
{
    PyObject *address = read_host(state, host);
    if (address == NULL) {
        return NULL;
    }
    int number = port.size == 0 ? 0 : uw_number_of(port);
    if (number < 0 || number > 65535) {
        Py_DECREF(address);
        http_refuse_bytes(&state->errors, 400, "expected a port as REMOTE_PORT, found %R", port, 64);
        return NULL;
    }
    return Py_BuildValue("(Ni)", address, number);
}

PyObject *
uw_client(const uw_state *state, PyObject *peer, const uw_variables *variables)
{
    if (!PyTuple_Check(peer) || PyTuple_GET_SIZE(peer) != PEER_ITEMS) {
        PyErr_Format(PyExc_TypeError, "expected a Peer, found %.100s", Py_TYPE(peer)->tp_name);
        return NULL;
    }
    const asteri_slice *said = variables->said;
    asteri_slice host = said[UW_REMOTE_ADDR], https = said[UW_HTTPS];
    int named = host.size > 0 && !is_exactly(host, "unix:");
    int secure = http_equals(https, "on") || is_exactly(https, "1") || is_exactly(said[UW_REQUEST_SCHEME], "https");
    PyObject *items[PEER_ITEMS];
    for (int index = 0; index < PEER_ITEMS; index++) {
        items[index] = PyTuple_GET_ITEM(peer, index);
    }
    items[SCHEME] = secure ? state->https : state->http;
    for (int index = ADDRESS + 1; index < PEER_ITEMS; index++) {
        Py_INCREF(items[index]);
    }
    items[ADDRESS] = named ? read_address(state, host, said[UW_REMOTE_PORT]) : Py_NewRef(items[ADDRESS]);
    return uw_named_tuple(Py_TYPE(peer), items, PEER_ITEMS);
}
