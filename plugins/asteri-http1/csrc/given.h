/* The fields of a response as they were given: after it has left, nothing else has them. Responses that are given the same
 * share them. */
#ifndef H1_GIVEN_H
#define H1_GIVEN_H

#include "asteri/exchange.h"
#include "asteri/threads.h"

#include <string.h>

typedef struct {
    asteri_references references;
    Py_ssize_t size;
    char records[]; /* of each field its two sizes, its name, its value */
} h1_given;

h1_given *h1_given_new(const asteri_field *fields, Py_ssize_t count); /* copies; a new reference, or NULL */
void h1_given_release(h1_given *given);                               /* may be NULL */
PyObject *h1_given_list(const h1_given *given);                       /* a new reference to a list of pairs */

static inline h1_given *
h1_given_share(h1_given *given)
{
    asteri_references_add(&given->references);
    return given;
}

/* Whether there is a field at `*at`, which moves behind it. `field` is borrowed. */
static inline int
h1_given_next(const h1_given *given, Py_ssize_t *at, asteri_field *field)
{
    if (*at == given->size) {
        return 0;
    }
    Py_ssize_t sizes[2];
    const char *place = given->records + *at;
    memcpy(sizes, place, sizeof(sizes));
    place += sizeof(sizes);
    field->name = (asteri_slice){place, sizes[0]};
    field->value = (asteri_slice){place + sizes[0], sizes[1]};
    *at += (Py_ssize_t)sizeof(sizes) + sizes[0] + sizes[1];
    return 1;
}

#endif
