/* `asteri_http1._native`: the C twin of this package. What is in it is said by the files that add to it. */
#include "state.h"

static int
module_exec(PyObject *module)
{
    h1_state *state = h1_state_of(module);
    if (http_errors_load(&state->errors) < 0) {
        return -1;
    }
    if (h1_add_parsing(module) < 0) {
        return -1;
    }
    return h1_add_connection(module);
}

#define EACH_OBJECT(state, DO)                                                                                         \
    DO((state)->connection_type);                                                                                      \
    DO((state)->exchange_type);                                                                                        \
    DO((state)->binding_type);                                                                                         \
    DO((state)->started);                                                                                              \
    DO((state)->finished);                                                                                             \
    DO((state)->failed);                                                                                               \
    DO((state)->switched);                                                                                             \
    DO((state)->file_slice);                                                                                           \
    DO((state)->reset);                                                                                                \
    DO((state)->want_read);                                                                                            \
    DO((state)->want_write);                                                                                           \
    DO((state)->want_gone);                                                                                            \
    DO((state)->scheme_name);                                                                                          \
    DO((state)->status_name);                                                                                          \
    DO((state)->parser_type);                                                                                          \
    DO((state)->decoder_type);                                                                                         \
    DO((state)->request_head);                                                                                         \
    DO((state)->methods);                                                                                              \
    DO((state)->names);                                                                                                \
    DO((state)->versions)

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    h1_state *state = h1_state_of(module);
    EACH_OBJECT(state, Py_VISIT);
    return http_errors_visit(&state->errors, visit, arg);
}

static int
module_clear(PyObject *module)
{
    h1_state *state = h1_state_of(module);
    EACH_OBJECT(state, Py_CLEAR);
    h1_exchange_free_spare(state);
    http_errors_clear(&state->errors);
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
    .m_name = "asteri_http1._native",
    .m_doc = "HTTP/1.1 in C.",
    .m_size = sizeof(h1_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

h1_state *
h1_state_of(PyObject *module)
{
    return (h1_state *)PyModule_GetState(module);
}

h1_state *
h1_state_of_type(PyTypeObject *type)
{
    return (h1_state *)PyType_GetModuleState(type);
}

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module_definition);
}
