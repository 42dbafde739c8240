/* Whether bytes that come piece by piece are UTF-8 (RFC 3629), said at the first byte that shows that they are not. */
#ifndef WS_UTF8_H
#define WS_UTF8_H

#include <stddef.h>

/* Where a text stands between two pieces: all zeros at its beginning, and between two characters. */
typedef struct {
    unsigned char left;          /* continuation bytes that are to come */
    unsigned char lowest, highest; /* of the next one */
} ws_utf8;

/* Looks at a piece. 1: it may go on so; 0: it is no UTF-8. */
int ws_utf8_check(ws_utf8 *text, const char *data, size_t size);

#endif
