/* Takes the chunked coding off a body: the twin of `asteri_http1.chunked`. */
#ifndef H1_CHUNKED_H
#define H1_CHUNKED_H

#include "parser.h"

typedef struct h1_chunked h1_chunked; /* one body; made only for a request that has a chunked one */

h1_chunked *h1_chunked_new(const h1_limits *limits); /* NULL: MemoryError is set */
void h1_chunked_free(h1_chunked *decoder);           /* NULL is fine */

/* `*content` is a new reference to bytes with the content in `data`, NULL when there is none; `*used` the bytes of
 * `data` that belong to the body; the trailers are appended to the list `trailers`. 1: the body has ended; 0; -1:
 * RemoteProtocolError or MemoryError. */
int h1_chunked_decode(h1_state *state, h1_chunked *decoder, const char *data, Py_ssize_t size, PyObject **content,
                      Py_ssize_t *used, PyObject *trailers);

#endif
