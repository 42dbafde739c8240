/* The hot part of TaskExecutor: `start`, which runs the first step of a call on the spot.
 *
 * Everything that is rare (startup, time-outs, shutdown, waiting, tasks that are only scheduled) is the Python class's,
 * which `asteri_native.tasks` joins with this one: the members here are its attributes.
 */
#include "tasks.h"

#include <structmember.h>

/* First steps that may run within each other, as when an answer lets a pipelined request begin. What comes deeper is
 * scheduled: no peer decides how deep our stack is. */
#define MAX_DEPTH 4

/* -- whether a first step may run now ------------------------------------------------------------------------------ */

/* Whether the loop answers `method` as asyncio's BaseEventLoop does, from its own attribute. 1, 0, -1. */
static int
answers_from(PyObject *loop, PyObject *base, PyObject *method, PyObject *attribute)
{
    PyObject *type = (PyObject *)Py_TYPE(loop);
    if (Py_TYPE(loop)->tp_getattro != PyObject_GenericGetAttr || PyObject_HasAttr(type, attribute)) {
        return 0;
    }
    int result = -1;
    PyObject *value = NULL, *usual = NULL;
    PyObject *own = PyObject_GetAttr(type, method);
    if (own == NULL) {
        goto done;
    }
    usual = PyObject_GetAttr(base, method);
    if (usual == NULL) {
        goto done;
    }
    value = PyObject_GetAttr(loop, attribute);
    if (value == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        goto done;
    }
    PyErr_Clear();
    result = own == usual && value != NULL;
done:
    Py_XDECREF(value);
    Py_XDECREF(usual);
    Py_XDECREF(own);
    return result;
}

/* 1: the attribute `name` of a plain loop is None; 0: it is something else; -1. Read out of the loop's dictionary, which
 * costs half of what the attribute does. */
static int
attribute_is_none(PyObject *attributes, PyObject *name)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *found;
    if (PyDict_GetItemRef(attributes, name, &found) < 0) {
        return -1;
    }
    Py_XDECREF(found); /* only its identity counts */
#else
    PyObject *found = PyDict_GetItemWithError(attributes, name);
#endif
    if (found == NULL && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_AttributeError, name);
    }
    return found == NULL ? -1 : found == Py_None;
}

/* 1: the method of the loop says `expected`; 0: it says something else; -1. */
static int
loop_says(PyObject *loop, PyObject *method, PyObject *expected)
{
    PyObject *found = call_method(loop, method, NULL);
    Py_XDECREF(found); /* only its identity counts */
    return found == NULL ? -1 : found == expected;
}

/* Not in a loop that stands still, where nothing of asyncio would work; not past a task factory of the application's;
 * not too deep. 1, 0, -1. */
static int
may_begin(starter *self)
{
    if (self->depth >= MAX_DEPTH) {
        return 0;
    }
    tasks_names *names = &self->state->names;
    int stands;
    if (self->attributes == NULL) {
        stands = loop_says(self->loop, names->is_running, Py_False);
        return stands == 0 ? loop_says(self->loop, names->get_task_factory, Py_None) : stands < 0 ? -1 : 0;
    }
    /* Two calls of Python functions would cost as much as all else that is done here. */
    stands = attribute_is_none(self->attributes, names->_thread_id);
    return stands == 0 ? attribute_is_none(self->attributes, names->_task_factory) : stands < 0 ? -1 : 0;
}

/* -- beginning ----------------------------------------------------------------------------------------------------- */

/* What the first start needs. 0, -1. */
static int
prepare(starter *self)
{
    if (self->handler == NULL || self->flush == NULL || self->loop == NULL || self->context == NULL ||
        self->tasks == NULL || self->waits == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this executor has not been initialized");
        return -1;
    }
    if (!PyDict_Check(self->tasks) || !PyDict_Check(self->waits)) {
        PyErr_SetString(PyExc_TypeError, "the tables of an executor must be dictionaries");
        return -1;
    }
    if (task_maker_fill(self->state, &self->maker, self->loop) < 0) {
        return -1;
    }
    tasks_names *names = &self->state->names;
    PyObject *base = self->state->base_loop;
    int running = answers_from(self->loop, base, names->is_running, names->_thread_id);
    int factory = answers_from(self->loop, base, names->get_task_factory, names->_task_factory);
    if (running < 0 || factory < 0) {
        return -1;
    }
    if (running && factory) {
        self->attributes = PyObject_GenericGetDict(self->loop, NULL);
        if (self->attributes == NULL) {
            return -1;
        }
    }
    self->wait = PyObject_GetAttr((PyObject *)self, names->wait);
    return self->wait == NULL ? -1 : 0;
}

