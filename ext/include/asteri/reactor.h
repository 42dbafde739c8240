/* What an executor in C may ask of a reactor: the contract "asteri.reactor.v1".
 *
 * A reactor is a Python object (see `asteri_core.reactor.Reactor` for its methods). The type of a native one has the
 * attribute ASTERI_REACTOR_ATTRIBUTE, a capsule of the name ASTERI_REACTOR_CAPSULE around a `struct asteri_reactor_v1`.
 */
#ifndef ASTERI_REACTOR_H
#define ASTERI_REACTOR_H

#include "contract.h"

#define ASTERI_REACTOR_CAPSULE "asteri.reactor.v1"
#define ASTERI_REACTOR_ATTRIBUTE "__asteri_reactor__"

typedef struct asteri_reactor_v1 {
    Py_ssize_t size; /* sizeof(struct asteri_reactor_v1) of whoever filled it in: later members may be missing */

    /* The reactor's lock, re-entrant. Locking releases the GIL while it waits. */
    void (*lock)(PyObject *self);
    void (*unlock)(PyObject *self);
    /* As the Python method: send and pass on what exchanges have left. The caller holds the lock. 0, -1. */
    int (*flush)(PyObject *self);
    /* As `flush`, but bytes may wait for company: what a peer has sent another request behind for that one's answer, so
     * that one call sends both (pipelining); with `all`, every answer for those that the caller is about to make, so
     * that who gets several is woken once. `flush`, `poll` and a millisecond end the wait. `now` is the time, which the
     * caller has just read. */
    int (*flush_later)(PyObject *self, double now, int all);
    /* Two times by the reactor's clock, which is read only where it has to be: when that has come which is being passed
     * on, for all of one turn at once; and the time. The caller is in the reactor's thread or holds the lock. 0, -1. */
    int (*arrival)(PyObject *self, double *when);
    int (*time)(PyObject *self, double *now);
} asteri_reactor_v1;

static inline const asteri_reactor_v1 *
asteri_reactor_of(PyTypeObject *type)
{
    return (const asteri_reactor_v1 *)asteri_contract_of(type, ASTERI_REACTOR_ATTRIBUTE, ASTERI_REACTOR_CAPSULE);
}

#endif
