/* The environ of a request: the twin of `asteri_wsgi.environ`, whose decisions hold here too. */
#ifndef WSGI_ENVIRON_H
#define WSGI_ENVIRON_H

#include "kept.h"
#include "response.h"

/* Fills in `made`, a zeroed one, with the environ of the request that the response belongs to. 0, -1: an exception; in
 * either case it is for wsgi_environ_release. */
int wsgi_environ_make(wsgi_environs *environs, wsgi_response *response, wsgi_environ *made);

#endif
