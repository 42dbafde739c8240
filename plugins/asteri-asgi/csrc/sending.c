/* What a step of send() does: the twin of `Cycle.send` in `asteri_asgi.http`, where the phases and the steps are told.
 *
 * The table at the end of this file is that of the Python module: which step a type of message takes in which phase. A
 * step returns 1 when more may be sent, 0 when that has to be waited for, or -1.
 */
#include "message.h"
#include "sides.h"

#include <string.h>

typedef int (*asgi_take)(asgi_call *call, asgi_message *message);

/* -- messages ------------------------------------------------------------------------------------------------------ */

/* The content of a http.response.body, a new reference to bytes. */
static PyObject *
message_content(const asgi_state *state, asgi_message *message)
{
    PyObject *body = asgi_message_get(message, state, ASGI_KEY_body, state->no_bytes);
    if (body == NULL || PyBytes_CheckExact(body)) {
        return body;
    }
    PyObject *octets = PyObject_CallOneArg(state->shared.octets, body);
    asgi_message_changed(message);
    Py_DECREF(body);
    return octets;
}

/* -- what the steps share ------------------------------------------------------------------------------------------ */

/* Hands over the head that was held. */
static int
release(asgi_call *call)
{
    call->phase = ASGI_OPEN;
    return asgi_head_respond(&call->head, asgi_call_state(call), call->exchange, &call->reached);
}

static int
send_content(asgi_call *call, PyObject *data, int more)
{
    if (more < 0) {
        return -1;
    }
    /* Nobody sends more after the end, so there is nothing to hold back. */
    int end = !more && call->trailers == NULL;
    int flows = call->reached.functions->send(call->reached.self, data, end);
    if (flows >= 0 && !more) {
        call->phase = end ? ASGI_COMPLETE : ASGI_TRAILING;
    }
    return end && flows == 0 ? 1 : flows;
}

/* What a step returns that ends with the call of a Python function. `answer` is stolen, NULL when that has raised. */
static int
done(PyObject *answer)
{
    Py_XDECREF(answer);
    return answer != NULL ? 1 : -1;
}

/* -- the steps ----------------------------------------------------------------------------------------------------- */

static int
take_start(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *headers = NULL;
    int announced = -1;
    PyObject *status = asgi_message_get(message, state, ASGI_KEY_status, NULL);
    if (status == NULL) {
        return -1;
    }
    if (!PyLong_Check(status)) {
        PyErr_Format(state->errors.local_protocol_error, "status of http.response.start is %R, expected an int",
                     status);
        goto done;
    }
    headers = asgi_message_get(message, state, ASGI_KEY_headers, state->nothing);
    if (headers == NULL || asgi_head_take_fields(&call->head, state, headers) < 0 ||
        asgi_head_take_status(&call->head, status) < 0) {
        goto done;
    }
    if (call->head.list != NULL || !PyLong_CheckExact(status)) {
        asgi_message_changed(message);
    }
    announced = asgi_message_says(message, state, ASGI_KEY_trailers);
    if (announced > 0) {
        Py_XSETREF(call->trailers, PyList_New(0));
        announced = call->trailers != NULL ? 1 : -1;
    } else if (announced == 0) {
        Py_CLEAR(call->trailers);
    }
    if (announced >= 0) {
        call->phase = ASGI_HELD;
    }

done:
    Py_DECREF(status);
    Py_XDECREF(headers);
    return announced >= 0 ? 1 : -1;
}

static int
take_first_body(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *body = message_content(state, message);
    if (body == NULL) {
        return -1;
    }
    int flows = release(call);
    if (flows == 0) {
        flows = send_content(call, body, asgi_message_says(message, state, ASGI_KEY_more_body));
    }
    Py_DECREF(body);
    return flows;
}

static int
take_next_body(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *body = message_content(state, message);
    if (body == NULL) {
        return -1;
    }
    int flows = send_content(call, body, asgi_message_says(message, state, ASGI_KEY_more_body));
    Py_DECREF(body);
    return flows;
}

static int
take_first_file(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *part = PyObject_CallOneArg(state->shared.part_of_file, message->whole);
    asgi_message_changed(message);
    if (part == NULL) {
        return -1;
    }
    int flows = release(call);
    if (flows == 0) {
        flows = send_content(call, part, asgi_message_says(message, state, ASGI_KEY_more_body));
    }
    Py_DECREF(part);
    return flows;
}

