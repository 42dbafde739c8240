/* Sends what an application has returned: a list, a file, or any iterable of bytes. */
#include "response.h"

/* Bytes up to which the blocks of a list are joined: copying them costs less than sending each. */
#define JOIN_LIMIT (64 * 1024)

/* Whether `len()` of the iterable is 1: 1, 0, or -1 for an error other than that it has none. */
static int
has_one_block(PyObject *blocks)
{
    Py_ssize_t length = PyObject_Size(blocks);
    if (length < 0) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    return length == 1;
}

/* Sends the head before the first block, with its length when it is the only one. */
static int
deliver_head(wsgi_response *self, PyObject *blocks, Py_ssize_t size)
{
    if (self->head.length < 0) {
        int one = has_one_block(blocks);
        if (one < 0 || (one && wsgi_declare(self, size) < 0)) {
            return -1;
        }
    }
    return wsgi_send_head(self);
}

static int
deliver_blocks(wsgi_response *self, PyObject *blocks)
{
    PyObject *block, *iterator = PyObject_GetIter(blocks);
    if (iterator == NULL) {
        return -1;
    }
    int failed = 0;
    while (failed == 0 && (block = PyIter_Next(iterator)) != NULL) {
        failed = wsgi_check_block(self->state, block);
        Py_ssize_t size = failed < 0 ? 0 : PyBytes_GET_SIZE(block);
        if (size > 0) {
            if (!self->head_sent) {
                failed = deliver_head(self, blocks, size);
            }
            if (failed == 0) {
                failed = wsgi_send(self, block, size);
            }
        }
        Py_DECREF(block);
        if (size > 0 && self->over && !self->has_content) {
            break; /* nothing of the rest would be sent */
        }
    }
    Py_DECREF(iterator);
    if (failed < 0 || PyErr_Occurred()) {
        return -1;
    }
    return wsgi_end(self);
}

/* All of the content, known before the head. */
static int
deliver_whole(wsgi_response *self, PyObject *data)
{
    Py_ssize_t size = PyBytes_GET_SIZE(data);
    if (self->head.length < 0) {
        if (wsgi_declare(self, size) < 0) {
            return -1;
        }
    } else if (self->head.length != size && self->has_content) {
        /* Found out before anything was sent, so the client can be told with a 500. */
        PyErr_Format(self->state->errors.local_protocol_error, "content-length is %lld, but the content has %zd bytes",
                     (long long)self->head.length, size);
        return -1;
    }
    if (wsgi_send_head(self) < 0 || wsgi_send(self, data, size) < 0) {
        return -1;
    }
    return wsgi_end(self);
}

/* The blocks of a tuple, which are bytes, as one. A new reference. */
static PyObject *
join_blocks(PyObject *blocks, Py_ssize_t total)
{
    PyObject *joined = PyBytes_FromStringAndSize(NULL, total);
    if (joined == NULL) {
        return NULL;
    }
    char *end = PyBytes_AS_STRING(joined);
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(blocks); index++) {
        PyObject *block = PyTuple_GET_ITEM(blocks, index);
        memcpy(end, PyBytes_AS_STRING(block), (size_t)PyBytes_GET_SIZE(block));
        end += PyBytes_GET_SIZE(block);
    }
    return joined;
}

static int
deliver_tuple(wsgi_response *self, PyObject *blocks, PyObject *original)
{
    Py_ssize_t total = 0, count = PyTuple_GET_SIZE(blocks);
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *block = PyTuple_GET_ITEM(blocks, index);
        if (wsgi_check_block(self->state, block) < 0) {
            return -1;
        }
        total += PyBytes_GET_SIZE(block);
    }
    if (total == 0) {
        return wsgi_end(self);
    }
    if (count == 1) {
        return deliver_whole(self, PyTuple_GET_ITEM(blocks, 0));
    }
    if (total > JOIN_LIMIT) {
        return wsgi_declare(self, total) < 0 ? -1 : deliver_blocks(self, original);
    }
    PyObject *joined = join_blocks(blocks, total);
    int failed = joined == NULL ? -1 : deliver_whole(self, joined);
    Py_XDECREF(joined);
    return failed;
}

