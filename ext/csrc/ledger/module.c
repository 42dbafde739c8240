/* `asteri_native._ledger`: see ledger.h. */
#include "ledger.h"

#define EACH_OBJECT(state, DO)                                                                                         \
    DO((state)->call_hook);                                                                                            \
    DO((state)->monotonic);                                                                                            \
    DO((state)->bytes_io);                                                                                             \
    DO((state)->empty_body);                                                                                           \
    DO((state)->parts);                                                                                                \
    DO((state)->method);                                                                                               \
    DO((state)->target);                                                                                               \
    DO((state)->status);                                                                                               \
    DO((state)->sent);                                                                                                 \
    DO((state)->buffer);                                                                                               \
    DO((state)->ask_recycle);                                                                                          \
    DO((state)->write);                                                                                                \
    DO((state)->take);                                                                                                 \
    DO((state)->flush);                                                                                                \
    DO((state)->close);                                                                                                \
    DO((state)->format);                                                                                               \
    DO((state)->worker_request);                                                                                       \
    DO((state)->worker_request_response)

static PyObject *
imported(const char *module, const char *name)
{
    PyObject *found = PyImport_ImportModule(module);
    PyObject *value = found == NULL ? NULL : PyObject_GetAttrString(found, name);
    Py_XDECREF(found);
    return value;
}

static int
load(ledger_state *state)
{
    const struct {
        PyObject **to;
        const char *name;
    } names[] = {
        {&state->method, "method"}, {&state->target, "target"}, {&state->status, "status"},
        {&state->sent, "sent"},     {&state->buffer, "buffer"}, {&state->write, "write"},
        {&state->take, "take"},     {&state->flush, "flush"},   {&state->ask_recycle, "ask_recycle"},
        {&state->close, "close"},   {&state->format, "format"},
    };
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        *names[index].to = PyUnicode_InternFromString(names[index].name);
        if (*names[index].to == NULL) {
            return -1;
        }
    }
    state->call_hook = imported("asteri_core.ledger", "call_hook");
    state->monotonic = imported("time", "monotonic");
    state->bytes_io = imported("io", "BytesIO");
    state->empty_body = imported("asteri_core.empty_body", "EMPTY_BODY");
    state->parts = imported("asteri_core.logs.formats", "parts");
    state->worker_request = Py_BuildValue("(ss)", "worker", "request");
    state->worker_request_response = Py_BuildValue("(sss)", "worker", "request", "response");
    return state->call_hook == NULL || state->monotonic == NULL || state->bytes_io == NULL ||
                   state->empty_body == NULL || state->parts == NULL || state->worker_request == NULL ||
                   state->worker_request_response == NULL
               ? -1
               : 0;
}

static int
module_exec(PyObject *module)
{
    if (load((ledger_state *)PyModule_GetState(module)) < 0) {
        return -1;
    }
    if (ledger_add_ledger(module) < 0 || ledger_add_collector(module) < 0) {
        return -1;
    }
    return ledger_add_lines(module);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    ledger_state *state = (ledger_state *)PyModule_GetState(module);
    EACH_OBJECT(state, Py_VISIT);
    return 0;
}

static int
module_clear(PyObject *module)
{
    ledger_state *state = (ledger_state *)PyModule_GetState(module);
    EACH_OBJECT(state, Py_CLEAR);
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

ledger_state *
ledger_state_of_type(PyTypeObject *type)
{
    return (ledger_state *)PyType_GetModuleState(type);
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
    .m_name = "asteri_native._ledger",
    .m_doc = "The book-keeping of a worker in C.",
    .m_size = sizeof(ledger_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__ledger(void)
{
    return PyModuleDef_Init(&module_definition);
}
