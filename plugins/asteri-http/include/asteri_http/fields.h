/* Names and values of fields, of every protocol: the twin of `asteri_http.fields`, whose decisions hold here too. */
#ifndef ASTERI_HTTP_FIELDS_H
#define ASTERI_HTTP_FIELDS_H

#include "asteri/exchange.h"
#include "asteri_http/errors.h"

typedef enum {
    HTTP_PLAIN = 0,
    HTTP_DATE = 1,
    HTTP_SERVER = 2,
    HTTP_CONTENT_LENGTH = 3,
    HTTP_CONNECTION = 4,
    HTTP_TRANSFER_ENCODING = 5,
    HTTP_HOP = 6,
} http_role;

/* The role of a response field, its name in any case. -1: LocalProtocolError, in the words of the Python twin. */
int http_response_role(const http_errors *errors, asteri_slice name, asteri_slice value);
/* Whether every byte is allowed in a field value or a reason phrase (RFC 9110 section 5.5). */
int http_is_value(asteri_slice value);
/* Whether it is one or more token characters (section 5.6.2). */
int http_is_token(asteri_slice name);
/* Whether a request's header field, or trailer field, of this lower-case name is shown to the application. */
int http_keeps_field(asteri_slice name);
int http_keeps_trailer(asteri_slice name);
/* Whether an application may not send this (any case) as a trailer field. */
int http_refuses_trailer(asteri_slice name);
/* Whether a comma separated list has this member (lower case); white space and case of the list do not count. */
int http_has_option(asteri_slice list, const char *member);
/* Whether two runs of bytes are alike when case does not count; `lower` is in lower case. */
int http_equals(asteri_slice any_case, const char *lower);

#endif
