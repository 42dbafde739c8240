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
    PyObject *parts;            /* asteri_core.logs.formats.parts */
    PyObject *body, *method, *target, *status, *sent, *buffer, *ask_recycle; /* interned names */
    PyObject *write, *take, *flush, *close, *format;
    PyObject *worker_request;          /* keyword names ("worker", "request") */
    PyObject *worker_request_response; /* and with "response" */
} ledger_state;

ledger_state *ledger_state_of_type(PyTypeObject *type);

/* Each adds its type to the module. 0, -1. */
int ledger_add_ledger(PyObject *module);
int ledger_add_collector(PyObject *module);
int ledger_add_lines(PyObject *module);

/* The native functions of an exchange's type, looked up once as long as the type stays the same. */
typedef struct {
    PyTypeObject *type; /* owned */
    const asteri_exchange_v1 *functions;
} exchange_kind;

/* NULL: its type has none. */
static inline const asteri_exchange_v1 *
exchange_functions(exchange_kind *kind, PyObject *exchange)
{
    if (Py_TYPE(exchange) != kind->type) {
        Py_XSETREF(kind->type, (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(exchange)));
        kind->functions = asteri_exchange_of(Py_TYPE(exchange));
    }
    return kind->functions;
}

#endif
