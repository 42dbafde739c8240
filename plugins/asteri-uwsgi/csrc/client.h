/* The client as the proxy names it: the twin of `_client` in `asteri_uwsgi.request`. */
#ifndef UW_CLIENT_H
#define UW_CLIENT_H

#include "state.h"
#include "variables.h"

/* `peer`, a Peer, with the client's address and scheme: a new reference. NULL: RemoteProtocolError (400), in the words
 * of the Python twin, TypeError when it is no Peer, or another exception. */
PyObject *uw_client(const uw_state *state, PyObject *peer, const uw_variables *variables);

#endif
