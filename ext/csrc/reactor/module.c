/* `asteri_native._reactor`: the C twin of `asteri_core.reactor` and of the router. What is in it is said by the files
 * that add to it; here are the module's state and what is imported for it. */
#include "state.h"

#define NAME(name) ASTERI_TEXT(reactor_state, name_##name, #name),

static const asteri_object objects[] = {
    ASTERI_MADE(reactor_state, adapter_type),
    ASTERI_MADE(reactor_state, lock_type),
    ASTERI_MADE(reactor_state, reactor_type),
    ASTERI_MADE(reactor_state, router_type),
    ASTERI_MADE(reactor_state, selector_type),
    ASTERI_MADE(reactor_state, timer_type),
    ASTERI_MADE(reactor_state, log),
    ASTERI_MADE(reactor_state, exc_info_keyword),
    ASTERI_CONNECTION_OBJECTS(reactor_state, api),
    ASTERI_FOUND(reactor_state, peer, "asteri_core.api", "Peer"),
    ASTERI_FOUND(reactor_state, sniff_yes, "asteri_core.api", "Sniff.YES"),
    ASTERI_FOUND(reactor_state, sniff_more, "asteri_core.api", "Sniff.MORE"),
    ASTERI_FOUND(reactor_state, selector_key, "selectors", "SelectorKey"),
    ASTERI_FOUND(reactor_state, monotonic, "time", "monotonic"),
    ASTERI_FOUND(reactor_state, key_map, "asteri_core.reactor.door", "KeyMap"),
    ASTERI_TEXT(reactor_state, http, "http"),
    REACTOR_NAMES(NAME)
    ASTERI_OBJECTS_END,
};

/* What we make, or take apart, has to be a subclass of tuple, with the fields in their order. */
static int
check_tuples(reactor_state *state)
{
    const asteri_connection_api *api = &state->api;
    PyObject *const tuples[] = {
        api->started,    api->finished,           api->switched,                   api->failed,
        api->file_slice, (PyObject *)state->peer, (PyObject *)state->selector_key,
    };
    for (size_t index = 0; index < sizeof tuples / sizeof *tuples; index++) {
        if (!PyType_Check(tuples[index]) || !PyType_IsSubtype((PyTypeObject *)tuples[index], &PyTuple_Type)) {
            PyErr_Format(PyExc_TypeError, "%R is not a named tuple", tuples[index]);
            return -1;
        }
    }
    return 0;
}

static int
load(reactor_state *state)
{
    if (asteri_state_load(state, objects) < 0 || check_tuples(state) < 0) {
        return -1;
    }
    PyObject *get_logger = asteri_import("logging", "getLogger");
    state->log = get_logger == NULL ? NULL : PyObject_CallFunction(get_logger, "s", "asteri.error");
    Py_XDECREF(get_logger);
    state->exc_info_keyword = PyTuple_Pack(1, state->name_exc_info);
    return state->log == NULL || state->exc_info_keyword == NULL ? -1 : 0;
}

static int
module_exec(PyObject *module)
{
    if (load(reactor_state_of(module)) < 0 || reactor_add_lock(module) < 0 || reactor_add_timer(module) < 0 || reactor_add_adapter(module) < 0) {
        return -1;
    }
    if (reactor_add_router(module) < 0 || reactor_add_reactor(module) < 0) {
        return -1;
    }
    return reactor_add_selector(module) < 0 ? -1 : reactor_add_wall(module);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    return asteri_state_visit(PyModule_GetState(module), objects, visit, arg);
}

static int
module_clear(PyObject *module)
{
    asteri_state_clear(PyModule_GetState(module), objects);
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = ASTERI_MODULE_SLOTS(module_exec);

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "asteri_native._reactor",
    .m_doc = "The reactor in C.",
    .m_size = sizeof(reactor_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

reactor_state *
reactor_state_of(PyObject *module)
{
    return (reactor_state *)PyModule_GetState(module);
}

reactor_state *
reactor_state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &module_definition); /* borrowed */
    return module == NULL ? NULL : reactor_state_of(module);
}

PyObject *
named_tuple(PyTypeObject *type, PyObject *const *items, Py_ssize_t count)
{
    PyObject *made = type->tp_alloc(type, count);
    for (Py_ssize_t index = 0; made != NULL && index < count; index++) {
        PyTuple_SET_ITEM(made, index, Py_NewRef(items[index]));
    }
    return made;
}

PyObject *
connection_new(PyObject *factory, PyObject *peer, double now)
{
    PyObject *time = PyFloat_FromDouble(now);
    if (time == NULL) {
        return NULL;
    }
    PyObject *arguments[] = {peer, time};
    PyObject *connection = PyObject_Vectorcall(factory, arguments, 2, NULL);
    Py_DECREF(time);
    return connection;
}

int
log_exception(reactor_state *state, const char *message)
{
    PyObject *error = asteri_raised_take();
    PyObject *text = PyUnicode_FromString(message);
    PyObject *done = NULL;
    if (text != NULL) {
        PyObject *arguments[] = {state->log, text, error};
        done = PyObject_VectorcallMethod(state->name_error, arguments, 2, state->exc_info_keyword);
    }
    Py_XDECREF(text);
    Py_DECREF(error);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

PyMODINIT_FUNC
PyInit__reactor(void)
{
    return PyModuleDef_Init(&module_definition);
}
