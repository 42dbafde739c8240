/* The content of an exchange's response, its framing and its end; see exchange.h. */
#include "exchange.h"

#include <string.h>

#include "writer.h"

/* The longest of what decides the framing: `content-length` with its number, `connection: keep-alive`, the empty line;
 * and a chunk's size, its end, the last chunk. */
#define FRAMING_SIZE 128

/* What is written at once: the rest of the head, content, the end. */
typedef struct {
    http_content content;
    int end;
    asteri_slice trailers; /* their lines, empty when there are none or the client takes none */
    int with_trailers;     /* whether there are some */
} h1_part;

/* The framing, and whether the connection goes on: RFC 9112 section 6, in the order that the Python twin tells. */
static void
decide_framing(h1_exchange *self, const h1_part *part)
{
    http_exchange *http = &self->http;
    h1_connection *connection = self->connection;
    int body_is_due = http->incoming != HTTP_RECEIVED && (part->end || http->incoming != HTTP_ARRIVING);
    self->keeps = self->keeps && !http->closes && !body_is_due && h1_connection_goes_on(connection);
    if (!http->has_length && !http->silent) {
        if (part->end && !(part->with_trailers && self->head->takes_trailers)) {
            http->has_length = 1;
            http->length = (uint64_t)part->content.size;
        }
        else if (!h1_is_version_1_0(self)) {
            self->chunked = 1;
        }
        else {
            self->keeps = 0;
        }
    }
    if (http->incoming == HTTP_EXPECTED) {
        /* After a final head no 100 follows; the client may send the body all the same (RFC 9110 section 10.1.1). */
        http->incoming = HTTP_ARRIVING;
        h1_connection_body_due(connection);
    }
}

static char *
write_framing(const h1_exchange *self, char *place)
{
    if (self->chunked) {
        place = H1_WRITE(place, "transfer-encoding: chunked\r\n");
    }
    else if (self->http.has_length) {
        place = H1_WRITE(place, "content-length: ");
        place = h1_write_number(place, self->http.length);
        place = H1_WRITE(place, "\r\n");
    }
    if (!self->keeps) {
        place = H1_WRITE(place, "connection: close\r\n");
    }
    else if (h1_is_version_1_0(self)) {
        place = H1_WRITE(place, "connection: keep-alive\r\n");
    }
    return H1_WRITE(place, "\r\n");
}

/* The bytes from the end of the output up to `place` are to be handed over. */
static void
commit(h1_output *output, const char *place)
{
    Py_ssize_t size = place - (output->data + output->size);
    output->size += size;
    output->queued += size;
    output->head = 0;
}

static int
write_part(h1_exchange *self, h1_connection *connection, const h1_part *part)
{
    h1_output *output = &connection->output;
    h1_spare_buffers *spare = &connection->binding->spare;
    const http_content *content = &part->content;
    int is_large = content->size > 0 && (content->data == NULL || content->size > H1_SMALL);
    int with_head = self->http.phase == HTTP_DECIDED;
    asteri_slice signature = {NULL, 0};
    if (with_head) {
        decide_framing(self, part);
        const unsigned char added = self->http.added;
        if (h1_signature(connection->binding, added & HTTP_DATE, added & HTTP_SERVER, &signature) < 0) {
            return -1;
        }
    }
    Py_ssize_t most = FRAMING_SIZE + signature.size + part->trailers.size + (is_large ? 0 : (Py_ssize_t)content->size);
    if (h1_output_reserve(output, spare, most) < 0 || (is_large && h1_output_reserve_large(output) < 0)) {
        return -1;
    }
    char *place = output->data + output->size + output->head;
    if (with_head) {
        place = h1_write(place, signature.data, signature.size);
        place = write_framing(self, place);
    }
    if (self->chunked && content->size > 0) {
        place = h1_write_chunk_start(place, (uint64_t)content->size);
    }
    if (is_large) {
        commit(output, place);
        h1_output_put_large(output, content);
        place = output->data + output->size;
    }
    else {
        place = h1_write(place, content->data, (Py_ssize_t)content->size);
    }
    if (self->chunked) {
        if (content->size > 0) {
            place = H1_WRITE(place, "\r\n");
        }
        if (part->end) {
            place = H1_WRITE(place, "0\r\n");
            place = h1_write(place, part->trailers.data, part->trailers.size);
            place = H1_WRITE(place, "\r\n");
        }
    }
    commit(output, place);
    return 0;
}

