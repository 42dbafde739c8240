/* See repeat.h. */
#include "repeat.h"

#include <string.h>

#define LENGTH_NAME "content-length"

/* In what is kept no other name is as long as that one. */
static int
may_be_length(const asteri_field *field)
{
    return field->name.size == (Py_ssize_t)sizeof(LENGTH_NAME) - 1;
}

static int
same(asteri_slice one, asteri_slice other)
{
    return one.size == other.size && (one.size == 0 /* then the data may be NULL */
                                      || memcmp(one.data, other.data, (size_t)one.size) == 0);
}

int
h1_repeat_find(const h1_repeat *repeat, const http_errors *errors, int status, const asteri_field *fields,
               Py_ssize_t count, http_said *said)
{
    http_said length = {0, 0, 0, 0};
    h1_again again = H1_SAME;
    asteri_field kept;
    Py_ssize_t at = 0;
    if (status != repeat->status) {
        return H1_DIFFERS;
    }
    for (const asteri_field *field = fields; field < fields + count; field++) {
        if (!h1_given_next(repeat->given, &at, &kept)) {
            return H1_DIFFERS;
        }
        if (same(kept.name, field->name) && same(kept.value, field->value)) {
            continue;
        }
        if (!may_be_length(&kept) || !may_be_length(field)) {
            return H1_DIFFERS;
        }
        int sorted = http_sort_field(errors, field->name, field->value, &length);
        if (sorted != HTTP_DROP) {
            return sorted < 0 ? -1 : H1_DIFFERS;
        }
        again = H1_SAME_BUT_LENGTH;
    }
    if (h1_given_next(repeat->given, &at, &kept)) {
        return H1_DIFFERS;
    }
    *said = repeat->said;
    if (again == H1_SAME_BUT_LENGTH) {
        said->length = length.length;
    }
    return again;
}

void
h1_repeat_keep(h1_repeat *repeat, int status, h1_given *given, const http_said *said, asteri_slice lines)
{
    asteri_field field;
    Py_ssize_t at = 0;
    int lengths = 0;
    h1_repeat_clear(repeat);
    if (lines.size > H1_REPEAT_SIZE) {
        return;
    }
    while (h1_given_next(given, &at, &field)) {
        if (may_be_length(&field) && (!http_equals(field.name, LENGTH_NAME) || ++lengths > 1)) {
            return;
        }
    }
    repeat->status = status;
    repeat->said = *said;
    repeat->given = h1_given_share(given);
    repeat->lines_size = lines.size;
    memcpy(repeat->lines, lines.data, (size_t)lines.size);
}

void
h1_repeat_keep_length(h1_repeat *repeat, h1_given *given, const http_said *said)
{
    h1_given *before = repeat->given;
    repeat->given = h1_given_share(given);
    repeat->said = *said;
    h1_given_release(before);
}

void
h1_repeat_clear(h1_repeat *repeat)
{
    h1_given *given = repeat->given;
    repeat->status = 0;
    repeat->given = NULL;
    h1_given_release(given);
}
