/* The heads of an exchange's responses; see exchange.h. Content and the end are content.c.
 *
 * A head is written behind the connection's output as soon as it is set, but for what only the first content decides
 * (the framing, and whether the connection goes on); there it can be taken back until it is sent.
 */
#include "exchange.h"

#include <string.h>

#include "writer.h"

PyObject *
h1_exchange_response_headers(h1_exchange *self)
{
    if (self->response_headers == NULL) {
        if (self->given == NULL || self->given->size == 0) {
            return PyTuple_New(0); /* not kept: some may follow */
        }
        self->response_headers = h1_given_list(self->given);
    }
    return Py_XNewRef(self->response_headers);
}

static void
forget_given(h1_exchange *self)
{
    h1_given_release(self->given);
    self->given = NULL;
    Py_CLEAR(self->response_headers);
}

/* -- the head ------------------------------------------------------------------------------------------------------ */

/* Begins a head; what is written of it is dropped when something is wrong with it. */
static int
begin_head(h1_output *output, h1_spare_buffers *spare, int status, asteri_slice reason)
{
    if (h1_output_reserve(output, spare, H1_STATUS_LINE_SIZE + reason.size) < 0) {
        return -1;
    }
    char *start = output->data + output->size;
    output->head = h1_write_status_line(start, status, reason) - start;
    return 0;
}

/* Adds one field of a response, unless it says what the protocol says itself. */
static int
add_field(h1_exchange *self, const http_errors *errors, const asteri_field *field, http_said *said)
{
    h1_output *output = &self->connection->output;
    h1_spare_buffers *spare = &self->connection->binding->spare;
    static const asteri_slice connection = {"connection", 10}, upgrade = {"upgrade", 7};
    switch (http_sort_field(errors, field->name, field->value, said)) {
    case HTTP_KEEP:
        return h1_output_add_field(output, spare, field->name, field->value);
    case HTTP_KEEP_UPGRADE:
        return h1_output_add_field(output, spare, connection, upgrade);
    case HTTP_DROP:
        return 0;
    default:
        return -1;
    }
}

static void
decide(h1_exchange *self, int status, const http_said *said)
{
    const asteri_slice *method = &self->head->request.method;
    int is_head = method->size == 4 && memcmp(method->data, "HEAD", 4) == 0;
    http_exchange_decide(&self->http, status, said, is_head);
}

static int
is_usual(asteri_slice reason, int status)
{
    asteri_slice usual = http_phrase(status);
    return reason.size == usual.size && memcmp(reason.data, usual.data, (size_t)reason.size) == 0;
}

static int
refuse_reason(const http_errors *errors, PyObject *reason)
{
    PyErr_Format(errors->local_protocol_error, "a reason phrase has no control bytes, found %R", reason);
    return -1;
}

/* Writes the head up to the fields that the protocol adds, and keeps what was given. `*said` is what its fields say. 0,
 * -1. */
static int
write_head(h1_exchange *self, int status, asteri_slice reason, const asteri_field *fields, Py_ssize_t count,
           http_said *said)
{
    h1_binding *binding = self->binding;
    h1_output *output = &self->connection->output;
    const http_errors *errors = &binding->state->errors;
    int usual = reason.size == 0 || is_usual(reason, status);
    h1_repeat *repeat = &binding->repeat;
    int again = usual ? h1_repeat_find(repeat, errors, status, fields, count, said) : H1_DIFFERS;
    self->given = again < 0 ? NULL : again == H1_SAME ? h1_given_share(repeat->given) : h1_given_new(fields, count);
    if (self->given == NULL) {
        return -1;
    }
    if (again != H1_DIFFERS) {
        if (h1_output_reserve(output, &binding->spare, repeat->lines_size) < 0) {
            return -1;
        }
        (void)h1_write(output->data + output->size, repeat->lines, repeat->lines_size);
        output->head = repeat->lines_size;
        if (again == H1_SAME_BUT_LENGTH) {
            h1_repeat_keep_length(repeat, self->given, said);
        }
        return 0;
    }
    if (begin_head(output, &binding->spare, status, reason) < 0) {
        return -1;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        if (add_field(self, errors, &fields[index], said) < 0) {
            return -1;
        }
    }
    if (usual) {
        asteri_slice lines = {output->data + output->size, output->head};
        h1_repeat_keep(repeat, status, self->given, said, lines);
    }
    return 0;
}

