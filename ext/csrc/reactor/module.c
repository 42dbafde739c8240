/* `asteri_native._reactor`: the C twin of `asteri_core.reactor` and of the router. What is in it is said by the files
 * that add to it; here are the module's state and what is imported for it. */
#include "state.h"

/* Of every object that the state owns; REACTOR_NAMES apart. */
#define EACH_OBJECT(state, DO)                                                                                         \
    DO((state)->adapter_type);                                                                                         \
    DO((state)->lock_type);                                                                                            \
    DO((state)->reactor_type);                                                                                         \
    DO((state)->router_type);                                                                                          \
    DO((state)->selector_type);                                                                                        \
    DO((state)->timer_type);                                                                                           \
    DO((state)->failed);                                                                                               \
    DO((state)->finished);                                                                                             \
    DO((state)->started);                                                                                              \
    DO((state)->switched);                                                                                             \
    DO((state)->peer);                                                                                                 \
    DO((state)->file_slice);                                                                                           \
    DO((state)->reset);                                                                                                \
    DO((state)->sniff_yes);                                                                                            \
    DO((state)->sniff_more);                                                                                           \
    DO((state)->selector_key);                                                                                         \
    DO((state)->monotonic);                                                                                            \
    DO((state)->log);                                                                                                  \
    DO((state)->http);                                                                                                 \
    DO((state)->exc_info_keyword)

#define VISIT_NAME(name) Py_VISIT(state->name_##name);
#define CLEAR_NAME(name) Py_CLEAR(state->name_##name);
#define NAME_ENTRY(name) {&state->name_##name, #name},

static struct PyModuleDef module_definition;

static int
intern_names(reactor_state *state)
{
    const struct {
        PyObject **to;
        const char *name;
    } names[] = {REACTOR_NAMES(NAME_ENTRY)};
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        *names[index].to = PyUnicode_InternFromString(names[index].name);
        if (*names[index].to == NULL) {
            return -1;
        }
    }
    state->http = PyUnicode_InternFromString("http");
    state->exc_info_keyword = Py_BuildValue("(O)", state->name_exc_info);
    return state->http == NULL || state->exc_info_keyword == NULL ? -1 : 0;
}

/* `module.name`, or `module.name.part`: a new reference. */
static PyObject *
imported(const char *module, const char *name, const char *part)
{
    PyObject *found = PyImport_ImportModule(module);
    PyObject *value = found == NULL ? NULL : PyObject_GetAttrString(found, name);
    Py_XDECREF(found);
    if (value != NULL && part != NULL) {
        PyObject *inner = PyObject_GetAttrString(value, part);
        Py_DECREF(value);
        value = inner;
    }
    return value;
}

/* A subclass of tuple: the objects we make of it, or take apart, have the fields in their order. */
static PyTypeObject *
imported_tuple(const char *module, const char *name)
{
    PyObject *found = imported(module, name, NULL);
    if (found != NULL && !(PyType_Check(found) && PyType_IsSubtype((PyTypeObject *)found, &PyTuple_Type))) {
        PyErr_Format(PyExc_TypeError, "%s.%s is not a named tuple", module, name);
        Py_CLEAR(found);
    }
    return (PyTypeObject *)found;
}

static int
import_parts(reactor_state *state)
{
    static const char api[] = "asteri_core.api";
    const struct {
        PyTypeObject **to;
        const char *module, *name;
    } tuples[] = {
        {(PyTypeObject **)&state->failed, api, "Failed"},
        {(PyTypeObject **)&state->finished, api, "Finished"},
        {(PyTypeObject **)&state->started, api, "Started"},
        {(PyTypeObject **)&state->switched, api, "Switched"},
        {(PyTypeObject **)&state->file_slice, api, "FileSlice"},
        {&state->peer, api, "Peer"},
        {&state->selector_key, "selectors", "SelectorKey"},
    };
    for (size_t index = 0; index < sizeof(tuples) / sizeof(tuples[0]); index++) {
        *tuples[index].to = imported_tuple(tuples[index].module, tuples[index].name);
        if (*tuples[index].to == NULL) {
            return -1;
        }
    }
    const struct {
        PyObject **to;
        const char *module, *name, *part;
    } others[] = {
        {&state->reset, api, "RESET", NULL},
        {&state->sniff_yes, api, "Sniff", "YES"},
        {&state->sniff_more, api, "Sniff", "MORE"},
        {&state->monotonic, "time", "monotonic", NULL},
    };
    for (size_t index = 0; index < sizeof(others) / sizeof(others[0]); index++) {
        *others[index].to = imported(others[index].module, others[index].name, others[index].part);
        if (*others[index].to == NULL) {
            return -1;
        }
    }
    PyObject *logging = PyImport_ImportModule("logging");
    state->log = logging == NULL ? NULL : PyObject_CallMethod(logging, "getLogger", "s", "asteri.error");
    Py_XDECREF(logging);
    return state->log == NULL ? -1 : 0;
}

static int
module_exec(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    if (intern_names(state) < 0 || import_parts(state) < 0) {
        return -1;
    }
    if (reactor_add_lock(module) < 0 || reactor_add_timer(module) < 0 || reactor_add_adapter(module) < 0) {
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
    reactor_state *state = reactor_state_of(module);
    EACH_OBJECT(state, Py_VISIT);
    REACTOR_NAMES(VISIT_NAME)
    return 0;
}

static int
module_clear(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    EACH_OBJECT(state, Py_CLEAR);
    REACTOR_NAMES(CLEAR_NAME)
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

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
named_tuple(PyTypeObject *type, PyObject *items)
{
    if (items == NULL) {
        return NULL;
    }
    /* Straight to tuple's: the `__new__` of a named tuple is written in Python and takes three times as long. */
    PyObject *arguments = PyTuple_Pack(1, items);
    Py_DECREF(items);
    PyObject *made = arguments == NULL ? NULL : PyTuple_Type.tp_new(type, arguments, NULL);
    Py_XDECREF(arguments);
    return made;
}

PyObject *
take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL) {
        PyException_SetTraceback(value, trace);
    }
    Py_DECREF(type);
    Py_XDECREF(trace);
    return value;
#endif
}

void
give_exception(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

int
log_exception(reactor_state *state, const char *message)
{
    PyObject *error = take_exception();
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
