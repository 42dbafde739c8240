/* What a step of receive() does: the twin of `Cycle.receive` in `asteri_asgi.http`, which says what is received. */
#include "sides.h"

static int
is_over(const asgi_call *call)
{
    return call->phase == ASGI_COMPLETE || call->phase == ASGI_CUT;
}

/* A message with a piece of the body. `piece` is stolen. A new reference. */
static PyObject *
request_message(asgi_call *call, PyObject *piece)
{
    const asgi_state *state = asgi_call_state(call);
    Py_ssize_t size = PyBytes_GET_SIZE(piece);
    if (size == 0) {
        call->body_read = 1;
    } else if (call->unread >= 0) {
        /* The last piece is known by the declared length. */
        call->unread = size < call->unread ? call->unread - size : 0;
        call->body_read = call->unread == 0;
    }
    PyObject *message = PyDict_Copy(state->request);
    if (message != NULL && (PyDict_SetItem(message, state->name.body, piece) < 0 ||
                            (!call->body_read && PyDict_SetItem(message, state->name.more_body, Py_True) < 0))) {
        Py_CLEAR(message);
    }
    Py_DECREF(piece);
    return message;
}

/* Reading the body has raised. 0: that is a disconnect; -1: it is an exception, and set. */
static int
read_failed(asgi_call *call)
{
    const asgi_state *state = asgi_call_state(call);
    if (PyErr_ExceptionMatches(state->errors.disconnected)) {
        PyErr_Clear();
    } else if (PyErr_ExceptionMatches(state->errors.remote_protocol_error)) {
        PyObject *error = asteri_raised_take();
        PyObject *arguments[3] = {call->exchange, call->handler->log, error};
        PyObject *answer = PyObject_Vectorcall(state->shared.body_broken, arguments, 3, NULL);
        Py_DECREF(error);
        if (answer == NULL) {
            return -1;
        }
        Py_DECREF(answer);
    } else {
        return -1;
    }
    call->phase = ASGI_CUT;
    return 0;
}

static PySendResult
disconnect(asgi_call *call, PyObject **result)
{
    if (call->phase != ASGI_COMPLETE) {
        call->told_gone = 1;
    }
    *result = PyDict_Copy(asgi_call_state(call)->disconnect);
    return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

/* Looks what there is to receive, and waits for it when there is nothing. */
static PySendResult
look(asgi_step *self, PyObject **result)
{
    asgi_call *call = self->call;
    const asgi_state *state = asgi_call_state(call);
    PyObject *want = state->want_gone;
    if (!call->body_read && !is_over(call)) {
        if (!call->has_body) {
            call->body_read = 1;
            *result = PyDict_Copy(state->request);
            return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
        }
        PyObject *piece;
        int found = call->reached.functions->read(call->reached.self, &piece);
        if (found > 0) {
            *result = request_message(call, piece);
            return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
        }
        if (found < 0 && read_failed(call) < 0) {
            return PYGEN_ERROR;
        }
        want = state->want_read;
    }
    if (is_over(call)) {
        return disconnect(call, result);
    }
    self->leaving = want == state->want_gone;
    self->coroutine.awaited = asgi_call_turn(call, want);
    return self->coroutine.awaited != NULL ? PYGEN_NEXT : PYGEN_ERROR;
}

static PySendResult
receiving_start(asgi_coroutine *self, PyObject **result)
{
    return look((asgi_step *)self, result);
}

static PySendResult
receiving_resume(asgi_coroutine *self, PyObject *value, PyObject **result)
{
    if (value == NULL) {
        return PYGEN_ERROR;
    }
    asgi_step *step = (asgi_step *)self;
    int waited = PyObject_IsTrue(value);
    Py_DECREF(value);
    if (waited < 0) {
        return PYGEN_ERROR;
    }
    if (waited && step->leaving) {
        return disconnect(step->call, result);
    }
    return look(step, result);
}

const asgi_body asgi_receiving = {
    .start = receiving_start,
    .resume = receiving_resume,
    .name = "receive",
    .qualname = "Cycle.receive",
};
