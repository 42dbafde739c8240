/* What every HTTP exchange does alike, in C: the twin of `asteri_http.exchange`. The body's queue, the watchers, the
 * phases of a response, and the account of its Content-Length. It writes no byte and knows no protocol: a protocol puts
 * a `struct http_exchange` into its own and calls these functions from its operations.
 *
 * The phases, and what each operation makes of them, are those that the docstring of the Python twin draws. An
 * operation that the phase does not allow ends with `http_refuse_move`.
 *
 * Watchers are called by the functions that say so, and may raise. They are foreign code: whoever calls such a function
 * keeps a reference to whatever the exchange is in, and reads anew what could have changed.
 */
#ifndef ASTERI_HTTP_EXCHANGE_H
#define ASTERI_HTTP_EXCHANGE_H

#include "asteri_http/errors.h"
#include "asteri_http/fields.h"

typedef enum {
    HTTP_WAITING,  /* no response yet */
    HTTP_DECIDED,  /* head set, not sent */
    HTTP_SENDING,  /* head sent */
    HTTP_COMPLETE, /* response complete */
    HTTP_CUT,
} http_phase;

typedef enum {
    HTTP_EXPECTED, /* the client waits for 100 (Continue) */
    HTTP_ARRIVING,
    HTTP_RECEIVED,
    HTTP_BROKEN,
} http_incoming;

typedef enum { HTTP_WANT_READ, HTTP_WANT_WRITE, HTTP_WANT_GONE } http_want;
#define HTTP_WANTS 3

typedef struct http_watchers http_watchers; /* made when somebody watches first */

typedef struct {
    http_watchers *watchers;
    /* the response */
    uint64_t remaining; /* of the declared length */
    uint64_t length;    /* as declared, if has_length */
    int64_t sent;       /* bytes of content */
    int status;         /* the final one, 0 until then */
    unsigned char phase;
    unsigned char has_length;
    unsigned char silent; /* the response ends with its head, whatever the application sends */
    unsigned char closes; /* the application asks for the end of the connection */
    unsigned char added;  /* HTTP_DATE, HTTP_SERVER: the application has set these itself */
    /* the request's body */
    unsigned char incoming;
    unsigned char gone; /* the peer has said that it sends no more */
    Py_ssize_t buffered;
    PyObject *piece;   /* the first that waits to be read; owned, as the others */
    PyObject **pieces; /* those behind it */
    Py_ssize_t count, room;
    PyObject *failure; /* why the rest of the body will not come */
} http_exchange;

/* Everything as at the start of a request. What was there is overwritten, not released. */
void http_exchange_begin(http_exchange *exchange, int has_body, int waits);
int http_exchange_visit(http_exchange *exchange, visitproc visit, void *arg);
/* Releases all that it owns. */
void http_exchange_clear(http_exchange *exchange);

/* -- the request's body -------------------------------------------------------------------------------------------- */

/* Whether more of the body can come in. */
static inline int
http_arriving(const http_exchange *exchange)
{
    return exchange->incoming == HTTP_ARRIVING || exchange->incoming == HTTP_EXPECTED;
}

typedef enum {
    HTTP_BLOCKS = 0, /* nothing is there: the client may have to be told to go on */
    HTTP_TAKEN,      /* `*data` is a new reference to all that was there; the peer may be read from again */
    HTTP_ENDED,      /* `*data` is a new reference to empty bytes */
} http_read;

/* A `http_read`, or -1: the failure of the body, or MemoryError. */
int http_exchange_read(http_exchange *exchange, PyObject **data);
/* A piece of the body, bytes that are not empty, has come in. Steals `piece`, also when it fails. Calls watchers. */
int http_exchange_supply(http_exchange *exchange, PyObject *piece);
/* The body has ended. Calls watchers. */
int http_exchange_complete(http_exchange *exchange);
/* The rest of the body will not come; the first `error` is kept, borrowed. Calls watchers. */
int http_exchange_fail(http_exchange *exchange, PyObject *error);
/* The peer has said that it sends no more. Calls watchers. */
int http_exchange_leave(http_exchange *exchange);
/* The exchange is over; the response is cut unless it is complete. Calls all watchers. */
int http_exchange_close(http_exchange *exchange, const http_errors *errors);

/* -- waiting ------------------------------------------------------------------------------------------------------- */

/* 1: `want` holds already; 0: `callback` (borrowed) is kept; -1. `writable`: the queue is below its mark. */
int http_exchange_watch(http_exchange *exchange, http_want want, PyObject *callback, int writable);
/* Calls the watchers for `want`. */
int http_exchange_fire(http_exchange *exchange, http_want want);
/* The queue of unsent bytes is below its mark again. Calls watchers. */
static inline int
http_exchange_resume(http_exchange *exchange)
{
    return exchange->watchers == NULL ? 0 : http_exchange_fire(exchange, HTTP_WANT_WRITE);
}

/* -- the response -------------------------------------------------------------------------------------------------- */

/* Whether the response can no longer be replaced by another one. */
static inline int
http_head_sent(const http_exchange *exchange)
{
    return exchange->phase >= HTTP_SENDING;
}

/* Raises what an operation that is not allowed now raises. Always -1. */
int http_refuse_move(const http_exchange *exchange, const http_errors *errors, const char *operation);

/* What the fields of a response say to the protocol. Begins with all zero. */
typedef struct {
    uint64_t length;
    unsigned char has_length, closes, added;
} http_said;

typedef enum {
    HTTP_DROP = 0, /* the protocol says it itself */
    HTTP_KEEP,
    HTTP_KEEP_UPGRADE, /* in its place stands `connection: upgrade` */
} http_kept;

/* Checks one field, and notes in `said` what it says. A `http_kept`, or -1: LocalProtocolError. */
int http_sort_field(const http_errors *errors, asteri_slice name, asteri_slice value, http_said *said);
/* The head is set: phase HTTP_DECIDED. `said` is what all of its fields say; `is_head`: it answers a HEAD request. */
void http_exchange_decide(http_exchange *exchange, int status, const http_said *said, int is_head);
/* Takes a head back that has not been sent. 1: `respond` may follow; 0: it is too late. */
int http_exchange_retract(http_exchange *exchange);

/* Raises what a field is answered with whose name or value (borrowed) is not bytes. Always -1. */
int http_refuse_field(const http_errors *errors, PyObject *name, PyObject *value);

/* Content to send. */
typedef struct {
    PyObject *owner; /* a new reference: the object that has the bytes, or of a slice of a file the file */
    const char *data; /* NULL for a file */
    int64_t size;
    int64_t offset; /* in the file */
} http_content;

/* What `data` is, one of the types of Sendable. `file_slice`: the class. 0, -1. The caller releases it. */
int http_content_read(const http_errors *errors, PyObject *file_slice, PyObject *data, http_content *content);
void http_content_release(http_content *content);

typedef enum { HTTP_FITS = 0, HTTP_LONGER, HTTP_SHORTER } http_fit;
/* Subtracts content from the declared length, which there is, unless that breaks it. */
http_fit http_exchange_account(http_exchange *exchange, int64_t size, int end);
/* Raises what an account that does not fit raises. Always -1. */
int http_refuse_content(const http_exchange *exchange, const http_errors *errors, int64_t size, http_fit fit);

#endif
