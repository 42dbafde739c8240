/* Gives the C policy of HTTP the names and arguments of its Python twins, so that one suite runs over both. */
#include "asteri_http/fields.h"
#include "asteri_http/framing.h"
#include "asteri_http/host.h"
#include "asteri_http/target.h"

static http_errors *
errors_of(PyObject *module)
{
    return (http_errors *)PyModule_GetState(module);
}

static PyObject *
nothing_or_error(int outcome)
{
    return outcome < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
check_authority(PyObject *module, PyObject *arguments)
{
    asteri_slice value;
    if (!PyArg_ParseTuple(arguments, "y#", &value.data, &value.size)
        || http_check_authority(errors_of(module), value) < 0) {
        return NULL;
    }
    return PyBytes_FromStringAndSize(value.data, value.size);
}

static PyObject *
read_target(PyObject *module, PyObject *arguments)
{
    asteri_slice method, target;
    http_target parts;
    if (!PyArg_ParseTuple(arguments, "s#y#", &method.data, &method.size, &target.data, &target.size)
        || http_read_target(errors_of(module), method, target, &parts) < 0) {
        return NULL;
    }
    return Py_BuildValue("(y#y#y#)", parts.raw_path.data, parts.raw_path.size, parts.query.data, parts.query.size,
                         parts.authority.data, parts.authority.size);
}

static PyObject *
check_host(PyObject *module, PyObject *arguments)
{
    asteri_slice authority, host = {NULL, 0};
    if (!PyArg_ParseTuple(arguments, "y#z#", &authority.data, &authority.size, &host.data, &host.size)
        || http_check_host(errors_of(module), &authority, host.data == NULL ? NULL : &host) < 0) {
        return NULL;
    }
    return PyBytes_FromStringAndSize(authority.data, authority.size);
}

static PyObject *
read_content_length(PyObject *module, PyObject *arguments)
{
    asteri_slice value;
    int64_t length;
    if (!PyArg_ParseTuple(arguments, "y#", &value.data, &value.size)
        || http_read_content_length(errors_of(module), value, &length) < 0) {
        return NULL;
    }
    return PyLong_FromLongLong(length);
}

static PyObject *
check_transfer_encoding(PyObject *module, PyObject *arguments)
{
    asteri_slice value;
    const char *version;
    if (!PyArg_ParseTuple(arguments, "y#s", &value.data, &value.size, &version)) {
        return NULL;
    }
    int number = (version[0] - '0') * 10 + version[2] - '0';
    return nothing_or_error(http_check_transfer_encoding(errors_of(module), value, number));
}

static PyObject *
response_role(PyObject *module, PyObject *arguments)
{
    asteri_slice name, value;
    if (!PyArg_ParseTuple(arguments, "y#y#", &name.data, &name.size, &value.data, &value.size)) {
        return NULL;
    }
    int role = http_response_role(errors_of(module), name, value);
    return role < 0 ? NULL : PyLong_FromLong(role);
}

/* The functions that take a slice and say yes or no. */
typedef int (*question)(asteri_slice);

static PyObject *
ask(question asked, PyObject *arguments)
{
    asteri_slice slice;
    if (!PyArg_ParseTuple(arguments, "y#", &slice.data, &slice.size)) {
        return NULL;
    }
    return PyBool_FromLong(asked(slice));
}

static PyObject *
keeps_field(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    return ask(http_keeps_field, arguments);
}

static PyObject *
keeps_trailer(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    return ask(http_keeps_trailer, arguments);
}

static PyObject *
refuses_trailer(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    return ask(http_refuses_trailer, arguments);
}

static PyObject *
is_value(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    return ask(http_is_value, arguments);
}

static PyObject *
has_option(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    asteri_slice list;
    const char *member;
    if (!PyArg_ParseTuple(arguments, "y#y", &list.data, &list.size, &member)) {
        return NULL;
    }
    return PyBool_FromLong(http_has_option(list, member));
}

static PyMethodDef functions[] = {
    {"check_authority", check_authority, METH_VARARGS, NULL},
    {"read_target", read_target, METH_VARARGS, NULL},
    {"check_host", check_host, METH_VARARGS, NULL},
    {"read_content_length", read_content_length, METH_VARARGS, NULL},
    {"check_transfer_encoding", check_transfer_encoding, METH_VARARGS, NULL},
    {"response_role", response_role, METH_VARARGS, NULL},
    {"keeps_field", keeps_field, METH_VARARGS, NULL},
    {"keeps_trailer", keeps_trailer, METH_VARARGS, NULL},
    {"refuses_trailer", refuses_trailer, METH_VARARGS, NULL},
    {"is_value", is_value, METH_VARARGS, NULL},
    {"has_option", has_option, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int
load(PyObject *module)
{
    return http_errors_load(errors_of(module));
}

static void
unload(void *module)
{
    http_errors_clear(errors_of((PyObject *)module));
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)load},
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "policy_driver",
    .m_size = sizeof(http_errors),
    .m_methods = functions,
    .m_slots = slots,
    .m_free = unload,
};

PyMODINIT_FUNC
PyInit_policy_driver(void)
{
    return PyModuleDef_Init(&definition);
}
