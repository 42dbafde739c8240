/* What a connection makes of events, time, errors and the end of an exchange; see connection.h. */
#include "connection_parts.h"

#include "asteri/raised.h"
#include "asteri_http/status.h"
#include "writer.h"

PyObject *
h1_connection_new(h1_binding *binding, PyObject *peer, double now)
{
    PyTypeObject *type = binding->state->connection_type;
    PyObject *scheme = PyObject_GetAttr(peer, binding->state->scheme_name);
    if (scheme == NULL) {
        return NULL;
    }
    h1_connection *self = (h1_connection *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_DECREF(scheme);
        return NULL;
    }
    self->binding = (h1_binding *)Py_NewRef(binding);
    self->peer = Py_NewRef(peer);
    self->scheme = scheme;
    h1_parser_init(&self->parser, &binding->limits, &binding->heads);
    self->stage = H1_IDLE;
    self->end = ASTERI_HALF_CLOSE;
    self->now = now;
    self->deadline = now + binding->limits.header_timeout;
    self->allowance = H1_NO_TIME;
    return (PyObject *)self;
}

/* -- events and time ----------------------------------------------------------------------------------------------- */

/* Steals `object`. */
void
h1_happen(h1_connection *self, int kind, PyObject *object)
{
    if (self->first == self->count) {
        self->first = self->count = 0;
    }
    assert(self->count < H1_EVENTS);
    self->kinds[self->count] = (unsigned char)kind;
    self->happened[self->count++] = object;
}

int
h1_connection_next(h1_connection *self, int *kind, PyObject **object)
{
    if (self->first == self->count) {
        return 0;
    }
    *kind = self->kinds[self->first];
    *object = self->happened[self->first];
    self->happened[self->first++] = NULL;
    return 1;
}

void
h1_set_deadline(h1_connection *self, double seconds)
{
    self->deadline = self->now + seconds;
    if (self->draining && self->until < self->deadline) {
        self->deadline = self->until;
    }
}

