/* `MessageReader`: messages out of frames, the twin of `asteri_websocket.messages.MessageReader`. Texts are checked as
 * they come (utf8.h); what is compressed is handed to an `Unpacker`, which is Python's. */
#include "frames.h"
#include "utf8.h"

#include <string.h>

#define TOO_BIG 1009
#define INVALID 1007
#define NOT_UTF8 "a text that is no UTF-8"
#define FITS 1024 /* bytes of a text that are made plain on the stack */

typedef struct {
    PyObject_HEAD
    ws_state *state;    /* of the module, which the type keeps alive */
    PyObject *unpacker; /* owned; NULL: nothing is compressed */
    ws_frames frames;
    ws_head head;       /* of the frame that is being read, where there is one */
    int within;         /* whether there is */
    int kind;           /* of the message that is being read: WS_TEXT, WS_BINARY, 0: none is */
    int packed;
    int64_t limit;
    char *parts;        /* owned memory: the message so far */
    Py_ssize_t size, room;
    ws_utf8 text;
    Py_ssize_t control_size;
    char control[WS_LONGEST_CONTROL]; /* the payload of a control frame so far */
} reader;

/* -- the parts of a message ---------------------------------------------------------------------------------------- */

/* Room for `count` bytes behind the parts. 0; -1: MemoryError. */
static int
make_room(reader *self, Py_ssize_t count)
{
    if (count <= self->room - self->size) {
        return 0;
    }
    Py_ssize_t room = self->size + count;
    room += room >> 1;
    char *parts = PyMem_Realloc(self->parts, (size_t)room);
    if (parts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->parts = parts;
    self->room = room;
    return 0;
}

static void
drop_parts(reader *self)
{
    PyMem_Free(self->parts);
    self->parts = NULL;
    self->size = self->room = 0;
}

/* Appends what the unpacker gives for `data`, or for the end of the message where that is NULL. 0, -1. */
static int
add_unpacked(reader *self, PyObject *data)
{
    PyObject *room = PyLong_FromLongLong(self->limit - self->size);
    if (room == NULL) {
        return -1;
    }
    PyObject *plain = data != NULL
                          ? PyObject_CallMethodObjArgs(self->unpacker, self->state->name_unpack, data, room, NULL)
                          : PyObject_CallMethodObjArgs(self->unpacker, self->state->name_end, room, NULL);
    Py_DECREF(room);
    if (plain == NULL) {
        return -1;
    }
    int result = -1;
    if (!PyBytes_Check(plain)) {
        PyErr_SetString(PyExc_TypeError, "an unpacker gives bytes");
    } else if (PyBytes_GET_SIZE(plain) == 0) {
        result = 0; /* there may be no memory yet to copy nothing to */
    } else if (make_room(self, PyBytes_GET_SIZE(plain)) == 0) {
        memcpy(self->parts + self->size, PyBytes_AS_STRING(plain), (size_t)PyBytes_GET_SIZE(plain));
        self->size += PyBytes_GET_SIZE(plain);
        result = 0;
    }
    Py_DECREF(plain);
    return result;
}

/* A piece of the frame's payload of `count` bytes; `end`: the message ends with it. 0, -1. */
static int
add(reader *self, Py_ssize_t count, int end)
{
    if (self->head.opcode >= WS_CLOSE) {
        ws_frames_take(&self->frames, self->control + self->control_size, count);
        self->control_size += count;
        return 0;
    }
    Py_ssize_t before = self->size;
    if (self->packed && self->unpacker != NULL) {
        PyObject *data = PyBytes_FromStringAndSize(NULL, count);
        if (data == NULL) {
            return -1;
        }
        ws_frames_take(&self->frames, PyBytes_AS_STRING(data), count);
        int failed = add_unpacked(self, data) < 0 || (end && add_unpacked(self, NULL) < 0);
        Py_DECREF(data);
        if (failed) {
            return -1;
        }
    } else {
        if (make_room(self, count) < 0) {
            return -1;
        }
        ws_frames_take(&self->frames, self->parts + self->size, count);
        self->size += count;
    }
    if (self->kind == WS_TEXT) {
        int good = ws_utf8_check(&self->text, self->parts + before, (size_t)(self->size - before));
        if (!good || (end && self->text.left > 0)) {
            return http_refuse(&self->state->errors, INVALID, NOT_UTF8);
        }
    }
    return 0;
}

/* -- what is whole ------------------------------------------------------------------------------------------------- */

/* A text, or None's worth of an exception. */
static PyObject *
text_of(reader *self, const char *data, Py_ssize_t size)
{
    PyObject *text = PyUnicode_DecodeUTF8(data, size, NULL);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        (void)http_refuse(&self->state->errors, INVALID, NOT_UTF8);
    }
    return text;
}

static PyObject *
end_message(reader *self)
{
    int kind = self->kind;
    self->kind = self->packed = 0;
    memset(&self->text, 0, sizeof self->text);
    PyObject *message = kind == WS_TEXT ? text_of(self, self->parts, self->size)
                                        : PyBytes_FromStringAndSize(self->parts, self->size);
    drop_parts(self);
    return message;
}

