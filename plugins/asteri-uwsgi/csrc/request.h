/* What the variables of a request say: the twin of `asteri_uwsgi.request`. */
#ifndef UW_REQUEST_H
#define UW_REQUEST_H

#include "asteri_http/limits.h"
#include "packet.h"
#include "state.h"

/* A RequestHead, a new reference; NULL: RemoteProtocolError, in the words of the Python twin, or another exception.
 * `peer` is a Peer, borrowed. */
PyObject *uw_request_read(const uw_state *state, const uw_packet *packet, PyObject *peer, const http_limits *limits);

#endif
