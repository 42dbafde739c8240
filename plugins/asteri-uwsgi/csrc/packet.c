/* Reads packets, see packet.h and `asteri_uwsgi.packet`. */
#include "packet.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 4
#define SMALLEST 5 /* bytes of a variable: two sizes, and a name of one byte */

int
uw_refuse_variable(const http_errors *errors, const char *format, asteri_slice name)
{
    PyObject *shown = PyUnicode_DecodeASCII(name.data, name.size, NULL);
    if (shown != NULL) {
        http_refuse(errors, 400, format, shown);
        Py_DECREF(shown);
    }
    return -1;
}

static inline Py_ssize_t
size_at(const char *data)
{
    return (unsigned char)data[0] | (unsigned char)data[1] << 8;
}

static int
is_name(asteri_slice name)
{
    for (Py_ssize_t at = 0; at < name.size; at++) {
        unsigned char byte = (unsigned char)name.data[at];
        int letter = (unsigned)(byte | 0x20) - 'a' < 26u || byte == '_';
        if (!letter && (at == 0 || (unsigned)byte - '0' > 9u)) {
            return 0;
        }
    }
    return name.size > 0;
}

/* A text with its size before it. `*at` moves behind it. 0, -1. */
static int
read_text(const http_errors *errors, asteri_slice packet, Py_ssize_t *at, asteri_slice *text)
{
    if (packet.size - *at < 2) {
        return http_refuse(errors, 400, "a variable of a uwsgi packet is cut");
    }
    Py_ssize_t start = *at + 2, end = start + size_at(packet.data + *at);
    if (end > packet.size) {
        return http_refuse(errors, 400, "a variable of a uwsgi packet goes %zd bytes over its end", end - packet.size);
    }
    *text = (asteri_slice){packet.data + start, end - start};
    *at = end;
    return 0;
}

/* All variables, or those before the first that is wrong. 0, -1. */
static int
read_variables(const http_errors *errors, asteri_slice whole, uw_packet *packet)
{
    for (Py_ssize_t at = HEADER; at < whole.size;) {
        asteri_field variable;
        if (read_text(errors, whole, &at, &variable.name) < 0 || read_text(errors, whole, &at, &variable.value) < 0) {
            return -1;
        }
        if (!is_name(variable.name)) {
            return http_refuse_bytes(errors, 400, "expected the name of a variable, found %R", variable.name, 64);
        }
        packet->variables[packet->count++] = variable;
    }
    return 0;
}

/* Whether a variable may come again. Twin: `SINGLE` in `asteri_uwsgi.packet`. */
static int
may_repeat(const asteri_slice *name)
{
    static const char *const single[] = {"HTTP_HOST", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING",
                                         "HTTP_CONTENT_TYPE"};
    for (size_t index = 0; index < sizeof single / sizeof *single; index++) {
        if (strlen(single[index]) == (size_t)name->size
            && memcmp(single[index], name->data, (size_t)name->size) == 0) {
            return 0;
        }
    }
    return name->size >= 5 && memcmp(name->data, "HTTP_", 5) == 0;
}

/* By size and bytes; equal names by their place in the packet. */
static int
in_order(const void *one, const void *other)
{
    const asteri_slice *first = *(asteri_slice *const *)one, *second = *(asteri_slice *const *)other;
    if (first->size != second->size) {
        return first->size < second->size ? -1 : 1;
    }
    int order = memcmp(first->data, second->data, (size_t)first->size);
    return order != 0 ? order : first->data < second->data ? -1 : 1;
}

/* Of the names that may not come again, the one that does so first; NULL when none does. `sorted`: room for all. They
 * are sorted, because of ten thousand names a peer could choose ones that collide in a table. */
static const asteri_slice *
first_repeated(const uw_packet *packet, const asteri_slice **sorted)
{
    for (Py_ssize_t index = 0; index < packet->count; index++) {
        sorted[index] = &packet->variables[index].name;
    }
    qsort(sorted, (size_t)packet->count, sizeof *sorted, in_order);
    const asteri_slice *found = NULL;
    for (Py_ssize_t index = 1; index < packet->count; index++) {
        const asteri_slice *one = sorted[index - 1], *other = sorted[index];
        if (one->size == other->size && memcmp(one->data, other->data, (size_t)one->size) == 0
            && (found == NULL || other->data < found->data) && !may_repeat(other)) {
            found = other;
        }
    }
    return found;
}

int
uw_packet_read(const http_errors *errors, asteri_slice data, uw_packet *packet)
{
    *packet = (uw_packet){NULL, 0, 0};
    if ((data.size > 0 && data.data[0] != 0) || (data.size > 3 && data.data[3] != 0)) {
        return http_refuse_bytes(errors, 501, "expected a uwsgi packet with variables, found %R", data, HEADER);
    }
    if (data.size < HEADER || data.size < HEADER + size_at(data.data + 1)) {
        return 0;
    }
    packet->size = HEADER + size_at(data.data + 1);
    size_t most = (size_t)packet->size / SMALLEST;
    packet->variables = PyMem_Malloc(most * (sizeof *packet->variables + sizeof(asteri_slice *)) + 1);
    if (packet->variables == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int outcome = read_variables(errors, (asteri_slice){data.data, packet->size}, packet);
    const asteri_slice *repeated = first_repeated(packet, (const asteri_slice **)(packet->variables + most));
    if (repeated != NULL) {
        PyErr_Clear(); /* what is wrong behind it */
        outcome = uw_refuse_variable(errors, "a second variable %U", *repeated);
    }
    if (outcome < 0) {
        uw_packet_clear(packet);
        return -1;
    }
    return 1;
}

void
uw_packet_clear(uw_packet *packet)
{
    PyMem_Free(packet->variables);
    *packet = (uw_packet){NULL, 0, 0};
}
