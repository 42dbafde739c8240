/* `asteri_http1._native`: the C twin of this package. What is in it is said by the files that add to it. */
#include "state.h"

static const asteri_object objects[] = {
    ASTERI_MADE(h1_state, connection_type),
    ASTERI_MADE(h1_state, exchange_type),
    ASTERI_MADE(h1_state, binding_type),
    ASTERI_MADE(h1_state, parser_type),
    ASTERI_MADE(h1_state, decoder_type),
    ASTERI_MADE(h1_state, methods),
    ASTERI_MADE(h1_state, names),
    ASTERI_MADE(h1_state, versions),
    ASTERI_CONNECTION_OBJECTS(h1_state, api),
    ASTERI_FOUND(h1_state, want_read, "asteri_core.api", "Want.READ"),
    ASTERI_FOUND(h1_state, want_write, "asteri_core.api", "Want.WRITE"),
    ASTERI_FOUND(h1_state, want_gone, "asteri_core.api", "Want.GONE"),
    ASTERI_FOUND(h1_state, request_head, "asteri_http1.parser", "RequestHead"),
    ASTERI_FOUND(h1_state, forwarding_type, "asteri_http.forwarded", "Forwarding"),
    ASTERI_TEXT(h1_state, scheme_name, "scheme"),
    ASTERI_TEXT(h1_state, peer_name, "peer"),
    ASTERI_TEXT(h1_state, trusts_name, "trusts"),
    ASTERI_TEXT(h1_state, status_name, "status"),
    ASTERI_OBJECTS_END,
};

static int
module_exec(PyObject *module)
{
    h1_state *state = h1_state_of(module);
    if (http_errors_load(&state->errors) < 0 || asteri_state_load(state, objects) < 0) {
        return -1;
    }
    if (h1_add_parsing(module, state) < 0 || h1_add_exchange_type(module, state) < 0
        || h1_add_connection_type(module, state) < 0) {
        return -1;
    }
    return h1_add_binding(module, state);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    h1_state *state = h1_state_of(module);
    int stopped = asteri_state_visit(state, objects, visit, arg);
    return stopped != 0 ? stopped : http_errors_visit(&state->errors, visit, arg);
}

static int
module_clear(PyObject *module)
{
    h1_state *state = h1_state_of(module);
    asteri_state_clear(state, objects);
    h1_exchange_free_spare(state);
    http_errors_clear(&state->errors);
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
