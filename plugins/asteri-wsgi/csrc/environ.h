/* The environ of a request: the twin of `asteri_wsgi.environ`, whose decisions hold here too. */
#ifndef WSGI_ENVIRON_H
#define WSGI_ENVIRON_H

#include "response.h"
#include "template.h"

/* A new environ of the request that the response belongs to, whole but for wsgi.early_hints, whose key is there. NULL:
 * an exception. */
PyObject *wsgi_environ_make(wsgi_environs *environs, const wsgi_response *response);

#endif
