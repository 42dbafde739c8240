/* The request's side of `asteri_http/exchange.h`: the body's queue, and the watchers. The response's is response.c. */
#include "asteri_http/exchange.h"

#include <string.h>

struct http_watchers {
    PyObject *callbacks[HTTP_WANTS]; /* a list each, owned, or NULL */
    unsigned char order[HTTP_WANTS]; /* of their making: at the end all are called in it */
    int count;
};

void
http_exchange_begin(http_exchange *exchange, int has_body, int waits)
{
    memset(exchange, 0, sizeof(*exchange));
    exchange->phase = HTTP_WAITING;
    exchange->incoming = !has_body ? HTTP_RECEIVED : waits ? HTTP_EXPECTED : HTTP_ARRIVING;
}

int
http_exchange_visit(http_exchange *exchange, visitproc visit, void *arg)
{
    http_watchers *watchers = exchange->watchers;
    for (int want = 0; watchers != NULL && want < HTTP_WANTS; want++) {
        Py_VISIT(watchers->callbacks[want]);
    }
    Py_VISIT(exchange->failure);
    return 0;
}

static void
free_watchers(http_watchers *watchers)
{
    if (watchers != NULL) {
        for (int want = 0; want < HTTP_WANTS; want++) {
            Py_XDECREF(watchers->callbacks[want]);
        }
        PyMem_Free(watchers);
    }
}

static void
drop_pieces(http_exchange *exchange)
{
    Py_CLEAR(exchange->piece);
    for (Py_ssize_t index = 0; index < exchange->count; index++) {
        Py_DECREF(exchange->pieces[index]);
    }
    PyMem_Free(exchange->pieces);
    exchange->pieces = NULL;
    exchange->count = exchange->room = 0;
}

void
http_exchange_clear(http_exchange *exchange)
{
    http_watchers *watchers = exchange->watchers;
    exchange->watchers = NULL;
    free_watchers(watchers);
    if (exchange->piece != NULL) {
        drop_pieces(exchange);
    }
    Py_CLEAR(exchange->failure);
}

/* -- the request's body -------------------------------------------------------------------------------------------- */

static PyObject *
join_pieces(const http_exchange *exchange)
{
    PyObject *joined = PyBytes_FromStringAndSize(NULL, exchange->buffered);
    if (joined == NULL) {
        return NULL;
    }
    char *place = PyBytes_AS_STRING(joined);
    for (Py_ssize_t index = -1; index < exchange->count; index++) {
        PyObject *piece = index < 0 ? exchange->piece : exchange->pieces[index];
        memcpy(place, PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece));
        place += PyBytes_GET_SIZE(piece);
    }
    return joined;
}

int
http_exchange_read(http_exchange *exchange, PyObject **data)
{
    if (exchange->piece != NULL) {
        *data = exchange->count == 0 ? Py_NewRef(exchange->piece) : join_pieces(exchange);
        if (*data == NULL) {
            return -1;
        }
        drop_pieces(exchange);
        exchange->buffered = 0;
        return HTTP_TAKEN;
    }
    if (exchange->incoming == HTTP_RECEIVED) {
        *data = PyBytes_FromStringAndSize(NULL, 0);
        return *data == NULL ? -1 : HTTP_ENDED;
    }
    if (exchange->failure != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exchange->failure), exchange->failure);
        return -1;
    }
    return HTTP_BLOCKS;
}

static int
append_piece(http_exchange *exchange, PyObject *piece)
{
    if (exchange->piece == NULL) {
        exchange->piece = piece;
        return 0;
    }
    if (exchange->count == exchange->room) {
        Py_ssize_t room = exchange->room == 0 ? 8 : exchange->room * 2;
        PyObject **pieces = PyMem_Realloc(exchange->pieces, (size_t)room * sizeof(PyObject *));
        if (pieces == NULL) {
            Py_DECREF(piece);
            PyErr_NoMemory();
            return -1;
        }
        exchange->pieces = pieces;
        exchange->room = room;
    }
    exchange->pieces[exchange->count++] = piece;
    return 0;
}

int
http_exchange_supply(http_exchange *exchange, PyObject *piece)
{
    Py_ssize_t size = PyBytes_GET_SIZE(piece);
    if (append_piece(exchange, piece) < 0) {
        return -1;
    }
    exchange->buffered += size;
    return http_exchange_fire(exchange, HTTP_WANT_READ);
}

int
http_exchange_complete(http_exchange *exchange)
{
    exchange->incoming = HTTP_RECEIVED;
    return http_exchange_fire(exchange, HTTP_WANT_READ);
}

