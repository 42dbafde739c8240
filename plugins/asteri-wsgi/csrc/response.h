/* One response of a WSGI application: the twin of `asteri_wsgi.response`, whose decisions hold here too. The object is
 * what the application is given as start_response. */
#ifndef WSGI_RESPONSE_H
#define WSGI_RESPONSE_H

#include "head.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *module;      /* owned: the collector may clear the type before the object, and `state` is the module's */
    wsgi_state *state;
    asteri_reached reached;
    const asteri_request *request; /* borrowed from it */
    PyObject *exchange;    /* owned */
    PyObject *wait;        /* owned */
    int64_t written;       /* bytes of content given to the exchange */
    unsigned char has_content;
    unsigned char sending;   /* the exchange looks at the head, so that nothing of it may be changed */
    unsigned char head_sent; /* the head has been given to the exchange: it cannot be replaced any more */
    unsigned char over;      /* the end has been given to the exchange */
    wsgi_head head;
} wsgi_response;

/* A new reference, NULL: an exception, such as that of an exchange that lacks an attribute. */
wsgi_response *wsgi_response_new(wsgi_state *state, PyObject *exchange, PyObject *wait);
/* A new reference to the callable for wsgi.early_hints. */
PyObject *wsgi_early_hints_of(wsgi_response *response);
/* Takes its response from one that nobody else has a reference to; the collector does not know it until it has another
 * one. Whether it is such a one. */
int wsgi_early_hints_part(PyObject *early_hints);
/* Gives it another response. */
void wsgi_early_hints_join(PyObject *early_hints, wsgi_response *response);

/* The functions below: 0; -1, an exception. */

/* Sends what the application has returned, and the end (delivery.c). */
int wsgi_deliver(wsgi_response *self, PyObject *blocks);
/* Adds Content-Length where the application has not, and where it may be (RFC 9110 section 8.6). */
int wsgi_declare(wsgi_response *self, int64_t length);
int wsgi_send_head(wsgi_response *self);
/* Sends content of `size` bytes: bytes, or a FileSlice. */
int wsgi_send(wsgi_response *self, PyObject *data, int64_t size);
int wsgi_end(wsgi_response *self);
/* Raises TypeError for a block that is no bytes. */
int wsgi_check_block(wsgi_state *state, PyObject *block);

#endif
