/* Loads and raises the exceptions of HTTP. It decides nothing: who finds what is wrong says so here. */
#include "asteri_http/errors.h"

#include <stdarg.h>

int
http_errors_load(http_errors *errors)
{
    PyObject *api = PyImport_ImportModule("asteri_core.api");
    if (api == NULL) {
        return -1;
    }
    errors->local_protocol_error = PyObject_GetAttrString(api, "LocalProtocolError");
    errors->remote_protocol_error = PyObject_GetAttrString(api, "RemoteProtocolError");
    errors->disconnected = PyObject_GetAttrString(api, "Disconnected");
    Py_DECREF(api);
    int whole = errors->local_protocol_error != NULL && errors->remote_protocol_error != NULL
                && errors->disconnected != NULL;
    return whole ? 0 : -1;
}

int
http_errors_visit(http_errors *errors, visitproc visit, void *arg)
{
    Py_VISIT(errors->local_protocol_error);
    Py_VISIT(errors->remote_protocol_error);
    Py_VISIT(errors->disconnected);
    return 0;
}

void
http_errors_clear(http_errors *errors)
{
    Py_CLEAR(errors->local_protocol_error);
    Py_CLEAR(errors->remote_protocol_error);
    Py_CLEAR(errors->disconnected);
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
