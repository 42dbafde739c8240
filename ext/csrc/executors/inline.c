/* `InlineExecutor`: the C twin of `asteri_core.executors.inline.InlineExecutor`, without the request time-out that
 * interrupts an application: who has one is served by the Python class.
 *
 * Everything here is called in the reactor's thread, which alone touches the exchanges, so there is no lock to take.
 */
#include "call.h"
#include "link.h"
#include "ring.h"
#include "shared.h"
#include "waker.h"

#define TURN 0.005          /* seconds, as in the Python twin */
#define STREAMING_TURN 0.05 /* the same */
#define QUICK 0.001         /* seconds: a call that takes longer is slow */
#define QUICK_ENOUGH 64     /* quick calls one after the other, until the next one is expected to be quick as well */

typedef struct {
    PyObject_HEAD
    executors_state *state; /* of the module, which the type keeps alive */
    reactor_link *link;     /* owned, as all that follows */
    PyObject *handler;
    PyObject *context; /* in copies of which the handler is called */
    PyObject *wait;    /* our own bound method, made once */
    PyObject *current; /* the exchange that is run, or NULL */
    ring line;
    double turned; /* when the reactor last turned for the sake of others */
    int quick;     /* calls since the last slow one, at most QUICK_ENOUGH */
} inline_executor;

