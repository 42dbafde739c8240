/* Drives a connection that is written in Python behind the functions of "asteri/connection.h", so that a stream knows
 * one way only. The adapter is a Python object: it is also what such a connection gets as its `wake`. */
#ifndef REACTOR_ADAPTER_H
#define REACTOR_ADAPTER_H

#include "asteri/connection.h"
#include "state.h"

/* Two of them can fail here, which those of a native connection cannot: `wants_data` then gives -1 and `deadline` NaN,
 * with an exception set. */
extern const asteri_connection_v1 adapter_functions;

/* `connection` is borrowed; its `wake` is set. A new reference; NULL: an exception. */
PyObject *adapter_new(reactor_state *state, PyObject *connection);

#endif
