/* The life of an exchange, and the request's side of it; see exchange.h. */
#include "exchange.h"

#include <string.h>

#include "asteri_http/status.h"

/* -- life ---------------------------------------------------------------------------------------------------------- */

/* An exchange lives about as long as a request, so its memory is kept for the next one: an allocation and its
 * accounting by the garbage collector cost more than all that is set here. */
static h1_exchange *
take_spare(h1_state *state)
{
    if (ASTERI_GIL && state->spare_count > 0) {
        h1_exchange *self = state->spare_exchanges[--state->spare_count];
        return (h1_exchange *)PyObject_Init((PyObject *)self, state->exchange_type);
    }
    return PyObject_GC_New(h1_exchange, state->exchange_type);
}

void
h1_exchange_give_spare(h1_state *state, h1_exchange *self)
{
    if (ASTERI_GIL && state->spare_count < H1_SPARE_EXCHANGES) {
        state->spare_exchanges[state->spare_count++] = self;
        return;
    }
    PyObject_GC_Del(self);
}

void
h1_exchange_free_spare(h1_state *state)
{
    while (state->spare_count > 0) {
        PyObject_GC_Del(state->spare_exchanges[--state->spare_count]);
    }
}

/* What the request says is what its head says, but for whether the client waits, which what came behind it answers, and
 * for headers that are changed. From here on it is the exchange's own, and nothing is kept with the head for it. */
static int
own_request(h1_exchange *self)
{
    if (self->request != NULL) {
        return 0;
    }
    asteri_request *request = self->request = PyMem_Malloc(sizeof(asteri_request));
    if (request == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *request = self->head->request;
    request->expects_continue = request->expects_continue && self->waits;
    request->memo = NULL;
    return 0;
}

h1_exchange *
h1_exchange_new(h1_connection *connection, h1_head *head, int waits)
{
    h1_exchange *self = take_spare(h1_exchange_state(connection));
    if (self == NULL) {
        h1_head_release(head);
        return NULL;
    }
    self->binding = (h1_binding *)Py_NewRef(connection->binding);
    self->connection = (h1_connection *)Py_NewRef(connection);
    self->head = head;
    http_exchange_begin(&self->http, head->request.has_body, waits);
    self->peer = Py_NewRef(connection->peer);
    self->scheme = Py_NewRef(connection->scheme);
    self->headers = self->trailers = self->body = self->response_headers = NULL;
    self->request = NULL;
    self->pairs = NULL;
    self->fields = NULL;
    self->waits = (unsigned char)waits;
    self->keeps = (unsigned char)head->persistent;
    self->chunked = 0;
    self->given = NULL;
    PyObject_GC_Track(self);
    if (head->request.expects_continue && !waits && own_request(self) < 0) {
        h1_exchange_forget(self);
        return NULL;
    }
    return self;
}

void
h1_exchange_forget(h1_exchange *self)
{
    Py_CLEAR(self->connection);
    Py_DECREF(self);
}

int
h1_exchange_close(h1_exchange *self)
{
    h1_connection *connection = self->connection;
    if (connection == NULL) {
        return 0;
    }
    self->connection = NULL;
    int result = http_exchange_close(&self->http, &h1_exchange_state(connection)->errors);
    Py_DECREF(connection);
    return result;
}

int
h1_exchange_refuse(h1_exchange *self, PyObject *error)
{
    h1_connection *connection = self->connection;
    if (self->http.phase != HTTP_WAITING || connection == NULL) {
        return 0;
    }
    int status = h1_connection_status_of(connection, error);
    if (status < 0) {
        return -1;
    }
    const asteri_slice *method = &self->head->request.method;
    int silent = method->size == 4 && memcmp(method->data, "HEAD", 4) == 0;
    self->http.phase = HTTP_CUT;
    self->keeps = 0;
    self->http.status = status;
    self->http.sent = h1_connection_put_refusal(connection, status, silent);
    if (self->http.sent < 0) {
        self->http.sent = 0;
        return -1;
    }
    h1_connection_complete(connection, NULL);
    return 0;
}

/* -- the request's headers ----------------------------------------------------------------------------------------- */

PyObject *
h1_exchange_headers(h1_exchange *self)
{
    if (self->headers == NULL) {
        PyObject *shared = h1_head_fact(self->binding->state, self->head, ASTERI_HEADERS);
        /* Whoever has the list may change it, and that is this request's alone. */
        if (shared != NULL && own_request(self) == 0) {
            self->headers = PyList_GetSlice(shared, 0, PyList_GET_SIZE(shared));
        }
    }
    return self->headers;
}

/* Whether these pairs, a tuple, are those of the head. */
static int
are_of_head(const h1_exchange *self, PyObject *pairs)
{
    PyObject *shared = self->head->facts[ASTERI_HEADERS]; /* nobody changes it */
    if (PyTuple_GET_SIZE(pairs) != PyList_GET_SIZE(shared)) {
        return 0;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(pairs); index++) {
        if (PyTuple_GET_ITEM(pairs, index) != PyList_GET_ITEM(shared, index)) {
            return 0;
        }
    }
    return 1;
}

/* The fields of pairs that have been changed. What is no pair of bytes is none. 0, -1: MemoryError. */
static int
read_pairs(h1_exchange *self, PyObject *pairs)
{
    Py_ssize_t count = 0, size = PyTuple_GET_SIZE(pairs);
    asteri_field *fields = self->fields = PyMem_New(asteri_field, size > 0 ? size : 1);
    if (fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t index = 0; index < size; index++) {
        PyObject *pair = PyTuple_GET_ITEM(pairs, index);
        if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 && h1_field_read(pair, &fields[count])) {
            count++;
        }
    }
    self->pairs = Py_NewRef(pairs);
    self->request->fields = fields;
    self->request->count = count;
    return 0;
}

