/* One call of a blocking handler, and what every executor does around it. All arguments are borrowed. */
#ifndef EXECUTORS_CALL_H
#define EXECUTORS_CALL_H

#include "state.h"

/* `handler(exchange, wait)` in a copy of `context`, so that context variables of one request are not seen by the next.
 * 0, or -1 with what it has raised. */
int call_handler(PyObject *handler, PyObject *context, PyObject *exchange, PyObject *wait);

/* The handler has raised, and still does: logs that and aborts the exchange. 0, or -1 when that raises too. */
int call_failed(executors_state *state, PyObject *exchange);

/* `handler.startup()`, then the context that its calls are to have, in place of `*context` (owned). 0, -1. */
int call_startup(executors_state *state, PyObject *handler, PyObject **context);

#endif
