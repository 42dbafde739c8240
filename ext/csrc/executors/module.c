/* `asteri_native._executors`: the C twins of `asteri_core.executors`, `inline`, `pool` and `shared`. What is in it is
 * said by the files that add to it. */
#include "state.h"

#define EACH_OBJECT(state, DO)                                                                                         \
    DO((state)->disconnected);                                                                                         \
    DO((state)->configuration_error);                                                                                  \
    DO((state)->end_failed);                                                                                           \
    DO((state)->end_overdue);                                                                                          \
    DO((state)->monotonic);                                                                                            \
    DO((state)->link_type);                                                                                            \
    DO((state)->waker_type);                                                                                           \
    DO((state)->inline_type);                                                                                          \
    DO((state)->pool_type);                                                                                            \
    DO((state)->shared_type);                                                                                          \
    DO((state)->native_shared_type);                                                                                   \
    DO((state)->reactor_type);                                                                                         \
    DO((state)->exchange_type);                                                                                        \
    DO((state)->own_names);                                                                                            \
    DO((state)->name_abort);                                                                                           \
    DO((state)->name_clock);                                                                                           \
    DO((state)->name_enter);                                                                                           \
    DO((state)->name_exit);                                                                                            \
    DO((state)->name_finish);                                                                                          \
    DO((state)->name_flush);                                                                                           \
    DO((state)->name_inform);                                                                                          \
    DO((state)->name_join);                                                                                            \
    DO((state)->name_lock);                                                                                            \
    DO((state)->name_poll);                                                                                            \
    DO((state)->name_post);                                                                                            \
    DO((state)->name_read);                                                                                            \
    DO((state)->name_respond);                                                                                         \
    DO((state)->name_retract);                                                                                         \
    DO((state)->name_send);                                                                                            \
    DO((state)->name_shutdown);                                                                                        \
    DO((state)->name_startup);                                                                                         \
    DO((state)->name_upgrade);                                                                                         \
    DO((state)->name_watch)

static struct PyModuleDef module_definition;

executors_state *
executors_state_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &module_definition);
    return module == NULL ? NULL : (executors_state *)PyModule_GetState(module);
}

PyObject *
executors_import(const char *module, const char *name)
{
    PyObject *found = PyImport_ImportModule(module);
    PyObject *value = found == NULL ? NULL : PyObject_GetAttrString(found, name);
    Py_XDECREF(found);
    return value;
}

static int
load(executors_state *state)
{
    const struct {
        PyObject **to;
        const char *module, *name;
    } needs[] = {
        {&state->disconnected, "asteri_core.errors", "Disconnected"},
        {&state->configuration_error, "asteri_core.errors", "ConfigurationError"},
        {&state->end_failed, "asteri_core.executors.executor", "end_failed"},
        {&state->end_overdue, "asteri_core.executors.executor", "end_overdue"},
        {&state->monotonic, "time", "monotonic"},
    };
    for (size_t index = 0; index < sizeof(needs) / sizeof(needs[0]); index++) {
        *needs[index].to = executors_import(needs[index].module, needs[index].name);
        if (*needs[index].to == NULL) {
            return -1;
        }
    }
    const struct {
        PyObject **to;
        const char *name;
    } names[] = {
        {&state->name_abort, "abort"},       {&state->name_clock, "clock"},     {&state->name_enter, "__enter__"},
        {&state->name_exit, "__exit__"},     {&state->name_finish, "finish"},   {&state->name_flush, "flush"},
        {&state->name_inform, "inform"},     {&state->name_join, "join"},       {&state->name_lock, "lock"},
        {&state->name_poll, "poll"},         {&state->name_post, "post"},       {&state->name_read, "read"},
        {&state->name_respond, "respond"},   {&state->name_retract, "retract"}, {&state->name_send, "send"},
        {&state->name_shutdown, "shutdown"}, {&state->name_startup, "startup"}, {&state->name_upgrade, "upgrade"},
        {&state->name_watch, "watch"},
    };
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        *names[index].to = PyUnicode_InternFromString(names[index].name);
        if (*names[index].to == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
module_exec(PyObject *module)
{
    executors_state *state = (executors_state *)PyModule_GetState(module);
    if (load(state) < 0 || executors_add_link(module, state) < 0 || executors_add_waker(module, state) < 0 ||
        executors_add_shared(module, state) < 0 || executors_add_inline(module, state) < 0) {
        return -1;
    }
    return executors_add_pool(module, state);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    executors_state *state = (executors_state *)PyModule_GetState(module);
    EACH_OBJECT(state, Py_VISIT);
    return 0;
}

static int
module_clear(PyObject *module)
{
    executors_state *state = (executors_state *)PyModule_GetState(module);
    EACH_OBJECT(state, Py_CLEAR);
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
