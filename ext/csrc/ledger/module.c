/* `asteri_native._ledger`: see ledger.h. */
#include "asteri/module_state.h"
#include "ledger.h"

#define NAME(name) ASTERI_TEXT(ledger_state, name, #name)

static const asteri_object objects[] = {
    ASTERI_FOUND(ledger_state, call_hook, "asteri_core.ledger", "call_hook"),
    ASTERI_FOUND(ledger_state, monotonic, "time", "monotonic"),
    ASTERI_FOUND(ledger_state, bytes_io, "io", "BytesIO"),
    ASTERI_FOUND(ledger_state, empty_body, "asteri_core.empty_body", "EMPTY_BODY"),
    ASTERI_FOUND(ledger_state, parts, "asteri_core.logs.formats", "parts"),
    NAME(method),
    NAME(target),
    NAME(status),
    NAME(sent),
    NAME(buffer),
    NAME(ask_recycle),
    NAME(write),
    NAME(take),
    NAME(flush),
    NAME(close),
    NAME(format),
    NAME(now),
    ASTERI_MADE(ledger_state, worker_request),
    ASTERI_MADE(ledger_state, worker_request_response),
    ASTERI_OBJECTS_END,
};

static int
load(ledger_state *state)
{
    if (asteri_state_load(state, objects) < 0) {
        return -1;
    }
    state->worker_request = Py_BuildValue("(ss)", "worker", "request");
    state->worker_request_response = Py_BuildValue("(sss)", "worker", "request", "response");
    return state->worker_request == NULL || state->worker_request_response == NULL ? -1 : 0;
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

ledger_state *
ledger_state_of_type(PyTypeObject *type)
{
    return (ledger_state *)PyType_GetModuleState(type);
}

static PyModuleDef_Slot module_slots[] = ASTERI_MODULE_SLOTS(module_exec);

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