/* The list has been handed out. What is kept with the head is for those requests alone whose headers are the head's. */
static void
look_at_headers(h1_exchange *self)
{
    asteri_request *request = self->request;
    const asteri_request *of_head = &self->head->request;
    PyObject *pairs = PyList_AsTuple(self->headers);
    int same = pairs != NULL && are_of_head(self, pairs);
    request->memo = same && request->expects_continue == of_head->expects_continue ? of_head->memo : NULL;
    if (pairs == NULL || (!same && read_pairs(self, pairs) < 0)) {
        PyErr_WriteUnraisable((PyObject *)self); /* out of memory: they stay the head's */
    }
    Py_XDECREF(pairs);
}

const asteri_request *
h1_exchange_request(h1_exchange *self)
{
    if (self->headers != NULL && self->pairs == NULL) {
        look_at_headers(self);
    }
    return self->request != NULL ? self->request : &self->head->request;
}

void
h1_exchange_forget_pairs(h1_exchange *self)
{
    if (self->pairs != NULL) {
        self->request->fields = self->head->request.fields;
        self->request->count = self->head->request.count;
        PyMem_Free(self->fields);
        self->fields = NULL;
        Py_CLEAR(self->pairs);
    }
}

/* -- the request's body -------------------------------------------------------------------------------------------- */

PyObject *
h1_exchange_trailers(h1_exchange *self)
{
    if (self->trailers == NULL) {
        self->trailers = PyList_New(0);
    }
    return self->trailers;
}

/* A read would block: the client may have to be told to go on. */
static int
tell_to_go_on(h1_exchange *self)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    h1_connection *connection = self->connection;
    if (self->http.incoming != HTTP_EXPECTED || http_head_sent(&self->http) || connection == NULL) {
        return 0;
    }
    if (h1_output_put(&connection->output, &connection->binding->spare, go_on, sizeof(go_on) - 1) < 0) {
        return -1;
    }
    self->http.incoming = HTTP_ARRIVING;
    h1_connection_body_due(connection);
    return h1_connection_wake(connection);
}

int
h1_exchange_read(h1_exchange *self, PyObject **data)
{
    switch (http_exchange_read(&self->http, data)) {
    case HTTP_TAKEN:
        if (self->connection != NULL && h1_connection_body_taken(self->connection, self) < 0) {
            Py_CLEAR(*data);
            return -1;
        }
        return 1;
    case HTTP_ENDED:
        return 1;
    case HTTP_BLOCKS:
        if (self->connection != NULL && (self->http.phase == HTTP_COMPLETE || self->http.phase == HTTP_CUT)) {
            /* As its close will have it: to wait for more would be to wait for nothing, without end. */
            PyErr_SetString(h1_exchange_state(self->connection)->errors.disconnected, "the exchange is over");
            return -1;
        }
        return tell_to_go_on(self);
    default:
        return -1;
    }
}
