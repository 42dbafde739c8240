/* `PoolExecutor`: the C twin of `asteri_core.executors.pool.PoolExecutor`. pool.h says how calls come to their threads.
 *
 * What is rare is Python's: threads are `threading.Thread`, made and named by the Python twin's own functions.
 */
#include "pool.h"

#include "call.h"
#include "waker.h"

#define SHUTDOWN_SECONDS 1.0 /* as in the Python twin */

static int
look_up(pool_executor *self, PyObject *reactor)
{
    const struct {
        PyObject **to;
        const char *name;
    } methods[] = {
        {&self->wait, "wait"},
        {&self->work, "_work"},
        {&self->hand_over, "_hand_over"},
    };
    for (size_t index = 0; index < sizeof(methods) / sizeof(methods[0]); index++) {
        *methods[index].to = PyObject_GetAttrString((PyObject *)self, methods[index].name);
        if (*methods[index].to == NULL) {
            return -1;
        }
    }
    self->start_thread = asteri_import("asteri_core.executors.pool", "start_thread");
    self->stack_of = asteri_import("asteri_core.executors.pool", "stack_of");
    self->post = PyObject_GetAttr(reactor, self->state->name_post);
    return self->start_thread == NULL || self->stack_of == NULL || self->post == NULL ? -1 : 0;
}

