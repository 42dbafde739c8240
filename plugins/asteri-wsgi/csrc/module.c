/* `asteri_wsgi._native`: the C twin of this package's handler, environ, response and head. What is in it is said by the
 * files that add to it. What of the Python twin it calls is listed in state.h. */
#include "state.h"

static PyObject *
import_object(const char *module, const char *name)
{
    PyObject *found = PyImport_ImportModule(module);
    if (found == NULL) {
        return NULL;
    }
    PyObject *object = PyObject_GetAttrString(found, name);
    Py_DECREF(found);
    return object;
}

static int
load_objects(wsgi_state *state)
{
#define LOAD_OBJECT(member, module, name) {&state->python.member, module, name},
#define LOAD_TEXT(member, spelling) {&state->text.member, spelling},
    const struct {
        PyObject **place;
        const char *module, *name;
    } objects[] = {WSGI_FROM_PYTHON(LOAD_OBJECT)};
    const struct {
        PyObject **place;
        const char *text;
    } texts[] = {WSGI_TEXTS(LOAD_TEXT)};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        *texts[index].place = PyUnicode_InternFromString(texts[index].text);
        if (*texts[index].place == NULL) {
            return -1;
        }
    }
    for (size_t index = 0; index < sizeof objects / sizeof *objects; index++) {
        *objects[index].place = import_object(objects[index].module, objects[index].name);
        if (*objects[index].place == NULL) {
            return -1;
        }
    }
    state->want_write = PyObject_GetAttr(state->python.want, state->text.name_write_member);
    return state->want_write == NULL ? -1 : 0;
}

static int
module_exec(PyObject *module)
{
    wsgi_state *state = wsgi_state_of(module);
    state->module = module;
    if (http_errors_load(&state->errors) < 0 || asteri_exchanges_load(&state->exchanges, module) < 0 ||
        load_objects(state) < 0) {
        return -1;
    }
    if (wsgi_add_templates(module) < 0 || wsgi_add_kept(module) < 0 || wsgi_add_keys(module) < 0 ||
        wsgi_add_response(module) < 0) {
        return -1;
    }
    return wsgi_add_handler(module);
}

/* What can be part of a cycle: strings, and bytes in the tables, cannot. */
#define VISIT_MEMBER(member, ...) Py_VISIT(state->python.member);
#define CLEAR_MEMBER(member, ...) Py_CLEAR(state->python.member);
#define CLEAR_TEXT(member, ...) Py_CLEAR(state->text.member);

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    wsgi_state *state = wsgi_state_of(module);
    WSGI_FROM_PYTHON(VISIT_MEMBER)
    Py_VISIT(state->want_write);
    Py_VISIT(state->template_type);
    Py_VISIT(state->kept_type);
    Py_VISIT(state->response_type);
    Py_VISIT(state->operation_type);
    Py_VISIT(state->handler_type);
    int failed = asteri_exchanges_visit(&state->exchanges, visit, arg);
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
    WSGI_FROM_PYTHON(CLEAR_MEMBER)
    WSGI_TEXTS(CLEAR_TEXT)
    Py_CLEAR(state->want_write);
    Py_CLEAR(state->template_type);
    Py_CLEAR(state->kept_type);
    Py_CLEAR(state->response_type);
    Py_CLEAR(state->operation_type);
    Py_CLEAR(state->handler_type);
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
