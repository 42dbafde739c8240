/* See repeat.h. */
#include "repeat.h"

#include <string.h>

#include "writer.h"

#define LENGTH_NAME "content-length"

/* Fields with a name as long as this are looked at anew each time. */
static int
may_be_length(const asteri_field *field)
{
    return field->name.size == (Py_ssize_t)sizeof(LENGTH_NAME) - 1;
}

static int
same(const char *at, const asteri_field *field)
{
    Py_ssize_t sizes[2] = {field->name.size, field->value.size};
    return memcmp(at, sizes, sizeof(sizes)) == 0 && memcmp(at + sizeof(sizes), field->name.data, (size_t)sizes[0]) == 0
           && (sizes[1] == 0 || /* then the data may be NULL */
               memcmp(at + sizeof(sizes) + sizes[0], field->value.data, (size_t)sizes[1]) == 0);
}

static Py_ssize_t
size_of(const asteri_field *field)
{
    return 2 * (Py_ssize_t)sizeof(Py_ssize_t) + field->name.size + field->value.size;
}

int
h1_repeat_find(const h1_repeat *repeat, const http_errors *errors, int status, const asteri_field *fields,
               Py_ssize_t count, http_said *said)
{
    http_said length = {0, 0, 0, 0};
    const char *at = repeat->fields, *end = at + repeat->fields_size;
    if (status != repeat->status) {
        return 0;
    }
    for (const asteri_field *field = fields; field < fields + count; field++) {
        if (may_be_length(field)) {
            int kept = http_sort_field(errors, field->name, field->value, &length);
            if (kept != HTTP_DROP) {
                return kept < 0 ? -1 : 0;
            }
        }
        else if (end - at < size_of(field) || !same(at, field)) {
            return 0;
        }
        else {
            at += size_of(field);
        }
    }
    if (at != end) {
        return 0;
    }
    *said = (http_said){length.length, length.has_length, repeat->closes, repeat->added};
    return 1;
}

void
h1_repeat_keep(h1_repeat *repeat, int status, const asteri_field *fields, Py_ssize_t count, const http_said *said,
               asteri_slice lines)
{
    char *place = repeat->fields, *end = place + H1_REPEAT_SIZE;
    repeat->status = 0;
    if (lines.size > H1_REPEAT_SIZE) {
        return;
    }
    for (const asteri_field *field = fields; field < fields + count; field++) {
        if (may_be_length(field)) {
            if (!http_equals(field->name, LENGTH_NAME)) {
                return;
            }
            continue;
        }
        Py_ssize_t sizes[2] = {field->name.size, field->value.size};
        if (end - place < size_of(field)) {
            return;
        }
        place = h1_write(place, (const char *)sizes, (Py_ssize_t)sizeof(sizes));
        place = h1_write(place, field->name.data, field->name.size);
        place = h1_write(place, field->value.data, field->value.size);
    }
    repeat->status = status;
    repeat->closes = said->closes;
    repeat->added = said->added;
    repeat->fields_size = place - repeat->fields;
    repeat->lines_size = lines.size;
    memcpy(repeat->lines, lines.data, (size_t)lines.size);
}
