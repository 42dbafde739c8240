/* The callables that an application is given. See sides.h. What a step does is in receiving.c and sending.c. */
#include "sides.h"

#include <stddef.h>

/* -- steps --------------------------------------------------------------------------------------------------------- */

/* A new reference; `message` is borrowed. */
static PyObject *
step_new(asgi_call *call, const asgi_body *body, PyObject *message)
{
    asgi_step *self = (asgi_step *)asgi_pool_new(&call->handler->steps, asgi_call_state(call)->step_type);
    if (self == NULL) {
        return NULL;
    }
    asgi_coroutine_init(&self->coroutine, body);
    self->call = (asgi_call *)Py_NewRef((PyObject *)call);
    self->message = Py_XNewRef(message);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static int
step_traverse(PyObject *object, visitproc visit, void *arg)
{
    asgi_step *self = (asgi_step *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->coroutine.awaited);
    Py_VISIT(self->call);
    Py_VISIT(self->message);
    return 0;
}

/* The call stays: it is what leads to the memory of this. A cycle has a frame, a message or a coroutine in it. */
static int
step_clear(PyObject *object)
{
    asgi_step *self = (asgi_step *)object;
    Py_CLEAR(self->coroutine.awaited);
    Py_CLEAR(self->message);
    return 0;
}

static void
step_dealloc(PyObject *object)
{
    asgi_step *self = (asgi_step *)object;
    if (asgi_coroutine_dying(&self->coroutine) < 0) {
        return;
    }
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->coroutine.awaited);
    Py_CLEAR(self->message);
    asgi_call *call = self->call;
    asgi_pool_put(&call->handler->steps, object);
    Py_DECREF(call);
}

static PyType_Slot step_slots[] = {
    {Py_tp_doc, (void *)"What receive() and send() give: a coroutine."},
    {Py_tp_traverse, (void *)step_traverse},
    {Py_tp_clear, (void *)step_clear},
    {Py_tp_dealloc, (void *)step_dealloc},
    {Py_tp_finalize, (void *)asgi_coroutine_finalize},
    {Py_tp_iter, (void *)asgi_coroutine_await},
    {Py_tp_iternext, (void *)asgi_coroutine_next},
    {Py_am_await, (void *)asgi_coroutine_await},
    {Py_am_send, (void *)asgi_coroutine_send},
    {Py_tp_methods, asgi_coroutine_methods},
    {Py_tp_getset, asgi_coroutine_attributes},
    {0, NULL},
};

static PyType_Spec step_spec = {
    .name = "asteri_asgi._native.Step",
    .basicsize = sizeof(asgi_step),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = step_slots,
};

/* -- sides --------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    asgi_call *call; /* owned for life */
} asgi_side;

static PyObject *
call_receive(PyObject *object, PyObject *const *Py_UNUSED(arguments), size_t flags, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (count != 0) {
        PyErr_Format(PyExc_TypeError, "Cycle.receive() takes 1 positional argument but %zd were given", count + 1);
        return NULL;
    }
    if (names != NULL && PyTuple_GET_SIZE(names) > 0) {
        PyErr_Format(PyExc_TypeError, "Cycle.receive() got an unexpected keyword argument '%U'",
                     PyTuple_GET_ITEM(names, 0));
        return NULL;
    }
    return step_new(((asgi_side *)object)->call, &asgi_receiving, NULL);
}

/* Raises TypeError unless a call of send() has one argument, its message. Returns that, borrowed. */
static PyObject *
message_of(PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    Py_ssize_t named = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t index = 0; index < named; index++) {
        PyObject *name = PyTuple_GET_ITEM(names, index);
        if (PyUnicode_CompareWithASCIIString(name, "message") != 0) {
            PyErr_Format(PyExc_TypeError, "Cycle.send() got an unexpected keyword argument '%U'", name);
            return NULL;
        }
    }
    if (count + named == 1) {
        return arguments[0];
    }
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "Cycle.send() takes 2 positional arguments but %zd were given", count + 1);
    } else if (count == 1) {
        PyErr_SetString(PyExc_TypeError, "Cycle.send() got multiple values for argument 'message'");
    } else {
        PyErr_SetString(PyExc_TypeError, "Cycle.send() missing 1 required positional argument: 'message'");
    }
    return NULL;
}

