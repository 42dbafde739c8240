/* `asteri_native._tasks`: async handlers as tasks whose first step runs on the spot. What is in it is said by the files
 * that add to it. */
#include "tasks.h"

#define NAME(name) ASTERI_TEXT(tasks_state, names.name, #name),

static const asteri_object objects[] = {
    EACH_NAME(NAME)
    ASTERI_MADE(tasks_state, starter_type),
    ASTERI_MADE(tasks_state, call_type),
    ASTERI_FOUND(tasks_state, cancelled_error, "asyncio", "CancelledError"),
    ASTERI_FOUND(tasks_state, asyncio_task, "asyncio", "Task"),
    ASTERI_FOUND(tasks_state, base_loop, "asyncio", "BaseEventLoop"),
    ASTERI_FOUND(tasks_state, end_failed, "asteri_core.executors.executor", "end_failed"),
    ASTERI_MADE(tasks_state, no_arguments),
    ASTERI_MADE(tasks_state, context_keyword),
#if OWN_TASK
    ASTERI_MADE(tasks_state, eager_type),
    ASTERI_MADE(tasks_state, eager_iterator_type),
    ASTERI_FOUND(tasks_state, future_type, "asyncio", "Future"),
    ASTERI_FOUND(tasks_state, current_tasks, "asyncio.tasks", "_current_tasks"),
    ASTERI_FOUND(tasks_state, enter_task, "asyncio.tasks", "_enter_task"),
    ASTERI_FOUND(tasks_state, leave_task, "asyncio.tasks", "_leave_task"),
    ASTERI_FOUND(tasks_state, register_task, "asyncio.tasks", "_register_task"),
    ASTERI_FOUND(tasks_state, task_repr, "asyncio.base_tasks", "_task_repr"),
    ASTERI_FOUND(tasks_state, task_get_stack, "asyncio.base_tasks", "_task_get_stack"),
    ASTERI_FOUND(tasks_state, task_print_stack, "asyncio.base_tasks", "_task_print_stack"),
    ASTERI_FOUND(tasks_state, invalid_state_error, "asyncio", "InvalidStateError"),
    ASTERI_FOUND(tasks_state, future_set_result, "asyncio", "Future.set_result"),
    ASTERI_FOUND(tasks_state, future_set_exception, "asyncio", "Future.set_exception"),
    ASTERI_FOUND(tasks_state, future_cancel, "asyncio", "Future.cancel"),
    ASTERI_FOUND(tasks_state, future_result, "asyncio", "Future.result"),
    ASTERI_FOUND(tasks_state, future_exception, "asyncio", "Future.exception"),
    ASTERI_FOUND(tasks_state, future_make_cancelled_error, "asyncio", "Future._make_cancelled_error"),
#endif
    ASTERI_OBJECTS_END,
};

static int
module_exec(PyObject *module)
{
    tasks_state *state = tasks_state_of(module);
    if (asteri_state_load(state, objects) < 0) {
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
