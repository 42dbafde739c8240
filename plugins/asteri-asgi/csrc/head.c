/* Holds the head of a response. See head.h. It checks no more than that there are pairs: an exchange checks them. */
#include "head.h"

#include <stdint.h>
#include <string.h>

/* -- holding ------------------------------------------------------------------------------------------------------- */

void
asgi_head_drop(asgi_head *head)
{
    while (head->count > 0) {
        asgi_pair *pair = &head->pairs[--head->count];
        Py_DECREF(pair->name);
        Py_DECREF(pair->value);
    }
    if (head->pairs != head->few) {
        PyMem_Free(head->pairs);
        head->pairs = head->few;
    }
    Py_CLEAR(head->odd_status);
    Py_CLEAR(head->list);
}

int
asgi_head_visit(asgi_head *head, visitproc visit, void *arg)
{
    Py_VISIT(head->odd_status);
    Py_VISIT(head->list); /* bytes refer to nothing */
    return 0;
}

/* A name and a value, if `item` is a tuple or list of two bytes. New references, or 0. */
static int
take_pair(PyObject *item, asgi_pair *pair)
{
    if (PyTuple_CheckExact(item) && PyTuple_GET_SIZE(item) == 2) {
        pair->name = Py_NewRef(PyTuple_GET_ITEM(item, 0));
        pair->value = Py_NewRef(PyTuple_GET_ITEM(item, 1));
    } else if (PyList_CheckExact(item) && PyList_GET_SIZE(item) == 2) {
        pair->name = asteri_list_item(item, 0);
        pair->value = asteri_list_item(item, 1);
    } else {
        return 0;
    }
    if (pair->name != NULL && pair->value != NULL && PyBytes_CheckExact(pair->name) &&
        PyBytes_CheckExact(pair->value)) {
        return 1;
    }
    PyErr_Clear();
    Py_XDECREF(pair->name);
    Py_XDECREF(pair->value);
    return 0;
}

/* 1: they are held; 0: they are not usual, and none of them is held; -1: out of memory. */
static int
take_usual(asgi_head *head, PyObject *headers)
{
    int listed = PyList_CheckExact(headers);
    if (!listed && !PyTuple_CheckExact(headers)) {
        return 0;
    }
    Py_ssize_t count = listed ? PyList_GET_SIZE(headers) : PyTuple_GET_SIZE(headers);
    if (count > ASGI_FEW_FIELDS) {
        asgi_pair *pairs = PyMem_New(asgi_pair, count);
        if (pairs == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        head->pairs = pairs;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *item = listed ? asteri_list_item(headers, index) : Py_NewRef(PyTuple_GET_ITEM(headers, index));
        int usual = item != NULL && take_pair(item, &head->pairs[index]);
        Py_XDECREF(item);
        if (!usual) {
            PyErr_Clear(); /* another thread has made the list shorter */
            asgi_head_drop(head);
            return 0;
        }
        head->count++;
    }
    return 1;
}

int
asgi_head_take_fields(asgi_head *head, const asgi_state *state, PyObject *headers)
{
    asgi_head_drop(head);
    int usual = take_usual(head, headers);
    if (usual == 0) {
        head->list = PyObject_CallFunction(state->shared.fields, "Os", headers, "http.response.start");
        return head->list == NULL ? -1 : 0;
    }
    return usual < 0 ? -1 : 0;
}

int
asgi_head_take_status(asgi_head *head, PyObject *status)
{
    PyObject *number = PyNumber_Long(status);
    if (number == NULL) {
        return -1;
    }
    int beyond;
    long code = PyLong_AsLongAndOverflow(number, &beyond);
    if (beyond != 0 || code < INT_MIN || code > INT_MAX) {
        Py_XSETREF(head->odd_status, number);
        return 0;
    }
    Py_DECREF(number);
    head->status = (int)code;
    return 0;
}

/* -- handing over -------------------------------------------------------------------------------------------------- */

/* Whether there is an upper-case letter among eight bytes. Each byte is moved so that its top bit says whether it is at
 * least 'A', and whether it is beyond 'Z'; what has its top bit set before is no letter of ASCII. */
static int
has_upper(uint64_t bytes)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t low = bytes & (each * 0x7f);
    uint64_t letters = (low + each * (0x80 - 'A')) & ~(low + each * (0x7f - 'Z')) & ~bytes;
    return (letters & (each * 0x80)) != 0;
}

