/* The wall clock that the kernel hands to plugins, for the Date field: `wall_clock` of the module. The reactor itself
 * has no use for it. */
#include "asteri/clock.h"
#include "state.h"

#include <stddef.h>
#include <structmember.h>
#include <time.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
} wall_clock;

/* Seconds since 1970, late by a tick of the system's timer at most: who asks wants to know the second, and this is a
 * look into memory where the exact time is a look at a device. */
static double
read_wall(PyObject *Py_UNUSED(self))
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static PyObject *
wall_call(PyObject *self, PyObject *const *Py_UNUSED(arguments), size_t number, PyObject *keywords)
{
    if (PyVectorcall_NARGS(number) > 0 || (keywords != NULL && PyTuple_GET_SIZE(keywords) > 0)) {
        PyErr_SetString(PyExc_TypeError, "a clock takes no arguments");
        return NULL;
    }
    return PyFloat_FromDouble(read_wall(self));
}

static void
wall_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMemberDef wall_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(wall_clock, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot wall_slots[] = {
    {Py_tp_doc, "Seconds since 1970, late by a tick of the system's timer at most."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, wall_dealloc},
    {Py_tp_members, wall_members},
    {0, NULL},
};

static PyType_Spec wall_spec = {
    .name = "asteri_native._reactor.WallClock",
    .basicsize = sizeof(wall_clock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = wall_slots,
};

static const asteri_clock_v1 functions = {.size = sizeof(asteri_clock_v1), .read = read_wall};

int
reactor_add_wall(PyObject *module)
{
    PyTypeObject *type;
    PyObject *clock = NULL;
    int status = asteri_add_type(module, &wall_spec, &type);
    if (status == 0) {
        status = asteri_add_contract(type, ASTERI_CLOCK_ATTRIBUTE, ASTERI_CLOCK_CAPSULE, &functions);
    }
    if (status == 0) {
        clock = (PyObject *)PyObject_New(wall_clock, type);
        status = clock == NULL ? -1 : 0;
    }
    if (status == 0) {
        ((wall_clock *)clock)->vectorcall = wall_call;
        status = PyModule_AddObjectRef(module, "wall_clock", clock);
    }
    Py_XDECREF(clock);
    Py_XDECREF(type);
    return status;
}
