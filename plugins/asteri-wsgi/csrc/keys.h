/* The environ keys of header fields: made once for each name, for a bounded number of names. */
#ifndef WSGI_KEYS_H
#define WSGI_KEYS_H

#include "state.h"

/* The key of a lower-case name. A new reference. NULL: the field is not passed on, or an exception. */
PyObject *wsgi_key_learn(wsgi_state *state, asteri_slice name);

/* The same, and usually without a call; `*key` is a new reference, or NULL for a field that is not passed on. 0, -1. */
static inline int
wsgi_key_of(wsgi_state *state, asteri_slice name, PyObject **key)
{
    const wsgi_entry *entry = wsgi_table_find_slice(&state->keys, name);
    if (entry != NULL) {
        *key = Py_XNewRef(entry->result);
        return 0;
    }
    *key = wsgi_key_learn(state, name);
    return *key == NULL && PyErr_Occurred() ? -1 : 0;
}

#endif