static int
is_lower(const char *data, Py_ssize_t size)
{
    uint64_t bytes;
    for (; size >= 8; data += 8, size -= 8) {
        memcpy(&bytes, data, 8);
        if (has_upper(bytes)) {
            return 0;
        }
    }
    for (; size > 0; data++, size--) {
        if (*data >= 'A' && *data <= 'Z') {
            return 0;
        }
    }
    return 1;
}

static void
make_lower(const char *from, Py_ssize_t size, char *to)
{
    for (Py_ssize_t index = 0; index < size; index++) {
        char byte = from[index];
        to[index] = (char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte);
    }
}

/* Fills in `fields` with slices of the pairs. Returns how many bytes the names have that are not in lower case. */
static Py_ssize_t
slice_pairs(const asgi_head *head, asteri_field *fields)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t index = 0; index < head->count; index++) {
        PyObject *name = head->pairs[index].name;
        PyObject *value = head->pairs[index].value;
        fields[index].name = (asteri_slice){PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)};
        fields[index].value = (asteri_slice){PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)};
        if (!is_lower(fields[index].name.data, fields[index].name.size)) {
            size += fields[index].name.size;
        }
    }
    return size;
}

static void
lower_names(asteri_field *fields, Py_ssize_t count, char *room)
{
    for (Py_ssize_t index = 0; index < count; index++) {
        asteri_slice *name = &fields[index].name;
        if (!is_lower(name->data, name->size)) {
            make_lower(name->data, name->size, room);
            name->data = room;
            room += name->size;
        }
    }
}

static int
respond_pairs(const asgi_head *head, const asteri_reached *reached)
{
    asteri_field few[ASGI_FEW_FIELDS];
    asteri_field *fields = head->count > ASGI_FEW_FIELDS ? PyMem_New(asteri_field, head->count) : few;
    char *room = NULL;
    int result = -1;
    if (fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t size = slice_pairs(head, fields);
    if (size > 0) {
        room = PyMem_Malloc((size_t)size);
        if (room == NULL) {
            PyErr_NoMemory();
            goto done;
        }
        lower_names(fields, head->count, room);
    }
    result = reached->functions->respond(reached->self, head->status, (asteri_slice){"", 0}, fields, head->count);

done:
    PyMem_Free(room);
    if (fields != few) {
        PyMem_Free(fields);
    }
    return result;
}

/* The pairs as the Python twin holds them. A new reference. */
static PyObject *
list_pairs(const asgi_head *head, const asgi_state *state)
{
    PyObject *pairs = PyList_New(head->count);
    if (pairs == NULL) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < head->count; index++) {
        PyObject *pair = PyTuple_Pack(2, head->pairs[index].name, head->pairs[index].value);
        if (pair == NULL) {
            Py_DECREF(pairs);
            return NULL;
        }
        PyList_SET_ITEM(pairs, index, pair);
    }
    PyObject *list = PyObject_CallFunction(state->shared.fields, "Os", pairs, "http.response.start");
    Py_DECREF(pairs);
    return list;
}

/* As respond_pairs, by the method of that name: for what does not fit the types of the native contract. */
static int
respond_odd(const asgi_head *head, const asgi_state *state, PyObject *exchange)
{
    PyObject *answer = NULL;
    PyObject *status = head->odd_status != NULL ? Py_NewRef(head->odd_status) : PyLong_FromLong(head->status);
    PyObject *list = head->list != NULL ? Py_NewRef(head->list) : list_pairs(head, state);
    if (status != NULL && list != NULL) {
        PyObject *arguments[3] = {exchange, status, list};
        answer = PyObject_VectorcallMethod(state->name.respond, arguments, 3, NULL);
    }
    Py_XDECREF(status);
    Py_XDECREF(list);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

int
asgi_head_respond(asgi_head *head, const asgi_state *state, PyObject *exchange, const asteri_reached *reached)
{
    int usual = head->list == NULL && head->odd_status == NULL;
    int result = usual ? respond_pairs(head, reached) : respond_odd(head, state, exchange);
    asgi_head_drop(head);
    return result;
}
