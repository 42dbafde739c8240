/* One application call as a coroutine: what the handler returns is run step by step, and in the step in which that
 * ends, the exchange is aborted where the handler has not come to a proper end, forgotten, and what it has left is
 * sent. It is `TaskExecutor._run` of the Python twin, for calls that begin on the spot.
 *
 *     NEW ──send──▶ RUNNING ◀──send, throw── SUSPENDED          any of the last two ──its end, close──▶ OVER
 *                       └──────yield────────────▲
 *
 * It is driven by a task only, and to others looks like the coroutine that it runs (cr_frame, cr_await and so on), so
 * that stacks can be followed through it.
 */
#include "tasks.h"

#include <stddef.h>

#include "asteri/threads.h"

typedef enum { NEW, RUNNING, SUSPENDED, OVER } call_phase;

typedef struct {
    PyObject_HEAD
    starter *executor;  /* owned; NULL when it is over */
    PyObject *exchange; /* owned; NULL when it is over */
    PyObject *inner;    /* owned: what the handler has returned; NULL before and after it runs */
    call_phase phase;
    int listed;
} call;

PyObject *
call_new(starter *executor, PyObject *exchange)
{
    call *self = (call *)executor->spare_call;
    executor->spare_call = NULL;
    if (self != NULL && !asteri_is_alone((PyObject *)self, 1)) {
        Py_CLEAR(self); /* somebody has it from the collector's list of objects */
    }
    if (self == NULL) {
        PyTypeObject *type = executor->state->call_type;
        self = (call *)type->tp_alloc(type, 0);
        if (self == NULL) {
            return NULL;
        }
    }
    self->executor = (starter *)Py_NewRef((PyObject *)executor);
    self->exchange = Py_NewRef(exchange);
    self->phase = NEW;
    self->listed = 0;
    return (PyObject *)self;
}

void
call_keep(starter *executor, PyObject *object)
{
    call *self = (call *)object;
    /* Seen by nobody who could look again: a reference more, and it stays what it has become. */
    if (self != NULL && asteri_is_alone(object, 1) && self->phase == OVER && executor->spare_call == NULL) {
        executor->spare_call = object;
    } else {
        Py_XDECREF(object);
    }
}

int
call_is_over(PyObject *object)
{
    return ((call *)object)->phase == OVER;
}

void
call_is_listed(PyObject *object)
{
    ((call *)object)->listed = 1;
}

/* -- the end ------------------------------------------------------------------------------------------------------ */

/* What is set now came while `earlier` was handled. `earlier` is stolen, may be NULL. */
static void
chain(PyObject *earlier)
{
    if (earlier != NULL) {
        PyObject *error = asteri_raised_take();
        if (error != earlier) {
            PyException_SetContext(error, earlier); /* steals */
        } else {
            Py_DECREF(earlier);
        }
        asteri_raised_give(error);
    }
}

