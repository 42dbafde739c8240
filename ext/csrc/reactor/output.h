/* The bytes of one stream on their way out.
 *
 * Small pieces are gathered in a cork, so that one call sends them: a stream has one while it is being pumped, and
 * keeps it for a moment where `asteri_reactor_v1.flush_later` allows it. Large pieces, files and the end stand in a
 * queue behind it, and so does what the peer is slow to take. An idle stream has neither. */
#ifndef REACTOR_OUTPUT_H
#define REACTOR_OUTPUT_H

#include "asteri/connection.h"

#define CORK_SIZE 65536
#define COPIED 16384 /* bytes up to which a piece that has an owner is copied: one slice is cheaper to send than two */
#define ROOM 64     /* pieces taken from a connection, or given to the system, in one call */
#define FILE_PIECE (1 << 20) /* bytes of a file sent in one turn, so that one download does not hold up the others */

typedef struct stream stream;
struct reactor;

/* What bytes that could leave may wait for in their cork: nothing, other answers for the same peer, any answers. */
typedef enum { WAIT_FOR_NONE, WAIT_FOR_OWN, WAIT_FOR_ALL } wait_for;

typedef struct cork {
    struct cork *next, **at; /* among the corks that are kept, or (only `next`) the free ones */
    stream *stream;          /* whose it is */
    uint32_t start, size;    /* the bytes from data + start on are unsent */
    double since;            /* there were none before; 0: nobody has asked for the time yet */
    char data[CORK_SIZE];
} cork;

/* Pieces in order. Each has an owner, unless `output_take` is at work. */
typedef struct {
    Py_ssize_t first, count; /* those from `first` on; `count` counts them */
    asteri_piece pieces[];
} queue;

/* Takes over `count` pieces from the connection. There is no queue. Small ones are gathered, others sent at once. 0;
 * -1: any exception; the pieces are gone in any case. */
int output_take(stream *self, asteri_piece *pieces, Py_ssize_t count);

/* Sends one piece, which no others will follow, from where it is, if the peer takes all of it: 1, and it is gone. 0:
 * the rest is still to be taken; what else comes of it shows then. There is no cork, and no queue. */
int output_send_now(stream *self, asteri_piece *piece);

/* Sends what the peer takes. What it does not take is in the queue afterwards. 0; -1: any exception. */
int output_write(stream *self);

/* Sends of the cork what the peer takes at once. What else comes of it shows with the next bytes. There is a cork. */
void output_try(stream *self);

/* Leaves the bytes in the cork for the moment. There is a cork and no queue. */
void output_keep(stream *self);

/* Forgets everything. */
void output_clear(stream *self);

int output_traverse(stream *self, visitproc visit, void *arg);

/* Of the reactor: frees the corks that nobody has. */
void output_free_corks(struct reactor *reactor);

#endif