/* The usual case: a message in one frame that has come at once. */
static PyObject *
whole_message(reader *self, Py_ssize_t count)
{
    int kind = self->kind;
    self->kind = 0;
    if (kind == WS_TEXT && count <= FITS) {
        char plain[FITS];
        ws_frames_take(&self->frames, plain, count);
        return text_of(self, plain, count);
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, count);
    if (data == NULL) {
        return NULL;
    }
    ws_frames_take(&self->frames, PyBytes_AS_STRING(data), count);
    if (kind != WS_TEXT) {
        return data;
    }
    PyObject *text = text_of(self, PyBytes_AS_STRING(data), count);
    Py_DECREF(data);
    return text;
}

static PyObject *
control_frame(reader *self, Py_ssize_t count)
{
    ws_frames_take(&self->frames, self->control + self->control_size, count);
    PyObject *data = PyBytes_FromStringAndSize(self->control, self->control_size + count);
    self->control_size = 0;
    if (data == NULL) {
        return NULL;
    }
    const ws_state *state = self->state;
    int opcode = self->head.opcode;
    PyObject *said =
        PyObject_CallOneArg(opcode == WS_PING ? state->ping : opcode == WS_PONG ? state->pong : state->read_close, data);
    Py_DECREF(data);
    return said;
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

/* A frame begins. 0, -1. */
static int
begin(reader *self)
{
    const ws_head *head = &self->head;
    const http_errors *errors = &self->state->errors;
    if (head->opcode >= WS_CLOSE) {
        return 0;
    }
    if ((head->opcode == WS_CONTINUATION) == (self->kind == 0)) {
        return http_refuse(errors, WS_PROTOCOL_ERROR, "a message within another one, or the rest of none");
    }
    if (head->opcode != WS_CONTINUATION) {
        self->kind = head->opcode;
        self->packed = head->packed;
    }
    /* What is packed may be longer than what it was made of, but not by much. */
    int64_t limit = self->packed ? self->limit + (self->limit >> 3) + 64 : self->limit - self->size;
    if (head->size > limit) {
        return http_refuse(errors, TOO_BIG, "a message of more than %lld bytes", (long long)self->limit);
    }
    return 0;
}

/* What is whole next, a new reference; None: nothing is. */
static PyObject *
reader_next(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    reader *self = (reader *)object;
    for (;;) {
        if (!self->within) {
            int found = ws_frames_head(&self->frames, &self->state->errors, &self->head);
            if (found <= 0) {
                return found < 0 ? NULL : Py_NewRef(Py_None);
            }
            if (begin(self) < 0) {
                return NULL;
            }
        } else if (ws_frames_waiting(&self->frames) == 0) {
            Py_RETURN_NONE;
        }
        Py_ssize_t count = ws_frames_ready(&self->frames);
        if (count < self->frames.left) {
            self->within = 1;
            return add(self, count, 0) < 0 ? NULL : Py_NewRef(Py_None);
        }
        self->within = 0;
        if (self->head.opcode >= WS_CLOSE) {
            return control_frame(self, count);
        }
        if (self->head.last && !self->packed && self->size == 0) {
            return whole_message(self, count);
        }
        if (add(self, count, self->head.last) < 0) {
            return NULL;
        }
        if (self->head.last) {
            return end_message(self);
        }
    }
}

static PyObject *
reader_feed(PyObject *object, PyObject *data)
{
    if (!PyBytes_Check(data)) {
        return PyErr_Format(PyExc_TypeError, "expected bytes, found %.100s", Py_TYPE(data)->tp_name);
    }
    if (ws_frames_feed(&((reader *)object)->frames, data) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* -- the type ------------------------------------------------------------------------------------------------------ */

static PyObject *
reader_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"limit", "unpacker", NULL};
    long long limit;
    PyObject *unpacker = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "L|O:MessageReader", names, &limit, &unpacker)) {
        return NULL;
    }
    reader *self = (reader *)type->tp_alloc(type, 0); /* filled with zeros */
    if (self == NULL) {
        return NULL;
    }
    self->state = (ws_state *)PyType_GetModuleState(type);
    self->limit = limit;
    if (unpacker != Py_None) {
        self->unpacker = Py_NewRef(unpacker);
        self->frames.takes_packed = 1;
    }
    return (PyObject *)self;
}

static int
reader_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((reader *)object)->unpacker);
    return 0;
}

static int
reader_clear(PyObject *object)
{
    Py_CLEAR(((reader *)object)->unpacker);
    return 0;
}

static void
reader_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)reader_clear(object);
    ws_frames_clear(&((reader *)object)->frames);
    drop_parts((reader *)object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"feed", reader_feed, METH_O, "feed($self, data, /)\n--\n\nBytes of the client."},
    {"next", reader_next, METH_NOARGS, "next($self, /)\n--\n\nWhat is whole next; None while nothing is."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, (void *)"MessageReader(limit, unpacker=None)\n--\n\nWhat a client says; see asteri_websocket.messages."},
    {Py_tp_new, (void *)reader_new},
    {Py_tp_traverse, (void *)reader_traverse},
    {Py_tp_clear, (void *)reader_clear},
    {Py_tp_dealloc, (void *)reader_dealloc},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "asteri_websocket._native.MessageReader",
    .basicsize = sizeof(reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};

int
ws_add_reader(PyObject *module, ws_state *state)
{
    return asteri_add_type(module, &reader_spec, &state->reader_type);
}