static int
begin_now(starter *self, PyObject *exchange)
{
    int result = -1;
    PyObject *task = NULL, *call = NULL;
    PyObject *context = PyContext_Copy(self->context);
    if (context == NULL) {
        goto done;
    }
    call = call_new(self, exchange);
    if (call == NULL) {
        goto done;
    }
    self->depth++;
    int begun = task_begin(self->state, &self->maker, call, context, 1, &task);
    self->depth--;
    if (begun < 0) {
        goto done;
    }
    if (!call_is_over(call)) {
        if (PyDict_SetItem(self->tasks, exchange, task) < 0) {
            goto done;
        }
        call_is_listed(call);
    }
    result = 0;
done:
    Py_XDECREF(task);
    call_keep(self, call);
    Py_XDECREF(context);
    return result;
}

static PyObject *
starter_start(starter *self, PyObject *exchange)
{
    if (self->wait == NULL && prepare(self) < 0) {
        return NULL;
    }
    int now = may_begin(self);
    if (now < 0) {
        return NULL;
    }
    if (now) {
        if (begin_now(self, exchange) < 0) {
            return NULL;
        }
    } else {
        PyObject *task = call_method((PyObject *)self, self->state->names.begin, exchange);
        if (task == NULL) {
            return NULL;
        }
        Py_DECREF(task);
    }
    Py_RETURN_NONE;
}

static PyObject *
starter_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    tasks_state *state = tasks_state_of_type(type);
    if (state == NULL) {
        return NULL;
    }
    starter *self = (starter *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->state = state;
    }
    return (PyObject *)self;
}

#define EACH_MEMBER(self, DO)                                                                                          \
    DO((self)->handler);                                                                                               \
    DO((self)->flush);                                                                                                 \
    DO((self)->loop);                                                                                                  \
    DO((self)->attributes);                                                                                            \
    DO((self)->context);                                                                                               \
    DO((self)->tasks);                                                                                                 \
    DO((self)->waits);                                                                                                 \
    DO((self)->wait);                                                                                                  \
    DO((self)->spare_call);

static int
starter_traverse(starter *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    EACH_MEMBER(self, Py_VISIT)
    return task_maker_traverse(&self->maker, visit, arg);
}

static int
starter_clear(starter *self)
{
    EACH_MEMBER(self, Py_CLEAR)
    task_maker_clear(&self->maker);
    return 0;
}

static void
starter_dealloc(starter *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)starter_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef starter_members[] = {
    {"_handler", T_OBJECT_EX, offsetof(starter, handler), 0, NULL},
    {"_flush", T_OBJECT_EX, offsetof(starter, flush), 0, NULL},
    {"_loop", T_OBJECT_EX, offsetof(starter, loop), 0, NULL},
    {"_context", T_OBJECT_EX, offsetof(starter, context), 0, NULL},
    {"_tasks", T_OBJECT_EX, offsetof(starter, tasks), 0, NULL},
    {"_waits", T_OBJECT_EX, offsetof(starter, waits), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef starter_methods[] = {
    {"start", (PyCFunction)starter_start, METH_O, "Run the handler for an exchange; its first step runs at once."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot starter_slots[] = {
    {Py_tp_doc, (void *)"Begins the calls of a TaskExecutor, which inherits from it."},
    {Py_tp_new, starter_new},
    {Py_tp_dealloc, starter_dealloc},
    {Py_tp_traverse, starter_traverse},
    {Py_tp_clear, starter_clear},
    {Py_tp_members, starter_members},
    {Py_tp_methods, starter_methods},
    {0, NULL},
};

static PyType_Spec starter_spec = {
    .name = "asteri_native._tasks.Starter",
    .basicsize = sizeof(starter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = starter_slots,
};

int
tasks_add_starter(PyObject *module)
{
    tasks_state *state = tasks_state_of(module);
    return asteri_add_type(module, &starter_spec, &state->starter_type);
}
