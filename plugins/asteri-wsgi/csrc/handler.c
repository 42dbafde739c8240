/* `WSGIHandler`: the twin of `asteri_wsgi.handler`, whose decisions hold here too; its `answer_error` and
 * `close_response` are called when there is an error, or something to close. */
#include "environ.h"
#include "response.h"

#include <stddef.h>
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    wsgi_state *state;     /* of the module, which the type keeps alive as long as anything can call the handler */
    PyObject *application; /* owned */
    PyObject *log;         /* owned */
    PyObject *twin;        /* owned: the Python handler, which runs what asks for WebSocket; None: nobody has a codec */
    wsgi_environs environs;
} wsgi_handler;

/* What a request holds until its end. */
typedef struct {
    PyObject *exchange, *wait; /* borrowed from the caller */
    wsgi_response *response;   /* owned, as the next two; NULL until made */
    PyObject *blocks; /* what the application has returned */
    wsgi_environ environ;
} wsgi_run;

/* -- one request --------------------------------------------------------------------------------------------------- */

/* Whether it is WebSocket that the client asks for and that there is somebody for: 1, 0, -1. */
static int
is_websocket(const wsgi_handler *self, const wsgi_response *response)
{
    if (response->request->protocol.size == 0 || self->twin == Py_None) {
        return 0;
    }
    PyObject *protocol = response->reached.functions->fact(response->reached.self, ASTERI_PROTOCOL);
    return protocol == NULL ? -1 : PyObject_RichCompareBool(protocol, self->state->python.websocket_token, Py_EQ);
}

