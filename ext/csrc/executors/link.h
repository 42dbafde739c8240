/* How this module reaches a reactor: by its native contract, or by its Python methods. It adds no meaning.
 *
 * A link is made once for an executor, so that no look-up is left for the time of a request. Arguments are borrowed.
 * Returns: 0, or -1 with an exception set.
 */
#ifndef EXECUTORS_LINK_H
#define EXECUTORS_LINK_H

#include "asteri/reactor.h"
#include "state.h"

typedef struct {
    PyObject_HEAD
    executors_state *state;          /* of the module, which the type keeps alive */
    PyObject *reactor;               /* owned */
    const asteri_reactor_v1 *native; /* NULL: by the methods */
    PyObject *enter, *leave;         /* owned: the bound `__enter__` and `__exit__` of `reactor.lock`; NULL when native */
    PyObject *clock;                 /* owned: `reactor.clock`; NULL: the system's, read without a call */
    int sending;                     /* guarded by the reactor's lock: one of our calls sends, in whatever thread */
} reactor_link;

/* A new link, owned by the caller, or NULL. */
reactor_link *link_new(executors_state *state, PyObject *reactor);

int link_lock(reactor_link *link);
/* May be called while an exception is raised, and keeps it. */
int link_unlock(reactor_link *link);
int link_flush(reactor_link *link);
/* As `link_flush`, but an answer may be left for `link_flush_rest`, if its peer has sent another request behind, or with
 * `all`. `now` is what `link_now` has just given. */
int link_flush_later(reactor_link *link, double now, int all);
int link_flush_rest(reactor_link *link);
/* One turn of the reactor: `at_once` without waiting, else as long as it takes. */
int link_poll(reactor_link *link, int at_once);
int link_now(reactor_link *link, double *now);

#endif
