/* `asteri_native._tasks`: async handlers as tasks whose first step runs on the spot. What is in it is said by the files
 * that add to it. */
#include <assert.h>

#include "tasks.h"

/* The names as an array, in the order of their declaration. */
#define SPELL(name) #name,
static const char *const spelled[] = {EACH_NAME(SPELL)};
#undef SPELL
#define COUNT (sizeof spelled / sizeof *spelled)
static_assert(sizeof(tasks_names) == COUNT * sizeof(PyObject *), "names are pointers only");

static int
load_names(tasks_names *names)
{
    PyObject **place = (PyObject **)names;
    for (size_t i = 0; i < COUNT; i++) {
        place[i] = PyUnicode_InternFromString(spelled[i]);
        if (place[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

/* `module.name` as a new reference into `*place`. 0, -1. */
static int
load(PyObject *module, const char *name, PyObject **place)
{
    *place = PyObject_GetAttrString(module, name);
    return *place == NULL ? -1 : 0;
}

static int
load_others(tasks_state *state)
{
    int result = -1;
    PyObject *asyncio = PyImport_ImportModule("asyncio");
    PyObject *executor = PyImport_ImportModule("asteri_core.executors.executor");
    if (asyncio != NULL && executor != NULL && load(asyncio, "Task", &state->asyncio_task) == 0 &&
        load(asyncio, "CancelledError", &state->cancelled_error) == 0 &&
        load(asyncio, "BaseEventLoop", &state->base_loop) == 0 &&
        load(executor, "end_failed", &state->end_failed) == 0) {
        result = 0;
    }
    Py_XDECREF(executor);
    Py_XDECREF(asyncio);
    return result;
}

static int
module_exec(PyObject *module)
{
    tasks_state *state = tasks_state_of(module);
    if (load_names(&state->names) < 0 || load_others(state) < 0) {
        return -1;
    }
    state->no_arguments = PyTuple_New(0);
    state->context_keyword = PyTuple_Pack(1, state->names.context);
    if (state->no_arguments == NULL || state->context_keyword == NULL) {
        return -1;
    }
    if (tasks_add_call(module) < 0 || tasks_add_starter(module) < 0 || tasks_add_functions(module) < 0) {
        return -1;
    }
#if OWN_TASK
    return tasks_add_eager(module);
#else
    return 0;
#endif
}

#define EACH_OBJECT(state, DO)                                                                                         \
    DO((state)->starter_type);                                                                                         \
    DO((state)->call_type);                                                                                            \
    DO((state)->cancelled_error);                                                                                      \
    DO((state)->asyncio_task);                                                                                         \
    DO((state)->base_loop);                                                                                            \
    DO((state)->end_failed);                                                                                           \
    DO((state)->no_arguments);                                                                                         \
    DO((state)->context_keyword);
#if OWN_TASK
#define EACH_OWN_OBJECT(state, DO)                                                                                     \
    DO((state)->eager_type);                                                                                           \
    DO((state)->eager_iterator_type);                                                                                  \
    DO((state)->future_type);                                                                                          \
    DO((state)->current_tasks);                                                                                        \
    DO((state)->enter_task);                                                                                           \
    DO((state)->leave_task);                                                                                           \
    DO((state)->register_task);                                                                                        \
    DO((state)->task_repr);                                                                                            \
    DO((state)->task_get_stack);                                                                                       \
    DO((state)->task_print_stack);                                                                                     \
    DO((state)->invalid_state_error);                                                                                  \
    DO((state)->future_set_result);                                                                                    \
    DO((state)->future_set_exception);                                                                                 \
    DO((state)->future_cancel);                                                                                        \
    DO((state)->future_result);                                                                                        \
    DO((state)->future_exception);                                                                                     \
    DO((state)->future_make_cancelled_error);
#else
#define EACH_OWN_OBJECT(state, DO)
#endif

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    tasks_state *state = tasks_state_of(module);
    EACH_OBJECT(state, Py_VISIT)
    EACH_OWN_OBJECT(state, Py_VISIT)
    return 0;
}

static int
module_clear(PyObject *module)
{
    tasks_state *state = tasks_state_of(module);
    EACH_OBJECT(state, Py_CLEAR)
    EACH_OWN_OBJECT(state, Py_CLEAR)
    PyObject **place = (PyObject **)&state->names;
    for (size_t i = 0; i < COUNT; i++) {
        Py_CLEAR(place[i]);
    }
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
    .m_name = "asteri_native._tasks",
    .m_doc = "Async handlers as tasks whose first step runs on the spot.",
    .m_size = sizeof(tasks_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

tasks_state *
tasks_state_of(PyObject *module)
{
    return (tasks_state *)PyModule_GetState(module);
}

tasks_state *
tasks_state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &module_definition);
    return module == NULL ? NULL : tasks_state_of(module);
}

PyMODINIT_FUNC
PyInit__tasks(void)
{
    return PyModuleDef_Init(&module_definition);
}