static int
run_twin(const wsgi_handler *self, const wsgi_run *run)
{
    PyObject *arguments[] = {run->exchange, run->wait};
    PyObject *done = PyObject_Vectorcall(self->twin, arguments, 2, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* 0; -1: what the application or the exchange has raised. */
static int
run_application(wsgi_handler *self, wsgi_run *run)
{
    run->response = wsgi_response_new(self->state, run->exchange, run->wait);
    if (run->response == NULL) {
        return -1;
    }
    int websocket = is_websocket(self, run->response);
    if (websocket) {
        return websocket < 0 ? -1 : run_twin(self, run);
    }
    if (wsgi_environ_make(&self->environs, run->response, &run->environ) < 0) {
        return -1;
    }
    PyObject *arguments[] = {NULL, run->environ.dict, (PyObject *)run->response};
    run->blocks = PyObject_Vectorcall(self->application, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    return run->blocks == NULL ? -1 : wsgi_deliver(run->response, run->blocks);
}

/* Calls one of the twin's functions with (subject, exchange, log). 0, -1. */
static int
call_twin(wsgi_handler *self, PyObject *function, PyObject *subject, PyObject *exchange)
{
    PyObject *arguments[] = {subject, exchange, self->log};
    PyObject *done = PyObject_Vectorcall(function, arguments, 3, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Answers an error of the application. 0; -1: any other exception, which goes on. */
static int
answer_error(wsgi_handler *self, wsgi_run *run)
{
    if (!PyErr_ExceptionMatches(self->state->python.application_errors)) {
        return -1;
    }
    /* As in an except clause: what is raised meanwhile has the error as its context. */
    PyObject *error = wsgi_take_exception();
    PyObject *before = PyErr_GetHandledException();
    PyErr_SetHandledException(error);
    int failed = call_twin(self, self->state->python.answer_error, error, run->exchange);
    PyErr_SetHandledException(before);
    Py_XDECREF(before);
    Py_DECREF(error);
    return failed;
}

/* A new reference to `close` of what the application has returned. 1; 0: it has none; -1. */
static int
close_of(wsgi_state *state, PyObject *blocks, PyObject **close)
{
    *close = NULL;
    if (blocks == NULL || PyList_CheckExact(blocks) || PyTuple_CheckExact(blocks)) {
        return 0;
    }
    *close = PyObject_GetAttr(blocks, state->text.name_close);
    if (*close == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
    } else if (*close == Py_None) {
        Py_CLEAR(*close);
    }
    return *close != NULL;
}

/* A new reference to the collected body, or NULL with an exception. */
static PyObject *
body_of(wsgi_handler *self, wsgi_run *run)
{
    if (run->response == NULL) { /* the exchange could not be reached */
        return PyObject_GetAttr(run->exchange, self->state->text.name_body);
    }
    asteri_reached reached = run->response->reached;
    return Py_XNewRef(reached.functions->fact(reached.self, ASTERI_BODY));
}

/* Closes what the application has returned, and the body. 0, -1. No exception is set when it is called. */
static int
close_run(wsgi_handler *self, wsgi_run *run)
{
    wsgi_state *state = self->state;
    PyObject *close;
    int found = close_of(state, run->blocks, &close);
    if (found < 0) {
        return -1;
    }
    if (found) {
        int failed = call_twin(self, state->python.close_response, close, run->exchange);
        Py_DECREF(close);
        if (failed < 0) {
            return -1;
        }
    }
    PyObject *body = body_of(self, run);
    if (body == NULL) {
        return -1;
    }
    int failed = 0;
    if (body != Py_None && body != state->python.empty_body && (PyObject *)Py_TYPE(body) != state->python.bytes_io) {
        /* A temporary file: its space is given back now, and not whenever the last reference to it goes. */
        PyObject *closed = PyObject_CallMethodNoArgs(body, state->text.name_close);
        failed = closed == NULL ? -1 : 0;
        Py_XDECREF(closed);
    }
    Py_DECREF(body);
    return failed;
}

/* The same while an exception is on its way, which goes on. Always -1. */
static int
close_raising(wsgi_handler *self, wsgi_run *run)
{
    /* As in a finally clause: what is raised meanwhile has the exception as its context, and takes its place. */
    PyObject *error = wsgi_take_exception();
    PyObject *before = PyErr_GetHandledException();
    PyErr_SetHandledException(error);
    int failed = close_run(self, run);
    PyErr_SetHandledException(before);
    Py_XDECREF(before);
    if (failed < 0) {
        Py_DECREF(error);
    } else {
        wsgi_put_exception(error);
    }
    return -1;
}

static PyObject *
serve(wsgi_handler *self, PyObject *exchange, PyObject *wait)
{
    wsgi_run run = {.exchange = exchange, .wait = wait};
    int failed = run_application(self, &run);
    if (failed < 0) {
        failed = answer_error(self, &run);
    }
    failed = failed < 0 ? close_raising(self, &run) : close_run(self, &run);
    Py_XDECREF(run.blocks);
    wsgi_environ_release(&run.environ);
    Py_XDECREF(run.response);
    return failed < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
handler_call(PyObject *object, PyObject *const *arguments, size_t nargs, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargs);
    if (count != 2 || names != NULL) {
        PyErr_Format(PyExc_TypeError, "WSGIHandler takes an exchange and a wait function, and %zd arguments were given",
                     count + (names == NULL ? 0 : PyTuple_GET_SIZE(names)));
        return NULL;
    }
    return serve((wsgi_handler *)object, arguments[0], arguments[1]);
}

/* -- the type ------------------------------------------------------------------------------------------------------ */

static PyObject *
handler_nothing(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

/* The Python handler where there is a codec for WebSocket, else None: a new reference. NULL: an exception. */
static PyObject *
twin_for_websocket(wsgi_state *state, PyObject *application, PyObject *root_path, PyObject *context)
{
    PyObject *codecs = PyObject_GetAttr(context, state->text.name_codecs);
    int found = codecs == NULL ? -1 : PySequence_Contains(codecs, state->python.websocket_token);
    Py_XDECREF(codecs);
    if (found <= 0) {
        return found < 0 ? NULL : Py_NewRef(Py_None);
    }
    return PyObject_CallFunctionObjArgs(state->python.handler_twin, application, root_path, context, NULL);
}

static PyObject *
handler_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    static const char *const names[] = {"application", "root_path", "context", NULL};
    PyObject *application, *root_path, *context;
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "OUO:WSGIHandler", (char **)names, &application, &root_path,
                                     &context)) {
        return NULL;
    }
    wsgi_handler *self = (wsgi_handler *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    wsgi_state *state = (wsgi_state *)PyType_GetModuleState(type);
    self->call = handler_call;
    self->state = state;
    self->application = Py_NewRef(application);
    self->log = PyObject_GetAttr(context, state->text.name_log);
    self->twin = twin_for_websocket(state, application, root_path, context);
    if (self->log == NULL || self->twin == NULL || wsgi_environs_init(state, &self->environs, root_path, context) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
handler_traverse(PyObject *object, visitproc visit, void *arg)
{
    wsgi_handler *self = (wsgi_handler *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->application);
    Py_VISIT(self->log);
    Py_VISIT(self->twin);
    return wsgi_environs_visit(&self->environs, visit, arg);
}

static void
handler_dealloc(PyObject *object)
{
    wsgi_handler *self = (wsgi_handler *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->application);
    Py_XDECREF(self->log);
    Py_XDECREF(self->twin);
    wsgi_environs_clear(&self->environs);
    type->tp_free(object);
    Py_DECREF(type);
}

int
wsgi_add_handler(PyObject *module)
{
    static const PyMethodDef methods[] = {
        {"startup", handler_nothing, METH_NOARGS, "PEP 3333 has no start of an application."},
        {"shutdown", handler_nothing, METH_NOARGS, "PEP 3333 has no end of an application."},
        {NULL, NULL, 0, NULL},
    };
    PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(wsgi_handler, call), READONLY, NULL},
        {NULL, 0, 0, 0, NULL},
    };
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)"WSGIHandler(application, root_path, context)\n--\n\n"
                            "The `BlockingHandler` of one application."},
        {Py_tp_new, (void *)handler_new},
        {Py_tp_call, (void *)PyVectorcall_Call},
        {Py_tp_traverse, (void *)handler_traverse},
        {Py_tp_dealloc, (void *)handler_dealloc},
        {Py_tp_methods, (void *)methods},
        {Py_tp_members, (void *)members},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "asteri_wsgi._native.WSGIHandler",
        .basicsize = sizeof(wsgi_handler),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    wsgi_state *state = wsgi_state_of(module);
    state->handler_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->handler_type == NULL ? -1 : PyModule_AddType(module, state->handler_type);
}
