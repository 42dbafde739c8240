/* The environ of a request: the twin of `asteri_wsgi.environ`, whose decisions hold here too. */
#ifndef WSGI_ENVIRON_H
#define WSGI_ENVIRON_H

#include "template.h"

/* A new environ, whole but for wsgi.early_hints, whose key is there. NULL: an exception. */
PyObject *wsgi_environ_make(wsgi_state *state, wsgi_environs *environs, asteri_reached reached, PyObject *exchange,
                            PyObject *wait);

#endif
