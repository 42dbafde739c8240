/* `asteri_wsgi._native`: the C twin of this package's handler, environ, response and head. What is in it is said by the
 * files that add to it. What of the Python twin it calls is listed in state.h. */
#include "state.h"

#define FROM_PYTHON(member, module, name) ASTERI_FOUND(wsgi_state, python.member, module, name),
#define TEXT(member, spelling) ASTERI_TEXT(wsgi_state, text.member, spelling),

static const asteri_object objects[] = {
    WSGI_FROM_PYTHON(FROM_PYTHON)
    WSGI_TEXTS(TEXT)
    ASTERI_FOUND(wsgi_state, want_write, "asteri_core.api", "Want.WRITE"),
    ASTERI_MADE(wsgi_state, template_type),
    ASTERI_MADE(wsgi_state, kept_type),
    ASTERI_MADE(wsgi_state, response_type),
    ASTERI_MADE(wsgi_state, operation_type),
    ASTERI_MADE(wsgi_state, handler_type),
    ASTERI_OBJECTS_END,
};

static int
module_exec(PyObject *module)
{
    wsgi_state *state = wsgi_state_of(module);
    state->module = module;
    if (http_errors_load(&state->errors) < 0 || asteri_exchanges_load(&state->exchanges, module) < 0 ||
        asteri_state_load(state, objects) < 0) {
        return -1;
    }
    if (wsgi_add_templates(module) < 0 || wsgi_add_kept(module) < 0 || wsgi_add_keys(module) < 0 ||
        wsgi_add_response(module) < 0) {
        return -1;
    }
    return wsgi_add_handler(module);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    wsgi_state *state = wsgi_state_of(module);
    int failed = asteri_state_visit(state, objects, visit, arg);
    if (failed) {
        return failed;
    }
    failed = asteri_exchanges_visit(&state->exchanges, visit, arg);
    return failed ? failed : http_errors_visit(&state->errors, visit, arg);
}

static void
spare_free(wsgi_spare *spare)
{
    spare->room = 0;
    while (spare->count > 0) {
        PyObject_GC_Del(spare->objects[--spare->count]);
    }
}

static int
module_clear(PyObject *module)
{
    wsgi_state *state = wsgi_state_of(module);
    spare_free(&state->spare_responses);
    spare_free(&state->spare_operations);
    asteri_state_clear(state, objects);
    asteri_exchanges_clear(&state->exchanges);
    http_errors_clear(&state->errors);
    return 0;
}

static void
module_free(void *module)
{
    wsgi_state *state = wsgi_state_of((PyObject *)module);
    (void)module_clear((PyObject *)module);
    wsgi_table_free(&state->keys);
    wsgi_table_free(&state->names);
    wsgi_table_free(&state->statuses);
    for (size_t place = 0; place < WSGI_PORTS; place++) {
        Py_CLEAR(state->ports.texts[place]);
    }
}

static PyModuleDef_Slot module_slots[] = ASTERI_MODULE_SLOTS(module_exec);

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "asteri_wsgi._native",
    .m_doc = "WSGI in C.",
    .m_size = sizeof(wsgi_state),
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
