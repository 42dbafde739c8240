/* Loads and raises the exceptions of HTTP. It decides nothing: who finds what is wrong says so here. */
#include "asteri_http/errors.h"

#include "asteri/module_state.h"

#include <stdarg.h>

static const asteri_object objects[] = {
    ASTERI_FOUND(http_errors, local_protocol_error, "asteri_core.api", "LocalProtocolError"),
    ASTERI_FOUND(http_errors, remote_protocol_error, "asteri_core.api", "RemoteProtocolError"),
    ASTERI_FOUND(http_errors, disconnected, "asteri_core.api", "Disconnected"),
    ASTERI_OBJECTS_END,
};

int
http_errors_load(http_errors *errors)
{
    return asteri_state_load(errors, objects);
}

int
http_errors_visit(http_errors *errors, visitproc visit, void *arg)
{
    return asteri_state_visit(errors, objects, visit, arg);
}

void
http_errors_clear(http_errors *errors)
{
    asteri_state_clear(errors, objects);
}

int
http_refuse(const http_errors *errors, int status, const char *format, ...)
{
    va_list parts;
    va_start(parts, format);
    PyObject *message = PyUnicode_FromFormatV(format, parts);
    va_end(parts);
    if (message == NULL) {
        return -1;
    }
    PyObject *error = PyObject_CallFunction(errors->remote_protocol_error, "Ni", message, status);
    if (error != NULL) {
        PyErr_SetObject(errors->remote_protocol_error, error);
        Py_DECREF(error);
    }
    return -1;
}

int
http_refuse_bytes(const http_errors *errors, int status, const char *format, asteri_slice found, Py_ssize_t most)
{
    PyObject *shown = PyBytes_FromStringAndSize(found.data, found.size < most ? found.size : most);
    if (shown == NULL) {
        return -1;
    }
    http_refuse(errors, status, format, shown);
    Py_DECREF(shown);
    return -1;
}
