/* `RequestReader`, the twin of `asteri_uwsgi.request.RequestReader`. It never changes, so any thread may use it. */
#include "packet.h"
#include "request.h"
#include "state.h"

typedef struct {
    PyObject_HEAD
    const uw_state *state; /* of the module, which the type keeps alive */
    http_limits limits;
} reader;

/* A RequestHead and the size of its packet, a new reference; None: more bytes are needed. */
static PyObject *
reader_read(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    const reader *self = (reader *)object;
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "read() takes data and a peer, found %zd arguments", count);
    }
    Py_buffer view;
    if (PyObject_GetBuffer(arguments[0], &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    uw_packet packet;
    PyObject *found = NULL;
    int outcome = uw_packet_read(&self->state->errors, (asteri_slice){view.buf, view.len}, &packet);
    if (outcome == 0) {
        found = Py_NewRef(Py_None);
    }
    else if (outcome > 0) {
        PyObject *head = uw_request_read(self->state, &packet, arguments[1], &self->limits);
        found = head == NULL ? NULL : Py_BuildValue("(Nn)", head, packet.size);
        uw_packet_clear(&packet);
    }
    PyBuffer_Release(&view);
    return found;
}

static PyObject *
reader_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"limits", NULL};
    PyObject *limits;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O:RequestReader", names, &limits)) {
        return NULL;
    }
    reader *self = (reader *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = (const uw_state *)PyType_GetModuleState(type);
    if (http_limits_read(&self->limits, limits) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
reader_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"read", (PyCFunction)(void (*)(void))reader_read, METH_FASTCALL,
     "read($self, data, peer, /)\n--\n\nThe head, and how many bytes its packet takes; None: more bytes are needed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, (void *)"RequestReader(limits)\n--\n\nReads requests; see asteri_uwsgi.request."},
    {Py_tp_new, (void *)reader_new},
    {Py_tp_dealloc, (void *)reader_dealloc},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "asteri_uwsgi._native.RequestReader",
    .basicsize = sizeof(reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};

int
uw_add_reader(PyObject *module, uw_state *state)
{
    return asteri_add_type(module, &reader_spec, &state->reader_type);
}
