/* Finds and reads request heads: the twin of `asteri_http1.parser`. Heads that a worker has read lately are kept and
 * found again by their bytes. */
#ifndef H1_PARSER_H
#define H1_PARSER_H

#include "head.h"
#include "settings.h"
#include "scanner.h"
#include "state.h"

#define H1_KEPT_HEADS 64   /* a power of two */
#define H1_KEPT_SIZE 1024  /* bytes of a head that is kept */
/* Of parsers that have the same limits: what one has accepted, the others take over. */
typedef struct {
    h1_head *slots[H1_KEPT_HEADS]; /* owned, NULL when empty; by hash */
    h1_head *last;                 /* owned, NULL when there was none: the one asked for last */
} h1_heads;

void h1_heads_clear(h1_heads *heads);

typedef struct {
    const h1_limits *limits; /* borrowed, outlives the parser, as `heads` */
    h1_heads *heads;
    char *partial; /* owned: what has come of a head that is not whole, NULL when nothing has */
    Py_ssize_t size, capacity;
    h1_scanner scanner;
    unsigned char collecting; /* whether a head, or an empty line before it, has begun and is not whole */
    unsigned char refused;    /* whether it is a HEAD request that was whole and has been refused */
} h1_parser;

void h1_parser_init(h1_parser *parser, const h1_limits *limits, h1_heads *heads);
void h1_parser_clear(h1_parser *parser);

/* 1: `*head` is a new reference to a whole head and `*used` the bytes of `data` that belong to it; 0: all of `data` was
 * taken and the head is not whole; -1: RemoteProtocolError (the parser is of no use after that), or MemoryError. */
int h1_parser_feed(h1_state *state, h1_parser *parser, const char *data, Py_ssize_t size, h1_head **head,
                   Py_ssize_t *used);
int h1_parser_begun(const h1_parser *parser);
int h1_parser_asks_for_head(const h1_parser *parser);

#endif
