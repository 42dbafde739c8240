/* A request head in C, the twin of `asteri_http1.parser.RequestHead`: slices of one copy of its bytes, and the Python
 * objects of its parts, made when they are first asked for. Equal requests share it, so it counts references and nobody
 * changes it. It belongs to one worker's protocol: the GIL or the reactor's lock is held, but by who lets go of
 * it, which the end of an exchange does in any thread. */
#ifndef H1_HEAD_H
#define H1_HEAD_H

#include "asteri/exchange.h"
#include "asteri/threads.h"
#include "state.h"

typedef struct h1_head {
    asteri_references references;
    /* fields are those kept for the application, in order, names in lower case; has_body and expects_continue as the
     * head says; memo points to the one below, where there is a GIL */
    asteri_request request;
    asteri_memo memo;
    int chunked;
    int persistent;
    int takes_trailers;
    int forwarded; /* it has fields in which a proxy may say who its client is */
    PyObject *facts[ASTERI_HEADERS + 1]; /* owned, NULL until asked for; those that are a head's */
    const unsigned char *numbers; /* of the fields' names in h1_names, or H1_UNUSUAL */
    char *joined;                 /* owned: the value of several Upgrade fields, NULL when there are none */
    Py_ssize_t raw_size;
    const char *raw; /* the head as received, without a leading empty line; NULL when it is not one to keep */
    uint64_t hash;   /* of raw, set by who keeps it */
} h1_head;

h1_head *h1_head_retain(h1_head *head);
void h1_head_release(h1_head *head); /* NULL is fine */

/* ASTERI_METHOD, TARGET, RAW_PATH, QUERY, AUTHORITY, PROTOCOL, VERSION or HEADERS: borrowed from the head; NULL: an exception. */
PyObject *h1_head_fact(h1_state *state, h1_head *head, asteri_fact which);

/* Reads a head whose end has been found: `raw` is all of it, without a leading empty line, and has `lines` LF. `kept`:
 * it is to have `raw`. 1: `*head` is a new reference; 0: it breaks the grammar, no exception is set; -1:
 * RemoteProtocolError for what HTTP does not allow a head to say, or MemoryError. */
int h1_head_read(h1_state *state, const char *raw, Py_ssize_t size, Py_ssize_t lines, int kept, h1_head **head);

#endif
