/* What comes from the peer: heads, bodies, and what is behind a running request; see connection.h. */
#include "connection_parts.h"

#include <string.h>

/* -- what came in behind the running request ----------------------------------------------------------------------- */

void
h1_drop_input(h1_connection *self)
{
    if (self->input != NULL) {
        PyMem_Free(self->input);
        self->input = NULL;
        self->input_start = self->input_end = self->input_capacity = 0;
    }
}

/* Keeps `data` as all of the input. What is a part of the input already stays where it is, so that each byte of
 * pipelined requests is copied once, however many they are. */
static int
keep_input(h1_connection *self, const char *data, Py_ssize_t size)
{
    if (size == 0) {
        h1_drop_input(self);
        return 0;
    }
    if (self->input != NULL && data >= self->input && data < self->input + self->input_capacity) {
        self->input_start = data - self->input;
        self->input_end = self->input_start + size;
        return 0;
    }
    h1_drop_input(self);
    self->input = PyMem_Malloc((size_t)size);
    if (self->input == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(self->input, data, (size_t)size);
    self->input_end = self->input_capacity = size;
    return 0;
}

static int
append_input(h1_connection *self, const char *data, Py_ssize_t size)
{
    Py_ssize_t kept = self->input_end - self->input_start;
    if (self->input_capacity - self->input_end < size) {
        if (self->input_start > 0) {
            memmove(self->input, self->input + self->input_start, (size_t)kept);
            self->input_start = 0;
            self->input_end = kept;
        }
        if (self->input_capacity - kept < size) {
            Py_ssize_t capacity = kept + size + (kept + size) / 2;
            char *input = PyMem_Realloc(self->input, (size_t)capacity);
            if (input == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            self->input = input;
            self->input_capacity = capacity;
        }
    }
    memcpy(self->input + self->input_end, data, (size_t)size);
    self->input_end += size;
    return 0;
}

/* -- the peer ------------------------------------------------------------------------------------------------------ */

/* A body has no word on time in RFC 9112. A full pause allowance, refilled at the minimum rate by what comes in. */
static void
time_body(h1_connection *self, const h1_exchange *exchange, Py_ssize_t size)
{
    const h1_limits *limits = &self->binding->limits;
    double full = self->now + limits->body_timeout;
    if (limits->body_min_rate > 0 && h1_has_time(self->deadline)) {
        double earned = self->deadline + (double)size / (double)limits->body_min_rate;
        full = earned < full ? earned : full;
    }
    self->deadline = full;
    if (exchange->http.buffered >= H1_INPUT_MARK) {
        self->allowance = full - self->now;
        self->deadline = H1_NO_TIME;
    }
}

/* Takes what belongs to the body off `data`: 1 when it ends there, with the bytes behind it in `rest`; 0; -1:
 * RemoteProtocolError. `*content` is a new reference, or NULL. */
static int
decode(h1_connection *self, h1_exchange *exchange, asteri_slice data, PyObject **content, asteri_slice *rest)
{
    Py_ssize_t used;
    int done;
    *content = NULL;
    if (self->decoder == NULL) {
        used = data.size < self->left ? data.size : (Py_ssize_t)self->left;
        if (used > 0) {
            *content = PyBytes_FromStringAndSize(data.data, used);
            if (*content == NULL) {
                return -1;
            }
        }
        self->left -= used;
        done = self->left == 0;
    }
    else {
        PyObject *trailers = h1_exchange_trailers(exchange);
        if (trailers == NULL) {
            return -1;
        }
        done = h1_chunked_decode(self->binding->state, self->decoder, data.data, data.size, content, &used, trailers);
        if (done < 0) {
            return -1;
        }
    }
    *rest = (asteri_slice){data.data + used, data.size - used};
    return done;
}

/* Hands a piece of the body to the exchange. 0, -1: also RemoteProtocolError, after which nothing was handed over. */
static int
supply_body(h1_connection *self, h1_exchange *exchange, const char *data, Py_ssize_t size)
{
    PyObject *content;
    asteri_slice rest;
    int done = decode(self, exchange, (asteri_slice){data, size}, &content, &rest);
    if (done < 0) {
        return -1;
    }
    if (exchange->http.incoming == HTTP_EXPECTED) {
        exchange->http.incoming = HTTP_ARRIVING;
    }
    /* Watchers are called below, so all that looks at `data` is done before. */
    if (done) {
        self->deadline = H1_NO_TIME;
        h1_drop_decoder(self);
        if (keep_input(self, rest.data, rest.size) < 0) {
            Py_XDECREF(content);
            return -1;
        }
    }
    Py_ssize_t supplied = content == NULL ? 0 : PyBytes_GET_SIZE(content);
    if (supplied > 0) {
        if (http_exchange_supply(&exchange->http, content) < 0) {
            return -1;
        }
    }
    else {
        Py_XDECREF(content);
    }
    if (done) {
        return http_exchange_complete(&exchange->http);
    }
    time_body(self, exchange, supplied);
    return 0;
}

/* Whether the peer may speak for others. 1, 0, -1. */
static int
may_speak(h1_connection *self)
{
    if (self->speaks == 0) {
        PyObject *arguments[] = {self->binding->forwarding, self->peer};
        PyObject *answer = PyObject_VectorcallMethod(self->binding->state->trusts_name, arguments, 2, NULL);
        int truth = answer == NULL ? -1 : PyObject_IsTrue(answer);
        Py_XDECREF(answer);
        if (truth < 0) {
            return -1;
        }
        self->speaks = truth ? H1_MAY : H1_MAY_NOT;
    }
    return self->speaks == H1_MAY;
}

/* The client as a trusted proxy names it in the fields of this head: a new reference. NULL: an exception. */
static PyObject *
client_of(h1_connection *self, h1_head *head)
{
    h1_state *state = self->binding->state;
    int may = head->forwarded ? may_speak(self) : 0;
    if (may <= 0) {
        return may < 0 ? NULL : Py_NewRef(self->peer);
    }
    PyObject *headers = h1_head_fact(state, head, ASTERI_HEADERS);
    if (headers == NULL) {
        return NULL;
    }
    PyObject *arguments[] = {self->binding->forwarding, headers, self->peer};
    return PyObject_VectorcallMethod(state->peer_name, arguments, 3, NULL);
}

/* An exchange whose peer is the client: a new reference. Steals `head`. NULL: an exception. */
static h1_exchange *
exchange_of(h1_connection *self, h1_head *head, int waits)
{
    if (!head->forwarded) {
        return h1_exchange_new(self, head, waits);
    }
    PyObject *client = client_of(self, head);
    PyObject *scheme = client == NULL ? NULL : PyObject_GetAttr(client, self->binding->state->scheme_name);
    if (scheme == NULL) {
        Py_XDECREF(client);
        h1_head_release(head);
        return NULL;
    }
    h1_exchange *exchange = h1_exchange_new(self, head, waits);
    if (exchange == NULL) {
        Py_DECREF(client);
        Py_DECREF(scheme);
        return NULL;
    }
    Py_SETREF(exchange->peer, client);
    Py_SETREF(exchange->scheme, scheme);
    return exchange;
}

/* Whether the protocol that the client asks for answers the request (RFC 9110 section 7.8): 1, 0, -1. */
static int
hand_over(h1_connection *self, h1_exchange *exchange)
{
    PyObject *upgrades = self->binding->upgrades;
    PyObject *token = h1_head_fact(self->binding->state, exchange->head, ASTERI_PROTOCOL);
    PyObject *upgrade = token == NULL || !PyDict_Check(upgrades) ? NULL : PyDict_GetItemWithError(upgrades, token);
    PyObject *successor = NULL;
    if (upgrade != NULL) {
        Py_INCREF(upgrade);
        successor = PyObject_CallFunction(upgrade, "Od", exchange, self->now);
        Py_DECREF(upgrade);
    }
    if (successor == NULL || successor == Py_None) {
        Py_XDECREF(successor);
        return PyErr_Occurred() ? -1 : 0;
    }
    self->handed_over = 1;
    int result = h1_exchange_upgrade(exchange, successor, NULL);
    Py_DECREF(successor);
    return result < 0 ? -1 : 1;
}

/* A whole head has come in, and `rest` behind it. Steals `head`. */
static int
start_exchange(h1_connection *self, h1_head *head, asteri_slice rest)
{
    const asteri_request *request = &head->request;
    int has_body = request->has_body;
    int is_head = request->method.size == 4 && memcmp(request->method.data, "HEAD", 4) == 0;
    int64_t length = request->content_length > 0 ? request->content_length : 0;
    int64_t limit = self->binding->limits.limit_request_body;
    self->stage = H1_RUNNING;
    self->deadline = H1_NO_TIME;
    if (has_body && limit > 0 && length > limit) {
        (void)http_refuse(h1_errors_of(self), 413, "a body of %lld bytes, at most %lld are accepted", (long long)length,
                          (long long)limit);
        h1_head_release(head);
        return h1_refuse(self, h1_caught_remote_error(self), is_head);
    }
    int waits = request->expects_continue && rest.size == 0;
    int chunked = head->chunked;
    h1_exchange *exchange = exchange_of(self, head, waits);
    if (exchange == NULL) {
        PyObject *error = h1_caught_remote_error(self);
        return error == NULL ? -1 : h1_refuse(self, error, is_head);
    }
    if (!has_body) {
        if (keep_input(self, rest.data, rest.size) < 0) {
            goto failed;
        }
    }
    else {
        self->left = length;
        self->allowance = H1_NO_TIME;
        if (chunked && (self->decoder = h1_chunked_new(&self->binding->limits)) == NULL) {
            goto failed;
        }
        if (!waits) {
            self->deadline = self->now + self->binding->limits.body_timeout;
        }
        if (rest.size > 0 && supply_body(self, exchange, rest.data, rest.size) < 0) {
            goto failed;
        }
    }
    self->exchange = exchange;
    int handed_over = has_body || head->request.protocol.size == 0 || self->binding->upgrades == NULL ? 0 : hand_over(self, exchange);
    if (handed_over == 0) {
        h1_happen(self, ASTERI_STARTED, Py_NewRef(exchange));
    }
    return handed_over < 0 ? -1 : 0;
failed:
    h1_exchange_forget(exchange);
    h1_drop_decoder(self);
    PyObject *error = h1_caught_remote_error(self);
    /* Nothing has been started: the application never sees this request. */
    return error == NULL ? -1 : h1_refuse(self, error, is_head);
}

int
h1_receive_head(h1_connection *self, const char *data, Py_ssize_t size)
{
    h1_head *head;
    Py_ssize_t used;
    int found = h1_parser_feed(self->binding->state, &self->parser, data, size, &head, &used);
    if (found > 0) {
        return start_exchange(self, head, (asteri_slice){data + used, size - used});
    }
    if (found < 0) {
        PyObject *error = h1_caught_remote_error(self);
        return error == NULL ? -1 : h1_refuse(self, error, h1_parser_asks_for_head(&self->parser));
    }
    if (self->stage == H1_IDLE && h1_parser_begun(&self->parser)) {
        self->stage = H1_HEAD;
        h1_set_deadline(self, self->binding->limits.header_timeout);
    }
    return 0;
}

int
h1_connection_receive_data(h1_connection *self, const char *data, Py_ssize_t size, double now)
{
    h1_tick(self, now);
    if (self->stage == H1_IDLE || self->stage == H1_HEAD) {
        return h1_receive_head(self, data, size);
    }
    h1_exchange *exchange = self->exchange;
    if (self->stage != H1_RUNNING || exchange == NULL) {
        return 0;
    }
    if (exchange->http.incoming == HTTP_RECEIVED) {
        return append_input(self, data, size);
    }
    if (!http_arriving(&exchange->http)) {
        return 0;
    }
    Py_INCREF(exchange);
    int result = supply_body(self, exchange, data, size);
    if (result < 0) {
        PyObject *error = h1_caught_remote_error(self);
        result = error == NULL ? -1 : h1_break_body(self, exchange, error);
    }
    Py_DECREF(exchange);
    return result;
}
