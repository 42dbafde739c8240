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
#ifndef Py_GIL_DISABLED
    if (state->spare_count > 0) {
        h1_exchange *self = state->spare_exchanges[--state->spare_count];
        return (h1_exchange *)PyObject_Init((PyObject *)self, state->exchange_type);
    }
#endif
    return PyObject_GC_New(h1_exchange, state->exchange_type);
}

void
h1_exchange_free_spare(h1_state *state)
{
    while (state->spare_count > 0) {
        PyObject_GC_Del(state->spare_exchanges[--state->spare_count]);
    }
}

/* What the request says is what its head says, but for whether the client waits, which what came behind it answers. */
static int
amend_request(h1_exchange *self)
{
    asteri_request *request = self->request = PyMem_Malloc(sizeof(asteri_request));
    if (request == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *request = self->head->request;
    request->expects_continue = 0;
    request->memo = NULL; /* that is of the head as it is */
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
    self->connection = (h1_connection *)Py_NewRef(connection);
    self->head = head;
    http_exchange_begin(&self->http, head->request.has_body, waits);
    self->peer = Py_NewRef(connection->peer);
    self->scheme = Py_NewRef(connection->scheme);
    self->headers = self->trailers = self->body = self->response_headers = NULL;
    self->request = NULL;
    self->waits = (unsigned char)waits;
    self->keeps = (unsigned char)head->persistent;
    self->chunked = 0;
    self->given.size = 0;
    self->given.data = NULL;
    PyObject_GC_Track(self);
    if (head->request.expects_continue && !waits && amend_request(self) < 0) {
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
        return tell_to_go_on(self);
    default:
        return -1;
    }
}