static PyObject *
call_send(PyObject *object, PyObject *const *arguments, size_t flags, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    PyObject *message = count == 1 && names == NULL ? arguments[0] : message_of(arguments, count, names);
    return message == NULL ? NULL : step_new(((asgi_side *)object)->call, &asgi_sending, message);
}

static PyObject *
side_new(asgi_call *call, asgi_pool *pool, PyTypeObject *type, vectorcallfunc function)
{
    asgi_side *self = (asgi_side *)asgi_pool_new(pool, type);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = function;
    self->call = (asgi_call *)Py_NewRef((PyObject *)call);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

PyObject *
asgi_receive_new(asgi_call *call)
{
    return side_new(call, &call->handler->receives, asgi_call_state(call)->receive_type, call_receive);
}

PyObject *
asgi_send_new(asgi_call *call)
{
    return side_new(call, &call->handler->sends, asgi_call_state(call)->send_type, call_send);
}

/* There is no tp_clear: a side has the same call for life, as a bound method its object. */
static int
side_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((asgi_side *)object)->call);
    return 0;
}

static void
receive_dealloc(PyObject *object)
{
    asgi_call *call = ((asgi_side *)object)->call;
    PyObject_GC_UnTrack(object);
    asgi_pool_put(&call->handler->receives, object);
    Py_DECREF(call);
}

static void
send_dealloc(PyObject *object)
{
    asgi_call *call = ((asgi_side *)object)->call;
    PyObject_GC_UnTrack(object);
    asgi_pool_put(&call->handler->sends, object);
    Py_DECREF(call);
}

static PyObject *
get_receive_name(PyObject *Py_UNUSED(self), void *whole)
{
    return PyUnicode_FromString(whole != NULL ? asgi_receiving.qualname : asgi_receiving.name);
}

static PyObject *
get_send_name(PyObject *Py_UNUSED(self), void *whole)
{
    return PyUnicode_FromString(whole != NULL ? asgi_sending.qualname : asgi_sending.name);
}

static PyGetSetDef receive_attributes[] = {
    {"__name__", get_receive_name, NULL, NULL, NULL},
    {"__qualname__", get_receive_name, NULL, NULL, (void *)&asgi_receiving},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef send_attributes[] = {
    {"__name__", get_send_name, NULL, NULL, NULL},
    {"__qualname__", get_send_name, NULL, NULL, (void *)&asgi_sending},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef side_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(asgi_side, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot receive_slots[] = {
    {Py_tp_doc, (void *)"What an ASGI application receives by: receive() gives a coroutine of the next message."},
    {Py_tp_traverse, (void *)side_traverse},
    {Py_tp_dealloc, (void *)receive_dealloc},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_members, side_members},
    {Py_tp_getset, receive_attributes},
    {0, NULL},
};

static PyType_Slot send_slots[] = {
    {Py_tp_doc, (void *)"What an ASGI application sends by: send(message) gives a coroutine that sends it."},
    {Py_tp_traverse, (void *)side_traverse},
    {Py_tp_dealloc, (void *)send_dealloc},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_members, side_members},
    {Py_tp_getset, send_attributes},
    {0, NULL},
};

#define SIDE_FLAGS                                                                                                     \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION)

static PyType_Spec receive_spec = {
    .name = "asteri_asgi._native.Receive",
    .basicsize = sizeof(asgi_side),
    .flags = SIDE_FLAGS,
    .slots = receive_slots,
};

static PyType_Spec send_spec = {
    .name = "asteri_asgi._native.Send",
    .basicsize = sizeof(asgi_side),
    .flags = SIDE_FLAGS,
    .slots = send_slots,
};

/* -- for the module ------------------------------------------------------------------------------------------------ */

int
asgi_add_sides(PyObject *module, asgi_state *state)
{
    if (asteri_add_type(module, &step_spec, &state->step_type) < 0 ||
        asteri_add_type(module, &receive_spec, &state->receive_type) < 0 ||
        asteri_add_type(module, &send_spec, &state->send_type) < 0) {
        return -1;
    }
    /* Their calls give coroutines, though they are no `async def`: whoever asks before is told. */
    PyObject *kinds[2] = {(PyObject *)state->receive_type, (PyObject *)state->send_type};
    for (int index = 0; index < 2; index++) {
        PyObject *answer = PyObject_CallOneArg(state->shared.mark_as_coroutine_function, kinds[index]);
        if (answer == NULL) {
            return -1;
        }
        Py_DECREF(answer);
    }
    return 0;
}
