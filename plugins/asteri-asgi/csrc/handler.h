/* `AsgiHandler`: an application, and what all its requests share. */
#ifndef ASGI_HANDLER_H
#define ASGI_HANDLER_H

#include "pool.h"
#include "scope.h"
#include "state.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    asgi_state *state;   /* of the module */
    PyObject *module;    /* owned for life, so that whoever has a handler has the state */
    PyObject *app;       /* owned, as what follows */
    PyObject *log;
    PyObject *lifespan;
    PyObject *websocket; /* what runs the application for an exchange that asks for it, or None */
    asgi_phase first_phase;
    asgi_scopes scopes;
    asgi_pool calls;
    asgi_pool receives;
    asgi_pool sends;
    asgi_pool steps;
} asgi_handler;

#endif
