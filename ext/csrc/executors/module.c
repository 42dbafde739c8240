/* `asteri_native._executors`: the C twins of `asteri_core.executors`, `inline`, `pool` and `shared`. What is in it is
 * said by the files that add to it. */
#include "state.h"

#define NAME(member, text) ASTERI_TEXT(executors_state, name_##member, text),

static const asteri_object objects[] = {
    ASTERI_FOUND(executors_state, disconnected, "asteri_core.errors", "Disconnected"),
    ASTERI_FOUND(executors_state, configuration_error, "asteri_core.errors", "ConfigurationError"),
    ASTERI_FOUND(executors_state, end_failed, "asteri_core.executors.executor", "end_failed"),
    ASTERI_FOUND(executors_state, end_overdue, "asteri_core.executors.executor", "end_overdue"),
    ASTERI_FOUND(executors_state, monotonic, "time", "monotonic"),
    ASTERI_MADE(executors_state, link_type),
    ASTERI_MADE(executors_state, waker_type),
    ASTERI_MADE(executors_state, inline_type),
    ASTERI_MADE(executors_state, pool_type),
    ASTERI_MADE(executors_state, shared_type),
    ASTERI_MADE(executors_state, native_shared_type),
    ASTERI_MADE(executors_state, reactor_type),
    ASTERI_MADE(executors_state, last_exchange.type),
    ASTERI_MADE(executors_state, own_names),
    EXECUTORS_NAMES(NAME)
    ASTERI_OBJECTS_END,
};

static struct PyModuleDef module_definition;

executors_state *
executors_state_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &module_definition);
    return module == NULL ? NULL : (executors_state *)PyModule_GetState(module);
}

static int
module_exec(PyObject *module)
{
    executors_state *state = (executors_state *)PyModule_GetState(module);
    if (asteri_state_load(state, objects) < 0 || executors_add_link(module, state) < 0 || executors_add_waker(module, state) < 0 ||
        executors_add_shared(module, state) < 0 || executors_add_inline(module, state) < 0) {
        return -1;
    }
    return executors_add_pool(module, state);
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
    .m_name = "asteri_native._executors",
    .m_doc = "The executors of blocking handlers in C.",
    .m_size = sizeof(executors_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__executors(void)
{
    return PyModuleDef_Init(&module_definition);
}
