/* The life of one HTTP/1.1 peer: the twin of `asteri_http1.connection`, whose docstring draws the stages. receiving.c
 * has what comes from the peer, connection.c all that else happens to it, connection_type.c the Python type and the
 * native contract. */
#ifndef H1_CONNECTION_H
#define H1_CONNECTION_H

#include "asteri/connection.h"
#include "binding.h"
#include "chunked.h"

#define H1_OUTPUT_MARK 65536 /* unsent bytes at which an exchange is asked to wait */
#define H1_INPUT_MARK 65536  /* unread bytes at which the peer is no longer read from */

enum { H1_MAY = 1, H1_MAY_NOT };
typedef enum { H1_IDLE, H1_HEAD, H1_RUNNING, H1_CLOSING, H1_CLOSED, H1_SWITCHED } h1_stage;

/* No time: no deadline, no allowance. It is not ASTERI_NEVER, which a setting may be. */
#define H1_NO_TIME NAN

/* What happens between two looks at the events is at most: an exchange has finished, the next has started, and has been
 * lost before anybody saw it. */
#define H1_EVENTS 4

struct h1_exchange;

typedef struct h1_connection {
    PyObject_HEAD
    h1_binding *binding; /* owned, as all of these; never NULL */
    PyObject *peer;      /* never NULL */
    PyObject *scheme;    /* of the peer; never NULL */
    PyObject *wake;      /* a callable, or NULL */
    struct h1_exchange *exchange; /* the running one, or NULL */
    PyObject *successor;          /* takes over after the running exchange, or NULL */
    PyObject *leftover;           /* bytes for the successor once it has taken over, or NULL */
    asteri_driver *driver;        /* borrowed, or NULL; wins over `wake` */
    h1_parser parser;
    h1_chunked *decoder; /* of the running body, if it is chunked; owned */
    int64_t left;        /* bytes of the running body that are to come, if it is not */
    h1_output output;
    char *input; /* what came in behind the running request: input[start:end]; owned, NULL when there is nothing */
    Py_ssize_t input_start, input_end, input_capacity;
    double now;
    double deadline;
    double until;     /* when draining: the end */
    double allowance; /* seconds left to the body while the peer is not read from */
    PyObject *happened[H1_EVENTS]; /* owned */
    unsigned char kinds[H1_EVENTS];
    unsigned char first, count; /* happened[first:count] are to be told */
    unsigned char stage;
    unsigned char lag; /* the deadline was set without knowing the time, and moves to the next known one */
    unsigned char draining;
    unsigned char eof;
    unsigned char ending; /* the running exchange is over as soon as the output has been handed over */
    unsigned char speaks; /* whether the peer may speak for others: H1_MAY, H1_MAY_NOT, 0: nobody has asked yet */
    unsigned char handed_over; /* the running exchange has never begun: another protocol answers its request */
    unsigned char end; /* the last piece: ASTERI_HALF_CLOSE, ASTERI_RESET or ASTERI_CLOSE */
} h1_connection;

PyObject *h1_connection_new(h1_binding *binding, PyObject *peer, double now);

/* -- the peer and the driver: as in `asteri_core.api.Connection`; 0, -1 where nothing else is said ----------------- */

int h1_connection_receive_data(h1_connection *self, const char *data, Py_ssize_t size, double now);
int h1_connection_receive_eof(h1_connection *self, double now);
int h1_connection_lost(h1_connection *self, double now);
int h1_connection_wants_data(h1_connection *self);
int h1_connection_expire(h1_connection *self, double now);
int h1_connection_drain(h1_connection *self, double until, double now);
/* To be called before the events are looked at. */
int h1_connection_settle(h1_connection *self);
/* 1: `*kind` and `*object`, a new reference, are the next event; 0: there is none. */
int h1_connection_next(h1_connection *self, int *kind, PyObject **object);

/* A request is running and nothing has come of it: `h1_connection_ready` would find nothing. */
static inline int
h1_connection_is_silent(const h1_connection *self)
{
    return self->stage == H1_RUNNING && self->output.data == NULL && self->output.count == 0 && !self->ending;
}

/* What may be handed over. */
typedef struct {
    Py_ssize_t pieces; /* of the output */
    int whole;         /* that is all of it, and already counted off */
    int end;           /* the last piece, which is to follow them, or 0 */
} h1_ready;
/* Finds out what is ready, of which no more than `room` pieces are to be handed over. */
int h1_connection_ready(h1_connection *self, double now, Py_ssize_t room, h1_ready *ready);

/* -- the running exchange ------------------------------------------------------------------------------------------ */

/* Tells the driver. Foreign code may run: nothing that was read before holds after it. 0, -1. */
int h1_connection_wake(h1_connection *self);
/* Whether another request would be taken after the running one. */
int h1_connection_goes_on(const h1_connection *self);
/* The last bytes of the running exchange are queued; `successor` (borrowed, may be NULL) takes over after them. */
void h1_connection_complete(h1_connection *self, PyObject *successor);
/* From now on the peer has to send the body. */
void h1_connection_body_due(h1_connection *self);
/* Body pieces have been read, so there is room for more. Wakes. 0, -1. */
int h1_connection_body_taken(h1_connection *self, struct h1_exchange *exchange);
/* The status of a RemoteProtocolError, or -1. */
int h1_connection_status_of(h1_connection *self, PyObject *error);
/* Queues the whole answer to what is not accepted, after which the connection closes; silent: without content.
 * The bytes of content, -1. */
Py_ssize_t h1_connection_put_refusal(h1_connection *self, int status, int silent);

static inline int
h1_connection_below_mark(const h1_connection *self)
{
    return self->output.queued < H1_OUTPUT_MARK;
}

#endif
