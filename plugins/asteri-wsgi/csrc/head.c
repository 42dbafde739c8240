/* The head of a response.
 *
 * The usual field is a tuple of two str whose name has been seen before: it costs one look into a table, and its value
 * stays where it is, in the str. Everything else goes through `examine` of the Python twin, which checks it, or says
 * what is wrong with it. Control characters in values are looked for here, in either case. */
#include "head.h"

#include "asteri_http/fields.h"

void
wsgi_head_init(wsgi_head *head)
{
    head->status = 0;
    head->length = -1;
    head->reason = (asteri_slice){NULL, 0};
    head->count = 0;
    head->room = WSGI_FEW_FIELDS;
    head->fields = head->few_fields;
    head->owners = head->few_owners;
    head->kept = NULL;
}

void
wsgi_head_release(wsgi_head *head)
{
    for (Py_ssize_t index = 0; index < head->count; index++) {
        Py_XDECREF(head->owners[index]);
    }
    Py_XDECREF(head->kept);
    if (head->fields != head->few_fields) {
        PyMem_Free(head->fields);
        PyMem_Free(head->owners);
    }
}

void
wsgi_head_clear(wsgi_head *head)
{
    wsgi_head_release(head);
    wsgi_head_init(head);
}

void
wsgi_head_move(wsgi_head *to, const wsgi_head *from)
{
    to->status = from->status;
    to->length = from->length;
    to->reason = from->reason;
    to->count = from->count;
    to->kept = from->kept;
    if (from->fields == from->few_fields) {
        memcpy(to->few_fields, from->few_fields, (size_t)from->count * sizeof *from->few_fields);
        memcpy(to->few_owners, from->few_owners, (size_t)from->count * sizeof *from->few_owners);
    } else {
        to->room = from->room;
        to->fields = from->fields;
        to->owners = from->owners;
    }
}

/* -- fields -------------------------------------------------------------------------------------------------------- */

static int
head_grow(wsgi_head *head)
{
    size_t room = 2 * (size_t)head->room, count = (size_t)head->count;
    asteri_field *fields = PyMem_New(asteri_field, room);
    PyObject **owners = PyMem_New(PyObject *, room);
    if (fields == NULL || owners == NULL) {
        PyMem_Free(fields);
        PyMem_Free(owners);
        PyErr_NoMemory();
        return -1;
    }
    memcpy(fields, head->fields, count * sizeof *fields);
    memcpy(owners, head->owners, count * sizeof *owners);
    if (head->fields != head->few_fields) {
        PyMem_Free(head->fields);
        PyMem_Free(head->owners);
    }
    head->fields = fields;
    head->owners = owners;
    head->room = (Py_ssize_t)room;
    return 0;
}

/* `owner` is borrowed, and may be NULL. */
static inline int
head_add(wsgi_head *head, const asteri_field *field, PyObject *owner)
{
    if (head->count == head->room && head_grow(head) < 0) {
        return -1;
    }
    head->fields[head->count] = *field;
    head->owners[head->count] = Py_XNewRef(owner);
    head->count++;
    return 0;
}

static int
head_keep(wsgi_head *head, PyObject *object)
{
    if (head->kept == NULL && (head->kept = PyList_New(0)) == NULL) {
        return -1;
    }
    return PyList_Append(head->kept, object);
}

static inline asteri_slice
bytes_slice(PyObject *bytes)
{
    return (asteri_slice){PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes)};
}

/* The value of Content-Length. 0; -1: ValueError. */
static int
head_read_length(wsgi_head *head, asteri_slice digits, PyObject *value)
{
    int64_t length = 0;
    int good = head->length < 0 && digits.size > 0 && digits.size <= 18; /* LENGTH_DIGITS */
    for (Py_ssize_t index = 0; good && index < digits.size; index++) {
        good = digits.data[index] >= '0' && digits.data[index] <= '9';
        length = length * 10 + (digits.data[index] - '0');
    }
    if (!good) {
        PyErr_Format(PyExc_ValueError, "content-length must be one number, not %R", value);
        return -1;
    }
    head->length = length;
    return 0;
}

/* A field whose name and characters are good; what remains to be checked is its value. `owner` has the value's bytes.
 */
static inline int
head_take(wsgi_head *head, PyObject *name, PyObject *value, const asteri_field *field, int is_length, PyObject *owner)
{
    if (!http_is_value(field->value)) {
        PyErr_Format(PyExc_ValueError, "header %R has a control character in its value %R", name, value);
        return -1;
    }
    if (is_length && head_read_length(head, field->value, value) < 0) {
        return -1;
    }
    return head_add(head, field, owner);
}

