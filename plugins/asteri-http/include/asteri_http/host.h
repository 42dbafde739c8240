/* Authorities: the twin of `asteri_http.host`. */
#ifndef ASTERI_HTTP_HOST_H
#define ASTERI_HTTP_HOST_H

#include "asteri_http/errors.h"

/* Whether the value is host[:port]. 0; -1: RemoteProtocolError (400), in the words of the Python twin. */
int http_check_authority(const http_errors *errors, asteri_slice value);

#endif
