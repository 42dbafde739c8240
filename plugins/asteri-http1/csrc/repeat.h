/* The head that a worker's last response had, up to what the protocol adds to it. An application says mostly the same
 * of each of its responses, but for the length; to see that costs half of what it costs to check and write it anew. */
#ifndef H1_REPEAT_H
#define H1_REPEAT_H

#include "asteri_http/exchange.h"

#define H1_REPEAT_SIZE 512
typedef struct {
    int status; /* 0: there is none */
    unsigned char closes, added;
    Py_ssize_t lines_size, fields_size;
    char lines[H1_REPEAT_SIZE];  /* the status line, with the usual phrase, and those of the fields */
    char fields[H1_REPEAT_SIZE]; /* as they were given, without Content-Length: two sizes, the name, the value */
} h1_repeat;

/* Whether a response with the usual phrase has these lines too. 1: `said`, all zero before, is what its fields say; 0:
 * `said` is as before; -1: LocalProtocolError. */
int h1_repeat_find(const h1_repeat *repeat, const http_errors *errors, int status, const asteri_field *fields,
                   Py_ssize_t count, http_said *said);
/* Keeps a head that was right, unless it is too long. */
void h1_repeat_keep(h1_repeat *repeat, int status, const asteri_field *fields, Py_ssize_t count, const http_said *said,
                    asteri_slice lines);

#endif
