/* Reads the messages of an application. See message.h. */
#include "message.h"

#include <string.h>

/* The names of the state by their index. */
static PyObject *const *
names_of(const asgi_state *state)
{
    return (PyObject *const *)&state->name;
}

void
asgi_message_read(asgi_message *self, const asgi_state *state, PyObject *whole)
{
    self->whole = whole;
    self->complete = 0;
    memset(self->values, 0, sizeof self->values);
    /* Without the GIL the dictionary could change meanwhile. */
    if (!ASTERI_GIL || !PyDict_CheckExact(whole) || PyDict_GET_SIZE(whole) > ASGI_SAID) {
        return;
    }
    PyObject *const *names = names_of(state);
    Py_ssize_t position = 0;
    PyObject *key, *value;
    self->complete = 1;
    /* Counted, since the call that finds the end would cost as much as one that finds something. */
    for (Py_ssize_t left = PyDict_GET_SIZE(whole); left > 0 && PyDict_Next(whole, &position, &key, &value); left--) {
        int index = 0;
        while (index < ASGI_SAID && key != names[index]) {
            index++;
        }
        if (index < ASGI_SAID) {
            self->values[index] = Py_NewRef(value);
        } else {
            self->complete = 0;
        }
    }
}

void
asgi_message_changed(asgi_message *self)
{
    for (int index = 0; index < ASGI_SAID; index++) {
        Py_CLEAR(self->values[index]);
    }
    self->complete = 0;
}

void
asgi_message_drop(asgi_message *self)
{
    for (int index = 0; index < ASGI_SAID; index++) {
        Py_XDECREF(self->values[index]);
    }
}

int
asgi_message_find(const asgi_message *self, const asgi_state *state, asgi_key key, PyObject **value)
{
    *value = Py_XNewRef(self->values[key]);
    if (*value != NULL) {
        return 1;
    }
    if (self->complete) {
        return 0;
    }
    if (PyDict_CheckExact(self->whole)) {
        return asgi_dict_find(self->whole, names_of(state)[key], value);
    }
    *value = PyObject_GetItem(self->whole, names_of(state)[key]);
    return *value != NULL ? 1 : -1;
}

PyObject *
asgi_message_get(const asgi_message *self, const asgi_state *state, asgi_key key, PyObject *otherwise)
{
    if (PyDict_CheckExact(self->whole)) {
        PyObject *value;
        int found = asgi_message_find(self, state, key, &value);
        if (found == 0) {
            return Py_NewRef(otherwise != NULL ? otherwise : Py_None);
        }
        return found > 0 ? value : NULL;
    }
    PyObject *arguments[3] = {self->whole, names_of(state)[key], otherwise};
    return PyObject_VectorcallMethod(state->name.get, arguments, otherwise != NULL ? 3 : 2, NULL);
}

int
asgi_message_says(const asgi_message *self, const asgi_state *state, asgi_key key)
{
    PyObject *value = asgi_message_get(self, state, key, Py_False);
    if (value == NULL) {
        return -1;
    }
    int truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    return truth;
}