static PyObject *
pool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    char *names[] = {"handler", "reactor", "threads", NULL};
    PyObject *handler, *reactor;
    Py_ssize_t threads;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOn:PoolExecutor", names, &handler, &reactor, &threads)) {
        return NULL;
    }
    executors_state *state = executors_state_of(type);
    pool_executor *self = state == NULL ? NULL : (pool_executor *)type->tp_alloc(type, 0); /* filled with zeros */
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->limit = threads;
    self->handler = Py_NewRef(handler);
    self->link = link_new(state, reactor);
    self->context = PyContext_CopyCurrent();
    self->threads = PyList_New(0);
    if (self->link == NULL || self->context == NULL || self->threads == NULL || look_up(self, reactor) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* -- starting ------------------------------------------------------------------------------------------------------ */

/* Waits until the thread runs, without the GIL. 0, -1. */
static int
add_thread(pool_executor *self)
{
    PyObject *thread = PyObject_CallFunction(self->start_thread, "On", self->work, PyList_GET_SIZE(self->threads));
    if (thread == NULL) {
        return -1;
    }
    int failed = thread == Py_None ? 0 : PyList_Append(self->threads, thread);
    Py_DECREF(thread);
    return failed;
}

/* Sees to it that somebody takes what has been put into the queue. 0, -1. */
static int
announce(pool_executor *self)
{
    if (self->link->sending) {
        /* Not a turn of the reactor: a thread of ours has sent an answer, and another request was behind it. */
        pool_wake(self);
        return 0;
    }
    if (self->posted) {
        return 0;
    }
    PyObject *done = PyObject_CallOneArg(self->post, self->hand_over);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    self->posted = 1;
    return 0;
}

static PyObject *
pool_start(pool_executor *self, PyObject *exchange)
{
    shared_exchange *call =
        shared_make(self->state, self->link, exchange, shared_functions_of(self->state, exchange));
    if (call == NULL) {
        return NULL;
    }
    int failed = pool_push(self, call);
    Py_DECREF((PyObject *)call);
    if (failed) {
        return PyErr_NoMemory();
    }
    Py_ssize_t threads = PyList_GET_SIZE(self->threads);
    if (threads < self->limit && pool_count(self) > threads && add_thread(self) < 0) {
        return NULL;
    }
    if (announce(self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
pool_hand_over(pool_executor *self, PyObject *Py_UNUSED(ignored))
{
    self->posted = 0;
    pool_wake(self);
    Py_RETURN_NONE;
}

static PyObject *
pool_work_method(pool_executor *self, PyObject *Py_UNUSED(ignored))
{
    if (pool_work(self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* -- waiting and time ---------------------------------------------------------------------------------------------- */

static PyObject *
pool_wait(pool_executor *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "wait() takes an exchange and what it wants, not %zd arguments", count);
    }
    waker *waiting = waker_new(self->state);
    if (waiting == NULL) {
        return NULL;
    }
    int holds = waker_watch(waiting, self->state, arguments[0], arguments[1]);
    int failed = holds < 0 || (!holds && waker_sleep(waiting) < 0);
    Py_DECREF(waiting);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* The call of an exchange, if it has been started and has not returned, detached from it. `*thread` is who runs it. */
static int
detach(pool_executor *self, PyObject *exchange, unsigned long *thread)
{
    shared_exchange *call;
    Py_BEGIN_CRITICAL_SECTION(self);
    call = self->running;
    while (call != NULL && call->exchange != exchange) {
        call = call->after;
    }
    if (call != NULL) {
        atomic_store(&call->detached, 1);
        *thread = call->thread;
    }
    Py_END_CRITICAL_SECTION();
    return call != NULL;
}

static PyObject *
pool_expire(pool_executor *self, PyObject *exchange)
{
    unsigned long thread;
    if (!detach(self, exchange, &thread)) {
        Py_RETURN_NONE;
    }
    PyObject *stack = PyObject_CallFunction(self->stack_of, "k", thread);
    if (stack == NULL) {
        return NULL;
    }
    PyObject *done = PyObject_CallFunctionObjArgs(self->state->end_overdue, exchange, stack, NULL);
    Py_DECREF(stack);
    return done;
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static PyObject *
pool_startup(pool_executor *self, PyObject *Py_UNUSED(ignored))
{
    if (call_startup(self->state, self->handler, &self->context) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
pool_shutdown(pool_executor *self, PyObject *Py_UNUSED(ignored))
{
    pool_close(self);
    PyObject *threads = PySequence_Tuple(self->threads);
    if (threads == NULL) {
        return NULL;
    }
    PyObject *done = Py_NewRef(Py_None);
    PyObject *seconds = PyFloat_FromDouble(SHUTDOWN_SECONDS);
    for (Py_ssize_t index = 0; seconds != NULL && done != NULL && index < PyTuple_GET_SIZE(threads); index++) {
        PyObject *thread = PyTuple_GET_ITEM(threads, index);
        Py_SETREF(done, PyObject_CallMethodOneArg(thread, self->state->name_join, seconds));
    }
    Py_DECREF(threads);
    if (seconds == NULL || done == NULL) {
        Py_XDECREF(seconds);
        Py_XDECREF(done);
        return NULL;
    }
    Py_DECREF(seconds);
    Py_SETREF(done, PyObject_CallMethodNoArgs(self->handler, self->state->name_shutdown));
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    Py_RETURN_NONE;
}

static PyObject *
pool_running(pool_executor *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(pool_count(self));
}

static int
pool_traverse(pool_executor *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->link);
    Py_VISIT(self->handler);
    Py_VISIT(self->context);
    Py_VISIT(self->wait);
    Py_VISIT(self->work);
    Py_VISIT(self->hand_over);
    Py_VISIT(self->post);
    Py_VISIT(self->start_thread);
    Py_VISIT(self->stack_of);
    Py_VISIT(self->threads);
    return ring_traverse(&self->queue, visit, arg);
}

/* The members that calls need stay: a finalizer of the same cycle may still make one. */
static int
pool_clear(pool_executor *self)
{
    pool_forget(self);
    Py_XSETREF(self->wait, Py_NewRef(Py_None));
    Py_XSETREF(self->work, Py_NewRef(Py_None));
    Py_XSETREF(self->hand_over, Py_NewRef(Py_None));
    return 0;
}

/* No thread of the pool is left, because each holds it. */
static void
pool_dealloc(pool_executor *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    pool_forget(self);
    Py_XDECREF((PyObject *)self->link);
    Py_XDECREF(self->handler);
    Py_XDECREF(self->context);
    Py_XDECREF(self->wait);
    Py_XDECREF(self->work);
    Py_XDECREF(self->hand_over);
    Py_XDECREF(self->post);
    Py_XDECREF(self->start_thread);
    Py_XDECREF(self->stack_of);
    Py_XDECREF(self->threads);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef pool_methods[] = {
    {"startup", (PyCFunction)pool_startup, METH_NOARGS, "Run the handler's startup."},
    {"start", (PyCFunction)pool_start, METH_O, "Have a thread run the handler for an exchange."},
    {"expire", (PyCFunction)pool_expire, METH_O, "Log where the call is, answer, and detach it from its exchange."},
    {"shutdown", (PyCFunction)pool_shutdown, METH_NOARGS,
     "Run what still waits, end the threads and run the handler's shutdown."},
    {"wait", (PyCFunction)(void (*)(void))pool_wait, METH_FASTCALL,
     "Block the calling thread until what is wanted may hold."},
    {"_work", (PyCFunction)pool_work_method, METH_NOARGS, "What a thread of the pool runs."},
    {"_hand_over", (PyCFunction)pool_hand_over, METH_NOARGS, "The reactor's turn ends."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef pool_getset[] = {
    {"running", (getter)pool_running, NULL, "Calls that have been started and have not returned.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, (void *)"PoolExecutor(handler, reactor, threads)\n--\n\n"
                        "Runs a blocking handler in at most ``threads`` threads."},
    {Py_tp_new, (void *)pool_new},
    {Py_tp_traverse, (void *)pool_traverse},
    {Py_tp_clear, (void *)pool_clear},
    {Py_tp_dealloc, (void *)pool_dealloc},
    {Py_tp_methods, (void *)pool_methods},
    {Py_tp_getset, (void *)pool_getset},
    {0, NULL},
};

static PyType_Spec pool_spec = {
    .name = "asteri_native._executors.PoolExecutor",
    .basicsize = sizeof(pool_executor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};

int
executors_add_pool(PyObject *module, executors_state *state)
{
    return asteri_add_type(module, &pool_spec, &state->pool_type);
}
