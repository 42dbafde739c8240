/* `SharedExchange`: an exchange as another thread sees it, each operation under the reactor's lock. There are two types:
 * over an exchange that has the contract "asteri.exchange.v1" the view has it too (shared_native.c), and is a subtype
 * of the one that has not.
 *
 * Arguments are borrowed. Returns: unless said otherwise 0, or -1 with an exception set.
 */
#ifndef EXECUTORS_SHARED_H
#define EXECUTORS_SHARED_H

#include "asteri/exchange.h"
#include "link.h"

#include <stdatomic.h>

typedef struct shared_exchange {
    PyObject_HEAD
    executors_state *state;              /* of the module, which the type keeps alive */
    reactor_link *link;                  /* owned; NULL in a subclass whose `__init__` has not come here */
    PyObject *exchange;                  /* owned */
    const asteri_exchange_v1 *functions; /* of the exchange; NULL in a view that is reached by its methods only */
    atomic_int detached;                 /* set under the reactor's lock; `detached` may be asked without */
    /* The executor's, guarded by its critical section: */
    unsigned long thread; /* the identifier of the thread that runs it; 0: none yet */
    struct shared_exchange *before, *after;
} shared_exchange;

/* The functions of an exchange, NULL (no exception) when its type has none, or not all that are known here. A look-up has
 * its price, so those of the last type are remembered; not without the GIL, where one could be seen without the other. */
const asteri_exchange_v1 *shared_functions_of(executors_state *state, PyObject *exchange);

/* A new view, owned by the caller, or NULL. `functions` are those of the exchange's type, or NULL. */
shared_exchange *shared_make(executors_state *state, reactor_link *link, PyObject *exchange,
                             const asteri_exchange_v1 *functions);

/* As the Python method: 1, 0, -1. */
int shared_retract(shared_exchange *self);

/* -- for shared_native.c ------------------------------------------------------------------------------------------- */

/* When an operation sends what it has left. */
typedef enum { SEND_NOTHING, SEND_WHEN_DONE, SEND_ANYWAY } shared_sending;

/* Takes the lock. */
int shared_lock(shared_exchange *self);
/* As that; -1: not taken, or the view has been detached, which has raised `Disconnected`. */
int shared_enter(shared_exchange *self);
/* Sends as `sending` says after an operation that gave `result` (less than 0: an exception), then lets the lock go.
 * `result`, or -1. */
int shared_leave(shared_exchange *self, int result, shared_sending sending);

/* Puts the contract into a type of views. */
int shared_native_add(PyTypeObject *type);

#endif
