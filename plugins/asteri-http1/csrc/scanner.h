/* Runs the grammar's transition table over a head or a trailer section that comes in pieces, and keeps the limits: the
 * twin of `asteri_http1.grammar` and of `Scanner` in `asteri_http1.parser`. */
#ifndef H1_SCANNER_H
#define H1_SCANNER_H

#include "settings.h"
#include "state.h"

/* What is looked for next. An own name for each of those that others ask about. */
enum { H1_AT_START = 0, H1_AT_LINE = 2, H1_AT_FIELD = 20, H1_AT_END = 21 };

typedef struct {
    Py_ssize_t position; /* bytes looked at, or of the whole when it has ended */
    Py_ssize_t ceiling;  /* the position that the running line may not pass */
    Py_ssize_t fields;   /* lines of fields that have ended; -1 in the request line */
    unsigned char state;
    unsigned char first_line;
} h1_scanner;

/* `state`: H1_AT_START for a head, H1_AT_FIELD for a trailer section. */
void h1_scanner_init(h1_scanner *scanner, const h1_limits *limits, unsigned char state);

/* The number of bytes of `data` up to the end of the head, 0 when there is no end yet; -1: RemoteProtocolError. */
Py_ssize_t h1_scanner_scan(const h1_state *state, h1_scanner *scanner, const h1_limits *limits, const char *data,
                           Py_ssize_t size);

#endif
