/* The Python methods of a native connection, made of its functions: what `asteri_core.api.Connection` has besides, for
 * whoever does not know connection.h. It is included once in the file that has the functions, below them:
 *
 *     static const asteri_connection_v1 functions = {...};
 *
 *     #define ASTERI_CONNECTION_FUNCTIONS functions
 *     #define ASTERI_CONNECTION_API(self) (&((lines *)(self))->state->api) (an asteri_connection_api)
 *     #include "asteri/connection_methods.h"
 *
 *     static PyMethodDef methods[] = {ASTERI_CONNECTION_METHODS, {NULL, NULL, 0, NULL}};
 *     static PyGetSetDef attributes[] = {ASTERI_CONNECTION_WANTS_DATA, {NULL, NULL, NULL, NULL, NULL}};
 *
 * The attribute `wake` is the type's own: it is called, without arguments, where `drive` has set no driver.
 */
#include "arguments.h"
#include "connection.h"

#define ASTERI_PIECES_AT_ONCE 32

/* -- what the peer and the driver say ------------------------------------------------------------------------------ */

static PyObject *
asteri_method_receive_data(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"data", "now"};
    PyObject *values[2];
    double now;
    Py_buffer data;
    if (asteri_arguments("receive_data", arguments, count, keywords, names, 2, 2, values) < 0 ||
        asteri_seconds(values[1], &now) < 0 || PyObject_GetBuffer(values[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int result = data.len == 0 ? 0 : ASTERI_CONNECTION_FUNCTIONS.receive_data(self, data.buf, data.len, now);
    PyBuffer_Release(&data);
    return asteri_none(result);
}

/* A method of one number, the time. */
static inline PyObject *
asteri_call_at(const char *name, int (*function)(PyObject *, double), PyObject *self, PyObject *const *arguments,
               Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"now"};
    PyObject *values[1];
    double now;
    if (asteri_arguments(name, arguments, count, keywords, names, 1, 1, values) < 0 ||
        asteri_seconds(values[0], &now) < 0) {
        return NULL;
    }
    return asteri_none(function(self, now));
}

static PyObject *
asteri_method_receive_eof(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    return asteri_call_at("receive_eof", ASTERI_CONNECTION_FUNCTIONS.receive_eof, self, arguments, count, keywords);
}

static PyObject *
asteri_method_lost(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    return asteri_call_at("lost", ASTERI_CONNECTION_FUNCTIONS.lost, self, arguments, count, keywords);
}

static PyObject *
asteri_method_expire(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    return asteri_call_at("expire", ASTERI_CONNECTION_FUNCTIONS.expire, self, arguments, count, keywords);
}

static PyObject *
asteri_method_drain(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"until", "now"};
    PyObject *values[2];
    double until, now;
    if (asteri_arguments("drain", arguments, count, keywords, names, 2, 2, values) < 0 ||
        asteri_seconds(values[0], &until) < 0 || asteri_seconds(values[1], &now) < 0) {
        return NULL;
    }
    return asteri_none(ASTERI_CONNECTION_FUNCTIONS.drain(self, until, now));
}

/* -- what it asks for ---------------------------------------------------------------------------------------------- */

static PyObject *
asteri_method_deadline(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    double deadline = ASTERI_CONNECTION_FUNCTIONS.deadline(self);
    return deadline == ASTERI_NEVER ? Py_NewRef(Py_None) : PyFloat_FromDouble(deadline);
}

static PyObject *
asteri_get_wants_data(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(ASTERI_CONNECTION_FUNCTIONS.wants_data(self));
}

/* -- events -------------------------------------------------------------------------------------------------------- */

/* Appends an object, which is stolen, NULL is an exception that has happened. 0, -1. */
static int
asteri_append(PyObject *list, PyObject *object)
{
    int result = object == NULL ? -1 : PyList_Append(list, object);
    Py_XDECREF(object);
    return result;
}

/* What a method gives: the list, which is stolen and may be NULL, or () when it is empty. */
static PyObject *
asteri_sequence(PyObject *list)
{
    if (list == NULL || PyList_GET_SIZE(list) > 0) {
        return list;
    }
    Py_DECREF(list);
    return PyTuple_New(0);
}

/* The event as the class that says it: a new reference. What it holds is stolen. */
static PyObject *
asteri_event_object(const asteri_connection_api *api, asteri_event *event)
{
    PyObject *type = event->kind == ASTERI_STARTED    ? api->started
                     : event->kind == ASTERI_FINISHED ? api->finished
                     : event->kind == ASTERI_SWITCHED ? api->switched
                                                      : api->failed;
    PyObject *object = PyObject_CallFunctionObjArgs(type, event->object, event->leftover, NULL);
    Py_DECREF(event->object);
    Py_XDECREF(event->leftover);
    return object;
}

static PyObject *
asteri_method_events(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    asteri_event event = {.object = NULL}; /* compilers cannot tell that it is filled in */
    PyObject *events = PyList_New(0);
    int got = events == NULL ? -1 : ASTERI_CONNECTION_FUNCTIONS.next_event(self, &event);
    while (got > 0) {
        got = asteri_append(events, asteri_event_object(ASTERI_CONNECTION_API(self), &event));
        if (got == 0) {
            got = ASTERI_CONNECTION_FUNCTIONS.next_event(self, &event);
        }
    }
    if (got < 0) {
        Py_CLEAR(events);
    }
    return asteri_sequence(events);
}