/* Writes a part, and moves the phase on. 1, 0: the queue is full; -1. */
static int
transmit(h1_exchange *self, const h1_part *part)
{
    h1_connection *connection = (h1_connection *)Py_NewRef(self->connection);
    int result = write_part(self, connection, part);
    if (result == 0) {
        self->http.phase = part->end ? HTTP_COMPLETE : HTTP_SENDING;
        if (part->end) {
            h1_connection_complete(connection, NULL);
        }
        int ready = h1_connection_below_mark(connection);
        result = h1_connection_wake(connection) < 0 ? -1 : ready;
    }
    Py_DECREF(connection);
    return result;
}

/* Content that breaks the declared length cuts the response, unless nothing of that was sent yet. Always -1. */
static int
refuse_content(h1_exchange *self, int64_t size, http_fit fit)
{
    if (self->http.phase != HTTP_DECIDED && h1_exchange_abort(self) < 0) {
        return -1;
    }
    return http_refuse_content(&self->http, h1_exchange_errors(self), size, fit);
}

int
h1_exchange_send(h1_exchange *self, PyObject *data, int end)
{
    http_exchange *http = &self->http;
    if (http->phase != HTTP_DECIDED && http->phase != HTTP_SENDING) {
        return http_refuse_move(http, h1_exchange_errors(self), "send");
    }
    h1_state *state = h1_exchange_state(self->connection);
    h1_part part = {.end = end};
    if (http_content_read(&state->errors, state->api.file_slice, data, &part.content) < 0) {
        return -1;
    }
    int result = -1;
    if (http->phase != HTTP_DECIDED && http->phase != HTTP_SENDING) { /* foreign code of `data` has ended it */
        (void)http_refuse_move(http, &state->errors, "send");
        goto done;
    }
    if (http->silent) {
        http_content_release(&part.content);
        part.content = (http_content){0};
    }
    else if (http->has_length) {
        http_fit fit = http_exchange_account(http, part.content.size, end);
        if (fit != HTTP_FITS) {
            (void)refuse_content(self, part.content.size, fit);
            goto done;
        }
    }
    http->sent += part.content.size;
    result = transmit(self, &part);
done:
    http_content_release(&part.content);
    return result;
}

int
h1_exchange_finish(h1_exchange *self, PyObject *trailers)
{
    http_exchange *http = &self->http;
    const http_errors *errors = h1_exchange_errors(self);
    if (http->phase != HTTP_DECIDED && http->phase != HTTP_SENDING) {
        return http_refuse_move(http, errors, "finish");
    }
    h1_part part = {.end = 1};
    PyObject *lines = NULL;
    int result = -1;
    if (trailers != NULL) {
        part.with_trailers = PyObject_IsTrue(trailers);
        if (part.with_trailers < 0) {
            return -1;
        }
    }
    if (part.with_trailers) {
        int has_upgrade;
        lines = h1_field_lines(errors, trailers, H1_TRAILER_FIELDS, &has_upgrade);
        if (lines == NULL) {
            return -1;
        }
        if (self->head->takes_trailers) {
            part.trailers = (asteri_slice){PyBytes_AS_STRING(lines), PyBytes_GET_SIZE(lines)};
        }
    }
    if (http->phase != HTTP_DECIDED && http->phase != HTTP_SENDING) { /* foreign code of `trailers` has ended it */
        (void)http_refuse_move(http, errors, "finish");
        goto done;
    }
    if (http->has_length && http->remaining > 0 && !http->silent) {
        (void)refuse_content(self, 0, HTTP_SHORTER);
        goto done;
    }
    result = transmit(self, &part) < 0 ? -1 : 0;
done:
    Py_XDECREF(lines);
    return result;
}

int
h1_exchange_abort(h1_exchange *self)
{
    http_exchange *http = &self->http;
    h1_connection *connection = self->connection;
    if (http->phase == HTTP_COMPLETE || http->phase == HTTP_CUT || connection == NULL) {
        return 0;
    }
    http->phase = HTTP_CUT;
    self->keeps = 0;
    connection->output.head = 0;
    /* Content that ends with the connection looks whole wherever it ends (RFC 9112 section 8). */
    if (http->sent > 0 && !http->has_length && !self->chunked && !http->silent) {
        connection->end = ASTERI_RESET;
    }
    h1_connection_complete(connection, NULL);
    return h1_connection_wake(connection);
}
