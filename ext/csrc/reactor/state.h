/* What the C files of `asteri_native._reactor` share: the module's state, and who adds what to the module. */
#ifndef REACTOR_STATE_H
#define REACTOR_STATE_H

#include "asteri/connection.h"
#include "asteri/module_state.h"
#include "asteri/raised.h"

/* Attributes and methods that are looked up while the reactor runs: the member `name_X` is the interned str "X". */
#define REACTOR_NAMES(X)                                                                                               \
    X(wake) X(wants_data) X(receive_data) X(receive_eof) X(lost) X(events) X(data_to_send) X(deadline) X(expire)       \
    X(drain) X(fileno) X(error) X(exc_info) X(setblocking) X(detach) X(time) X(_ready) X(_scheduled) X(_stopping)      \
    X(_when)

#define DECLARE_NAME(name) PyObject *name_##name;

typedef struct {
    PyTypeObject *adapter_type;
    PyTypeObject *lock_type;
    PyTypeObject *reactor_type;
    PyTypeObject *router_type;
    PyTypeObject *selector_type;
    PyTypeObject *timer_type;
    asteri_connection_api api;
    PyTypeObject *peer;                /* asteri_core.api.Peer */
    PyObject *sniff_yes, *sniff_more;  /* members of Sniff */
    PyTypeObject *selector_key;        /* selectors.SelectorKey */
    PyObject *monotonic;               /* time.monotonic */
    PyObject *key_map;                 /* asteri_core.reactor.door.KeyMap */
    PyObject *log;                     /* the logger "asteri.error" */
    PyObject *http;                    /* "http", the scheme of a peer */
    PyObject *exc_info_keyword;        /* ("exc_info",) */
    REACTOR_NAMES(DECLARE_NAME)
} reactor_state;

reactor_state *reactor_state_of(PyObject *module);
/* Of a type of this module or a subclass of one; NULL: TypeError. */
reactor_state *reactor_state_of_type(PyTypeObject *type);

/* Each makes its types and adds them to the module. 0, -1. */
int reactor_add_lock(PyObject *module);     /* lock.c */
int reactor_add_timer(PyObject *module);    /* timers.c */
int reactor_add_adapter(PyObject *module);  /* adapter.c */
int reactor_add_router(PyObject *module);   /* router.c */
int reactor_add_reactor(PyObject *module);  /* methods.c */
int reactor_add_selector(PyObject *module); /* selector.c */
int reactor_add_wall(PyObject *module);     /* wall.c */

/* A new instance of a subclass of tuple, as its own `__new__` makes it. */
PyObject *named_tuple(PyTypeObject *type, PyObject *const *items, Py_ssize_t count);

/* What a ConnectionFactory gives for a peer: a new reference. */
PyObject *connection_new(PyObject *factory, PyObject *peer, double now);

/* The exception that is set is logged with `message` and is set no more. 0; -1: what the log has raised. */
int log_exception(reactor_state *state, const char *message);

/* Whether the exception that is set is an Exception: what is not (an interrupt, an exit) ends more than one peer. */
static inline int
is_mere_exception(void)
{
    return PyErr_ExceptionMatches(PyExc_Exception);
}

#endif
