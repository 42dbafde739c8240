/* `asteri_uwsgi._native`: the C twin of `asteri_uwsgi.packet` and `asteri_uwsgi.request`. */
#include "state.h"

static const asteri_object objects[] = {
    ASTERI_MADE(uw_state, reader_type),
    ASTERI_FOUND(uw_state, request_head, "asteri_uwsgi.request", "RequestHead"),
    ASTERI_FOUND(uw_state, read_address, "asteri_uwsgi.request", "read_address"),
    ASTERI_TEXT(uw_state, versions[0], "1.0"),
    ASTERI_TEXT(uw_state, versions[1], "1.1"),
    ASTERI_TEXT(uw_state, versions[2], "2"),
    ASTERI_TEXT(uw_state, versions[3], "3"),
    ASTERI_TEXT(uw_state, http, "http"),
    ASTERI_TEXT(uw_state, https, "https"),
    ASTERI_OBJECTS_END,
};

static uw_state *
state_of(PyObject *module)
{
    return (uw_state *)PyModule_GetState(module);
}

static int
module_exec(PyObject *module)
{
    uw_state *state = state_of(module);
    if (http_errors_load(&state->errors) < 0 || asteri_state_load(state, objects) < 0) {
        return -1;
    }
    return uw_add_reader(module, state);
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
    .m_name = "asteri_uwsgi._native",
    .m_doc = "Requests of the uwsgi protocol in C.",
    .m_size = sizeof(uw_state),
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
