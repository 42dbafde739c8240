/* See given.h. */
#include "given.h"

#include "writer.h"

h1_given *
h1_given_new(const asteri_field *fields, Py_ssize_t count)
{
    Py_ssize_t size = 0;
    for (const asteri_field *field = fields; field < fields + count; field++) {
        size += 2 * (Py_ssize_t)sizeof(Py_ssize_t) + field->name.size + field->value.size;
    }
    h1_given *given = PyMem_Malloc(sizeof(h1_given) + (size_t)size);
    if (given == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    given->references = 1;
    given->size = size;
    char *place = given->records;
    for (const asteri_field *field = fields; field < fields + count; field++) {
        Py_ssize_t sizes[2] = {field->name.size, field->value.size};
        place = h1_write(place, (const char *)sizes, sizeof(sizes));
        place = h1_write(place, field->name.data, field->name.size);
        place = h1_write(place, field->value.data, field->value.size);
    }
    return given;
}

void
h1_given_release(h1_given *given)
{
    if (given != NULL && asteri_references_drop(&given->references)) {
        PyMem_Free(given);
    }
}

PyObject *
h1_given_list(const h1_given *given)
{
    PyObject *list = PyList_New(0);
    asteri_field field;
    Py_ssize_t at = 0;
    while (list != NULL && h1_given_next(given, &at, &field)) {
        PyObject *pair =
            Py_BuildValue("(y#y#)", field.name.data, field.name.size, field.value.data, field.value.size);
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
    }
    return list;
}