/* A field that is not the usual one. */
static int
head_examine(wsgi_state *state, wsgi_head *head, PyObject *field)
{
    int failed = -1;
    PyObject *name, *key, *value, *encoded;
    PyObject *examined = PyObject_CallOneArg(state->python.examine, field);
    if (examined == NULL || !PyArg_ParseTuple(examined, "UO!UO!", &name, &PyBytes_Type, &key, &value, &PyBytes_Type,
                                              &encoded)) {
        goto done;
    }
    static const char content_length[] = "content-length";
    asteri_field found = {bytes_slice(key), bytes_slice(encoded)};
    int is_length = found.name.size == sizeof content_length - 1 &&
                    memcmp(found.name.data, content_length, sizeof content_length - 1) == 0;
    if (wsgi_is_text(name)) {
        (void)wsgi_table_add(&state->names, wsgi_hash_text(name), name, key, is_length);
    }
    if (head_keep(head, key) == 0) {
        failed = head_take(head, name, value, &found, is_length, encoded);
    }
done:
    Py_XDECREF(examined);
    return failed;
}

static int
head_parse_field(wsgi_state *state, wsgi_head *head, PyObject *field)
{
    if (PyTuple_CheckExact(field) && PyTuple_GET_SIZE(field) == 2) {
        PyObject *name = PyTuple_GET_ITEM(field, 0), *value = PyTuple_GET_ITEM(field, 1);
        const wsgi_entry *entry = wsgi_is_text(name) ? wsgi_table_find(&state->names, name) : NULL;
        if (entry != NULL && wsgi_is_text(value) && PyUnicode_KIND(value) == PyUnicode_1BYTE_KIND) {
            asteri_field found = {bytes_slice(entry->result),
                                  {(const char *)PyUnicode_1BYTE_DATA(value), PyUnicode_GET_LENGTH(value)}};
            return head_take(head, name, value, &found, entry->number, value);
        }
    }
    return head_examine(state, head, field);
}

static int
head_parse_headers(wsgi_state *state, wsgi_head *head, PyObject *headers)
{
    int failed = 0;
    /* What iterates in its own way is a list first; what is no list at all is refused by the twin. */
    PyObject *list = PyList_CheckExact(headers) ? Py_NewRef(headers)
                     : PyList_Check(headers)    ? PySequence_List(headers)
                                                : PyObject_CallOneArg(state->python.parse_headers, headers);
    if (list == NULL) {
        return -1;
    }
    /* What `examine` runs may change the list: its size is asked anew. */
    for (Py_ssize_t index = 0; failed == 0 && index < PyList_GET_SIZE(list); index++) {
        PyObject *field = asteri_list_item(list, index);
        failed = field == NULL ? -1 : head_parse_field(state, head, field);
        Py_XDECREF(field);
    }
    Py_DECREF(list);
    return failed;
}

/* -- the status line ----------------------------------------------------------------------------------------------- */

static int
head_learn_status(wsgi_state *state, wsgi_head *head, PyObject *status)
{
    int code, failed = -1;
    PyObject *reason;
    PyObject *parsed = PyObject_CallOneArg(state->python.parse_status, status);
    if (parsed == NULL || !PyArg_ParseTuple(parsed, "iO!", &code, &PyBytes_Type, &reason)) {
        goto done;
    }
    if (wsgi_is_text(status)) {
        (void)wsgi_table_add(&state->statuses, wsgi_hash_text(status), status, reason, code);
    }
    head->status = code;
    head->reason = bytes_slice(reason);
    failed = head_keep(head, reason);
done:
    Py_XDECREF(parsed);
    return failed;
}

static int
head_parse_status(wsgi_state *state, wsgi_head *head, PyObject *status)
{
    const wsgi_entry *entry = wsgi_is_text(status) ? wsgi_table_find(&state->statuses, status) : NULL;
    if (entry == NULL) {
        return head_learn_status(state, head, status);
    }
    head->status = entry->number;
    head->reason = bytes_slice(entry->result);
    return 0;
}

int
wsgi_head_parse(wsgi_state *state, wsgi_head *head, PyObject *status, PyObject *headers)
{
    if (head_parse_status(state, head, status) < 0) {
        return -1;
    }
    return head_parse_headers(state, head, headers);
}

int
wsgi_head_declare(wsgi_head *head, int64_t length)
{
    char *end = head->digits + sizeof head->digits, *first = end;
    int64_t rest = length;
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    head->length = length;
    const asteri_field field = {{"content-length", 14}, {first, end - first}};
    return head_add(head, &field, NULL);
}
