/* `asteri_websocket._native`: the C twin of `asteri_websocket.messages.MessageReader`. */
#include "state.h"

static const asteri_object objects[] = {
    ASTERI_MADE(ws_state, reader_type),
    ASTERI_FOUND(ws_state, ping, "asteri_websocket.messages", "Ping"),
    ASTERI_FOUND(ws_state, pong, "asteri_websocket.messages", "Pong"),
    ASTERI_FOUND(ws_state, read_close, "asteri_websocket.messages", "read_close"),
    ASTERI_TEXT(ws_state, name_unpack, "unpack"),
    ASTERI_TEXT(ws_state, name_end, "end"),
    ASTERI_OBJECTS_END,
};

static ws_state *
state_of(PyObject *module)
{
    return (ws_state *)PyModule_GetState(module);
}

static int
module_exec(PyObject *module)
{
    ws_state *state = state_of(module);
    if (http_errors_load(&state->errors) < 0 || asteri_state_load(state, objects) < 0) {
        return -1;
    }
    return ws_add_reader(module, state);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    int stopped = asteri_state_visit(state_of(module), objects, visit, arg);
    return stopped != 0 ? stopped : http_errors_visit(&state_of(module)->errors, visit, arg);
}

static int
module_clear(PyObject *module)
{
    asteri_state_clear(state_of(module), objects);
    http_errors_clear(&state_of(module)->errors);
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
    .m_name = "asteri_websocket._native",
    .m_doc = "WebSocket messages in C.",
    .m_size = sizeof(ws_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module_definition);
}
