/* The head of a response, held between http.response.start and the first content. */
#ifndef ASGI_HEAD_H
#define ASGI_HEAD_H

#include "state.h"

#define ASGI_FEW_FIELDS 12 /* this many are held without memory of their own */

typedef struct {
    PyObject *name; /* owned, as the value: both bytes */
    PyObject *value;
} asgi_pair;

/* Filled in by asgi_head_init. */
typedef struct {
    int status;
    PyObject *odd_status; /* owned: a status that does not fit an int; else NULL */
    PyObject *list;       /* owned: fields that are not usual, as the Python twin holds them; else NULL */
    Py_ssize_t count;
    asgi_pair *pairs;     /* `few`, or owned memory */
    asgi_pair few[ASGI_FEW_FIELDS];
} asgi_head;

static inline void
asgi_head_init(asgi_head *head)
{
    head->odd_status = NULL;
    head->list = NULL;
    head->count = 0;
    head->pairs = head->few;
}

/* Releases what is held. */
void asgi_head_drop(asgi_head *head);
int asgi_head_visit(asgi_head *head, visitproc visit, void *arg);

/* Take the fields, or the status, of a http.response.start. What the application does to its list afterwards changes
 * nothing. 0; -1: LocalProtocolError, or what the application's own objects raise. */
int asgi_head_take_fields(asgi_head *head, const asgi_state *state, PyObject *headers);
int asgi_head_take_status(asgi_head *head, PyObject *status);

/* Hands the head to `reached`, or to `exchange` itself what is not usual, and drops it. 0, -1. */
int asgi_head_respond(asgi_head *head, const asgi_state *state, PyObject *exchange, const asteri_reached *reached);

#endif