int
http_exchange_fail(http_exchange *exchange, PyObject *error)
{
    if (exchange->incoming == HTTP_RECEIVED || exchange->failure != NULL) {
        return 0;
    }
    exchange->incoming = HTTP_BROKEN;
    exchange->failure = Py_NewRef(error);
    exchange->buffered = 0;
    drop_pieces(exchange);
    return http_exchange_fire(exchange, HTTP_WANT_READ);
}

int
http_exchange_leave(http_exchange *exchange)
{
    exchange->gone = 1;
    return http_exchange_fire(exchange, HTTP_WANT_GONE);
}

/* -- waiting ------------------------------------------------------------------------------------------------------- */

/* Calls each of the list `callbacks`, which it steals, until one raises. */
static int
call_all(PyObject *callbacks)
{
    int result = 0;
    for (Py_ssize_t index = 0; result == 0 && index < PyList_GET_SIZE(callbacks); index++) {
        PyObject *answer = PyObject_CallNoArgs(PyList_GET_ITEM(callbacks, index)); /* nobody else has the list */
        result = answer == NULL ? -1 : 0;
        Py_XDECREF(answer);
    }
    Py_DECREF(callbacks);
    return result;
}

int
http_exchange_fire(http_exchange *exchange, http_want want)
{
    http_watchers *watchers = exchange->watchers;
    if (watchers == NULL || watchers->callbacks[want] == NULL) {
        return 0;
    }
    PyObject *callbacks = watchers->callbacks[want];
    watchers->callbacks[want] = NULL;
    int kept = 0;
    for (int index = 0; index < watchers->count; index++) {
        if (watchers->order[index] != want) {
            watchers->order[kept++] = watchers->order[index];
        }
    }
    watchers->count = kept;
    return call_all(callbacks);
}

/* Whether what is wanted holds, or nothing more will come. */
static int
holds(const http_exchange *exchange, http_want want, int writable)
{
    if (exchange->phase == HTTP_COMPLETE || exchange->phase == HTTP_CUT) {
        return 1;
    }
    return want == HTTP_WANT_READ    ? exchange->piece != NULL || !http_arriving(exchange)
           : want == HTTP_WANT_WRITE ? writable
                                     : exchange->gone;
}

/* Keeps the first callback for a want, in a list (stolen) that has it already. 0, -1. */
static int
keep_first(http_exchange *exchange, http_want want, PyObject *callbacks)
{
    http_watchers *watchers = exchange->watchers;
    if (watchers == NULL) {
        watchers = exchange->watchers = PyMem_Calloc(1, sizeof(http_watchers));
        if (watchers == NULL) {
            Py_DECREF(callbacks);
            PyErr_NoMemory();
            return -1;
        }
    }
    watchers->callbacks[want] = callbacks;
    watchers->order[watchers->count++] = (unsigned char)want;
    return 0;
}

int
http_exchange_watch(http_exchange *exchange, http_want want, PyObject *callback, int writable)
{
    if (holds(exchange, want, writable)) {
        return 1;
    }
    if (exchange->watchers != NULL && exchange->watchers->callbacks[want] != NULL) {
        return PyList_Append(exchange->watchers->callbacks[want], callback);
    }
    PyObject *callbacks = PyList_New(1);
    if (callbacks == NULL) {
        return -1;
    }
    PyList_SET_ITEM(callbacks, 0, Py_NewRef(callback));
    /* A new list may have run the collector, and that anything: so all is looked at anew. */
    if (holds(exchange, want, writable)) {
        Py_DECREF(callbacks);
        return 1;
    }
    if (exchange->watchers != NULL && exchange->watchers->callbacks[want] != NULL) {
        Py_DECREF(callbacks);
        return PyList_Append(exchange->watchers->callbacks[want], callback);
    }
    return keep_first(exchange, want, callbacks);
}

/* Fails what has not come of the body, as the exchange is over. */
static int
fail_rest(http_exchange *exchange, const http_errors *errors)
{
    PyObject *error = PyObject_CallFunction(errors->disconnected, "s", "the exchange is over");
    if (error == NULL) {
        return -1;
    }
    int result = http_exchange_fail(exchange, error);
    Py_DECREF(error);
    return result;
}

int
http_exchange_close(http_exchange *exchange, const http_errors *errors)
{
    if (exchange->phase != HTTP_COMPLETE) {
        exchange->phase = HTTP_CUT;
    }
    int result = 0;
    if (exchange->incoming != HTTP_RECEIVED && exchange->failure == NULL) {
        result = fail_rest(exchange, errors);
    }
    http_watchers *watchers = exchange->watchers;
    exchange->watchers = NULL;
    for (int index = 0; result == 0 && watchers != NULL && index < watchers->count; index++) {
        PyObject *callbacks = watchers->callbacks[watchers->order[index]];
        watchers->callbacks[watchers->order[index]] = NULL;
        result = call_all(callbacks);
    }
    free_watchers(watchers);
    return result;
}
