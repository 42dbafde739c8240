/* Sorts the variables of a request, see variables.h. Twin: the first loop of `read_request`, and `_headers`, in
 * `asteri_uwsgi.request`. */
#include "variables.h"

#include "asteri_http/fields.h"

#include <string.h>

#define PREFIX "HTTP_"
#define PREFIX_SIZE 5

typedef struct {
    Py_ssize_t size;
    const char *text;
} text;

#define TEXT(value) {sizeof(value) - 1, value}

static const text known[UW_KNOWN] = {
    [UW_HTTPS] = TEXT("HTTPS"),
    [UW_HTTP_HOST] = TEXT("HTTP_HOST"),
    [UW_PATH_INFO] = TEXT("PATH_INFO"),
    [UW_REMOTE_ADDR] = TEXT("REMOTE_ADDR"),
    [UW_REMOTE_PORT] = TEXT("REMOTE_PORT"),
    [UW_REQUEST_URI] = TEXT("REQUEST_URI"),
    [UW_CONTENT_TYPE] = TEXT("CONTENT_TYPE"),
    [UW_QUERY_STRING] = TEXT("QUERY_STRING"),
    [UW_CONTENT_LENGTH] = TEXT("CONTENT_LENGTH"),
    [UW_REQUEST_METHOD] = TEXT("REQUEST_METHOD"),
    [UW_REQUEST_SCHEME] = TEXT("REQUEST_SCHEME"),
    [UW_SERVER_PROTOCOL] = TEXT("SERVER_PROTOCOL"),
    [UW_HTTP_CONTENT_LENGTH] = TEXT("HTTP_CONTENT_LENGTH"),
};

/* Twin: `DROPPED` in `asteri_uwsgi.request`. */
static const text dropped[] = {
    TEXT("connection"), TEXT("keep-alive"),     TEXT("proxy-connection"), TEXT("te"),     TEXT("transfer-encoding"),
    TEXT("upgrade"),    TEXT("content-length"), TEXT("content-type"),     TEXT("expect"),
};
#define DROPPED (sizeof dropped / sizeof *dropped)

/* The index of a name in a list, or its length. */
static size_t
index_of(asteri_slice name, const text *list, size_t length)
{
    size_t index = 0;
    while (index < length
           && (list[index].size != name.size || memcmp(list[index].text, name.data, (size_t)name.size) != 0)) {
        index++;
    }
    return index;
}

static inline int
is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static asteri_slice
strip(asteri_slice value)
{
    while (value.size > 0 && is_blank(value.data[0])) {
        value.data++;
        value.size--;
    }
    while (value.size > 0 && is_blank(value.data[value.size - 1])) {
        value.size--;
    }
    return value;
}

/* A variable HTTP_*, its name made that of a field at `place`: the size of that, 0 when it is not kept. */
static Py_ssize_t
add_field(uw_variables *variables, const asteri_field *variable, char *place)
{
    Py_ssize_t size = variable->name.size - PREFIX_SIZE;
    if (size <= 0 || memcmp(variable->name.data, PREFIX, PREFIX_SIZE) != 0) {
        return 0;
    }
    const char *name = variable->name.data + PREFIX_SIZE;
    for (Py_ssize_t at = 0; at < size; at++) {
        place[at] = name[at] == '_' ? '-' : (char)Py_TOLOWER(name[at]);
    }
    asteri_slice field = {place, size};
    if (index_of(field, dropped, DROPPED) < DROPPED || !http_keeps_field(field)) {
        return 0;
    }
    variables->fields[variables->count++] = (asteri_field){field, strip(variable->value)};
    return size;
}

/* A field that has a variable of its own, which is a field only where it says something. */
static void
add_own(uw_variables *variables, const char *name, uw_known which)
{
    asteri_slice value = variables->said[which];
    if (value.size > 0) {
        variables->fields[variables->count++] = (asteri_field){{name, (Py_ssize_t)strlen(name)}, value};
    }
}

int
uw_variables_read(const http_errors *errors, const uw_packet *packet, uw_variables *variables)
{
    variables->count = 0;
    for (int which = 0; which < UW_KNOWN; which++) {
        variables->said[which] = (asteri_slice){"", 0};
    }
    variables->said[UW_SERVER_PROTOCOL] = (asteri_slice){"HTTP/1.1", 8};
    /* No field but of a variable, and no name that is longer than that of its variable. */
    size_t room = (size_t)packet->count * sizeof *variables->fields;
    variables->fields = PyMem_Malloc(room + (size_t)packet->size);
    if (variables->fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    char *place = (char *)variables->fields + room;
    for (Py_ssize_t index = 0; index < packet->count; index++) {
        const asteri_field *variable = &packet->variables[index];
        size_t which = index_of(variable->name, known, UW_KNOWN);
        if (which != UW_PATH_INFO && !http_is_value(variable->value)) {
            uw_variables_clear(variables);
            return uw_refuse_variable(errors, "the value of %U has a control byte", variable->name);
        }
        if (which < UW_KNOWN) {
            variables->said[which] = variable->value;
        }
        place += add_field(variables, variable, place);
    }
    add_own(variables, "content-type", UW_CONTENT_TYPE);
    add_own(variables, "content-length", UW_CONTENT_LENGTH);
    return 0;
}

void
uw_variables_clear(uw_variables *variables)
{
    PyMem_Free(variables->fields);
    variables->fields = NULL;
}
