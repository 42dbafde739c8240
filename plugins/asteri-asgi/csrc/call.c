/* Runs the application for one exchange. See call.h, and `asteri_asgi.handler` for the meaning.
 *
 * A coroutine as any other: nothing happens before it is sent to for the first time.
 */
#include "call.h"

#include "sides.h"

/* -- how the application ends -------------------------------------------------------------------------------------- */

/* The application has raised. SystemExit too is answered: out of a task it would end the event loop. */
static PySendResult
raised(asgi_call *self, PyObject **result)
{
    const asgi_state *state = asgi_call_state(self);
    PyObject *error = asteri_raised_take();
    if (PyErr_GivenExceptionMatches(error, PyExc_Exception) || PyErr_GivenExceptionMatches(error, PyExc_SystemExit)) {
        PyObject *complete = self->phase == ASGI_COMPLETE ? Py_True : Py_False;
        PyObject *arguments[4] = {self->exchange, self->handler->log, complete, error};
        PyObject *answer = PyObject_Vectorcall(state->shared.raised, arguments, 4, NULL);
        Py_DECREF(error);
        *result = answer; /* None */
        return answer != NULL ? PYGEN_RETURN : PYGEN_ERROR;
    }
    if (self->reached.functions->abort(self->reached.self) < 0) {
        Py_DECREF(error);
    } else {
        asteri_raised_give(error);
    }
    return PYGEN_ERROR;
}