static int
take_next_file(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *part = PyObject_CallOneArg(state->shared.part_of_file, message->whole);
    asgi_message_changed(message);
    if (part == NULL) {
        return -1;
    }
    int flows = send_content(call, part, asgi_message_says(message, state, ASGI_KEY_more_body));
    Py_DECREF(part);
    return flows;
}

static int
take_path(asgi_call *call, asgi_message *message)
{
    PyObject *part = PyObject_CallOneArg(asgi_call_state(call)->shared.whole_file, message->whole);
    if (part == NULL) {
        return -1;
    }
    int flows = release(call);
    if (flows == 0) {
        flows = send_content(call, part, 0); /* always the last of its response */
    }
    Py_DECREF(part);
    return flows;
}

static int
take_early_hint(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *code = PyLong_FromLong(103);
    PyObject *hints = code != NULL ? PyObject_CallOneArg(state->shared.hints, message->whole) : NULL;
    PyObject *answer = NULL;
    if (hints != NULL) {
        PyObject *arguments[3] = {call->exchange, code, hints};
        answer = PyObject_VectorcallMethod(state->name.inform, arguments, 3, NULL);
    }
    Py_XDECREF(hints);
    Py_XDECREF(code);
    return done(answer);
}

/* The head is out, so a 103 cannot come before it any more; the specification allows to drop the hint. */
static int
take_late_hint(asgi_call *Py_UNUSED(call), asgi_message *Py_UNUSED(message))
{
    return 1;
}

/* The response is complete. Its trailers go to a client that has asked for them. */
static int
finish(asgi_call *call)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *asked = PyObject_CallOneArg(state->shared.takes_trailers, call->exchange);
    if (asked == NULL) {
        return -1;
    }
    int takes = PyObject_IsTrue(asked);
    Py_DECREF(asked);
    if (takes < 0) {
        return -1;
    }
    PyObject *arguments[2] = {call->exchange, takes ? call->trailers : state->nothing};
    return done(PyObject_VectorcallMethod(state->name.finish, arguments, 2, NULL));
}

static int
take_trailers(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    if (call->trailers == NULL) { /* the exchange has let another response begin while it was sending */
        PyErr_SetString(state->errors.local_protocol_error, "the trailers were not announced");
        return -1;
    }
    PyObject *headers = asgi_message_get(message, state, ASGI_KEY_headers, state->nothing);
    PyObject *fields = NULL;
    int flows = -1;
    if (headers != NULL) {
        fields = PyObject_CallFunction(state->shared.fields, "Os", headers, "http.response.trailers");
    }
    if (fields != NULL &&
        PyList_SetSlice(call->trailers, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, fields) == 0) {
        flows = asgi_message_says(message, state, ASGI_KEY_more_trailers);
        if (flows == 0) {
            flows = finish(call);
            if (flows > 0) {
                call->phase = ASGI_COMPLETE;
            }
        }
    }
    Py_XDECREF(headers);
    Py_XDECREF(fields);
    return flows;
}

static int
take_debug(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *info = asgi_message_get(message, state, ASGI_KEY_info, NULL);
    if (info == NULL) {
        return -1;
    }
    PyObject *answer = PyObject_CallMethod(call->handler->log, "info", "sO", "the application says: %r", info);
    Py_DECREF(info);
    if (answer != NULL) {
        call->phase = ASGI_WAITING;
    }
    return done(answer);
}

/* What is accepted in each phase, and the step that it takes. In the phases that have no row nothing is accepted. */
static const asgi_take table[ASGI_PHASES][ASGI_KINDS] = {
    [ASGI_TELLING] = {
        [ASGI_START] = take_start,
        [ASGI_HINT] = take_early_hint,
        [ASGI_DEBUG] = take_debug,
    },
    [ASGI_WAITING] = {
        [ASGI_START] = take_start,
        [ASGI_HINT] = take_early_hint,
    },
    [ASGI_HELD] = {
        [ASGI_BODY] = take_first_body,
        [ASGI_FILE] = take_first_file,
        [ASGI_PATH] = take_path,
        [ASGI_HINT] = take_early_hint,
    },
    [ASGI_OPEN] = {
        [ASGI_BODY] = take_next_body,
        [ASGI_FILE] = take_next_file,
        [ASGI_HINT] = take_late_hint,
    },
    [ASGI_TRAILING] = {
        [ASGI_TRAILERS] = take_trailers,
    },
};

/* -- sending ------------------------------------------------------------------------------------------------------- */

