/* The protocol of coroutines: send, throw, close, and what is shown of one. See coroutine.h. */
#include "coroutine.h"

#include "asteri/raised.h"

/* -- running ------------------------------------------------------------------------------------------------------- */

/* Raises RuntimeError `message`, with the exception that is set as its cause. */
static void
replace_error(const char *message)
{
    PyObject *cause = asteri_raised_take();
    PyErr_SetString(PyExc_RuntimeError, message);
    PyObject *error = asteri_raised_take();
    PyException_SetCause(error, Py_NewRef(cause));
    PyException_SetContext(error, cause);
    asteri_raised_give(error);
}

/* Goes on for as long as nothing has to be waited for. `status` is what the body has said last. */
static PySendResult
run_on(asgi_coroutine *self, PySendResult status, PyObject **result)
{
    while (status == PYGEN_NEXT) {
        PySendResult step = PyIter_Send(self->awaited, Py_None, result);
        if (step == PYGEN_NEXT) {
            self->state = ASGI_SUSPENDED;
            return PYGEN_NEXT;
        }
        PyObject *value = step == PYGEN_RETURN ? *result : NULL;
        Py_CLEAR(self->awaited);
        status = self->body->resume(self, value, result);
    }
    self->state = ASGI_CLOSED;
    if (status == PYGEN_ERROR) {
        *result = NULL;
        if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
            replace_error("coroutine raised StopIteration");
        }
    }
    return status;
}

/* What is awaited has ended, with `value` (stolen) or, when that is NULL, with the exception that is set. */
static PySendResult
awaited_ended(asgi_coroutine *self, PyObject *value, PyObject **result)
{
    self->state = ASGI_RUNNING;
    Py_CLEAR(self->awaited);
    return run_on(self, self->body->resume(self, value, result), result);
}

/* Raises what a coroutine says that can neither start nor go on. */
static void
refuse(asgi_coroutine *self)
{
    if (self->state == ASGI_RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    } else {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    }
}

PySendResult
asgi_coroutine_send(PyObject *object, PyObject *value, PyObject **result)
{
    asgi_coroutine *self = (asgi_coroutine *)object;
    if (self->state == ASGI_CREATED) {
        if (value != Py_None) {
            PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
            *result = NULL;
            return PYGEN_ERROR;
        }
        self->state = ASGI_RUNNING;
        return run_on(self, self->body->start(self, result), result);
    }
    if (self->state == ASGI_SUSPENDED) {
        self->state = ASGI_RUNNING;
        PySendResult status = PyIter_Send(self->awaited, value, result);
        if (status == PYGEN_NEXT) {
            self->state = ASGI_SUSPENDED;
            return PYGEN_NEXT;
        }
        return awaited_ended(self, status == PYGEN_RETURN ? *result : NULL, result);
    }
    refuse(self);
    *result = NULL;
    return PYGEN_ERROR;
}

/* What send(), throw() and next() give: the value, or StopIteration with what the coroutine has returned. */
static PyObject *
as_iterator(PySendResult status, PyObject *result)
{
    if (status != PYGEN_RETURN) {
        return result;
    }
    if (result == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
    } else {
        /* In a tuple, so that a result that is itself a tuple is not taken for the arguments. */
        PyObject *arguments = PyTuple_Pack(1, result);
        if (arguments != NULL) {
            PyErr_SetObject(PyExc_StopIteration, arguments);
            Py_DECREF(arguments);
        }
    }
    Py_DECREF(result);
    return NULL;
}

PyObject *
asgi_coroutine_next(PyObject *self)
{
    PyObject *result;
    PySendResult status = asgi_coroutine_send(self, Py_None, &result);
    if (status == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL; /* without an exception this is StopIteration(None), which costs nothing */
    }
    return as_iterator(status, result);
}

PyObject *
asgi_coroutine_await(PyObject *object)
{
    asgi_coroutine *self = (asgi_coroutine *)object;
    if (self->state == ASGI_SUSPENDED) {
        PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
        return NULL;
    }
    return Py_NewRef(object);
}

/* -- awaiting ------------------------------------------------------------------------------------------------------ */

/* The helper in Python that awaits what is not usual, so that its errors are the interpreter's own. */
static PyObject *
await_in_python(PyObject *thing)
{
    PyObject *module = PyImport_ImportModule("asteri_asgi.awaiting");
    if (module == NULL) {
        return NULL;
    }
    PyObject *coroutine = PyObject_CallMethod(module, "await_it", "(O)", thing);
    Py_DECREF(module);
    return coroutine;
}

/* Whether a generator is the coroutine of a function decorated with types.coroutine. 1, 0, -1. */
static int
is_coroutine(PyObject *generator)
{
    PyObject *code = PyObject_GetAttrString(generator, "gi_code");
    int found = code == NULL ? -1 : (((PyCodeObject *)code)->co_flags & CO_ITERABLE_COROUTINE) != 0;
    Py_XDECREF(code);
    return found;
}

