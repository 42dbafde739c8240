/* One connected socket of the reactor: the twin of `asteri_core.reactor.stream`, and of `sansio.session` within it.
 *
 *     OPEN ──half-close sent──▶ LINGERING ──EOF, cap or deadline──▶ ENDING ──its last events are told──▶ CLOSED
 *       └──────── closed by the connection, lost, or write time-out ───┘
 *
 * In ENDING nobody calls the connection any more but for its events: who hears of them may turn the reactor.
 *
 * A stream is no Python object. It has a place in a slab of its reactor, and stays there after it has been closed until
 * nobody can have its address any more. Only the holder of the reactor's lock calls these functions.
 *
 * The socket is watched edge by edge, so it costs one epoll_ctl for its whole life unless its peer is slow to read.
 * What must not be forgotten between two edges is kept in flags: STREAM_READABLE from an event on until a recv was
 * short of its buffer, STREAM_WRITABLE until a send was short. A stream that could go on and does not, because its turn
 * is over or because its connection wanted nothing, is called again by way of the reactor's backlog.
 *
 * Functions that return int: 0; -1 with an exception that ends more than this peer (an interrupt), unless said
 * otherwise.
 */
#ifndef REACTOR_STREAM_H
#define REACTOR_STREAM_H

#include "asteri/connection.h"
#include "deadlines.h"
#include "output.h"
#include "source.h"

#define READ_SIZE 65536
#define LINGER_SECONDS 2.0      /* how long after the peer's system has our last bytes a reset could still destroy them */
#define LINGER_BYTES (1u << 20) /* what a peer may still send after our half-close before it gets a reset */

enum { STREAM_OPEN, STREAM_LINGERING, STREAM_ENDING, STREAM_CLOSED };

enum {
    STREAM_REGISTERED = 1 << 0, /* epoll knows the socket */
    STREAM_OUT = 1 << 1,        /* it is watched for being writable as well */
    STREAM_READABLE = 1 << 2,   /* recv may have something */
    STREAM_ENDED = 1 << 3,      /* there is more to read than bytes in a row: a short recv is not the last one */
    STREAM_WRITABLE = 1 << 4,   /* send may take something */
    STREAM_WANTED = 1 << 5,     /* what comes is to be read */
    STREAM_EOF = 1 << 6,        /* the end has been read */
    STREAM_DIRTY = 1 << 7,      /* the connection has something new */
    STREAM_QUEUED = 1 << 8,     /* in the list of dirty streams */
    STREAM_LISTED = 1 << 9,     /* in the backlog */
    STREAM_PUMPING = 1 << 10,   /* within `stream_pump` */
    STREAM_AGAIN = 1 << 11,     /* the connection has had something new meanwhile */
    STREAM_DRAINING = 1 << 12,
    STREAM_ADVANCES = 1 << 13,  /* the connection has `advance` */
    STREAM_LOSING = 1 << 14,    /* what ends now is cut by that */
    STREAM_CUT = 1 << 15,       /* the peer has to see that it has not got all */
    STREAM_TELLING = 1 << 16,   /* within the telling of the last events */
};

struct stream {
    source source; /* source.state is one of the four */
    uint32_t flags;
    uint32_t lingered; /* bytes thrown away */
    int left;          /* bytes of ours that were on their way when one that lingers last looked */
    asteri_driver driver;
    struct reactor *reactor;               /* borrowed: the stream is its own */
    const asteri_connection_v1 *functions; /* those of `connection` */
    PyObject *connection;                  /* owned: the connection, or the adapter around one of Python */
    PyObject *peer;                        /* owned */
    cork *cork;                            /* owned: bytes that leave before `unsent`; NULL */
    queue *unsent;                         /* owned: what could not leave, and until it has the connection is asked for
                                            * no more; NULL: nothing */
    due_link deadline;
    double due;         /* the deadline the reactor knows, as long as it has one */
    double progress;    /* when bytes last left; of one that lingers, when some were last seen to have been taken */
    double until;       /* when one that lingers looks the next time */
    double drain_until; /* when STREAM_DRAINING */
    struct stream *next, *previous; /* of all open ones; `next` also of those that are closed, or of free places */
    struct stream *next_dirty;
    struct stream *next_in_backlog;
};

/* Drives a new peer. `fd` is stolen, also on failure; `peer` and `connection` are borrowed. 0; -1: any exception, the
 * connection cannot be driven; or what `stream_pump` gives. */
int stream_open(struct reactor *reactor, int fd, PyObject *peer, PyObject *connection);

/* epoll says `events` (0: nothing new, it has been in the backlog). */
int stream_ready(stream *self, uint32_t events);
/* Only notes the events, for another turn. */
void stream_note(stream *self, uint32_t events);

/* Passes on the connection's events and bytes until it has no more, then arranges to be called again. `later` allows
 * that bytes stay in the cork. */
int stream_pump(stream *self, wait_for later);

/* The same for one that is being pumped further up the stack, because somebody there is going to wait. */
int stream_pump_within(stream *self);

/* Sends what is in the cork. */
int stream_uncork(stream *self);

int stream_expire(stream *self);
int stream_drain(stream *self, double until);
int stream_abandon(stream *self); /* gives the peer up; everything that runs for it is over */

/* -- for output.c: 0; -1: any exception ---------------------------------------------------------------------------- */

int stream_lose(stream *self); /* the transport is of no use any more */
int stream_half_close(stream *self);
int stream_close(stream *self);
int stream_reset(stream *self);

/* -- for reactor.c ------------------------------------------------------------------------------------------------- */

/* Closes without a word to anybody. */
void stream_drop(stream *self);
/* Lets go of the Python objects of a closed one. */
void stream_release(stream *self);
int stream_traverse(stream *self, visitproc visit, void *arg);

static inline stream *
stream_of_link(due_link *link)
{
    return (stream *)((char *)link - offsetof(stream, deadline));
}

#endif
