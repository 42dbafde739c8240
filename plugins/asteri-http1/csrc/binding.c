/* See binding.h. */
#include "binding.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "asteri/arguments.h"
#include "connection.h"

static const char DATE_NAME[] = "date: ";
static const char SERVER_NAME[] = "server: ";

int
h1_signature(h1_binding *binding, int has_date, int has_server, asteri_slice *lines)
{
    if (binding->date.wall != NULL) {
        int anew = http_date_refresh(&binding->date);
        if (anew < 0) {
            return -1;
        }
        if (anew) {
            memcpy(binding->lines + sizeof(DATE_NAME) - 1, binding->date.value, HTTP_DATE_SIZE);
        }
    }
    lines->data = binding->lines + (has_date ? binding->date_size : 0);
    lines->size = (has_date ? 0 : binding->date_size) + (has_server ? 0 : binding->server_size);
    return 0;
}

/* Makes the lines, with a place for the date. */
static int
make_lines(h1_binding *binding, PyObject *server)
{
    Py_ssize_t size;
    const char *value = PyUnicode_AsUTF8AndSize(server, &size);
    if (value == NULL) {
        return -1;
    }
    binding->date_size = binding->date.wall == NULL ? 0 : (Py_ssize_t)sizeof(DATE_NAME) - 1 + HTTP_DATE_SIZE + 2;
    binding->server_size = size == 0 ? 0 : (Py_ssize_t)sizeof(SERVER_NAME) - 1 + size + 2;
    char *lines = binding->lines = PyMem_Malloc((size_t)(binding->date_size + binding->server_size + 1));
    if (lines == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (binding->date_size > 0) {
        memcpy(lines, DATE_NAME, sizeof(DATE_NAME) - 1);
        memcpy(lines + binding->date_size - 2, "\r\n", 2);
        lines += binding->date_size;
    }
    if (binding->server_size > 0) {
        memcpy(lines, SERVER_NAME, sizeof(SERVER_NAME) - 1);
        memcpy(lines + sizeof(SERVER_NAME) - 1, value, (size_t)size);
        memcpy(lines + binding->server_size - 2, "\r\n", 2);
    }
    return 0;
}

static int
read_settings(h1_binding *binding, PyObject *settings, PyObject *wall)
{
    if (h1_limits_read(&binding->limits, settings) < 0) {
        return -1;
    }
    PyObject *sends_date = PyObject_GetAttrString(settings, "date_header");
    int truth = sends_date == NULL ? -1 : PyObject_IsTrue(sends_date);
    Py_XDECREF(sends_date);
    if (truth < 0) {
        return -1;
    }
    http_date_begin(&binding->date, truth ? wall : NULL);
    PyObject *server = PyObject_GetAttrString(settings, "server_header");
    if (server == NULL) {
        return -1;
    }
    int result = make_lines(binding, server);
    Py_DECREF(server);
    return result;
}

static PyObject *
binding_call(PyObject *self, PyObject *const *arguments, size_t number, PyObject *keywords)
{
    static const char *const names[] = {"peer", "now"};
    PyObject *values[2];
    double now;
    if (asteri_arguments("Binding", arguments, PyVectorcall_NARGS(number), keywords, names, 2, 2, values) < 0
        || asteri_seconds(values[1], &now) < 0) {
        return NULL;
    }
    return h1_connection_new((h1_binding *)self, values[0], now);
}

static PyObject *
binding_new(PyTypeObject *type, PyObject *positional, PyObject *keywords)
{
    static char *names[] = {"settings", "wall", NULL};
    PyObject *settings, *wall;
    if (!PyArg_ParseTupleAndKeywords(positional, keywords, "OO:Binding", names, &settings, &wall)) {
        return NULL;
    }
    h1_binding *self = (h1_binding *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = binding_call;
    self->module = Py_XNewRef(PyType_GetModule(type));
    if (self->module == NULL) {
        goto failed;
    }
    self->state = h1_state_of(self->module);
    self->forwarding = PyObject_CallOneArg(self->state->forwarding_type, settings);
    if (self->forwarding == NULL || read_settings(self, settings, wall) < 0) {
        goto failed;
    }
    return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

static int
binding_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((h1_binding *)self)->module);
    Py_VISIT(((h1_binding *)self)->date.wall);
    Py_VISIT(((h1_binding *)self)->forwarding);
    Py_VISIT(((h1_binding *)self)->upgrades);
    return 0;
}

static int
binding_clear(PyObject *self)
{
    Py_CLEAR(((h1_binding *)self)->date.wall);
    Py_CLEAR(((h1_binding *)self)->forwarding);
    Py_CLEAR(((h1_binding *)self)->upgrades);
    return 0;
}

static void
binding_dealloc(PyObject *object)
{
    h1_binding *self = (h1_binding *)object;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)binding_clear(object);
    h1_heads_clear(&self->heads);
    h1_spare_buffers_clear(&self->spare);
    h1_repeat_clear(&self->repeat);
    PyMem_Free(self->lines);
    Py_XDECREF(self->module);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef binding_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(h1_binding, vectorcall), READONLY, NULL},
    {"upgrades", T_OBJECT, offsetof(h1_binding, upgrades), 0, "The protocols that a request may be handed over to."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(binding_doc, "Binding(settings, wall)\n--\n\n"
                          "Makes the connections of one worker: called with a Peer and the time.\n\n"
                          "wall gives seconds since 1970, for the Date field.");

static PyType_Slot binding_slots[] = {
    {Py_tp_doc, (void *)binding_doc},
    {Py_tp_new, binding_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, binding_dealloc},
    {Py_tp_traverse, binding_traverse},
    {Py_tp_clear, binding_clear},
    {Py_tp_members, binding_members},
    {0, NULL},
};

static PyType_Spec binding_spec = {
    .name = "asteri_http1._native.Binding",
    .basicsize = sizeof(h1_binding),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = binding_slots,
};

int
h1_add_binding(PyObject *module, h1_state *state)
{
    return asteri_add_type(module, &binding_spec, &state->binding_type);
}
