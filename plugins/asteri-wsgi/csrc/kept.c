/* See kept.h. There is no tp_clear, as in a tuple: what it refers to is whole from the beginning, and what was left
 * cannot refer to it but by what the others refer to as well. */
#include "kept.h"

#include "response.h"

wsgi_kept *
wsgi_kept_new(wsgi_state *state, wsgi_template *template, PyObject *environ, PyObject *host)
{
    PyObject *copy = PyDict_Copy(environ);
    wsgi_kept *self = copy == NULL ? NULL : PyObject_GC_New(wsgi_kept, state->kept_type);
    if (self == NULL) {
        Py_XDECREF(copy);
        return NULL;
    }
    self->template = (wsgi_template *)Py_NewRef(template);
    self->environ = copy;
    self->host = Py_NewRef(host);
    self->left = self->early_hints = self->port = NULL;
    PyObject_GC_Track(self);
    return self;
}

/* What was left, or NULL. Who goes through the referents of all objects may have found it there. */
static PyObject *
take_left(wsgi_kept *self)
{
    PyObject *left = self->left;
    self->left = NULL;
    if (left != NULL) {
        PyObject_GC_Track(left);
        if (!asteri_is_alone(left, 1) || !asteri_is_alone(self->early_hints, 1)) {
            Py_CLEAR(left);
        }
    }
    return left;
}

int
wsgi_kept_take(wsgi_kept *self, wsgi_environ *taken)
{
    taken->dict = take_left(self);
    if (taken->dict != NULL) {
        taken->early_hints = self->early_hints;
        taken->port = self->port;
        return 0;
    }
    taken->early_hints = taken->port = NULL;
    taken->dict = PyDict_Copy(self->environ);
    return taken->dict == NULL ? -1 : 0;
}

/* Keeps an environ that nobody else has and nobody has changed. Whether it has taken it over. */
static int
keep(wsgi_kept *self, const wsgi_environ *environ)
{
    if (self->left != NULL || !asteri_is_alone(environ->dict, 1) ||
        !wsgi_dict_is_unchanged(environ->dict, environ->version) || !wsgi_early_hints_part(environ->early_hints)) {
        return 0;
    }
    PyObject_GC_UnTrack(environ->dict);
    self->left = environ->dict;
    self->early_hints = environ->early_hints;
    self->port = environ->port;
    return 1;
}

void
wsgi_environ_release(wsgi_environ *environ)
{
    wsgi_kept *kept = environ->kept;
    if (kept == NULL || !keep(kept, environ)) {
        Py_XDECREF(environ->dict);
    }
    Py_XDECREF(kept);
}

static int
kept_traverse(PyObject *object, visitproc visit, void *arg)
{
    wsgi_kept *self = (wsgi_kept *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->template);
    Py_VISIT(self->environ);
    Py_VISIT(self->host);
    /* What the collector does not know cannot be visited: what it refers to can. */
    return self->left == NULL ? 0 : Py_TYPE(self->left)->tp_traverse(self->left, visit, arg);
}

static void
kept_dealloc(PyObject *object)
{
    wsgi_kept *self = (wsgi_kept *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->left);
    Py_DECREF(self->template);
    Py_DECREF(self->environ);
    Py_DECREF(self->host);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

int
wsgi_add_kept(PyObject *module)
{
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)"What the environs of equal requests begin with."},
        {Py_tp_traverse, (void *)kept_traverse},
        {Py_tp_dealloc, (void *)kept_dealloc},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "asteri_wsgi._native.Kept",
        .basicsize = sizeof(wsgi_kept),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    wsgi_state *state = wsgi_state_of(module);
    state->kept_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->kept_type == NULL ? -1 : 0;
}
