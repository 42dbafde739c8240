/* `asteri_asgi._native`: the C twin of `asteri_asgi.handler`, `http` and `scope`. What is in it is said by the files
 * that add to it; the rest of the package stays Python and serves both twins. */
#include "state.h"

static asgi_state *
state_of(PyObject *module)
{
    return (asgi_state *)PyModule_GetState(module);
}

#define NAME(word) ASTERI_TEXT(asgi_state, name.word, #word),
#define SHARED(module, word) ASTERI_FOUND(asgi_state, shared.word, module, #word),
#define PHASE(word) ASTERI_FOUND(asgi_state, phases[ASGI_##word], "asteri_asgi.http", #word)

static const asteri_object objects[] = {
    ASGI_EACH_NAME(NAME)
    ASGI_EACH_SHARED(SHARED)
    PHASE(TELLING),
    PHASE(WAITING),
    PHASE(HELD),
    PHASE(OPEN),
    PHASE(TRAILING),
    PHASE(COMPLETE),
    PHASE(CUT),
    ASTERI_FOUND(asgi_state, want_read, "asteri_core.api", "Want.READ"),
    ASTERI_FOUND(asgi_state, want_write, "asteri_core.api", "Want.WRITE"),
    ASTERI_FOUND(asgi_state, want_gone, "asteri_core.api", "Want.GONE"),
    ASTERI_MADE(asgi_state, handler_type),
    ASTERI_MADE(asgi_state, call_type),
    ASTERI_MADE(asgi_state, receive_type),
    ASTERI_MADE(asgi_state, send_type),
    ASTERI_MADE(asgi_state, step_type),
    ASTERI_MADE(asgi_state, kinds),
    ASTERI_MADE(asgi_state, no_bytes),
    ASTERI_MADE(asgi_state, nothing),
    ASTERI_MADE(asgi_state, request),
    ASTERI_MADE(asgi_state, disconnect),
    ASTERI_OBJECTS_END,
};

static int
load_messages(asgi_state *state)
{
    state->kinds = Py_BuildValue("{s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "http.response.start", ASGI_START,
                                 "http.response.body", ASGI_BODY, "http.response.zerocopysend", ASGI_FILE,
                                 "http.response.pathsend", ASGI_PATH, "http.response.early_hint", ASGI_HINT,
                                 "http.response.trailers", ASGI_TRAILERS, "http.response.debug", ASGI_DEBUG);
    state->no_bytes = PyBytes_FromStringAndSize(NULL, 0);
    state->nothing = PyTuple_New(0);
    if (state->kinds == NULL || state->no_bytes == NULL || state->nothing == NULL) {
        return -1;
    }
    state->request = Py_BuildValue("{O:s,O:O,O:O}", state->name.type, "http.request", state->name.body,
                                   state->no_bytes, state->name.more_body, Py_False);
    state->disconnect = Py_BuildValue("{O:s}", state->name.type, "http.disconnect");
    return state->request != NULL && state->disconnect != NULL ? 0 : -1;
}

static int
module_exec(PyObject *module)
{
    asgi_state *state = state_of(module);
    if (http_errors_load(&state->errors) < 0 || asteri_exchanges_load(&state->exchanges, module) < 0) {
        return -1;
    }
    if (asteri_state_load(state, objects) < 0 || load_messages(state) < 0) {
        return -1;
    }
    if (asgi_add_sides(module, state) < 0 || asgi_add_call(module, state) < 0) {
        return -1;
    }
    return asgi_add_handler(module, state);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    asgi_state *state = state_of(module);
    int stopped = asteri_state_visit(state, objects, visit, arg);
    if (stopped == 0) {
        stopped = http_errors_visit(&state->errors, visit, arg);
    }
    return stopped != 0 ? stopped : asteri_exchanges_visit(&state->exchanges, visit, arg);
}

static int
module_clear(PyObject *module)
{
    asgi_state *state = state_of(module);
    asteri_state_clear(state, objects);
    http_errors_clear(&state->errors);
    asteri_exchanges_clear(&state->exchanges);
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
    .m_name = "asteri_asgi._native",
    .m_doc = "The ASGI interface in C.",
    .m_size = sizeof(asgi_state),
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