/* What __await__() has given must be an iterator and no coroutine. 0; -1: an exception, in the interpreter's words. */
static int
check_iterator(PyObject *iterator)
{
    if (!PyIter_Check(iterator) && !PyCoro_CheckExact(iterator)) {
        PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%.100s'", Py_TYPE(iterator)->tp_name);
        return -1;
    }
    int coroutine = PyCoro_CheckExact(iterator) ? 1 : PyGen_CheckExact(iterator) ? is_coroutine(iterator) : 0;
    if (coroutine > 0) {
        PyErr_SetString(PyExc_TypeError, "__await__() returned a coroutine");
    }
    return coroutine == 0 ? 0 : -1;
}

PyObject *
asgi_awaited(PyObject *thing)
{
    if (PyCoro_CheckExact(thing)) {
        /* The caller's is the only reference to one that has just been made, so it cannot be awaited elsewhere. */
        return asteri_is_alone(thing, 1) ? Py_NewRef(thing) : await_in_python(thing);
    }
    PyAsyncMethods *methods = Py_TYPE(thing)->tp_as_async;
    if (methods == NULL || methods->am_await == NULL) {
        return await_in_python(thing);
    }
    PyObject *iterator = methods->am_await(thing);
    if (iterator != NULL && check_iterator(iterator) < 0) {
        Py_CLEAR(iterator);
    }
    return iterator;
}

/* -- throwing and closing ------------------------------------------------------------------------------------------ */

/* Sets the exception that the arguments of throw() name: an exception, or a class with a value and a traceback. */
static void
set_thrown(PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *type = arguments[0];
    PyObject *value = count > 1 && arguments[1] != Py_None ? arguments[1] : NULL;
    PyObject *traceback = count > 2 && arguments[2] != Py_None ? arguments[2] : NULL;
    if (traceback != NULL && !PyTraceBack_Check(traceback)) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback object");
        return;
    }
    if (PyExceptionInstance_Check(type)) {
        if (value != NULL) {
            PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
            return;
        }
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    } else if (PyExceptionClass_Check(type)) {
        PyErr_SetObject(type, value);
    } else {
        PyErr_Format(PyExc_TypeError, "exceptions must be classes or instances deriving from BaseException, not %s",
                     Py_TYPE(type)->tp_name);
        return;
    }
    if (traceback != NULL) {
        PyObject *error = asteri_raised_take();
        PyException_SetTraceback(error, traceback);
        asteri_raised_give(error);
    }
}

