/* The usual names, see names.h. */
#include "names.h"

#include <string.h>

/* By size, so that few are compared with a name. Twin: `USUAL_NAMES` in `asteri_http1.parser`. */
const h1_name h1_names[H1_NAMES] = {
    {2, H1_TE, "te"}, {3, H1_SILENT, "dnt"}, {3, H1_SILENT, "via"}, {4, H1_SILENT, "date"}, {4, H1_HOST, "host"},
    {5, H1_SILENT, "range"}, {6, H1_SILENT, "accept"}, {6, H1_SILENT, "cookie"}, {6, H1_EXPECT, "expect"},
    {6, H1_SILENT, "origin"}, {6, H1_SILENT, "pragma"}, {7, H1_SILENT, "purpose"}, {7, H1_SILENT, "referer"},
    {7, H1_SILENT, "sec-gpc"}, {7, H1_SILENT, "trailer"}, {7, H1_UPGRADE, "upgrade"}, {8, H1_SILENT, "if-match"},
    {8, H1_SILENT, "if-range"}, {8, H1_SILENT, "priority"}, {9, H1_FORWARDED, "forwarded"}, {9, H1_SILENT, "sec-ch-ua"},
    {9, H1_SILENT, "x-real-ip"}, {10, H1_CONNECTION, "connection"}, {10, H1_SILENT, "keep-alive"},
    {10, H1_SILENT, "tracestate"}, {10, H1_SILENT, "user-agent"}, {11, H1_SILENT, "traceparent"},
    {12, H1_CONTENT_TYPE, "content-type"}, {12, H1_SILENT, "x-request-id"}, {13, H1_SILENT, "authorization"},
    {13, H1_SILENT, "cache-control"}, {13, H1_SILENT, "if-none-match"}, {14, H1_SILENT, "accept-charset"},
    {14, H1_CONTENT_LENGTH, "content-length"}, {14, H1_SILENT, "sec-fetch-dest"}, {14, H1_SILENT, "sec-fetch-mode"},
    {14, H1_SILENT, "sec-fetch-site"}, {14, H1_SILENT, "sec-fetch-user"}, {15, H1_SILENT, "accept-encoding"},
    {15, H1_SILENT, "accept-language"}, {15, H1_FORWARDED, "x-forwarded-for"}, {16, H1_SILENT, "content-encoding"},
    {16, H1_SILENT, "content-language"}, {16, H1_SILENT, "sec-ch-ua-mobile"}, {16, H1_SILENT, "x-forwarded-host"},
    {16, H1_SILENT, "x-forwarded-port"}, {16, H1_SILENT, "x-requested-with"}, {17, H1_SILENT, "if-modified-since"},
    {17, H1_SILENT, "sec-websocket-key"}, {17, H1_TRANSFER_ENCODING, "transfer-encoding"},
    {17, H1_FORWARDED, "x-forwarded-proto"}, {18, H1_SILENT, "sec-ch-ua-platform"},
    {19, H1_SILENT, "if-unmodified-since"}, {21, H1_SILENT, "sec-websocket-version"},
    {22, H1_SILENT, "sec-websocket-protocol"}, {24, H1_SILENT, "sec-websocket-extensions"},
    {25, H1_SILENT, "upgrade-insecure-requests"}, {29, H1_SILENT, "access-control-request-method"},
    {30, H1_SILENT, "access-control-request-headers"},
};

/* The first of at least this size. */
static const unsigned char first_of_size[32] = {
    0, 0, 0, 1, 3, 5, 6, 11, 16, 19, 22, 26, 27, 29, 32, 38,
    41, 47, 51, 52, 53, 53, 54, 55, 55, 56, 57, 57, 57, 57, 58, 59,
};

unsigned char
h1_name_number(const char *lower, Py_ssize_t size)
{
    if (size > 30) {
        return H1_UNUSUAL;
    }
    for (unsigned number = first_of_size[size]; number < first_of_size[size + 1]; number++) {
        const h1_name *name = &h1_names[number];
        /* Names of one size that begin alike seldom end alike. */
        if (name->text[0] == lower[0] && name->text[size - 1] == lower[size - 1]
            && memcmp(name->text, lower, (size_t)size) == 0) {
            return (unsigned char)number;
        }
    }
    return H1_UNUSUAL;
}

const char *const h1_methods[H1_METHODS] = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
};

int
h1_method_number(asteri_slice method)
{
    for (int number = 0; number < H1_METHODS; number++) {
        const char *name = h1_methods[number];
        if (strlen(name) == (size_t)method.size && memcmp(name, method.data, (size_t)method.size) == 0) {
            return number;
        }
    }
    return -1;
}