/* Whether a str is `text`, which is ASCII. */
static int
reads(PyObject *kind, const char *text, Py_ssize_t size)
{
    return PyUnicode_GET_LENGTH(kind) == size && PyUnicode_IS_COMPACT_ASCII(kind) &&
           memcmp(PyUnicode_DATA(kind), text, (size_t)size) == 0;
}

/* The kind of a message whose type is `kind`; ASGI_KINDS when there is none; -1: an exception. */
static int
find_kind(const asgi_state *state, PyObject *kind)
{
    /* The two that every response has. */
    if (PyUnicode_CheckExact(kind)) {
        if (reads(kind, "http.response.body", 18)) {
            return ASGI_BODY;
        }
        if (reads(kind, "http.response.start", 19)) {
            return ASGI_START;
        }
    }
    PyObject *code;
    int found = asgi_dict_find(state->kinds, kind, &code);
    if (found > 0) {
        found = (int)PyLong_AsLong(code);
        Py_DECREF(code);
        return found;
    }
    return found == 0 ? ASGI_KINDS : -1;
}

/* The step that a message takes now, NULL without an exception when it is refused. */
static asgi_take
find_step(asgi_call *call, const asgi_message *message, int *failed)
{
    const asgi_state *state = asgi_call_state(call);
    PyObject *kind = NULL;
    int code = ASGI_KINDS;
    *failed = 0;
    int found = asgi_message_find(message, state, ASGI_KEY_type, &kind);
    if (found == 0) {
        return NULL;
    }
    if (found > 0) {
        code = find_kind(state, kind);
        Py_DECREF(kind);
    }
    if (PyErr_Occurred() != NULL) {
        /* As for the Python twin: a message that has no type, or one that cannot be looked up. */
        if (PyErr_ExceptionMatches(PyExc_KeyError) || PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
        } else {
            *failed = 1;
        }
        return NULL;
    }
    return code != ASGI_KINDS ? table[call->phase][code] : NULL;
}

/* A step has raised, and that is what is to be seen, unless what is done about it raises too. */
static void
step_failed(asgi_call *call)
{
    const asgi_state *state = asgi_call_state(call);
    if (PyErr_ExceptionMatches(state->errors.disconnected)) {
        call->phase = ASGI_CUT;
        return;
    }
    if (call->phase != ASGI_OPEN || !PyErr_ExceptionMatches(state->errors.local_protocol_error)) {
        return;
    }
    PyObject *error = asteri_raised_take();
    int retracted = call->reached.functions->retract(call->reached.self);
    if (retracted < 0) {
        Py_DECREF(error);
        return;
    }
    if (retracted) {
        /* The head could not be sent, or the first content did not fit it: the application may start anew. */
        call->phase = ASGI_WAITING;
    }
    asteri_raised_give(error);
}

/* 1: more may be sent; 0: wait for that; -1. */
static int
take(asgi_call *call, asgi_message *message)
{
    const asgi_state *state = asgi_call_state(call);
    int failed;
    asgi_take step = find_step(call, message, &failed);
    if (failed) {
        return -1;
    }
    if (step == NULL) {
        PyObject *arguments[3] = {state->phases[call->phase], message->whole, call->handler->log};
        return done(PyObject_Vectorcall(state->shared.refuse, arguments, 3, NULL));
    }
    int flows = step(call, message);
    if (flows < 0) {
        step_failed(call);
    }
    return flows;
}

static PySendResult
sending_start(asgi_coroutine *self, PyObject **result)
{
    asgi_step *step = (asgi_step *)self;
    asgi_message message;
    asgi_message_read(&message, asgi_call_state(step->call), step->message);
    int flows = take(step->call, &message);
    asgi_message_drop(&message);
    if (flows > 0) {
        *result = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    if (flows < 0) {
        return PYGEN_ERROR;
    }
    self->awaited = asgi_call_turn(step->call, asgi_call_state(step->call)->want_write);
    return self->awaited != NULL ? PYGEN_NEXT : PYGEN_ERROR;
}

static PySendResult
sending_resume(asgi_coroutine *Py_UNUSED(self), PyObject *value, PyObject **result)
{
    if (value == NULL) {
        return PYGEN_ERROR;
    }
    Py_DECREF(value);
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

const asgi_body asgi_sending = {
    .start = sending_start,
    .resume = sending_resume,
    .name = "send",
    .qualname = "Cycle.send",
};
