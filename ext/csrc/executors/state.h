/* What the C files of `asteri_native._executors` share: the module's state, and who adds what to the module. */
#ifndef EXECUTORS_STATE_H
#define EXECUTORS_STATE_H

#include "asteri/exchange.h"
#include "asteri/module_state.h"
#include "asteri/threads.h"

#include <structmember.h>

/* Names that are looked up at run time: the member `name_X` is the interned str. */
#define EXECUTORS_NAMES(X)                                                                                             \
    X(abort, "abort") X(clock, "clock") X(enter, "__enter__") X(exit, "__exit__") X(finish, "finish")                  \
    X(flush, "flush") X(inform, "inform") X(join, "join") X(lock, "lock") X(poll, "poll") X(post, "post")              \
    X(read, "read") X(respond, "respond") X(retract, "retract") X(send, "send") X(shutdown, "shutdown")                \
    X(startup, "startup") X(upgrade, "upgrade") X(watch, "watch")

#define DECLARE_NAME(member, text) PyObject *name_##member;

typedef struct {
    /* All owned. Of the kernel: */
    PyObject *disconnected;        /* class */
    PyObject *configuration_error; /* class */
    PyObject *end_failed;          /* end_failed(exchange, error) */
    PyObject *end_overdue;         /* end_overdue(exchange, stack) */
    PyObject *monotonic;           /* time.monotonic */
    /* Types of this module: */
    PyTypeObject *link_type;
    PyTypeObject *waker_type;
    PyTypeObject *inline_type;
    PyTypeObject *pool_type;
    PyTypeObject *shared_type;
    PyTypeObject *native_shared_type;
    /* The last ones that were looked up, see link.c and shared.c: */
    asteri_exchange_kind last_exchange;
    PyTypeObject *reactor_type;
    const struct asteri_reactor_v1 *reactor_functions;
    PyObject *own_names; /* frozenset of the names that a shared exchange answers itself */
    EXECUTORS_NAMES(DECLARE_NAME)
} executors_state;

/* The state of the module that a type of it, or of its subclasses, belongs to; NULL with an exception. */
executors_state *executors_state_of(PyTypeObject *type);

/* Each adds its types to the module and fills in its members of the state. 0, -1. */
int executors_add_link(PyObject *module, executors_state *state);   /* link.c */
int executors_add_waker(PyObject *module, executors_state *state);  /* waker.c */
int executors_add_inline(PyObject *module, executors_state *state); /* inline.c */
int executors_add_shared(PyObject *module, executors_state *state); /* shared.c */
int executors_add_pool(PyObject *module, executors_state *state);   /* pool.c */

#endif
