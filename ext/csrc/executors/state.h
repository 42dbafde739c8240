/* What the C files of `asteri_native._executors` share: the module's state, and who adds what to the module. */
#ifndef EXECUTORS_STATE_H
#define EXECUTORS_STATE_H

#include "asteri/slice.h"

#include <structmember.h>

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
    PyTypeObject *reactor_type, *exchange_type;
    const struct asteri_reactor_v1 *reactor_functions;
    const struct asteri_exchange_v1 *exchange_functions;
    PyObject *own_names; /* frozenset of the names that a shared exchange answers itself */
    /* Interned names: */
    PyObject *name_abort, *name_clock, *name_enter, *name_exit, *name_finish, *name_flush, *name_inform, *name_join,
        *name_lock, *name_poll, *name_post, *name_read, *name_respond, *name_retract, *name_send, *name_shutdown,
        *name_startup, *name_upgrade, *name_watch;
} executors_state;

/* The state of the module that a type of it, or of its subclasses, belongs to; NULL with an exception. */
executors_state *executors_state_of(PyTypeObject *type);

/* A new reference to a name of a module, imported; NULL with an exception. */
PyObject *executors_import(const char *module, const char *name);

/* Each adds its types to the module and fills in its members of the state. 0, -1. */
int executors_add_link(PyObject *module, executors_state *state);   /* link.c */
int executors_add_waker(PyObject *module, executors_state *state);  /* waker.c */
int executors_add_inline(PyObject *module, executors_state *state); /* inline.c */
int executors_add_shared(PyObject *module, executors_state *state); /* shared.c */
int executors_add_pool(PyObject *module, executors_state *state);   /* pool.c */

/* Without the GIL a few lines on an object's own members are done as one step under its critical section. With it they
 * are one step anyway, as long as nothing in them can let go of it: plain C, and Py_INCREF, no more. */
#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

#endif
