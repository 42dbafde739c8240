/* `asteri_asgi._native`: the C twin of `asteri_asgi.handler`, `http` and `scope`. What is in it is said by the files
 * that add to it; the rest of the package stays Python and serves both twins. */
#include "state.h"

static asgi_state *
state_of(PyObject *module)
{
    return (asgi_state *)PyModule_GetState(module);
}

/* `module.name`, imported. A new reference. */
static PyObject *
import_name(const char *module, const char *name)
{
    PyObject *found = PyImport_ImportModule(module);
    if (found == NULL) {
        return NULL;
    }
    PyObject *value = PyObject_GetAttrString(found, name);
    Py_DECREF(found);
    return value;
}

static int
load_names(asgi_state *state)
{
    int failed = 0;
#define LOAD(word)                                                                                                     \
    state->name.word = PyUnicode_InternFromString(#word);                                                              \
    failed |= state->name.word == NULL;
    ASGI_EACH_NAME(LOAD)
#undef LOAD
    return failed ? -1 : 0;
}

static int
load_shared(asgi_state *state)
{
    int failed = 0;
#define LOAD(module, word)                                                                                             \
    if (!failed) {                                                                                                     \
        state->shared.word = import_name(module, #word);                                                               \
        failed = state->shared.word == NULL;                                                                           \
    }
    ASGI_EACH_SHARED(LOAD)
#undef LOAD
    return failed ? -1 : 0;
}

static int
load_phases(asgi_state *state)
{
    static const char *const names[ASGI_PHASES] = {"TELLING", "WAITING", "HELD", "OPEN", "TRAILING", "COMPLETE", "CUT"};
    for (int phase = 0; phase < ASGI_PHASES; phase++) {
        state->phases[phase] = import_name("asteri_asgi.http", names[phase]);
        if (state->phases[phase] == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
load_wants(asgi_state *state)
{
    PyObject *want = import_name("asteri_core.api", "Want");
    if (want == NULL) {
        return -1;
    }
    state->want_read = PyObject_GetAttrString(want, "READ");
    state->want_write = PyObject_GetAttrString(want, "WRITE");
    state->want_gone = PyObject_GetAttrString(want, "GONE");
    Py_DECREF(want);
    return state->want_read != NULL && state->want_write != NULL && state->want_gone != NULL ? 0 : -1;
}

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
    if (load_names(state) < 0 || load_shared(state) < 0 || load_phases(state) < 0 || load_wants(state) < 0 ||
        load_messages(state) < 0) {
        return -1;
    }
    if (asgi_add_sides(module, state) < 0 || asgi_add_call(module, state) < 0) {
        return -1;
    }
    return asgi_add_handler(module, state);
}

/* Every object of the state but what others visit and clear. */
#define EACH_OBJECT(state, DO)                                                                                         \
    DO((state)->handler_type);                                                                                         \
    DO((state)->call_type);                                                                                            \
    DO((state)->receive_type);                                                                                         \
    DO((state)->send_type);                                                                                            \
    DO((state)->step_type);                                                                                            \
    DO((state)->kinds);                                                                                                \
    DO((state)->want_read);                                                                                            \
    DO((state)->want_write);                                                                                           \
    DO((state)->want_gone);                                                                                            \
    DO((state)->no_bytes);                                                                                             \
    DO((state)->nothing);                                                                                              \
    DO((state)->request);                                                                                              \
    DO((state)->disconnect)

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    asgi_state *state = state_of(module);
    EACH_OBJECT(state, Py_VISIT);
#define VISIT(module, word) Py_VISIT(state->shared.word);
    ASGI_EACH_SHARED(VISIT)
#undef VISIT
    for (int phase = 0; phase < ASGI_PHASES; phase++) {
        Py_VISIT(state->phases[phase]);
    }
    int stopped = http_errors_visit(&state->errors, visit, arg);
    return stopped != 0 ? stopped : asteri_exchanges_visit(&state->exchanges, visit, arg);
}

static int
module_clear(PyObject *module)
{
    asgi_state *state = state_of(module);
    EACH_OBJECT(state, Py_CLEAR);
#define CLEAR(word) Py_CLEAR(state->name.word);
    ASGI_EACH_NAME(CLEAR)
#undef CLEAR
#define CLEAR(module, word) Py_CLEAR(state->shared.word);
    ASGI_EACH_SHARED(CLEAR)
#undef CLEAR
    for (int phase = 0; phase < ASGI_PHASES; phase++) {
        Py_CLEAR(state->phases[phase]);
    }
    http_errors_clear(&state->errors);
    asteri_exchanges_clear(&state->exchanges);
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
