/* The native side of `asteri_core.api.Connection`: the contract "asteri.connection.v1".
 *
 * A connection is a Python object. Its type has the attribute ASTERI_CONNECTION_ATTRIBUTE, a capsule of the name
 * ASTERI_CONNECTION_CAPSULE around a `struct asteri_connection_v1`, which lives as long as the type. Such an object
 * also has the Python methods of the contract: who does not know this header drives it by those. One driver drives it
 * by one of the two ways.
 *
 * The meaning of every function is that of the Python method of the same name; what is said here is who owns what.
 * Every function is called with the GIL held (free-threaded build: attached), never by two threads at once.
 * `now`, `until` and deadlines are seconds of any monotonic clock.
 *
 * Returns: unless said otherwise 0, or -1 with a Python exception set. Only a defect raises.
 */
#ifndef ASTERI_CONNECTION_H
#define ASTERI_CONNECTION_H

#include "contract.h" /* first: Python.h sets what the system's headers declare */

#include <math.h>
#include <stdint.h>

#define ASTERI_CONNECTION_CAPSULE "asteri.connection.v1"
#define ASTERI_CONNECTION_ATTRIBUTE "__asteri_connection__"

#define ASTERI_NEVER INFINITY /* the deadline of a connection that has none */

/* Whoever drives a connection. It outlives its being set. */
typedef struct asteri_driver {
    /* An operation on an exchange has left events or bytes, or has changed wants_data or the deadline, outside of a
     * call from the driver. Only marks: it never calls back into the connection, and cannot fail. */
    void (*wake)(struct asteri_driver *self);
} asteri_driver;

typedef enum {
    ASTERI_STARTED = 1, /* object: the exchange */
    ASTERI_FINISHED,    /* object: the exchange */
    ASTERI_SWITCHED,    /* object: the connection that takes over; leftover: bytes for it to receive first */
    ASTERI_FAILED,      /* object: the exception */
} asteri_event_kind;

typedef struct {
    asteri_event_kind kind;
    PyObject *object;   /* a new reference, the caller's */
    PyObject *leftover; /* for ASTERI_SWITCHED a new reference to bytes, else NULL */
} asteri_event;

typedef enum {
    ASTERI_BYTES = 1,  /* data, size; size is not 0 */
    ASTERI_FILE,       /* owner: an object with fileno(), a regular file; offset, length */
    ASTERI_HALF_CLOSE, /* nothing follows: shut down the sending side */
    ASTERI_RESET,      /* nothing follows: reset, what was sent is not whole */
    ASTERI_CLOSE,      /* nothing follows, and the peer has said that it sends no more: close */
} asteri_piece_kind;

typedef struct {
    asteri_piece_kind kind;
    /* A new reference, the caller's, that keeps `data` alive. NULL: the bytes are the connection's own and stay only
     * until the next call of any function of it or of its exchange; a driver that cannot send all of them copies the
     * rest. */
    PyObject *owner;
    const char *data;
    Py_ssize_t size;
    int64_t offset;
    int64_t length;
} asteri_piece;

/* What `advance` gives. */
typedef enum {
    ASTERI_REST = 0, /* nothing is left: wants_data, deadline */
    ASTERI_EVENT,    /* event */
    ASTERI_PIECES,   /* count, last */
} asteri_step_kind;

typedef struct {
    asteri_event event;
    Py_ssize_t count;
    int last; /* the peer has sent nothing that is answered next: these bytes wait for no others */
    int wants_data;
    double deadline;
} asteri_step;

typedef struct asteri_connection_v1 {
    Py_ssize_t size; /* sizeof(struct asteri_connection_v1) of whoever filled it in: later members may be missing */

    /* Sets the driver; NULL: nobody drives it any more. */
    void (*drive)(PyObject *self, asteri_driver *driver);
    /* `data` is the caller's and stays only during the call. size is not 0. */
    int (*receive_data)(PyObject *self, const char *data, Py_ssize_t size, double now);
    int (*receive_eof)(PyObject *self, double now);
    int (*lost)(PyObject *self, double now);
    /* 1: `event` is the next one; 0: there is none; -1. */
    int (*next_event)(PyObject *self, asteri_event *event);
    /* The number of pieces put into `pieces` (at most `room`, which is at least 4), or -1. Called again only when all
     * of them have left. */
    Py_ssize_t (*data_to_send)(PyObject *self, double now, asteri_piece *pieces, Py_ssize_t room);
    /* 1 or 0; cannot fail. */
    int (*wants_data)(PyObject *self);
    /* ASTERI_NEVER for none; cannot fail. */
    double (*deadline)(PyObject *self);
    int (*expire)(PyObject *self, double now);
    int (*drain)(PyObject *self, double until, double now);
    /* May be missing, or NULL. What a driver does after every change, one call for each step: what `next_event` gives;
     * if that is nothing, what `data_to_send` gives, unless `room` is 0; if that is nothing, what `wants_data` and
     * `deadline` give. An asteri_step_kind, or -1. */
    int (*advance)(PyObject *self, double now, asteri_piece *pieces, Py_ssize_t room, asteri_step *step);
} asteri_connection_v1;

/* The functions of a type's connections, NULL (no exception) when the type has none of this contract.
 * Borrowed from the type. */
static inline const asteri_connection_v1 *
asteri_connection_of(PyTypeObject *type)
{
    return (const asteri_connection_v1 *)asteri_contract_of(type, ASTERI_CONNECTION_ATTRIBUTE,
                                                            ASTERI_CONNECTION_CAPSULE);
}

/* What the functions say, as Python has it: a member of the state of a module that includes connection_methods.h. */
typedef struct {
    PyObject *started, *finished, *switched, *failed; /* classes of asteri_core.api; owned, as all here */
    PyObject *file_slice;                             /* FileSlice */
    PyObject *reset, *close;                          /* RESET, CLOSE */
} asteri_connection_api;

/* Its objects, for the table of the module (module_state.h). */
#define ASTERI_CONNECTION_OBJECTS(state, member)                                                                       \
    ASTERI_FOUND(state, member.started, "asteri_core.api", "Started"),                                                 \
        ASTERI_FOUND(state, member.finished, "asteri_core.api", "Finished"),                                           \
        ASTERI_FOUND(state, member.switched, "asteri_core.api", "Switched"),                                           \
        ASTERI_FOUND(state, member.failed, "asteri_core.api", "Failed"),                                               \
        ASTERI_FOUND(state, member.file_slice, "asteri_core.api", "FileSlice"),                                        \
        ASTERI_FOUND(state, member.reset, "asteri_core.api", "RESET"),                                                 \
        ASTERI_FOUND(state, member.close, "asteri_core.api", "CLOSE")

#endif
