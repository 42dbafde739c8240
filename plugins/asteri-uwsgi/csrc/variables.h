/* The variables of a request, looked at once: what those say that the server knows, and the fields of the others. */
#ifndef UW_VARIABLES_H
#define UW_VARIABLES_H

#include "packet.h"

/* The variables that are more than a field, or no field. */
typedef enum {
    UW_HTTPS,
    UW_HTTP_HOST,
    UW_PATH_INFO,
    UW_REMOTE_ADDR,
    UW_REMOTE_PORT,
    UW_REQUEST_URI,
    UW_CONTENT_TYPE,
    UW_QUERY_STRING,
    UW_CONTENT_LENGTH,
    UW_REQUEST_METHOD,
    UW_REQUEST_SCHEME,
    UW_SERVER_PROTOCOL,
    UW_HTTP_CONTENT_LENGTH,
    UW_KNOWN, /* how many these are */
} uw_known;

typedef struct {
    asteri_slice said[UW_KNOWN]; /* of the packet; empty when it was not said, but for the protocol */
    asteri_field *fields;        /* owned memory, and the lower-case names in it; values are of the packet */
    Py_ssize_t count;
} uw_variables;

/* 0, and it holds the fields until `uw_variables_clear`; -1: RemoteProtocolError (400), in the words of the Python
 * twin, or MemoryError, and it holds nothing. The packet has to stay as long. */
int uw_variables_read(const http_errors *errors, const uw_packet *packet, uw_variables *variables);
void uw_variables_clear(uw_variables *variables);

#endif