/* -- bytes --------------------------------------------------------------------------------------------------------- */

/* Copies the bytes that are the connection's own, before anything else may call it. 0, -1. */
static int
asteri_keep_bytes(asteri_piece *pieces, Py_ssize_t count)
{
    for (Py_ssize_t index = 0; index < count; index++) {
        asteri_piece *piece = &pieces[index];
        if (piece->kind == ASTERI_BYTES && piece->owner == NULL) {
            piece->owner = PyBytes_FromStringAndSize(piece->data, piece->size);
            if (piece->owner == NULL) {
                return -1;
            }
            piece->data = PyBytes_AS_STRING(piece->owner);
        }
    }
    return 0;
}

/* The bytes of a piece that has an owner: the owner itself when they are all of it. A new reference. */
static PyObject *
asteri_piece_bytes(const asteri_piece *piece)
{
    const char *data = NULL;
    Py_ssize_t size = 0;
    if (PyBytes_CheckExact(piece->owner)) {
        data = PyBytes_AS_STRING(piece->owner);
        size = PyBytes_GET_SIZE(piece->owner);
    } else if (PyMemoryView_Check(piece->owner)) {
        data = PyMemoryView_GET_BUFFER(piece->owner)->buf;
        size = PyMemoryView_GET_BUFFER(piece->owner)->len;
    }
    return data == piece->data && size == piece->size ? Py_NewRef(piece->owner)
                                                      : PyBytes_FromStringAndSize(piece->data, piece->size);
}

/* The piece as one of the types of `Sendable`: a new reference. */
static PyObject *
asteri_piece_object(const asteri_connection_api *api, const asteri_piece *piece)
{
    switch (piece->kind) {
    case ASTERI_FILE:
        return PyObject_CallFunction(api->file_slice, "OLL", piece->owner, (long long)piece->offset,
                                     (long long)piece->length);
    case ASTERI_HALF_CLOSE:
        return PyBytes_FromStringAndSize(NULL, 0);
    case ASTERI_RESET:
        return Py_NewRef(api->reset);
    case ASTERI_CLOSE:
        return Py_NewRef(api->close);
    default:
        return asteri_piece_bytes(piece);
    }
}

/* Appends the pieces, whose references are stolen. 0, -1. */
static int
asteri_append_pieces(const asteri_connection_api *api, PyObject *list, asteri_piece *pieces, Py_ssize_t count)
{
    int result = asteri_keep_bytes(pieces, count);
    for (Py_ssize_t index = 0; index < count; index++) {
        if (result == 0) {
            result = asteri_append(list, asteri_piece_object(api, &pieces[index]));
        }
        Py_XDECREF(pieces[index].owner);
    }
    return result;
}

static PyObject *
asteri_method_data_to_send(PyObject *self, PyObject *const *arguments, Py_ssize_t given, PyObject *keywords)
{
    static const char *const names[] = {"now"};
    PyObject *values[1];
    double now;
    asteri_piece pieces[ASTERI_PIECES_AT_ONCE];
    if (asteri_arguments("data_to_send", arguments, given, keywords, names, 1, 1, values) < 0 ||
        asteri_seconds(values[0], &now) < 0) {
        return NULL;
    }
    PyObject *sent = PyList_New(0); /* before there are bytes that nothing may disturb */
    Py_ssize_t count = ASTERI_PIECES_AT_ONCE;
    while (sent != NULL && count == ASTERI_PIECES_AT_ONCE) {
        count = ASTERI_CONNECTION_FUNCTIONS.data_to_send(self, now, pieces, ASTERI_PIECES_AT_ONCE);
        if (count < 0 || asteri_append_pieces(ASTERI_CONNECTION_API(self), sent, pieces, count) < 0) {
            Py_CLEAR(sent);
        }
    }
    return asteri_sequence(sent);
}

/* -- for the type -------------------------------------------------------------------------------------------------- */

#define ASTERI_CONNECTION_METHODS                                                                                      \
    {"receive_data", ASTERI_KEYWORDS(asteri_method_receive_data),                                                      \
     "receive_data($self, data, now)\n--\n\nBytes from the peer."},                                                    \
    {"receive_eof", ASTERI_KEYWORDS(asteri_method_receive_eof),                                                        \
     "receive_eof($self, now)\n--\n\nThe peer will send no more."},                                                    \
    {"lost", ASTERI_KEYWORDS(asteri_method_lost), "lost($self, now)\n--\n\nThe transport is gone."},                   \
    {"events", asteri_method_events, METH_NOARGS, "events($self)\n--\n\nWhat has happened since the last call."},      \
    {"data_to_send", ASTERI_KEYWORDS(asteri_method_data_to_send),                                                      \
     "data_to_send($self, now)\n--\n\nBytes for the peer, in order."},                                                 \
    {"deadline", asteri_method_deadline, METH_NOARGS,                                                                  \
     "deadline($self)\n--\n\nWhen expire should be called, or None."},                                                 \
    {"expire", ASTERI_KEYWORDS(asteri_method_expire), "expire($self, now)\n--\n\nThe deadline has passed."},           \
    {"drain", ASTERI_KEYWORDS(asteri_method_drain), "drain($self, until, now)\n--\n\nFinish politely."}

#define ASTERI_CONNECTION_WANTS_DATA                                                                                   \
    {"wants_data", asteri_get_wants_data, NULL, "False holds back reading from the peer.", NULL}
