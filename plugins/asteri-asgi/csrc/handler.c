/* `AsgiHandler`: binds an application, and gives a `Call` for each exchange. See handler.h, and `asteri_asgi.handler`
 * for the meaning. The lifespan is that of the Python twin. */
#include "call.h"

#include <stddef.h>

static PyObject *
handler_call(PyObject *object, PyObject *const *arguments, size_t flags, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (count != 2 || (names != NULL && PyTuple_GET_SIZE(names) > 0)) {
        PyErr_SetString(PyExc_TypeError, "AsgiHandler.__call__() takes two positional arguments: exchange, wait");
        return NULL;
    }
    return asgi_call_new((asgi_handler *)object, arguments[0], arguments[1]);
}

/* config[group].name, a new reference. */
static PyObject *
setting(PyObject *config, PyObject *group, const char *name)
{
    PyObject *settings = PyObject_GetItem(config, group);
    if (settings == NULL) {
        return NULL;
    }
    PyObject *value = PyObject_GetAttrString(settings, name);
    Py_DECREF(settings);
    return value;
}

static int
load_lifespan(asgi_handler *self, PyObject *config, PyObject *version)
{
    PyObject *mode = setting(config, self->state->shared.AsgiSettings, "lifespan");
    if (mode == NULL) {
        return -1;
    }
    self->lifespan = PyObject_CallFunctionObjArgs(self->state->shared.Lifespan, self->app, mode, self->log, version,
                                                  NULL);
    Py_DECREF(mode);
    return self->lifespan == NULL ? -1 : 0;
}

static int
load_scopes(asgi_handler *self, PyObject *config, PyObject *version)
{
    PyObject *debug = setting(config, self->state->shared.AsgiSettings, "asgi_debug");
    PyObject *root_path = setting(config, self->state->shared.HttpSettings, "root_path");
    PyObject *lifespan_state = PyObject_GetAttrString(self->lifespan, "state");
    int failed = -1;
    if (debug != NULL && root_path != NULL && lifespan_state != NULL) {
        int tells = PyObject_IsTrue(debug);
        self->first_phase = tells > 0 ? ASGI_TELLING : ASGI_WAITING;
        failed = tells < 0 ? -1
                           : asgi_scopes_load(&self->scopes, self->state, root_path, lifespan_state, version, tells);
    }
    Py_XDECREF(debug);
    Py_XDECREF(root_path);
    Py_XDECREF(lifespan_state);
    return failed;
}

static int
load_websocket(asgi_handler *self, PyObject *config, PyObject *context, PyObject *version)
{
    PyObject *lifespan_state = PyObject_GetAttrString(self->lifespan, "state");
    if (lifespan_state == NULL) {
        return -1;
    }
    self->websocket = PyObject_CallFunctionObjArgs(self->state->shared.websocket_runner, self->app, config, context,
                                                   lifespan_state, version, NULL);
    Py_DECREF(lifespan_state);
    return self->websocket == NULL ? -1 : 0;
}

static PyObject *
handler_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"app", "config", "context", "version", NULL};
    PyObject *app, *config, *context, *version = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "OOO|U:AsgiHandler", keywords, &app, &config, &context,
                                     &version)) {
        return NULL;
    }
    asgi_handler *self = (asgi_handler *)type->tp_alloc(type, 0); /* filled with zeros */
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = handler_call;
    self->state = (asgi_state *)PyType_GetModuleState(type);
    self->module = Py_XNewRef(PyType_GetModule(type));
    self->app = Py_NewRef(app);
    self->log = PyObject_GetAttrString(context, "log");
    version = version != NULL ? Py_NewRef(version) : PyUnicode_FromString("3.0");
    if (self->module == NULL || self->log == NULL || version == NULL || load_lifespan(self, config, version) < 0 ||
        load_websocket(self, config, context, version) < 0 || load_scopes(self, config, version) < 0) {
        Py_CLEAR(self);
    }
    Py_XDECREF(version);
    return (PyObject *)self;
}

/* There is no tp_clear: without any of these the calls that are left could not even be dropped. A cycle has something
 * else in it that can be cleared. */
static int
handler_traverse(PyObject *object, visitproc visit, void *arg)
{
    asgi_handler *self = (asgi_handler *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->module);
    Py_VISIT(self->app);
    Py_VISIT(self->log);
    Py_VISIT(self->lifespan);
    Py_VISIT(self->websocket);
    asgi_pool *pools[4] = {&self->calls, &self->receives, &self->sends, &self->steps};
    for (int index = 0; index < 4; index++) {
        int stopped = asgi_pool_visit(pools[index], visit, arg);
        if (stopped != 0) {
            return stopped;
        }
    }
    return asgi_scopes_visit(&self->scopes, visit, arg);
}

static void
handler_dealloc(PyObject *object)
{
    asgi_handler *self = (asgi_handler *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    asgi_pool_clear(&self->calls);
    asgi_pool_clear(&self->receives);
    asgi_pool_clear(&self->sends);
    asgi_pool_clear(&self->steps);
    asgi_scopes_clear(&self->scopes);
    Py_CLEAR(self->websocket);
    Py_CLEAR(self->lifespan);
    Py_CLEAR(self->log);
    Py_CLEAR(self->app);
    PyObject *module = self->module;
    type->tp_free(object);
    Py_DECREF(type);
    Py_XDECREF(module);
}

PyDoc_STRVAR(startup_doc, "Raises `WorkerBootError` when the application refuses to start.");

static PyObject *
handler_startup(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyObject_CallMethod(((asgi_handler *)self)->lifespan, "startup", NULL);
}

static PyObject *
handler_shutdown(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyObject_CallMethod(((asgi_handler *)self)->lifespan, "shutdown", NULL);
}

static PyMethodDef handler_methods[] = {
    {"startup", handler_startup, METH_NOARGS, startup_doc},
    {"shutdown", handler_shutdown, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef handler_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(asgi_handler, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot handler_slots[] = {
    {Py_tp_doc, (void *)"Runs an ASGI application for one exchange after the other; see asteri_asgi.handler."},
    {Py_tp_new, (void *)handler_new},
    {Py_tp_traverse, (void *)handler_traverse},
    {Py_tp_dealloc, (void *)handler_dealloc},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_methods, handler_methods},
    {Py_tp_members, handler_members},
    {0, NULL},
};

static PyType_Spec handler_spec = {
    .name = "asteri_asgi._native.AsgiHandler",
    .basicsize = sizeof(asgi_handler),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = handler_slots,
};

int
asgi_add_handler(PyObject *module, asgi_state *state)
{
    return asteri_add_type(module, &handler_spec, &state->handler_type);
}