int
h1_exchange_respond(h1_exchange *self, int status, asteri_slice reason, const asteri_field *fields, Py_ssize_t count)
{
    if (self->http.phase != HTTP_WAITING) {
        return http_refuse_move(&self->http, h1_exchange_errors(self), "respond");
    }
    h1_connection *connection = self->connection;
    const http_errors *errors = &h1_exchange_state(connection)->errors;
    if (status < 200 || status > 599) {
        PyErr_Format(errors->local_protocol_error, "expected a final status from 200 to 599, found %d", status);
        return -1;
    }
    if (reason.size > 0 && !is_usual(reason, status) && !http_is_value(reason)) {
        PyObject *shown = PyBytes_FromStringAndSize(reason.data, reason.size);
        if (shown != NULL) {
            (void)refuse_reason(errors, shown);
            Py_DECREF(shown);
        }
        return -1;
    }
    http_said said = {0, 0, 0, 0};
    if (write_head(self, status, reason, fields, count, &said) < 0) {
        connection->output.head = 0;
        forget_given(self);
        return -1;
    }
    decide(self, status, &said);
    return 0;
}

/* A status in the range, or 0: it is none; -1. */
static int
read_status(PyObject *status, int first, int last)
{
    if (!PyLong_Check(status)) {
        return 0;
    }
    int overflow;
    long number = PyLong_AsLongAndOverflow(status, &overflow);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    return overflow == 0 && number >= first && number <= last ? (int)number : 0;
}

/* The reason phrase of `reason`, which may be NULL, anything false, or what only equals the usual bytes. */
static int
read_reason(const http_errors *errors, PyObject *reason, int status, asteri_slice *phrase)
{
    *phrase = (asteri_slice){NULL, 0};
    if (reason == NULL) {
        return 0;
    }
    if (PyBytes_Check(reason)) {
        asteri_slice found = {PyBytes_AS_STRING(reason), PyBytes_GET_SIZE(reason)};
        if (!http_is_value(found)) {
            return refuse_reason(errors, reason);
        }
        *phrase = found;
        return 0;
    }
    asteri_slice usual = http_phrase(status);
    PyObject *bytes = PyBytes_FromStringAndSize(usual.data, usual.size);
    int same = bytes == NULL ? -1 : PyObject_RichCompareBool(reason, bytes, Py_EQ);
    Py_XDECREF(bytes);
    int given = same != 0 ? same : PyObject_IsTrue(reason);
    if (given < 0) {
        return -1;
    }
    return same == 0 && given ? refuse_reason(errors, reason) : 0;
}

