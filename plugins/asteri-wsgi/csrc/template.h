/* What is the same in the environs of an application: one template for each address that it is reached at. */
#ifndef WSGI_TEMPLATE_H
#define WSGI_TEMPLATE_H

#include "state.h"

/* What the environs of all requests to one address begin with. It lives as long as anything that was made of it, so its
 * address is a key for that. */
typedef struct {
    PyObject_HEAD
    PyObject *scheme, *local; /* owned: what it is for */
    PyObject *environ;        /* owned: a dict that nobody changes */
} wsgi_template;

/* A member of the handler. */
typedef struct {
    PyObject *twin;      /* owned: an Environs, which makes the templates */
    PyObject *root;      /* owned: bytes, the root path */
    PyObject *templates; /* owned: a dict, (scheme, local) -> template */
    wsgi_template *last; /* owned, NULL before the first: the one used last */
} wsgi_environs;

/* Fills in a zeroed one. 0, -1. */
int wsgi_environs_init(wsgi_state *state, wsgi_environs *environs, PyObject *root_path, PyObject *context);
int wsgi_environs_visit(wsgi_environs *environs, visitproc visit, void *arg);
void wsgi_environs_clear(wsgi_environs *environs);

/* A new reference to the template of an address. NULL: an exception. */
wsgi_template *wsgi_template_of(wsgi_state *state, wsgi_environs *environs, PyObject *scheme, PyObject *local);

#endif