static int
deliver_list(wsgi_response *self, PyObject *blocks)
{
    /* What is sent may run anything, and that could change a list: looked at as a tuple, or its one block held. */
    if (PyList_CheckExact(blocks) && PyList_GET_SIZE(blocks) == 1) {
        PyObject *block = asteri_list_item(blocks, 0);
        int failed = block == NULL ? -1 : wsgi_check_block(self->state, block);
        if (failed == 0) {
            failed = PyBytes_GET_SIZE(block) > 0 ? deliver_whole(self, block) : wsgi_end(self);
        }
        Py_XDECREF(block);
        return failed;
    }
    PyObject *tuple = PySequence_Tuple(blocks);
    int failed = tuple == NULL ? -1 : deliver_tuple(self, tuple, blocks);
    Py_XDECREF(tuple);
    return failed;
}

/* The blocks of a file that has to be read, no more of it than `rest` says unless that is None. */
static int
deliver_read(wsgi_response *self, PyObject *wrapper, PyObject *rest)
{
    if (rest == Py_None) {
        return deliver_blocks(self, wrapper);
    }
    PyObject *arguments[] = {wrapper, rest};
    PyObject *first = PyObject_VectorcallMethod(self->state->text.name_first, arguments, 2, NULL);
    int failed = first == NULL ? -1 : deliver_blocks(self, first);
    Py_XDECREF(first);
    return failed;
}

/* A part of a file, sent by its descriptor. */
static int
deliver_slice(wsgi_response *self, PyObject *part)
{
    PyObject *file, *offset;
    long long length;
    if (!PyArg_ParseTuple(part, "OOL", &file, &offset, &length)) {
        return -1;
    }
    if (!self->head_sent && (wsgi_declare(self, length) < 0 || wsgi_send_head(self) < 0)) {
        return -1;
    }
    return wsgi_send(self, part, length) < 0 ? -1 : wsgi_end(self);
}

/* A file, no more of it than Content-Length says, by its descriptor where it has one. */
static int
deliver_file(wsgi_response *self, PyObject *wrapper)
{
    wsgi_state *state = self->state;
    int failed = -1;
    PyObject *part = NULL;
    PyObject *rest = self->head.length < 0 ? Py_NewRef(Py_None)
                                           : PyLong_FromLongLong(self->head.length - self->written);
    PyObject *file = rest == NULL ? NULL : PyObject_GetAttr(wrapper, state->text.name_filelike);
    if (file == NULL) {
        goto done;
    }
    PyObject *arguments[] = {file, rest};
    part = PyObject_Vectorcall(state->python.slice_of, arguments, 2, NULL);
    if (part != NULL) {
        failed = part == Py_None ? deliver_read(self, wrapper, rest) : deliver_slice(self, part);
    }
done:
    Py_XDECREF(rest);
    Py_XDECREF(file);
    Py_XDECREF(part);
    return failed;
}

/* 0; -1: TypeError for what is no iterable of bytes. */
static int
check_iterable(wsgi_state *state, PyObject *blocks)
{
    PyTypeObject *type = Py_TYPE(blocks);
    if (type->tp_iter != NULL && !PyBytes_Check(blocks) && !PyUnicode_Check(blocks)) {
        return 0;
    }
    PyObject *checked = PyObject_CallOneArg(state->python.check_iterable, blocks);
    Py_XDECREF(checked);
    return checked == NULL ? -1 : 0;
}

int
wsgi_deliver(wsgi_response *self, PyObject *blocks)
{
    if ((PyList_CheckExact(blocks) || PyTuple_CheckExact(blocks)) && !self->head_sent) {
        return deliver_list(self, blocks);
    }
    if ((PyObject *)Py_TYPE(blocks) == self->state->python.file_wrapper) {
        return deliver_file(self, blocks);
    }
    return check_iterable(self->state, blocks) < 0 ? -1 : deliver_blocks(self, blocks);
}