static PyObject *
inline_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    char *names[] = {"handler", "reactor", "request_timeout", NULL};
    PyObject *handler, *reactor, *timeout = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:InlineExecutor", names, &handler, &reactor, &timeout)) {
        return NULL;
    }
    executors_state *state = executors_state_of(type);
    int timed = PyObject_IsTrue(timeout);
    if (state == NULL || timed < 0) {
        return NULL;
    }
    if (timed) {
        PyErr_SetString(state->configuration_error,
                        "request_timeout of an inline executor needs asteri_core.executors.inline.InlineExecutor");
        return NULL;
    }
    inline_executor *self = (inline_executor *)type->tp_alloc(type, 0); /* filled with zeros */
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->handler = Py_NewRef(handler);
    self->link = link_new(state, reactor);
    self->context = PyContext_CopyCurrent();
    self->wait = PyObject_GetAttrString((PyObject *)self, "wait");
    if (self->link == NULL || self->context == NULL || self->wait == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* -- the line ------------------------------------------------------------------------------------------------------ */

static PyObject *
inline_start(inline_executor *self, PyObject *exchange)
{
    int failed;
    Py_BEGIN_CRITICAL_SECTION(self);
    failed = ring_push(&self->line, exchange);
    Py_END_CRITICAL_SECTION();
    if (failed < 0) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

/* The next exchange, now the caller's, or NULL. */
static PyObject *
next_in_line(inline_executor *self)
{
    PyObject *exchange;
    Py_BEGIN_CRITICAL_SECTION(self);
    exchange = ring_pop(&self->line);
    Py_END_CRITICAL_SECTION();
    return exchange;
}

/* Whether the client is still there: 1, 0, -1. */
static int
retract(inline_executor *self, PyObject *exchange)
{
    const asteri_exchange_v1 *functions = shared_functions_of(self->state, exchange);
    if (functions != NULL) {
        return functions->retract(exchange);
    }
    PyObject *answer = PyObject_CallMethodNoArgs(exchange, self->state->name_retract);
    if (answer == NULL) {
        return -1;
    }
    int there = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return there;
}

/* Runs the application for an exchange (borrowed), unless its client has left while it was in line. 0, -1. */
static int
run(inline_executor *self, PyObject *exchange)
{
    int there = retract(self, exchange);
    if (there <= 0) {
        return there;
    }
    self->current = exchange;
    int failed = call_handler(self->handler, self->context, exchange, self->wait);
    if (failed) {
        failed = call_failed(self->state, exchange);
    }
    self->current = NULL;
    return failed;
}

/* Sends what a call that ended at `now` has left. 0, -1.
 *
 * `flush_later` keeps an answer back where its peer has pipelined another request: that one is put in line at once, so
 * it runs within this loop, and one system call sends both answers. Where more stand in line, an answer also waits for
 * theirs: a client on this machine that sleeps has to be woken, which costs as much as the system call, and one that
 * gets several answers is woken once. How long an answer waits is bounded: after a millisecond the reactor keeps back
 * no more, and this loop sends all before it returns. A slow call would be in the way; so nothing is kept back until
 * QUICK_ENOUGH calls have shown that the application is a quick one. */
static int
send_after_call(inline_executor *self, double began, double now)
{
    if (now - began > QUICK) {
        self->quick = 0;
    } else if (self->quick < QUICK_ENOUGH) {
        self->quick++;
    }
    if (self->quick < QUICK_ENOUGH) {
        return link_flush(self->link);
    }
    return link_flush_later(self->link, now, self->line.count > 0);
}

static PyObject *
inline_run_line(inline_executor *self, PyObject *Py_UNUSED(ignored))
{
    double began, now;
    if (self->line.count == 0) {
        Py_RETURN_NONE;
    }
    if (link_now(self->link, &now) < 0) {
        return NULL;
    }
    double due = now + TURN;
    PyObject *exchange;
    while (now < due && (exchange = next_in_line(self)) != NULL) {
        began = now;
        int failed = run(self, exchange);
        Py_DECREF(exchange);
        if (failed || link_now(self->link, &now) < 0 || send_after_call(self, began, now) < 0) {
            return NULL;
        }
        if ((now >= due || self->line.count == 0) && link_flush_rest(self->link) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* -- waiting and time ---------------------------------------------------------------------------------------------- */

/* The reactor's turns while the application waits. 0, -1. */
static int
turn_until(inline_executor *self, waker *waiting, int holds)
{
    if (holds) {
        double now;
        if (link_now(self->link, &now) < 0) {
            return -1;
        }
        if (now < self->turned + STREAMING_TURN) {
            return 0;
        }
        self->turned = now;
        return link_poll(self->link, 1);
    }
    while (!waker_called(waiting)) {
        if (link_poll(self->link, 0) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
inline_wait(inline_executor *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "wait() takes an exchange and what it wants, not %zd arguments", count);
    }
    if (link_flush(self->link) < 0) {
        return NULL;
    }
    waker *waiting = waker_new(self->state);
    if (waiting == NULL) {
        return NULL;
    }
    int holds = waker_watch(waiting, self->state, arguments[0], arguments[1]);
    int failed = holds < 0 || turn_until(self, waiting, holds) < 0;
    Py_DECREF(waiting);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
inline_expire(inline_executor *self, PyObject *exchange)
{
    int in_line;
    Py_BEGIN_CRITICAL_SECTION(self);
    in_line = ring_remove(&self->line, exchange);
    Py_END_CRITICAL_SECTION();
    if (in_line) {
        PyObject *done = PyObject_CallFunction(self->state->end_overdue, "Os", exchange, "it waits for its turn");
        Py_DECREF(exchange);
        return done;
    }
    if (exchange == self->current) {
        /* We have been called from its own `wait`: the stack of this thread is where it is. */
        return PyObject_CallOneArg(self->state->end_overdue, exchange);
    }
    Py_RETURN_NONE;
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static PyObject *
inline_startup(inline_executor *self, PyObject *Py_UNUSED(ignored))
{
    if (call_startup(self->state, self->handler, &self->context) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
inline_shutdown(inline_executor *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *done = PyObject_CallMethodNoArgs(self->handler, self->state->name_shutdown);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    Py_RETURN_NONE;
}

static PyObject *
inline_running(inline_executor *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(self->line.count + (self->current != NULL));
}

static PyObject *
inline_waiting(inline_executor *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->line.count != 0);
}

static int
inline_traverse(inline_executor *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->link);
    Py_VISIT(self->handler);
    Py_VISIT(self->context);
    Py_VISIT(self->wait);
    return ring_traverse(&self->line, visit, arg);
}

/* The members that calls need stay: a finalizer of the same cycle may still make one. */
static int
inline_clear(inline_executor *self)
{
    ring_clear(&self->line);
    Py_XSETREF(self->wait, Py_NewRef(Py_None));
    return 0;
}

static void
inline_dealloc(inline_executor *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    ring_clear(&self->line);
    Py_XDECREF(self->link);
    Py_XDECREF(self->handler);
    Py_XDECREF(self->context);
    Py_XDECREF(self->wait);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef inline_methods[] = {
    {"startup", (PyCFunction)inline_startup, METH_NOARGS, "Run the handler's startup."},
    {"start", (PyCFunction)inline_start, METH_O, "Put an exchange in line."},
    {"expire", (PyCFunction)inline_expire, METH_O,
     "Called in a turn of the reactor, so the exchange is in line, or waits for its peer."},
    {"shutdown", (PyCFunction)inline_shutdown, METH_NOARGS, "Run the handler's shutdown."},
    {"run_line", (PyCFunction)inline_run_line, METH_NOARGS,
     "Run what is in line, sending after each; return when none is left, or when a turn of the reactor is due."},
    {"wait", (PyCFunction)(void (*)(void))inline_wait, METH_FASTCALL,
     "Send what the application has given so far, and turn the reactor until what is wanted may hold."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef inline_getset[] = {
    {"running", (getter)inline_running, NULL, "Calls that have been started and have not returned.", NULL},
    {"waiting", (getter)inline_waiting, NULL, "Whether `run_line` has something to run.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot inline_slots[] = {
    {Py_tp_doc, (void *)"InlineExecutor(handler, reactor, request_timeout=None)\n--\n\n"
                        "Runs a blocking handler in the calling thread. Raises `ConfigurationError` for a\n"
                        "``request_timeout``: that is done by the Python class."},
    {Py_tp_new, (void *)inline_new},
    {Py_tp_traverse, (void *)inline_traverse},
    {Py_tp_clear, (void *)inline_clear},
    {Py_tp_dealloc, (void *)inline_dealloc},
    {Py_tp_methods, (void *)inline_methods},
    {Py_tp_getset, (void *)inline_getset},
    {0, NULL},
};

static PyType_Spec inline_spec = {
    .name = "asteri_native._executors.InlineExecutor",
    .basicsize = sizeof(inline_executor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = inline_slots,
};

int
executors_add_inline(PyObject *module, executors_state *state)
{
    state->inline_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &inline_spec, NULL);
    return state->inline_type == NULL ? -1 : PyModule_AddType(module, state->inline_type);
}