static PySendResult
returned(asgi_call *self, PyObject **result)
{
    if (self->phase == ASGI_COMPLETE) {
        *result = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    const asgi_state *state = asgi_call_state(self);
    PyObject *name = PyObject_GetAttrString(state->phases[self->phase], "name");
    if (name == NULL) {
        return PYGEN_ERROR;
    }
    PyObject *gone = self->phase == ASGI_CUT || self->told_gone ? Py_True : Py_False;
    PyObject *arguments[4] = {self->exchange, self->handler->log, name, gone};
    *result = PyObject_Vectorcall(state->shared.returned, arguments, 4, NULL);
    Py_DECREF(name);
    return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

/* -- running it ---------------------------------------------------------------------------------------------------- */

/* Calls the application. A new reference to what it gives. */
static PyObject *
call_application(asgi_call *self)
{
    PyObject *answer = NULL;
    self->lent = asgi_make_scope(&self->handler->scopes, asgi_call_state(self), &self->reached);
    PyObject *receive = self->lent != NULL ? asgi_receive_new(self) : NULL;
    PyObject *send = receive != NULL ? asgi_send_new(self) : NULL;
    if (send != NULL) {
        PyObject *arguments[4] = {NULL, self->lent->scope, receive, send};
        answer = PyObject_Vectorcall(self->handler->app, arguments + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_XDECREF(send);
    Py_XDECREF(receive);
    return answer;
}

/* Whether it is WebSocket that the client asks for and that there is somebody for: 1, 0, -1. */
static int
is_websocket(const asgi_call *self, const asteri_request *request)
{
    if (request->protocol.size == 0 || self->handler->websocket == Py_None) {
        return 0;
    }
    PyObject *protocol = self->reached.functions->fact(self->reached.self, ASTERI_PROTOCOL);
    return protocol == NULL ? -1 : PyObject_RichCompareBool(protocol, asgi_call_state(self)->shared.TOKEN, Py_EQ);
}

/* From here on it is the affair of `asteri_asgi.websocket`. A new reference to what is awaited, NULL. */
static PyObject *
call_websocket(asgi_call *self)
{
    self->phase = ASGI_COMPLETE; /* as far as this module is concerned */
    PyObject *arguments[3] = {NULL, self->exchange, self->wait};
    return PyObject_Vectorcall(self->handler->websocket, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static PySendResult
call_start(asgi_coroutine *coroutine, PyObject **result)
{
    asgi_call *self = (asgi_call *)coroutine;
    if (asteri_reach(&asgi_call_state(self)->exchanges, self->exchange, &self->reached) < 0) {
        return PYGEN_ERROR;
    }
    const asteri_request *request = self->reached.functions->request(self->reached.self);
    self->has_body = request->has_body != 0;
    self->unread = request->content_length;
    int websocket = is_websocket(self, request);
    if (websocket < 0) {
        return PYGEN_ERROR;
    }
    PyObject *answer = websocket ? call_websocket(self) : call_application(self);
    if (answer != NULL) {
        coroutine->awaited = asgi_awaited(answer);
        Py_DECREF(answer);
    }
    return coroutine->awaited != NULL ? PYGEN_NEXT : raised(self, result);
}

static PySendResult
call_resume(asgi_coroutine *coroutine, PyObject *value, PyObject **result)
{
    asgi_call *self = (asgi_call *)coroutine;
    if (value == NULL) {
        return raised(self, result);
    }
    Py_DECREF(value);
    asgi_lent *lent = self->lent;
    self->lent = NULL;
    if (lent != NULL) {
        asgi_scopes_take_back(&self->handler->scopes, lent);
    }
    return returned(self, result);
}

static const asgi_body call_body = {
    .start = call_start,
    .resume = call_resume,
    .name = "__call__",
    .qualname = "AsgiHandler.__call__",
};

PyObject *
asgi_call_turn(asgi_call *self, PyObject *want)
{
    const asgi_state *state = asgi_call_state(self);
    if (self->turns == NULL) {
        PyObject *arguments[2] = {self->exchange, self->wait};
        self->turns = PyObject_Vectorcall(state->shared.Turns, arguments, 2, NULL);
        if (self->turns == NULL) {
            return NULL;
        }
    }
    return PyObject_CallMethodOneArg(self->turns, state->name.take, want);
}

/* -- the object ---------------------------------------------------------------------------------------------------- */

PyObject *
asgi_call_new(asgi_handler *handler, PyObject *exchange, PyObject *wait)
{
    asgi_call *self = (asgi_call *)asgi_pool_new(&handler->calls, handler->state->call_type);
    if (self == NULL) {
        return NULL;
    }
    asgi_coroutine_init(&self->coroutine, &call_body);
    self->handler = (asgi_handler *)Py_NewRef((PyObject *)handler);
    self->exchange = Py_NewRef(exchange);
    self->wait = Py_NewRef(wait);
    self->turns = NULL;
    self->trailers = NULL;
    self->reached.functions = NULL;
    self->reached.self = NULL;
    self->lent = NULL;
    self->unread = -1;
    self->phase = handler->first_phase;
    self->has_body = 0;
    self->body_read = 0;
    self->told_gone = 0;
    asgi_head_init(&self->head);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static int
call_traverse(PyObject *object, visitproc visit, void *arg)
{
    asgi_call *self = (asgi_call *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->coroutine.awaited);
    Py_VISIT(self->handler);
    Py_VISIT(self->exchange);
    Py_VISIT(self->wait);
    Py_VISIT(self->turns);
    Py_VISIT(self->trailers);
    Py_VISIT(self->reached.self);
    int stopped = self->lent != NULL ? asgi_lent_visit(self->lent, visit, arg) : 0;
    return stopped != 0 ? stopped : asgi_head_visit(&self->head, visit, arg);
}

/* The handler and the exchange stay, without which nothing here could be called any more. A cycle through them has
 * something else in it that can be cleared, such as the coroutine of the application. */
static int
call_clear(PyObject *object)
{
    asgi_call *self = (asgi_call *)object;
    Py_CLEAR(self->coroutine.awaited);
    Py_CLEAR(self->turns);
    return 0;
}

static void
call_dealloc(PyObject *object)
{
    asgi_call *self = (asgi_call *)object;
    if (asgi_coroutine_dying(&self->coroutine) < 0) {
        return;
    }
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->coroutine.awaited);
    Py_CLEAR(self->turns);
    Py_CLEAR(self->trailers);
    asgi_head_drop(&self->head);
    if (self->lent != NULL) {
        asgi_lent_drop(self->lent); /* the application has not returned */
    }
    Py_CLEAR(self->reached.self);
    Py_CLEAR(self->wait);
    Py_CLEAR(self->exchange);
    asgi_handler *handler = self->handler;
    asgi_pool_put(&handler->calls, object);
    Py_DECREF(handler);
}

static PyType_Slot call_slots[] = {
    {Py_tp_doc, (void *)"What a call of the handler gives: a coroutine that runs the application."},
    {Py_tp_traverse, (void *)call_traverse},
    {Py_tp_clear, (void *)call_clear},
    {Py_tp_dealloc, (void *)call_dealloc},
    {Py_tp_finalize, (void *)asgi_coroutine_finalize},
    {Py_tp_iter, (void *)asgi_coroutine_await},
    {Py_tp_iternext, (void *)asgi_coroutine_next},
    {Py_am_await, (void *)asgi_coroutine_await},
    {Py_am_send, (void *)asgi_coroutine_send},
    {Py_tp_methods, asgi_coroutine_methods},
    {Py_tp_getset, asgi_coroutine_attributes},
    {0, NULL},
};

static PyType_Spec call_spec = {
    .name = "asteri_asgi._native.Call",
    .basicsize = sizeof(asgi_call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = call_slots,
};

int
asgi_add_call(PyObject *module, asgi_state *state)
{
    return asteri_add_type(module, &call_spec, &state->call_type);
}
