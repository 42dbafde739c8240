/* One HTTP/1.1 request and its response: the twin of `asteri_http1.exchange`, whose docstring says how a response is
 * framed. exchange.c has the life of an exchange and the side of the request, response.c the heads of responses,
 * content.c what follows them, exchange_type.c the Python type and the native contract. */
#ifndef H1_EXCHANGE_H
#define H1_EXCHANGE_H

#include "asteri_http/exchange.h"
#include "connection.h"
#include "given.h"
#include "head.h"
#include "response_fields.h"

/* Content up to this size is copied behind its head or chunk size, so that one piece has both. */
#define H1_SMALL 4096

typedef struct h1_exchange {
    PyObject_HEAD
    h1_binding *binding;       /* owned for life */
    h1_connection *connection; /* owned; NULL when the exchange is over, which ends the cycle */
    h1_head *head;             /* owned, as the others */
    http_exchange http;
    PyObject *peer, *scheme;
    PyObject *headers, *trailers, *body, *response_headers; /* NULL until asked for or set */
    asteri_request *request; /* owned memory; NULL, unless it differs, or may differ, from the head's */
    PyObject *pairs;         /* the headers as they were changed: a tuple; NULL when they are the head's */
    asteri_field *fields;    /* owned memory: of these pairs */
    unsigned char waits;     /* the client waits for 100 (Continue) before it sends the body */
    unsigned char keeps;     /* the connection can go on after this exchange, as far as is known */
    unsigned char chunked;   /* the response is */
    h1_given *given;         /* owned; the fields of the response, NULL as long as there is none from C */
} h1_exchange;

/* A new reference. Steals `head`, also when it fails. */
h1_exchange *h1_exchange_new(h1_connection *connection, h1_head *head, int waits);
/* The end of its dealloc: its memory is kept for another one, or given back. */
void h1_exchange_give_spare(h1_state *state, h1_exchange *self);
/* It never began: nobody has seen it. */
void h1_exchange_forget(h1_exchange *self);
/* It is over. Calls watchers. 0, -1. */
int h1_exchange_close(h1_exchange *self);
/* The body is not acceptable, because of `error` (borrowed). Answers if no response has been set. 0, -1. */
int h1_exchange_refuse(h1_exchange *self, PyObject *error);
/* The list for the request's trailers: borrowed. */
PyObject *h1_exchange_trailers(h1_exchange *self);
/* The request's headers as a list of the exchange's own: borrowed. NULL: MemoryError. */
PyObject *h1_exchange_headers(h1_exchange *self);
/* What the request says, with the headers as they have been changed: the first look at changed ones is what holds.
 * Cannot fail. */
const asteri_request *h1_exchange_request(h1_exchange *self);
/* When it ends: nobody looks at the request any more. */
void h1_exchange_forget_pairs(h1_exchange *self);

/* -- the operations, as in `asteri_core.api.Exchange` -------------------------------------------------------------- */

int h1_exchange_read(h1_exchange *self, PyObject **data); /* 1, 0: it would block, -1 */
int h1_exchange_respond(h1_exchange *self, int status, asteri_slice reason, const asteri_field *fields,
                        Py_ssize_t count);
int h1_exchange_respond_objects(h1_exchange *self, PyObject *status, PyObject *headers, PyObject *reason);
int h1_exchange_retract(h1_exchange *self); /* 1, 0 */
int h1_exchange_inform(h1_exchange *self, PyObject *status, PyObject *headers);
int h1_exchange_send(h1_exchange *self, PyObject *data, int end); /* 1, 0: wait first, -1 */
int h1_exchange_finish(h1_exchange *self, PyObject *trailers);    /* NULL: none */
int h1_exchange_upgrade(h1_exchange *self, PyObject *connection, PyObject *headers);
int h1_exchange_abort(h1_exchange *self);
/* The fields of the response as they were given: a new reference. */
PyObject *h1_exchange_response_headers(h1_exchange *self);

static inline const http_errors *
h1_exchange_errors(h1_exchange *self)
{
    return &self->binding->state->errors;
}

static inline int
h1_is_version_1_0(const h1_exchange *self)
{
    return self->head->request.version == 10;
}

static inline h1_state *
h1_exchange_state(const h1_connection *connection)
{
    return connection->binding->state;
}

#endif