/* dict.pop(exchange, None). 0, -1. */
static int
forget(PyObject *table, PyObject *exchange)
{
    if (PyDict_GET_SIZE(table) == 0 || PyDict_DelItem(table, exchange) == 0) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_KeyError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

/* The handler has been cancelled, or has failed. 0, -1. */
static int
cut(tasks_state *state, PyObject *exchange, PyObject *error)
{
    PyObject *arguments[] = {NULL, exchange, error};
    size_t count = 2 | PY_VECTORCALL_ARGUMENTS_OFFSET;
    PyObject *done = PyErr_GivenExceptionMatches(error, state->cancelled_error)
                         ? call_method(exchange, state->names.abort, NULL)
                         : PyObject_Vectorcall(state->end_failed, arguments + 1, count, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* `error` is what has ended the handler, NULL when it has returned; it is stolen. 0, -1. */
static int
end(call *self, PyObject *error)
{
    starter *executor = self->executor;
    PyObject *exchange = self->exchange;
    self->executor = NULL;
    self->exchange = NULL;
    Py_CLEAR(self->inner);
    PyObject *failure = NULL;
    if (error != NULL && cut(executor->state, exchange, error) < 0) {
        chain(error);
        failure = asteri_raised_take();
    } else {
        Py_XDECREF(error);
    }
    int result = 0;
    if (self->listed && forget(executor->tasks, exchange) < 0) {
        result = -1;
    }
    if (result == 0 && forget(executor->waits, exchange) < 0) {
        result = -1;
    }
    if (result == 0) {
        PyObject *flushed = PyObject_CallNoArgs(executor->flush);
        Py_XDECREF(flushed);
        result = flushed == NULL ? -1 : 0;
    }
    if (result < 0) {
        chain(failure);
    } else if (failure != NULL) {
        asteri_raised_give(failure);
        result = -1;
    }
    Py_DECREF(exchange);
    Py_DECREF(executor);
    self->phase = OVER;
    return result;
}

/* Passes on what a step of the inner coroutine has come to; `*result` is its result, and becomes ours. */
static PySendResult
pass_on(call *self, PySendResult how, PyObject **result)
{
    if (how == PYGEN_NEXT) {
        self->phase = SUSPENDED;
        return PYGEN_NEXT;
    }
    PyObject *error = NULL;
    if (how == PYGEN_RETURN) {
        Py_CLEAR(*result);
    } else {
        error = asteri_raised_take();
        *result = NULL;
    }
    if (end(self, error) < 0) {
        return PYGEN_ERROR;
    }
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

/* -- driving it ----------------------------------------------------------------------------------------------------- */

/* What `await` would do with `awaitable`, which is stolen: a new reference to what can be driven, NULL. */
static PyObject *
drivable(PyObject *awaitable)
{
    PyTypeObject *type = Py_TYPE(awaitable);
    if (PyCoro_CheckExact(awaitable)) {
        return awaitable;
    }
    PyAsyncMethods *methods = type->tp_as_async;
    if (methods == NULL || methods->am_await == NULL) {
        PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression", type->tp_name);
        Py_DECREF(awaitable);
        return NULL;
    }
    if (methods->am_send != NULL) {
        return awaitable;
    }
    PyObject *iterator = methods->am_await(awaitable);
    Py_DECREF(awaitable);
    if (iterator != NULL && !PyIter_Check(iterator)) {
        PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%.100s'", Py_TYPE(iterator)->tp_name);
        Py_CLEAR(iterator);
    }
    return iterator;
}

static int
begin(call *self)
{
    starter *executor = self->executor;
    PyObject *arguments[] = {NULL, self->exchange, executor->wait};
    size_t count = 2 | PY_VECTORCALL_ARGUMENTS_OFFSET;
    PyObject *awaitable = PyObject_Vectorcall(executor->handler, arguments + 1, count, NULL);
    self->inner = awaitable == NULL ? NULL : drivable(awaitable);
    return self->inner == NULL ? -1 : 0;
}

/* As coroutines refuse to be driven. 0, -1. */
static int
check_phase(call *self)
{
    if (self->phase == RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return -1;
    }
    if (self->phase == OVER) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return -1;
    }
    return 0;
}

static PySendResult
call_send(call *self, PyObject *value, PyObject **result)
{
    *result = NULL;
    if (check_phase(self) < 0) {
        return PYGEN_ERROR;
    }
    if (self->phase == NEW && value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
        return PYGEN_ERROR;
    }
    PySendResult how = PYGEN_ERROR;
    int begun = self->phase != NEW;
    self->phase = RUNNING;
    if (begun || begin(self) == 0) {
        how = PyIter_Send(self->inner, value, result);
    }
    return pass_on(self, how, result);
}

/* What a coroutine's method gives back: what was yielded, or StopIteration. */
static PyObject *
as_method(PySendResult how, PyObject *result)
{
    if (how == PYGEN_RETURN) {
        Py_DECREF(result); /* None */
        PyErr_SetNone(PyExc_StopIteration);
        return NULL;
    }
    return how == PYGEN_NEXT ? result : NULL;
}

static PyObject *
call_send_method(call *self, PyObject *value)
{
    PyObject *result;
    PySendResult how = call_send(self, value, &result);
    return as_method(how, result);
}

static PyObject *
call_next(call *self)
{
    return call_send_method(self, Py_None);
}

/* Sets the exception that was passed to `throw`. */
static void
raise_thrown(PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *first = arguments[0];
    if (PyExceptionInstance_Check(first)) {
        asteri_raised_give(Py_NewRef(first));
    } else if (PyExceptionClass_Check(first)) {
        PyErr_SetObject(first, count > 1 ? arguments[1] : NULL);
    } else {
        PyErr_SetString(PyExc_TypeError, "exceptions must be classes or instances deriving from BaseException");
    }
}

/* Throws into the inner coroutine. */
static PySendResult
throw_inner(call *self, PyObject *const *arguments, Py_ssize_t count, PyObject **result)
{
    PyObject *throw = PyObject_GetAttr(self->inner, self->executor->state->names.throw);
    if (throw == NULL) {
        /* An iterator that cannot be told: the exception comes out where it is waited for. */
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            raise_thrown(arguments, count);
        }
        return PYGEN_ERROR;
    }
    *result = PyObject_Vectorcall(throw, arguments, (size_t)count, NULL);
    Py_DECREF(throw);
    if (*result != NULL) {
        return PYGEN_NEXT;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
    PyErr_Clear();
    *result = Py_NewRef(Py_None); /* whatever it has returned */
    return PYGEN_RETURN;
}

static PyObject *
call_throw(call *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count < 1 || count > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", count);
        return NULL;
    }
    if (check_phase(self) < 0) {
        return NULL;
    }
    if (self->phase == NEW) {
        self->phase = OVER; /* as a coroutine that has not begun: nothing of it runs */
        Py_CLEAR(self->executor);
        Py_CLEAR(self->exchange);
        raise_thrown(arguments, count);
        return NULL;
    }
    PyObject *result = NULL;
    self->phase = RUNNING;
    PySendResult how = throw_inner(self, arguments, count, &result);
    how = pass_on(self, how, &result);
    return as_method(how, result);
}

static PyObject *
call_close(call *self, PyObject *Py_UNUSED(ignored))
{
    if (self->phase == RUNNING) {
        (void)check_phase(self);
        return NULL;
    }
    if (self->phase == NEW || self->phase == OVER) {
        self->phase = OVER;
        Py_CLEAR(self->executor);
        Py_CLEAR(self->exchange);
        Py_RETURN_NONE;
    }
    self->phase = RUNNING;
    PyObject *closed = call_method(self->inner, self->executor->state->names.close, NULL);
    if (closed != NULL) {
        Py_DECREF(closed);
        PyErr_SetNone(PyExc_GeneratorExit);
    }
    if (end(self, asteri_raised_take()) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* -- what is seen from outside ------------------------------------------------------------------------------------ */

/* An attribute of the inner coroutine, None where there is none. `place` says where its name is among the names. */
static PyObject *
get_of_inner(call *self, void *place)
{
    if (self->inner == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *name = *(PyObject **)((char *)&self->executor->state->names + (size_t)place);
    PyObject *found = PyObject_GetAttr(self->inner, name);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        found = Py_NewRef(Py_None);
    }
    return found;
}

static PyObject *
get_origin(call *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

static PyObject *
get_running(call *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->phase == RUNNING);
}

static PyObject *
get_suspended(call *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->phase == SUSPENDED);
}

static PyObject *
get_name(call *Py_UNUSED(self), void *name)
{
    return PyUnicode_FromString((const char *)name);
}

static int
call_traverse(call *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->executor);
    Py_VISIT(self->exchange);
    Py_VISIT(self->inner);
    return 0;
}

static int
call_clear(call *self)
{
    Py_CLEAR(self->executor);
    Py_CLEAR(self->exchange);
    Py_CLEAR(self->inner);
    return 0;
}

/* A suspended call that nobody will resume is closed, as every coroutine. */
static void
call_finalize(PyObject *object)
{
    call *self = (call *)object;
    if (self->phase != SUSPENDED) {
        return;
    }
    PyObject *error = PyErr_Occurred() ? asteri_raised_take() : NULL;
    PyObject *closed = call_close(self, NULL);
    if (closed == NULL) {
        PyErr_WriteUnraisable(object);
    }
    Py_XDECREF(closed);
    if (error != NULL) {
        asteri_raised_give(error);
    }
}

static void
call_dealloc(PyObject *object)
{
    if (((call *)object)->phase == SUSPENDED && PyObject_CallFinalizerFromDealloc(object) < 0) {
        return;
    }
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)call_clear((call *)object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef call_methods[] = {
    {"send", (PyCFunction)call_send_method, METH_O, "Run the next step."},
    {"throw", (PyCFunction)(void (*)(void))call_throw, METH_FASTCALL, "Run the next step, which begins with an error."},
    {"close", (PyCFunction)call_close, METH_NOARGS, "End it where it is."},
    {NULL, NULL, 0, NULL},
};

#define NAME(name) (void *)offsetof(tasks_names, name)

static PyGetSetDef call_getset[] = {
    {"__name__", (getter)get_name, NULL, NULL, (void *)"_run"},
    {"__qualname__", (getter)get_name, NULL, NULL, (void *)"TaskExecutor._run"},
    {"cr_await", (getter)get_of_inner, NULL, "What the handler waits for.", NAME(cr_await)},
    {"cr_code", (getter)get_of_inner, NULL, "The handler's code.", NAME(cr_code)},
    {"cr_frame", (getter)get_of_inner, NULL, "The handler's frame.", NAME(cr_frame)},
    {"cr_origin", (getter)get_origin, NULL, NULL, NULL},
    {"cr_running", (getter)get_running, NULL, NULL, NULL},
    {"cr_suspended", (getter)get_suspended, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, (void *)"One call of the handler, as the coroutine of its task."},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_finalize, call_finalize},
    {Py_tp_methods, call_methods},
    {Py_tp_getset, call_getset},
    {Py_tp_iternext, call_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, call_send},
    {0, NULL},
};

static PyType_Spec call_spec = {
    .name = "asteri_native._tasks.Call",
    .basicsize = sizeof(call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = call_slots,
};

int
tasks_add_call(PyObject *module)
{
    tasks_state *state = tasks_state_of(module);
    return asteri_add_type(module, &call_spec, &state->call_type);
}
