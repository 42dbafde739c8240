/* What the files of `asteri_native._ledger` share: the module's state, and who adds what to the module.
 *
 * ledger.c     what runs, since when, and what has become of it: the twin of asteri_core.ledger
 * running.c    the table of running exchanges
 * collector.c  collects small bodies: the quick half of asteri_core.collect
 * lines.c      makes the lines of the access log: the quick half of asteri_core.logs
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "asteri/exchange.h"

typedef struct {
    PyObject *call_hook;        /* asteri_core.ledger.call_hook: owned, as all here */
    PyObject *monotonic;        /* time.monotonic */
    PyObject *bytes_io;         /* io.BytesIO */
    PyObject *empty_body;       /* asteri_core.empty_body.EMPTY_BODY */
    PyObject *parts;            /* asteri_core.logs.formats.parts */
    PyObject *method, *target, *status, *sent, *buffer, *ask_recycle; /* interned names */
    PyObject *write, *take, *flush, *close, *format, *now;
    PyObject *worker_request;          /* keyword names ("worker", "request") */
    PyObject *worker_request_response; /* and with "response" */
} ledger_state;

ledger_state *ledger_state_of_type(PyTypeObject *type);

/* Each adds its type to the module. 0, -1. */
int ledger_add_ledger(PyObject *module);
int ledger_add_collector(PyObject *module);
int ledger_add_lines(PyObject *module);

/* A new object of a type, whole or not at all: `fill` is what an `__init__` would be, with its arguments. */
static inline PyObject *
ledger_made(PyTypeObject *type, PyObject *args, PyObject *kwargs, initproc fill)
{
    PyObject *made = type->tp_alloc(type, 0); /* filled with zeros */
    if (made != NULL && fill(made, args, kwargs) < 0) {
        Py_CLEAR(made);
    }
    return made;
}

typedef asteri_exchange_kind exchange_kind;

/* NULL: its type has none, or less than this header knows. */
static inline const asteri_exchange_v1 *
exchange_functions(exchange_kind *kind, PyObject *exchange)
{
    return asteri_exchange_functions(kind, exchange);
}

/* `to(exchange)`, a new reference. What one twin in C passes on to another is a bound method in C: called as such it
 * costs a tenth of a call. */
static inline PyObject *
pass_exchange_on(PyObject *to, PyObject *exchange)
{
    if (PyCFunction_CheckExact(to) && PyCFunction_GET_FLAGS(to) == METH_O) {
        return PyCFunction_GET_FUNCTION(to)(PyCFunction_GET_SELF(to), exchange);
    }
    return PyObject_CallOneArg(to, exchange);
}

#endif
