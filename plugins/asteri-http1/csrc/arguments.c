/* See arguments.h. */
#include "arguments.h"

static int
put_keyword(const char *function, PyObject *keyword, PyObject *value, const char *const *names, Py_ssize_t count,
            PyObject **values)
{
    for (Py_ssize_t index = 0; index < count; index++) {
        if (PyUnicode_CompareWithASCIIString(keyword, names[index]) == 0) {
            if (values[index] != NULL) {
                PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", function, keyword);
                return -1;
            }
            values[index] = value;
            return 0;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, keyword);
    return -1;
}

int
h1_arguments(const char *function, PyObject *const *arguments, Py_ssize_t positional, PyObject *keywords,
             const char *const *names, Py_ssize_t required, Py_ssize_t count, PyObject **values)
{
    if (positional > count) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd positional arguments but %zd were given", function, count,
                     positional);
        return -1;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        values[index] = index < positional ? arguments[index] : NULL;
    }
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t index = 0; index < named; index++) {
        PyObject *keyword = PyTuple_GET_ITEM(keywords, index);
        if (put_keyword(function, keyword, arguments[positional + index], names, count, values) < 0) {
            return -1;
        }
    }
    for (Py_ssize_t index = 0; index < required; index++) {
        if (values[index] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing the required argument '%s'", function, names[index]);
            return -1;
        }
    }
    return 0;
}
