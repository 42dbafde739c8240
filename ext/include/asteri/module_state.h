/* What a C module owns in its state, in one table that says how each object is had: loading, visiting and clearing are
 * done by the table, and nothing is listed twice.
 *
 *     typedef struct {
 *         PyObject *started, *want_read; (of the kernel)
 *         PyObject *name_read;           (an interned str)
 *         PyTypeObject *line_type;       (made by the module itself)
 *     } state;
 *
 *     static const asteri_object objects[] = {
 *         ASTERI_FOUND(state, started, "asteri_core.api", "Started"),
 *         ASTERI_FOUND(state, want_read, "asteri_core.api", "Want.READ"),
 *         ASTERI_TEXT(state, name_read, "read"),
 *         ASTERI_MADE(state, line_type),
 *         ASTERI_OBJECTS_END,
 *     };
 *
 *     in Py_mod_exec:               asteri_state_load(PyModule_GetState(module), objects)
 *                                   asteri_add_type(module, &line_spec, &state->line_type)
 *     in m_traverse, m_clear:       asteri_state_visit, asteri_state_clear
 *     the slots of the module:      static PyModuleDef_Slot slots[] = ASTERI_MODULE_SLOTS(exec);
 *
 * Every object of the table is an owned reference, or NULL, which CPython fills a state with. A member may be one of a
 * structure or of an array in the state. What is no object, and who frees it, stays with the module.
 */
#ifndef ASTERI_MODULE_STATE_H
#define ASTERI_MODULE_STATE_H

#include "slice.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    enum { ASTERI_IS_MADE = 1, ASTERI_IS_TEXT, ASTERI_IS_FOUND } kind; /* 0 ends a table */
    size_t place;       /* of the member in the state */
    const char *module; /* where it is found */
    const char *name;   /* its name there, or the text */
} asteri_object;

/* Set by the module itself, in its own time. */
#define ASTERI_MADE(state, member) {ASTERI_IS_MADE, offsetof(state, member), NULL, NULL}
/* An interned str. */
#define ASTERI_TEXT(state, member, text) {ASTERI_IS_TEXT, offsetof(state, member), NULL, text}
/* `module.name`; the name may have dots, as "Want.READ". */
#define ASTERI_FOUND(state, member, module, name) {ASTERI_IS_FOUND, offsetof(state, member), module, name}
#define ASTERI_OBJECTS_END {0, 0, NULL, NULL}

/* The slots of a module that keeps all it has in its state: each interpreter may have its own, and it needs no GIL. */
#if PY_VERSION_HEX >= 0x030D0000
#define ASTERI_MODULE_SLOTS(exec)                                                                                      \
    {                                                                                                                  \
        {Py_mod_exec, (void *)(exec)}, {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},           \
            {Py_mod_gil, Py_MOD_GIL_NOT_USED}, {0, NULL},                                                              \
    }
#elif PY_VERSION_HEX >= 0x030C0000
#define ASTERI_MODULE_SLOTS(exec)                                                                                      \
    {                                                                                                                  \
        {Py_mod_exec, (void *)(exec)}, {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},           \
            {0, NULL},                                                                                                 \
    }
#else
#define ASTERI_MODULE_SLOTS(exec) {{Py_mod_exec, (void *)(exec)}, {0, NULL}}
#endif

/* -- objects ------------------------------------------------------------------------------------------------------- */

/* `module.name`, imported: a new reference. NULL: an exception. */
static inline PyObject *
asteri_import(const char *module, const char *name)
{
    PyObject *found = PyImport_ImportModule(module);
    while (found != NULL && name != NULL) {
        const char *dot = strchr(name, '.');
        PyObject *owner = found;
        PyObject *part = PyUnicode_FromStringAndSize(name, dot == NULL ? (Py_ssize_t)strlen(name) : dot - name);
        found = part == NULL ? NULL : PyObject_GetAttr(owner, part);
        Py_XDECREF(part);
        Py_DECREF(owner);
        name = dot == NULL ? NULL : dot + 1;
    }
    return found;
}

/* Fills in what is found, and the texts. 0; -1: an exception, and what has been filled in stays for the clearing. */
static inline int
asteri_state_load(void *state, const asteri_object *objects)
{
    for (; objects->kind != 0; objects++) {
        if (objects->kind == ASTERI_IS_MADE) {
            continue;
        }
        PyObject *object = objects->kind == ASTERI_IS_TEXT ? PyUnicode_InternFromString(objects->name)
                                                           : asteri_import(objects->module, objects->name);
        if (object == NULL) {
            return -1;
        }
        /* By bytes: the member may be a pointer to any kind of object. */
        memcpy((char *)state + objects->place, &object, sizeof object);
    }
    return 0;
}

/* For m_traverse: gives what `visit` gives. */
static inline int
asteri_state_visit(void *state, const asteri_object *objects, visitproc visit, void *arg)
{
    for (; objects->kind != 0; objects++) {
        if (objects->kind != ASTERI_IS_TEXT) { /* a str is part of no cycle */
            PyObject *object;
            memcpy(&object, (char *)state + objects->place, sizeof object);
            Py_VISIT(object);
        }
    }
    return 0;
}

/* For m_clear, and m_free. */
static inline void
asteri_state_clear(void *state, const asteri_object *objects)
{
    for (; objects->kind != 0; objects++) {
        PyObject *object, *nothing = NULL;
        memcpy(&object, (char *)state + objects->place, sizeof object);
        memcpy((char *)state + objects->place, &nothing, sizeof nothing); /* first: its end may run anything */
        Py_XDECREF(object);
    }
}

/* -- types --------------------------------------------------------------------------------------------------------- */

/* Makes a type of the module, puts it into `*type`, which owns it, and adds it to the module. 0, -1. */
static inline int
asteri_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type == NULL ? -1 : PyModule_AddType(module, *type);
}

#endif