/* Closes what is awaited, if it can be closed. 0; -1: it has raised. */
static int
close_awaited(asgi_coroutine *self)
{
    PyObject *close = PyObject_GetAttrString(self->awaited, "close");
    if (close == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    PyObject *answer = PyObject_CallNoArgs(close);
    Py_DECREF(close);
    if (answer == NULL) {
        return -1;
    }
    Py_DECREF(answer);
    return 0;
}

/* Throws into what is awaited. Returns as PyIter_Send does. */
static PySendResult
throw_on(asgi_coroutine *self, PyObject *const *arguments, Py_ssize_t count, PyObject **result)
{
    *result = NULL;
    if (PyErr_GivenExceptionMatches(arguments[0], PyExc_GeneratorExit)) {
        if (close_awaited(self) == 0) {
            set_thrown(arguments, count);
        }
        return PYGEN_ERROR;
    }
    PyObject *throw = PyObject_GetAttrString(self->awaited, "throw");
    if (throw == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            set_thrown(arguments, count);
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
    PyObject *stop = asteri_raised_take();
    *result = PyObject_GetAttrString(stop, "value");
    Py_DECREF(stop);
    return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

PyDoc_STRVAR(throw_doc, "throw(typ[,val[,tb]]): raise an exception where the coroutine waits.");

static PyObject *
coroutine_throw(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    asgi_coroutine *self = (asgi_coroutine *)object;
    if (count < 1 || count > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected from 1 to 3 arguments, got %zd", count);
        return NULL;
    }
    if (self->state == ASGI_CREATED) {
        self->state = ASGI_CLOSED;
        set_thrown(arguments, count);
        return NULL;
    }
    if (self->state != ASGI_SUSPENDED) {
        refuse(self);
        return NULL;
    }
    self->state = ASGI_RUNNING;
    PyObject *result;
    PySendResult status = throw_on(self, arguments, count, &result);
    if (status == PYGEN_NEXT) {
        self->state = ASGI_SUSPENDED;
        return result;
    }
    status = awaited_ended(self, result, &result);
    return as_iterator(status, result);
}

PyDoc_STRVAR(close_doc, "close(): raise GeneratorExit where the coroutine waits.");

static PyObject *
coroutine_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    asgi_coroutine *self = (asgi_coroutine *)object;
    if (self->state == ASGI_RUNNING) {
        refuse(self);
        return NULL;
    }
    if (self->state != ASGI_SUSPENDED) {
        self->state = ASGI_CLOSED;
        Py_RETURN_NONE;
    }
    self->state = ASGI_RUNNING;
    if (close_awaited(self) == 0) {
        PyErr_SetNone(PyExc_GeneratorExit);
    }
    PyObject *result;
    PySendResult status = awaited_ended(self, NULL, &result);
    if (status == PYGEN_NEXT) {
        Py_DECREF(result);
        PyErr_SetString(PyExc_RuntimeError, "coroutine ignored GeneratorExit");
        return NULL;
    }
    if (status == PYGEN_ERROR) {
        if (!PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
            return NULL;
        }
        PyErr_Clear();
    }
    Py_XDECREF(result);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(send_doc, "send(value): run until the coroutine waits again.");

static PyObject *
coroutine_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult status = asgi_coroutine_send(self, value, &result);
    return as_iterator(status, result);
}

void
asgi_coroutine_finalize(PyObject *object)
{
    asgi_coroutine *self = (asgi_coroutine *)object;
    if (self->state == ASGI_CLOSED) {
        return;
    }
    PyObject *kept = asteri_raised_take();
    if (self->state == ASGI_CREATED) {
        self->state = ASGI_CLOSED;
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited", self->body->qualname) < 0) {
            PyErr_WriteUnraisable(object);
        }
    } else {
        PyObject *answer = coroutine_close(object, NULL);
        if (answer == NULL) {
            PyErr_WriteUnraisable(object);
        }
        Py_XDECREF(answer);
    }
    if (kept != NULL) {
        asteri_raised_give(kept);
    }
}

PyMethodDef asgi_coroutine_methods[] = {
    {"send", coroutine_send, METH_O, send_doc},
    {"throw", (PyCFunction)(void (*)(void))coroutine_throw, METH_FASTCALL, throw_doc},
    {"close", coroutine_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

/* -- what is shown: where it stands is where that stands which it awaits ------------------------------------------- */

/* What `awaited` has under the first of the names that it has; None when it has none. A new reference, or NULL. */
static PyObject *
shown(asgi_coroutine *self, const char *const names[3])
{
    for (int index = 0; self->awaited != NULL && index < 3; index++) {
        PyObject *awaited = Py_NewRef(self->awaited); /* its attributes may be foreign code, and that may end this */
        PyObject *value = PyObject_GetAttrString(awaited, names[index]);
        Py_DECREF(awaited);
        if (value != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return value;
        }
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}

static PyObject *
get_frame(PyObject *object, void *Py_UNUSED(closure))
{
    static const char *const names[3] = {"cr_frame", "gi_frame", "ag_frame"};
    asgi_coroutine *self = (asgi_coroutine *)object;
    PyObject *frame = shown(self, names);
    if (frame != Py_None || self->state == ASGI_CLOSED) {
        return frame;
    }
    /* It has no frame of its own, but one that is not over must show one: a real frame that has not begun. */
    Py_DECREF(frame);
    PyObject *module = PyImport_ImportModule("asteri_asgi.awaiting");
    if (module == NULL) {
        return NULL;
    }
    frame = PyObject_CallMethod(module, "frame_without_code", NULL);
    Py_DECREF(module);
    return frame;
}

static PyObject *
get_await(PyObject *self, void *Py_UNUSED(closure))
{
    static const char *const names[3] = {"cr_await", "gi_yieldfrom", "ag_await"};
    return shown((asgi_coroutine *)self, names);
}

static PyObject *
get_code(PyObject *self, void *Py_UNUSED(closure))
{
    static const char *const names[3] = {"cr_code", "gi_code", "ag_code"};
    return shown((asgi_coroutine *)self, names);
}

static PyObject *
get_origin(PyObject *self, void *Py_UNUSED(closure))
{
    static const char *const names[3] = {"cr_origin", "cr_origin", "cr_origin"};
    return shown((asgi_coroutine *)self, names);
}

static PyObject *
get_running(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((asgi_coroutine *)self)->state == ASGI_RUNNING);
}

static PyObject *
get_suspended(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((asgi_coroutine *)self)->state == ASGI_SUSPENDED);
}

static PyObject *
get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((asgi_coroutine *)self)->body->name);
}

static PyObject *
get_qualname(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((asgi_coroutine *)self)->body->qualname);
}

PyGetSetDef asgi_coroutine_attributes[] = {
    {"cr_frame", get_frame, NULL, NULL, NULL},
    {"cr_await", get_await, NULL, NULL, NULL},
    {"cr_code", get_code, NULL, NULL, NULL},
    {"cr_origin", get_origin, NULL, NULL, NULL},
    {"cr_running", get_running, NULL, NULL, NULL},
    {"cr_suspended", get_suspended, NULL, NULL, NULL},
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_qualname, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
