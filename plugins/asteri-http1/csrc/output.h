/* The bytes of responses that a connection has not handed over yet, in order: its own, in one buffer, and between them
 * what is too large to copy. It knows nothing of HTTP.
 *
 *     0        taken            size            size + head      capacity
 *     │ handed over │ to hand over │ a head, set but not sent │ free │
 *
 * A head that can still be taken back stands behind what is to be handed over, so that sending it moves nothing. What
 * overtakes it (an interim response) is put before it.
 *
 * Bytes that were handed over stay as they are until something is appended.
 */
#ifndef H1_OUTPUT_H
#define H1_OUTPUT_H

#include "asteri/connection.h"
#include "asteri_http/exchange.h"

/* Buffers that wait for their next use, so that a response allocates nothing and an idle connection has no buffer. None
 * does without the GIL, when a connection may end in any thread. */
#define H1_BUFFER_SIZE 8192 /* a head and small content */
#define H1_SPARE_BUFFERS 16
typedef struct {
    char *buffers[H1_SPARE_BUFFERS];
    int count;
} h1_spare_buffers;

void h1_spare_buffers_clear(h1_spare_buffers *spare);

typedef struct {
    Py_ssize_t at; /* the own byte before which it stands */
    http_content content;
} h1_large;

typedef struct {
    char *data; /* NULL when there is nothing */
    Py_ssize_t capacity, taken, size, head;
    h1_large *large; /* owned, as what is in it */
    Py_ssize_t first, count, room; /* large[first:count] are to be handed over */
    int64_t queued; /* bytes to hand over, the own and the large; who takes them counts them off */
} h1_output;

/* Whether something is to be handed over. */
static inline int
h1_output_pending(const h1_output *output)
{
    return output->taken < output->size || output->first < output->count;
}

/* How many pieces that is. */
Py_ssize_t h1_output_pieces(const h1_output *output);

/* Room for `more` bytes behind all there are. 0, -1. */
int h1_output_grow(h1_output *output, h1_spare_buffers *spare, Py_ssize_t more);

/* Begins anew at the start of the buffer when all has been handed over. */
static inline void
h1_output_rewind(h1_output *output)
{
    if (output->taken == output->size && output->head == 0 && output->first == output->count) {
        output->taken = output->size = output->first = output->count = 0;
    }
}

static inline int
h1_output_reserve(h1_output *output, h1_spare_buffers *spare, Py_ssize_t more)
{
    h1_output_rewind(output);
    if (output->capacity - output->size - output->head >= more) {
        return 0;
    }
    return h1_output_grow(output, spare, more);
}

/* Bytes, borrowed, to hand over; before a head that is not sent. 0, -1. */
int h1_output_put(h1_output *output, h1_spare_buffers *spare, const char *data, Py_ssize_t size);
/* Room for one piece of content that is not copied. 0, -1. */
int h1_output_reserve_large(h1_output *output);
/* Such content, for which there is room: a new reference to what it holds is kept. There is no head. */
void h1_output_put_large(h1_output *output, const http_content *content);
/* 1: `piece` is handed over, its references are the caller's (own bytes have no owner); 0: there is none. */
int h1_output_take(h1_output *output, http_content *piece);
/* Drops all there is, and gives the buffer back. */
void h1_output_clear(h1_output *output, h1_spare_buffers *spare);

#endif
