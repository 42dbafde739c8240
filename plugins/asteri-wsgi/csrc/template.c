/* The templates of template.h: made by the Python twin, found again by their address. */
#include "template.h"

static int
template_traverse(PyObject *self, visitproc visit, void *arg)
{
    wsgi_template *template = (wsgi_template *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(template->scheme);
    Py_VISIT(template->local);
    Py_VISIT(template->environ);
    return 0;
}

static void
template_dealloc(PyObject *self)
{
    wsgi_template *template = (wsgi_template *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(template->scheme);
    Py_XDECREF(template->local);
    Py_XDECREF(template->environ);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The dict of a template: what the Python twin says of the address, behind places for what every request sets. With
 * these it has room for twenty fields more, and a copy has it too: no environ of a usual request has to grow. A new
 * reference. */
static PyObject *
template_environ(wsgi_state *state, wsgi_environs *environs, PyObject *scheme, PyObject *local)
{
    PyObject *const places[] = {
        state->text.remote_addr,  state->text.remote_port,     state->text.request_method, state->text.request_uri,
        state->text.raw_uri,      state->text.path_info,       state->text.query_string,   state->text.server_protocol,
        state->text.wsgi_input,   state->text.wsgi_early_hints,
    };
    PyObject *arguments[] = {environs->twin, scheme, local};
    PyObject *said = PyObject_VectorcallMethod(state->text.name_template, arguments, 3, NULL);
    PyObject *environ = said == NULL ? NULL : PyDict_New();
    if (environ == NULL) {
        goto failed;
    }
    for (size_t place = 0; place < sizeof places / sizeof *places; place++) {
        if (PyDict_SetItem(environ, places[place], Py_None) < 0) {
            goto failed;
        }
    }
    if (PyDict_SetItem(environ, state->text.wsgi_input, state->python.empty_body) < 0 ||
        PyDict_Update(environ, said) < 0) {
        goto failed;
    }
    Py_DECREF(said);
    return environ;
failed:
    Py_XDECREF(environ);
    Py_XDECREF(said);
    return NULL;
}

static PyObject *
template_new(wsgi_state *state, wsgi_environs *environs, PyObject *scheme, PyObject *local)
{
    PyObject *environ = template_environ(state, environs, scheme, local);
    if (environ == NULL) {
        return NULL;
    }
    wsgi_template *template = (wsgi_template *)state->template_type->tp_alloc(state->template_type, 0);
    if (template == NULL) {
        Py_DECREF(environ);
        return NULL;
    }
    template->scheme = Py_NewRef(scheme);
    template->local = Py_NewRef(local);
    template->environ = environ;
    return (PyObject *)template;
}

/* A new reference to the template of an address that is not that of the last request. */
static PyObject *
template_look_up(wsgi_state *state, wsgi_environs *environs, PyObject *scheme, PyObject *local)
{
    PyObject *key = PyTuple_Pack(2, scheme, local);
    if (key == NULL) {
        return NULL;
    }
    PyObject *template = wsgi_dict_get(environs->templates, key);
    if (template == NULL && !PyErr_Occurred()) {
        template = template_new(state, environs, scheme, local);
        /* A wildcard address has many local ones. */
        if (template != NULL && PyDict_GET_SIZE(environs->templates) < WSGI_TABLE_ENTRIES &&
            PyDict_SetItem(environs->templates, key, template) < 0) {
            Py_CLEAR(template);
        }
    }
    Py_DECREF(key);
    return template;
}

/* Whether two addresses are certainly alike: each connection has an address object of its own. */
static int
same_address(PyObject *one, PyObject *other)
{
    if (one == other) {
        return 1;
    }
    if (!PyTuple_CheckExact(one) || !PyTuple_CheckExact(other) || PyTuple_GET_SIZE(one) != 2 ||
        PyTuple_GET_SIZE(other) != 2) {
        return 0;
    }
    PyObject *host = PyTuple_GET_ITEM(one, 0), *other_host = PyTuple_GET_ITEM(other, 0);
    PyObject *port = PyTuple_GET_ITEM(one, 1), *other_port = PyTuple_GET_ITEM(other, 1);
    int overflow;
    return PyUnicode_CheckExact(host) && PyUnicode_CheckExact(other_host) && PyLong_CheckExact(port) &&
           PyLong_CheckExact(other_port) &&
           PyLong_AsLongAndOverflow(port, &overflow) == PyLong_AsLongAndOverflow(other_port, &overflow) &&
           PyUnicode_Compare(host, other_host) == 0;
}

wsgi_template *
wsgi_template_of(wsgi_state *state, wsgi_environs *environs, PyObject *scheme, PyObject *local)
{
    wsgi_template *last = environs->last; /* always NULL without the GIL */
    if (last != NULL && last->scheme == scheme && same_address(last->local, local)) {
        return (wsgi_template *)Py_NewRef(last);
    }
    wsgi_template *template = (wsgi_template *)template_look_up(state, environs, scheme, local);
    if (ASTERI_GIL && template != NULL) {
        last = environs->last;
        environs->last = (wsgi_template *)Py_NewRef(template);
        Py_XDECREF(last);
    }
    return template;
}

/* -- for the handler and the module -------------------------------------------------------------------------------- */

int
wsgi_environs_init(wsgi_state *state, wsgi_environs *environs, PyObject *root_path, PyObject *context)
{
    environs->twin = PyObject_CallFunctionObjArgs(state->python.environs, root_path, context, NULL);
    environs->templates = PyDict_New();
    if (environs->twin == NULL || environs->templates == NULL) {
        return -1;
    }
    environs->root = PyObject_GetAttr(environs->twin, state->text.name_root);
    if (environs->root != NULL && !PyBytes_Check(environs->root)) {
        PyErr_SetString(PyExc_TypeError, "the root path must be bytes");
        return -1;
    }
    return environs->root == NULL ? -1 : 0;
}

int
wsgi_environs_visit(wsgi_environs *environs, visitproc visit, void *arg)
{
    Py_VISIT(environs->twin);
    Py_VISIT(environs->root);
    Py_VISIT(environs->templates);
    Py_VISIT(environs->last);
    return 0;
}

void
wsgi_environs_clear(wsgi_environs *environs)
{
    Py_CLEAR(environs->twin);
    Py_CLEAR(environs->root);
    Py_CLEAR(environs->templates);
    Py_CLEAR(environs->last);
}

int
wsgi_add_templates(PyObject *module)
{
    wsgi_state *state = wsgi_state_of(module);
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)"What the environs of all requests to one address begin with."},
        {Py_tp_traverse, (void *)template_traverse},
        {Py_tp_dealloc, (void *)template_dealloc},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "asteri_wsgi._native.Template",
        .basicsize = sizeof(wsgi_template),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    state->template_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->template_type == NULL ? -1 : 0;
}