int
h1_exchange_respond_objects(h1_exchange *self, PyObject *status, PyObject *headers, PyObject *reason)
{
    const http_errors *errors = h1_exchange_errors(self);
    if (self->http.phase != HTTP_WAITING) {
        return http_refuse_move(&self->http, errors, "respond");
    }
    int number = read_status(status, 200, 599);
    if (number <= 0) {
        if (number == 0) {
            PyErr_Format(errors->local_protocol_error, "expected a final status from 200 to 599, found %R", status);
        }
        return -1;
    }
    asteri_slice phrase;
    if (read_reason(errors, reason, number, &phrase) < 0) {
        return -1;
    }
    PyObject *fields = h1_fields_of(headers);
    if (fields == NULL) {
        return -1;
    }
    if (self->http.phase != HTTP_WAITING) { /* the foreign code in `headers` has responded */
        Py_DECREF(fields);
        return http_refuse_move(&self->http, errors, "respond");
    }
    http_said said = {0, 0, 0, 0};
    h1_connection *connection = (h1_connection *)Py_NewRef(self->connection);
    int result = begin_head(&connection->output, &connection->binding->spare, number, phrase);
    for (Py_ssize_t index = 0; result == 0 && index < PyTuple_GET_SIZE(fields); index++) {
        asteri_field field;
        PyObject *pair = PyTuple_GET_ITEM(fields, index);
        if (h1_field_read(pair, &field)) {
            result = add_field(self, errors, &field, &said);
        }
        else {
            result = http_refuse_field(errors, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
        }
    }
    if (result == 0) {
        Py_XSETREF(self->response_headers, Py_NewRef(headers));
        decide(self, number, &said);
    }
    else if (self->http.phase == HTTP_WAITING) { /* else the foreign code of what is refused has responded */
        connection->output.head = 0;
    }
    Py_DECREF(connection);
    Py_DECREF(fields);
    return result;
}

int
h1_exchange_retract(h1_exchange *self)
{
    int was_decided = self->http.phase == HTTP_DECIDED;
    int retracted = http_exchange_retract(&self->http);
    if (was_decided) {
        self->connection->output.head = 0;
        forget_given(self); /* last, as that may run foreign code */
    }
    return retracted;
}

/* -- interim responses and upgrades -------------------------------------------------------------------------------- */

/* Queues a head that is whole, before one that is not sent. */
static int
put_head(h1_connection *connection, int status, PyObject *lines, asteri_slice more)
{
    char line[H1_STATUS_LINE_SIZE];
    Py_ssize_t size = h1_write_status_line(line, status, (asteri_slice){NULL, 0}) - line;
    h1_output *output = &connection->output;
    h1_spare_buffers *spare = &connection->binding->spare;
    if (h1_output_put(output, spare, line, size) < 0
        || h1_output_put(output, spare, PyBytes_AS_STRING(lines), PyBytes_GET_SIZE(lines)) < 0) {
        return -1;
    }
    return h1_output_put(output, spare, more.data, more.size);
}

int
h1_exchange_inform(h1_exchange *self, PyObject *status, PyObject *headers)
{
    const http_errors *errors = h1_exchange_errors(self);
    if (self->http.phase != HTTP_WAITING && self->http.phase != HTTP_DECIDED) {
        return http_refuse_move(&self->http, errors, "inform");
    }
    int number = read_status(status, 100, 199);
    if (number < 0) {
        return -1;
    }
    if (number == 0 || number == 101) {
        PyErr_Format(errors->local_protocol_error, "expected an interim status from 100 to 199 but 101, found %R",
                     status);
        return -1;
    }
    int has_upgrade, result = -1;
    PyObject *lines = h1_field_lines(errors, headers, H1_PLAIN_FIELDS, &has_upgrade);
    h1_connection *connection = self->connection;
    /* The foreign code in `headers` may have answered, or lost the peer: an interim response comes too late then. */
    if (lines == NULL || h1_is_version_1_0(self) || connection == NULL || http_head_sent(&self->http)) {
        Py_XDECREF(lines);
        return lines == NULL ? -1 : 0;
    }
    if (number == 100 && self->http.incoming == HTTP_EXPECTED) {
        self->http.incoming = HTTP_ARRIVING;
        h1_connection_body_due(connection);
    }
    if (put_head(connection, number, lines, (asteri_slice){"\r\n", 2}) == 0) {
        result = h1_connection_wake(connection);
    }
    Py_DECREF(lines);
    return result;
}

/* `upgrade: VALUE`, unless the application has said it, `connection: upgrade`, the signature, and the empty line. */
static PyObject *
upgrade_lines(h1_connection *connection, asteri_slice protocol, int has_upgrade)
{
    asteri_slice signature;
    if (h1_signature(connection->binding, 0, 0, &signature) < 0) {
        return NULL;
    }
    static const char agreed[] = "connection: upgrade\r\n";
    Py_ssize_t size = (has_upgrade ? 0 : protocol.size + 11) + (Py_ssize_t)sizeof(agreed) - 1 + signature.size + 2;
    PyObject *lines = PyBytes_FromStringAndSize(NULL, size);
    if (lines == NULL) {
        return NULL;
    }
    char *place = PyBytes_AS_STRING(lines);
    if (!has_upgrade) {
        place = h1_write_field(place, (asteri_slice){"upgrade", 7}, protocol);
    }
    place = h1_write(place, agreed, sizeof(agreed) - 1);
    place = h1_write(place, signature.data, signature.size);
    (void)H1_WRITE(place, "\r\n");
    return lines;
}

int
h1_exchange_upgrade(h1_exchange *self, PyObject *successor, PyObject *headers)
{
    const http_errors *errors = h1_exchange_errors(self);
    if (self->http.phase != HTTP_WAITING) {
        return http_refuse_move(&self->http, errors, "upgrade");
    }
    if (self->head->request.protocol.size == 0) {
        PyErr_SetString(errors->local_protocol_error, "the client has not asked for an upgrade");
        return -1;
    }
    if (self->http.incoming != HTTP_RECEIVED) {
        PyErr_SetString(errors->local_protocol_error,
                        "cannot upgrade before the request's body has been received");
        return -1;
    }
    PyObject *given = headers == NULL ? PyTuple_New(0) : Py_NewRef(headers);
    if (given == NULL) {
        return -1;
    }
    h1_connection *connection = (h1_connection *)Py_NewRef(self->connection);
    int has_upgrade, result = -1;
    PyObject *more = NULL, *lines = h1_field_lines(errors, given, H1_PLAIN_FIELDS, &has_upgrade);
    if (lines != NULL) {
        more = upgrade_lines(connection, self->head->request.protocol, has_upgrade);
    }
    if (more == NULL) {
        goto done;
    }
    if (self->http.phase != HTTP_WAITING) { /* the foreign code in `headers` has responded */
        (void)http_refuse_move(&self->http, errors, "upgrade");
        goto done;
    }
    if (put_head(connection, 101, lines, (asteri_slice){PyBytes_AS_STRING(more), PyBytes_GET_SIZE(more)}) < 0) {
        goto done;
    }
    self->http.status = 101;
    Py_XSETREF(self->response_headers, Py_NewRef(given));
    self->http.phase = HTTP_COMPLETE;
    h1_connection_complete(connection, successor);
    result = h1_connection_wake(connection);
done:
    Py_DECREF(connection);
    Py_DECREF(given);
    Py_XDECREF(lines);
    Py_XDECREF(more);
    return result;
}
