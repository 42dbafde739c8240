/* Request targets: the twin of `asteri_http.target`. */
#ifndef ASTERI_HTTP_TARGET_H
#define ASTERI_HTTP_TARGET_H

#include "asteri_http/errors.h"

typedef struct {
    asteri_slice raw_path; /* of the target, or of static bytes; never NULL, as the others */
    asteri_slice query;
    asteri_slice authority;
} http_target;

/* The parts of a target, which are slices of it. 0; -1: RemoteProtocolError (400), in the words of the Python twin. */
int http_read_target(const http_errors *errors, asteri_slice method, asteri_slice target, http_target *parts);
/* `*authority`, which is that of the target, becomes that of the request. `host`: the Host field's value, NULL when
 * there is none. 0, -1 as above. */
int http_check_host(const http_errors *errors, asteri_slice *authority, const asteri_slice *host);

#endif