int
h1_connection_wake(h1_connection *self)
{
    if (self->driver != NULL) {
        self->driver->wake(self->driver);
        return 0;
    }
    if (self->wake == NULL) {
        return 0;
    }
    PyObject *wake = Py_NewRef(self->wake);
    PyObject *answer = PyObject_CallNoArgs(wake);
    Py_DECREF(wake);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

void
h1_drop_decoder(h1_connection *self)
{
    h1_chunked_free(self->decoder);
    self->decoder = NULL;
}

/* -- errors of the peer -------------------------------------------------------------------------------------------- */

/* A new RemoteProtocolError. */
static PyObject *
remote_error(h1_connection *self, int status, const char *message)
{
    return PyObject_CallFunction(h1_errors_of(self)->remote_protocol_error, "si", message, status);
}

/* The exception that is set, when it is a RemoteProtocolError: a new reference, and nothing is set any more. Any other
 * one stays set: NULL. */
PyObject *
h1_caught_remote_error(h1_connection *self)
{
    if (!PyErr_ExceptionMatches(h1_errors_of(self)->remote_protocol_error)) {
        return NULL;
    }
    return asteri_raised_take();
}

Py_ssize_t
h1_connection_put_refusal(h1_connection *self, int status, int silent)
{
    char head[H1_REFUSAL_SIZE], content[HTTP_PLAIN_ANSWER_SIZE];
    Py_ssize_t size = http_plain_answer(status, content);
    asteri_slice signature;
    if (h1_signature(self->binding, 0, 0, &signature) < 0) {
        return -1;
    }
    h1_output *output = &self->output;
    h1_spare_buffers *spare = &self->binding->spare;
    Py_ssize_t start = h1_write_refusal(head, status, size) - head;
    static const char close[] = "connection: close\r\n\r\n";
    if (h1_output_put(output, spare, head, start) < 0
        || h1_output_put(output, spare, signature.data, signature.size) < 0
        || h1_output_put(output, spare, close, sizeof(close) - 1) < 0) {
        return -1;
    }
    if (silent) {
        return 0;
    }
    return h1_output_put(output, spare, content, size) < 0 ? -1 : size;
}

int
h1_connection_status_of(h1_connection *self, PyObject *error)
{
    PyObject *number = PyObject_GetAttr(error, self->binding->state->status_name);
    long status = number == NULL ? -1 : PyLong_AsLong(number);
    Py_XDECREF(number);
    return status == -1 && PyErr_Occurred() ? -1 : (int)status;
}

/* Answers what never became an exchange, and closes; `silent` for HEAD. Steals `error`, which may be NULL with an
 * exception set. */
int
h1_refuse(h1_connection *self, PyObject *error, int silent)
{
    int status = error == NULL ? -1 : h1_connection_status_of(self, error);
    if (status < 0) {
        Py_XDECREF(error);
        return -1;
    }
    h1_happen(self, ASTERI_FAILED, error);
    self->stage = H1_CLOSING;
    self->deadline = H1_NO_TIME;
    h1_parser_clear(&self->parser);
    h1_drop_input(self);
    return h1_connection_put_refusal(self, status, silent) < 0 ? -1 : 0;
}

/* The body of the running exchange is broken or too slow. Steals `error`, as `refuse`. */
int
h1_break_body(h1_connection *self, h1_exchange *exchange, PyObject *error)
{
    if (error == NULL) {
        return -1;
    }
    self->deadline = H1_NO_TIME;
    h1_drop_decoder(self);
    Py_INCREF(exchange);
    int result = http_exchange_fail(&exchange->http, error);
    if (result == 0) {
        result = h1_exchange_refuse(exchange, error);
    }
    Py_DECREF(exchange);
    Py_DECREF(error);
    return result;
}

/* -- the end of the input ------------------------------------------------------------------------------------------ */

/* EOF, and no exchange is running. */
static int
end_of_input(h1_connection *self)
{
    if (self->stage == H1_HEAD) {
        return h1_refuse(self, remote_error(self, 400, "the peer has closed in the middle of a request head"), 0);
    }
    if (self->stage == H1_IDLE) {
        self->stage = H1_CLOSING;
        self->deadline = H1_NO_TIME;
    }
    return 0;
}

/* RFC 9112 section 8: the request is incomplete. The application learns it as a disconnect. */
static int
cut_body(h1_connection *self, h1_exchange *exchange)
{
    self->deadline = H1_NO_TIME;
    PyObject *gone = PyObject_CallFunction(h1_errors_of(self)->disconnected, "s",
                                           "the peer has closed in the middle of the request's body");
    PyObject *error = gone == NULL ? NULL : remote_error(self, 400, "the body ends before its declared length");
    int result = -1;
    if (error != NULL && http_exchange_fail(&exchange->http, gone) == 0) {
        result = h1_exchange_refuse(exchange, error);
    }
    Py_XDECREF(gone);
    Py_XDECREF(error);
    return result;
}

int
h1_connection_receive_eof(h1_connection *self, double now)
{
    h1_tick(self, now);
    self->eof = 1;
    h1_exchange *exchange = self->exchange;
    if (exchange == NULL) {
        return end_of_input(self);
    }
    Py_INCREF(exchange);
    int result = http_exchange_leave(&exchange->http);
    if (result == 0 && http_arriving(&exchange->http)) {
        result = cut_body(self, exchange);
    }
    Py_DECREF(exchange);
    return result;
}

int
h1_connection_lost(h1_connection *self, double now)
{
    h1_tick(self, now);
    self->eof = 1;
    self->stage = H1_CLOSED;
    self->deadline = H1_NO_TIME;
    h1_output_clear(&self->output, &self->binding->spare);
    h1_parser_clear(&self->parser);
    h1_drop_input(self);
    h1_drop_decoder(self);
    h1_exchange *exchange = self->exchange;
    if (exchange == NULL) {
        return 0;
    }
    self->exchange = NULL;
    self->ending = 0;
    if (!self->handed_over) {
        h1_happen(self, ASTERI_FINISHED, Py_NewRef(exchange));
    }
    PyObject *error = PyObject_CallFunction(h1_errors_of(self)->disconnected, "s", "the peer has left");
    int result = error == NULL ? -1 : http_exchange_fail(&exchange->http, error);
    Py_XDECREF(error);
    if (result == 0) {
        result = h1_exchange_close(exchange);
    }
    Py_DECREF(exchange);
    return result;
}

int
h1_connection_wants_data(h1_connection *self)
{
    if (self->eof) {
        return 0;
    }
    if (self->stage == H1_RUNNING) {
        const h1_exchange *exchange = self->exchange;
        if (exchange != NULL && exchange->http.buffered >= H1_INPUT_MARK && http_arriving(&exchange->http)) {
            return 0;
        }
        return self->input_end - self->input_start < H1_INPUT_MARK;
    }
    return self->stage == H1_IDLE || self->stage == H1_HEAD;
}

/* -- the end of an exchange ---------------------------------------------------------------------------------------- */

static int
next_request(h1_connection *self)
{
    self->stage = H1_IDLE;
    if (self->input != NULL) {
        /* Read where it is: whoever keeps the rest of it keeps it in place, and the parser copies what it keeps. */
        char *input = self->input;
        Py_ssize_t start = self->input_start;
        if (h1_receive_head(self, input + start, self->input_end - start) < 0) {
            return -1;
        }
        if (self->input == input && self->input_start == start) {
            h1_drop_input(self);
        }
    }
    return self->eof && self->exchange == NULL ? end_of_input(self) : 0;
}

/* The running exchange is over: its last bytes have been handed out. */
static int
conclude(h1_connection *self)
{
    h1_exchange *exchange = self->exchange;
    self->ending = 0;
    if (exchange == NULL) {
        return 0;
    }
    self->exchange = NULL;
    h1_drop_decoder(self);
    self->deadline = H1_NO_TIME;
    if (!self->handed_over) {
        h1_happen(self, ASTERI_FINISHED, Py_NewRef(exchange));
    }
    int received = exchange->http.incoming == HTTP_RECEIVED;
    int keeps = received && exchange->keeps;
    int is_last = received && !exchange->head->persistent;
    int result = h1_exchange_close(exchange);
    Py_DECREF(exchange);
    if (result < 0) {
        return -1;
    }
    if (self->successor != NULL) {
        const char *data = self->input == NULL ? NULL : self->input + self->input_start;
        self->leftover = PyBytes_FromStringAndSize(data, self->input_end - self->input_start);
        if (self->leftover == NULL) {
            return -1;
        }
        h1_drop_input(self);
        self->stage = H1_SWITCHED;
        h1_happen(self, ASTERI_SWITCHED, Py_NewRef(self->successor));
        return 0;
    }
    if (keeps) {
        return next_request(self);
    }
    if (is_last && self->input_end == self->input_start && self->end != ASTERI_RESET) {
        self->end = ASTERI_CLOSE;
    }
    h1_drop_input(self);
    self->stage = H1_CLOSING;
    return 0;
}

int
h1_connection_settle(h1_connection *self)
{
    if (self->ending && !h1_output_pending(&self->output)) {
        self->lag = 1;
        return conclude(self);
    }
    return 0;
}

/* A refusal of what comes next, and the end, may have to follow. */
static inline int
fits(Py_ssize_t pieces, Py_ssize_t room)
{
    return pieces + 2 <= room;
}

/* All of the output, `*pieces` (there may be none: the call before has had them), is to be handed over by this call,
 * unless those who waited for that have sent more meanwhile than there is room for: then nothing of it is counted off
 * yet. 0, -1. */
static int
hand_over_all(h1_connection *self, Py_ssize_t room, Py_ssize_t *pieces)
{
    int64_t counted = self->output.queued;
    self->output.queued = 0;
    if (self->exchange == NULL || self->exchange->http.watchers == NULL) {
        return 0;
    }
    h1_exchange *exchange = (h1_exchange *)Py_NewRef(self->exchange);
    int result = http_exchange_resume(&exchange->http);
    Py_DECREF(exchange);
    *pieces = h1_output_pieces(&self->output);
    if (!fits(*pieces, room)) {
        self->output.queued += counted;
    }
    return result;
}

static void
rest(h1_connection *self)
{
    if (self->output.data != NULL && self->output.head == 0) {
        h1_output_clear(&self->output, &self->binding->spare);
    }
    if (self->stage == H1_IDLE && !h1_has_time(self->deadline)) {
        /* Nothing is left: only now has the peer the whole response, and its time begins. */
        h1_set_deadline(self, self->binding->limits.keep_alive);
    }
}

int
h1_connection_ready(h1_connection *self, double now, Py_ssize_t room, h1_ready *ready)
{
    h1_tick(self, now);
    *ready = (h1_ready){h1_output_pieces(&self->output), 0, 0};
    if (fits(ready->pieces, room) && hand_over_all(self, room, &ready->pieces) < 0) {
        return -1;
    }
    if (!fits(ready->pieces, room)) {
        /* The last piece stays for the next call: with it goes what may have to follow, and the event of the end. */
        ready->pieces = ready->pieces <= room ? ready->pieces - 1 : room;
        return 0;
    }
    if (ready->pieces == 0 && self->stage != H1_CLOSING && !self->ending) {
        rest(self);
        return 0;
    }
    ready->whole = 1;
    if (self->ending && conclude(self) < 0) {
        return -1;
    }
    if (self->stage == H1_CLOSING) {
        ready->end = self->end;
        self->stage = H1_CLOSED;
    }
    self->output.queued = 0;
    ready->pieces = h1_output_pieces(&self->output);
    return 0;
}

/* -- time ---------------------------------------------------------------------------------------------------------- */

int
h1_connection_expire(h1_connection *self, double now)
{
    h1_tick(self, now);
    if (!h1_has_time(self->deadline) || now < self->deadline) {
        return 0;
    }
    self->deadline = H1_NO_TIME;
    if (self->exchange != NULL) {
        return h1_break_body(self, self->exchange, remote_error(self, 408, "the request's body comes too slowly"));
    }
    if (self->stage == H1_HEAD) {
        PyObject *error = remote_error(self, 408, "the request head comes too slowly");
        return h1_refuse(self, error, h1_parser_asks_for_head(&self->parser));
    }
    if (self->stage == H1_IDLE) {
        self->stage = H1_CLOSING;
    }
    return 0;
}

int
h1_connection_drain(h1_connection *self, double until, double now)
{
    h1_tick(self, now);
    self->draining = 1;
    self->until = until;
    if (self->stage == H1_IDLE && until < self->deadline) { /* which is never so without one */
        self->deadline = until;
    }
    return 0;
}

/* -- the running exchange ------------------------------------------------------------------------------------------ */

int
h1_connection_goes_on(const h1_connection *self)
{
    if (self->binding->limits.keep_alive == 0) {
        return 0;
    }
    /* What has been received already is still answered while draining, so that no request is lost. */
    return !self->draining || self->input_end > self->input_start;
}

void
h1_connection_complete(h1_connection *self, PyObject *successor)
{
    self->ending = 1;
    PyObject *before = self->successor;
    self->successor = Py_XNewRef(successor);
    Py_XDECREF(before);
}

void
h1_connection_body_due(h1_connection *self)
{
    self->lag = 1;
    self->deadline = self->now + self->binding->limits.body_timeout;
}

int
h1_connection_body_taken(h1_connection *self, h1_exchange *exchange)
{
    if (exchange != self->exchange || !h1_has_time(self->allowance)) {
        return 0;
    }
    if (http_arriving(&exchange->http)) {
        self->lag = 1;
        self->deadline = self->now + self->allowance;
    }
    self->allowance = H1_NO_TIME;
    return h1_connection_wake(self);
}
