/* What start_response is given, checked and turned into slices that an exchange takes: the twin of `asteri_wsgi.head`,
 * which is asked for every text that is not in the tables, and says what is wrong. */
#ifndef WSGI_HEAD_H
#define WSGI_HEAD_H

#include "state.h"

#define WSGI_FEW_FIELDS 12 /* of a response: usual ones have no more, and need no memory of their own */

typedef struct {
    int status; /* 0: none yet */
    int64_t length; /* of the content as declared, -1 when it is not */
    asteri_slice reason;
    Py_ssize_t count, room;
    asteri_field *fields; /* `few_fields`, or owned memory */
    PyObject **owners;    /* beside it: what a value's bytes lie in; owned, or NULL */
    PyObject *kept;       /* a list of what else the slices lie in; owned, NULL when there is nothing */
    char digits[24];      /* the value of a content-length that was added */
    asteri_field few_fields[WSGI_FEW_FIELDS];
    PyObject *few_owners[WSGI_FEW_FIELDS];
} wsgi_head;

/* An empty one. */
void wsgi_head_init(wsgi_head *head);
/* Releases all that it owns; it is not to be used any more. */
void wsgi_head_release(wsgi_head *head);
/* The same, but it is empty then. */
void wsgi_head_clear(wsgi_head *head);
/* `to`, which is empty, takes over all of `from`, which is not to be used any more. */
void wsgi_head_move(wsgi_head *to, const wsgi_head *from);

/* Fills in an empty head. 0; -1: TypeError or ValueError in the words of the twin, and the head has to be cleared. */
int wsgi_head_parse(wsgi_state *state, wsgi_head *head, PyObject *status, PyObject *headers);
/* Adds a Content-Length and sets `length`. 0, -1. */
int wsgi_head_declare(wsgi_head *head, int64_t length);

#endif
