/* The fields of responses: as Python objects, and as lines. What they say is the affair of `asteri_http/exchange.h`. */
#ifndef H1_RESPONSE_FIELDS_H
#define H1_RESPONSE_FIELDS_H

#include "asteri_http/exchange.h"
#include "output.h"
#include "writer.h"

/* A new reference to a tuple of pairs, which are tuples. All foreign code that `headers` may have runs here, so that
 * none runs while a head is written, and nobody can change under us what we read. NULL: what that code has raised,
 * TypeError or ValueError. */
PyObject *h1_fields_of(PyObject *headers);
/* The slices of a pair, which lives on. 1; 0: its name or value is not bytes. */
int h1_field_read(PyObject *pair, asteri_field *field);

/* Adds a line to a head that is not sent. 0, -1. */
static inline int
h1_output_add_field(h1_output *output, h1_spare_buffers *spare, asteri_slice name, asteri_slice value)
{
    if (name.size > PY_SSIZE_T_MAX / 4 || value.size > PY_SSIZE_T_MAX / 4
        || h1_output_reserve(output, spare, name.size + value.size + 4) < 0) {
        return -1;
    }
    char *start = output->data + output->size + output->head;
    output->head += h1_write_field(start, name, value) - start;
    return 0;
}

typedef enum {
    H1_PLAIN_FIELDS,   /* of an interim response or an upgrade: what says something to the protocol is dropped */
    H1_TRAILER_FIELDS, /* what may not be sent as one is an error */
} h1_which_fields;

/* The lines of the fields that are to be sent: a new reference to bytes. `*has_upgrade` says whether one is called
 * Upgrade. NULL: LocalProtocolError, or what `h1_fields_of` raises. */
PyObject *h1_field_lines(const http_errors *errors, PyObject *headers, h1_which_fields which, int *has_upgrade);

#endif
