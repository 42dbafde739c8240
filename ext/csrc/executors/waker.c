/* See waker.h. */
#include "waker.h"

static PyObject *
waker_vectorcall(PyObject *object, PyObject *const *arguments, size_t given, PyObject *names)
{
    (void)arguments;
    waker *self = (waker *)object;
    if (PyVectorcall_NARGS(given) != 0 || (names != NULL && PyTuple_GET_SIZE(names) != 0)) {
        PyErr_SetString(PyExc_TypeError, "a waker takes no arguments");
        return NULL;
    }
    if (atomic_exchange(&self->condition, WAKER_CALLED) == WAKER_SLEPT_ON) {
        PyThread_release_lock(self->bed);
    }
    Py_RETURN_NONE;
}

waker *
waker_new(executors_state *state)
{
    waker *self = PyObject_New(waker, state->waker_type);
    if (self != NULL) {
        self->call = waker_vectorcall;
        atomic_init(&self->condition, WAKER_QUIET);
        self->bed = NULL;
    }
    return self;
}

int
waker_watch(waker *self, executors_state *state, PyObject *exchange, PyObject *want)
{
    PyObject *arguments[] = {exchange, want, (PyObject *)self};
    PyObject *answer = PyObject_VectorcallMethod(state->name_watch, arguments, 3, NULL);
    if (answer == NULL) {
        return -1;
    }
    int holds = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return holds;
}

int
waker_sleep(waker *self)
{
    if (waker_called(self)) {
        return 0;
    }
    self->bed = PyThread_allocate_lock();
    if (self->bed == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    (void)PyThread_acquire_lock(self->bed, NOWAIT_LOCK);
    int quiet = WAKER_QUIET;
    if (atomic_compare_exchange_strong(&self->condition, &quiet, WAKER_SLEPT_ON)) {
        Py_BEGIN_ALLOW_THREADS
        (void)PyThread_acquire_lock(self->bed, WAIT_LOCK);
        Py_END_ALLOW_THREADS
    }
    PyThread_release_lock(self->bed);
    return 0;
}

static void
waker_dealloc(PyObject *object)
{
    waker *self = (waker *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->bed != NULL) {
        PyThread_free_lock(self->bed);
    }
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMemberDef waker_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(waker, call), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot waker_slots[] = {
    {Py_tp_doc, (void *)"Called once when what was waited for may hold."},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_members, (void *)waker_members},
    {Py_tp_dealloc, (void *)waker_dealloc},
    {0, NULL},
};

static PyType_Spec waker_spec = {
    .name = "asteri_native._executors.Waker",
    .basicsize = sizeof(waker),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = waker_slots,
};

int
executors_add_waker(PyObject *module, executors_state *state)
{
    state->waker_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &waker_spec, NULL);
    return state->waker_type == NULL ? -1 : 0;
}
