/* The head that a worker's last response had, up to what the protocol adds to it. An application says mostly the same
 * of each of its responses, but for the length; to see that costs half of what it costs to check and write it anew. */
#ifndef H1_REPEAT_H
#define H1_REPEAT_H

#include "asteri_http/exchange.h"
#include "given.h"

#define H1_REPEAT_SIZE 512
typedef struct {
    int status; /* 0: there is none */
    http_said said;
    h1_given *given; /* owned; NULL when there is none */
    Py_ssize_t lines_size;
    char lines[H1_REPEAT_SIZE]; /* the status line, with the usual phrase, and those of the fields but Content-Length */
} h1_repeat;

typedef enum {
    H1_DIFFERS,
    H1_SAME_BUT_LENGTH, /* the lines are the same */
    H1_SAME,            /* so is all that was given */
} h1_again;

/* How a response with the usual phrase compares. `said`, all zero before, is what its fields say, unless they differ.
 * An h1_again, or -1: LocalProtocolError. */
int h1_repeat_find(const h1_repeat *repeat, const http_errors *errors, int status, const asteri_field *fields,
                   Py_ssize_t count, http_said *said);
/* Keeps a head that was right, unless it is too long, or cannot be told from one that is wrong but for its length. */
void h1_repeat_keep(h1_repeat *repeat, int status, h1_given *given, const http_said *said, asteri_slice lines);
/* Keeps what was given with another length. */
void h1_repeat_keep_length(h1_repeat *repeat, h1_given *given, const http_said *said);
void h1_repeat_clear(h1_repeat *repeat);

#endif
