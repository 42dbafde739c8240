/* Lets Python call the functions of asteri/scan.h, the vector versions of whatever this is compiled for. */
#include "asteri/scan.h"

/* The arguments of both: a class, a buffer, an index. 0, -1. */
static int
take(PyObject *arguments, int *class, Py_buffer *view, Py_ssize_t *from)
{
    return PyArg_ParseTuple(arguments, "iy*n", class, view, from) ? 0 : -1;
}

static PyObject *
scan(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int class;
    Py_buffer view;
    Py_ssize_t from;
    if (take(arguments, &class, &view, &from) < 0) {
        return NULL;
    }
    Py_ssize_t found = -1;
    switch (class) { /* a constant wherever it is used */
    case ASTERI_TOKEN:
        found = asteri_scan(view.buf, from, view.len, ASTERI_TOKEN);
        break;
    case ASTERI_VISIBLE:
        found = asteri_scan(view.buf, from, view.len, ASTERI_VISIBLE);
        break;
    case ASTERI_VALUE:
        found = asteri_scan(view.buf, from, view.len, ASTERI_VALUE);
        break;
    case ASTERI_URI:
        found = asteri_scan(view.buf, from, view.len, ASTERI_URI);
        break;
    }
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(found);
}

static PyObject *
scan_scalar(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int class;
    Py_buffer view;
    Py_ssize_t from;
    if (take(arguments, &class, &view, &from) < 0) {
        return NULL;
    }
    Py_ssize_t found = asteri_scan_scalar(view.buf, from, view.len, (asteri_class)class);
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(found);
}

static PyObject *
head_end(PyObject *Py_UNUSED(module), PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    Py_ssize_t lines, end = asteri_scan_head_end(view.buf, view.len, &lines);
    PyBuffer_Release(&view);
    return Py_BuildValue("nn", end, lines);
}

static PyMethodDef functions[] = {
    {"scan", scan, METH_VARARGS, NULL},
    {"scan_scalar", scan_scalar, METH_VARARGS, NULL},
    {"head_end", head_end, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "scan_driver", .m_methods = functions, .m_slots = slots,
};

PyMODINIT_FUNC
PyInit_scan_driver(void)
{
    return PyModuleDef_Init(&definition);
}
