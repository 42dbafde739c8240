/* `Call`: the coroutine that a call of the handler gives, and the request and response that it answers for. */
#ifndef ASGI_CALL_H
#define ASGI_CALL_H

#include "coroutine.h"
#include "handler.h"
#include "head.h"

typedef struct {
    asgi_coroutine coroutine; /* awaits the application */
    asgi_handler *handler;    /* owned for life */
    PyObject *exchange;       /* owned, as what follows */
    PyObject *wait;
    PyObject *turns;          /* `Turns`, NULL until somebody has to wait */
    PyObject *trailers;       /* a list, NULL unless they were announced */
    asteri_reached reached;   /* the exchange; `self` is NULL until the call starts */
    asgi_lent *lent;          /* the scope; NULL before the application is called, and when it has ended */
    int64_t unread;           /* bytes of the body that are to come, -1: not known */
    asgi_phase phase;
    char has_body;
    char body_read;
    char told_gone;
    asgi_head head;
} asgi_call;

/* A call that has not started. A new reference; NULL: out of memory. */
PyObject *asgi_call_new(asgi_handler *handler, PyObject *exchange, PyObject *wait);

/* What a step awaits until `want` may hold, a new reference: it gives whether it has waited to the end. NULL. */
PyObject *asgi_call_turn(asgi_call *self, PyObject *want);

static inline asgi_state *
asgi_call_state(const asgi_call *self)
{
    return self->handler->state;
}

#endif
