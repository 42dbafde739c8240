/* `Lines`: makes the lines of the access log in C and hands them over many at a time; the quick half of
 * asteri_core.logs.access.AccessLog, which goes on to decide when they are written and what happens when they cannot be.
 *
 * A format is the list of parts that asteri_core.logs.formats makes of it: literal bytes, and atoms with the Python
 * function that defines them. The usual atoms are made here; for any other, and for the unusual values of a usual one,
 * the Python function is called. A line too long for a pipe (PIPE_BUF) is left to the Python log, which knows its sink. */
#include "ledger.h"
#include "structmember.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HANDED_OVER 16384 /* bytes of lines at which the log gets them */

typedef enum {
    LITERAL,
    PYTHON, /* the Python function makes it */
    HOST,
    USER,
    CLOCK,
    REQUEST_LINE,
    METHOD,
    PATH,
    QUERY,
    PROTOCOL,
    STATUS,
    BYTES_SENT,
    BYTES_OR_DASH,
    HEADER,
    SECONDS,
    MILLISECONDS,
    MICROSECONDS,
    DECIMAL_SECONDS,
    PROCESS,
} part_kind;

static const struct {
    const char *atom;
    part_kind kind;
    const char *header;
} ATOMS[] = {
    {"h", HOST, NULL},
    {"u", USER, NULL},
    {"t", CLOCK, NULL},
    {"r", REQUEST_LINE, NULL},
    {"m", METHOD, NULL},
    {"U", PATH, NULL},
    {"q", QUERY, NULL},
    {"H", PROTOCOL, NULL},
    {"s", STATUS, NULL},
    {"B", BYTES_SENT, NULL},
    {"b", BYTES_OR_DASH, NULL},
    {"f", HEADER, "referer"},
    {"a", HEADER, "user-agent"},
    {"T", SECONDS, NULL},
    {"M", MILLISECONDS, NULL},
    {"D", MICROSECONDS, NULL},
    {"L", DECIMAL_SECONDS, NULL},
    {"p", PROCESS, NULL},
};

typedef struct {
    part_kind kind;
    PyObject *bytes;    /* owned: of a literal, or a header's name; else NULL */
    PyObject *function; /* owned: the Python function of an atom; NULL for a literal */
} line_part;

typedef struct {
    PyObject_HEAD
    PyObject *log; /* owned: the AccessLog */
    line_part *parts;
    Py_ssize_t count; /* 0: the log makes every line by itself */
    char *buffer;
    Py_ssize_t size, capacity;
    long long second; /* of `stamp` */
    PyObject *stamp;  /* owned: what the clock's function gave for that second */
    exchange_kind kind;
} Lines;

/* One line while it is made. */
typedef struct {
    Lines *self;
    PyObject *exchange;
    const asteri_exchange_v1 *functions;
    const asteri_request *request;
    PyObject *duration, *wall; /* borrowed */
    double seconds;
    double time;
} line;

/* -- the buffer ---------------------------------------------------------------------------------------------------- */

static char *
room_for(Lines *self, Py_ssize_t size)
{
    if (self->capacity - self->size < size) {
        Py_ssize_t capacity = (self->size + size) * 2;
        char *buffer = PyMem_Realloc(self->buffer, (size_t)capacity);
        if (buffer == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        self->buffer = buffer;
        self->capacity = capacity;
    }
    return self->buffer + self->size;
}

static int
append(Lines *self, const char *data, Py_ssize_t size)
{
    char *to = room_for(self, size);
    if (to == NULL) {
        return -1;
    }
    memcpy(to, data, (size_t)size);
    self->size += size;
    return 0;
}

static int
append_number(Lines *self, long long number)
{
    char text[24], *first = text + sizeof(text);
    unsigned long long rest = number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) {
        *--first = '-';
    }
    return append(self, first, text + sizeof(text) - first);
}

static int
append_object(Lines *self, PyObject *bytes)
{
    return append(self, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
}

/* As asteri_core.logs.escape: what is not printable ASCII, quotes and backslashes become \xNN; in a word spaces too. */
static int
append_escaped(Lines *self, asteri_slice value, int spaces)
{
    static const char DIGITS[] = "0123456789abcdef";
    char *to = room_for(self, value.size * 4);
    if (to == NULL) {
        return -1;
    }
    for (Py_ssize_t index = 0; index < value.size; index++) {
        unsigned char byte = (unsigned char)value.data[index];
        if (byte < (spaces ? 0x20 : 0x21) || byte > 0x7e || byte == '"' || byte == '\\') {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = DIGITS[byte >> 4];
            *to++ = DIGITS[byte & 15];
        }
        else {
            *to++ = (char)byte;
        }
    }
    self->size = to - self->buffer;
    return 0;
}

static int
append_word(Lines *self, asteri_slice value)
{
    return value.size == 0 ? append(self, "-", 1) : append_escaped(self, value, 0);
}

/* -- atoms --------------------------------------------------------------------------------------------------------- */

/* What an atom's function gives must be bytes. 1; 0: TypeError. */
static int
is_bytes(PyObject *piece)
{
    if (!PyBytes_Check(piece)) {
        PyErr_SetString(PyExc_TypeError, "an atom of the access log is bytes");
        return 0;
    }
    return 1;
}

static int
append_python(const line *one, PyObject *function)
{
    PyObject *arguments[] = {one->exchange, one->duration, one->wall};
    PyObject *bytes = PyObject_Vectorcall(function, arguments, 3, NULL);
    if (bytes == NULL) {
        return -1;
    }
    int result = is_bytes(bytes) ? append_object(one->self, bytes) : -1;
    Py_DECREF(bytes);
    return result;
}

static int
append_host(const line *one, PyObject *function)
{
    PyObject *peer = one->functions->fact(one->exchange, ASTERI_PEER);
    if (peer == NULL) {
        return -1;
    }
    if (PyTuple_Check(peer) && PyTuple_GET_SIZE(peer) > 0) {
        PyObject *address = PyTuple_GET_ITEM(peer, 0);
        if (PyTuple_Check(address) && PyTuple_GET_SIZE(address) > 0) {
            address = PyTuple_GET_ITEM(address, 0);
        }
        if (PyUnicode_Check(address) && PyUnicode_IS_ASCII(address)) {
            asteri_slice host = {(const char *)PyUnicode_1BYTE_DATA(address), PyUnicode_GET_LENGTH(address)};
            return append_word(one->self, host);
        }
    }
    return append_python(one, function);
}

static int
append_clock(const line *one, PyObject *function)
{
    Lines *self = one->self;
    long long second = (long long)one->time;
    if (self->stamp == NULL || second != self->second) {
        PyObject *arguments[] = {one->exchange, one->duration, one->wall};
        PyObject *stamp = PyObject_Vectorcall(function, arguments, 3, NULL);
        if (stamp == NULL || !is_bytes(stamp)) {
            Py_XDECREF(stamp);
            return -1;
        }
        Py_XSETREF(self->stamp, stamp);
        self->second = second;
    }
    return append_object(self, self->stamp);
}

static int
append_protocol(const line *one)
{
    PyObject *version = one->functions->fact(one->exchange, ASTERI_VERSION);
    asteri_slice text;
    if (version == NULL || append(one->self, "HTTP/", 5) < 0 ||
        (text.data = PyUnicode_AsUTF8AndSize(version, &text.size)) == NULL) {
        return -1;
    }
    return append_escaped(one->self, text, 0);
}

static int
append_request_line(const line *one)
{
    Lines *self = one->self;
    if (append_escaped(self, one->request->method, 0) < 0 || append(self, " ", 1) < 0 ||
        append_escaped(self, one->request->target, 0) < 0 || append(self, " ", 1) < 0) {
        return -1;
    }
    return append_protocol(one);
}

static int
append_target(const line *one, part_kind kind, PyObject *function)
{
    asteri_slice target = one->request->target;
    const char *mark = target.size ? memchr(target.data, '?', (size_t)target.size) : NULL;
    Py_ssize_t path = mark == NULL ? target.size : mark - target.data;
    if (kind == QUERY) {
        asteri_slice query = {target.data + path + (mark != NULL), target.size - path - (mark != NULL)};
        return append_escaped(one->self, query, 0);
    }
    if (target.size == 0 || target.data[0] != '/') {
        return append_python(one, function); /* the absolute form, or * */
    }
    return append_word(one->self, (asteri_slice){target.data, path});
}

/* Whether it is a field of this lower-case name. */
static inline int
has_name(const asteri_field *field, const char *name, Py_ssize_t size)
{
    return field->name.size == size && memcmp(field->name.data, name, (size_t)size) == 0;
}

/* The user of Basic credentials: what they say is read in Python. */
static int
append_user(const line *one, PyObject *function)
{
    for (Py_ssize_t index = 0; index < one->request->count; index++) {
        if (has_name(&one->request->fields[index], "authorization", 13)) {
            return append_python(one, function);
        }
    }
    return append(one->self, "-", 1);
}

static int
append_header(const line *one, PyObject *name)
{
    Lines *self = one->self;
    Py_ssize_t size = PyBytes_GET_SIZE(name), before = self->size;
    int found = 0;
    for (Py_ssize_t index = 0; index < one->request->count; index++) {
        const asteri_field *field = &one->request->fields[index];
        if (!has_name(field, PyBytes_AS_STRING(name), size)) {
            continue;
        }
        if ((found++ && append(self, ", ", 2) < 0) || append_escaped(self, field->value, 1) < 0) {
            return -1;
        }
    }
    return self->size == before ? append(self, "-", 1) : 0;
}

static int
append_part(const line *one, const line_part *part)
{
    Lines *self = one->self;
    switch (part->kind) {
    case LITERAL:
        return append_object(self, part->bytes);
    case HOST:
        return append_host(one, part->function);
    case USER:
        return append_user(one, part->function);
    case CLOCK:
        return append_clock(one, part->function);
    case REQUEST_LINE:
        return append_request_line(one);
    case METHOD:
        return append_word(self, one->request->method);
    case PATH:
    case QUERY:
        return append_target(one, part->kind, part->function);
    case PROTOCOL:
        return append_protocol(one);
    case STATUS: {
        int status = one->functions->status(one->exchange);
        return status ? append_number(self, status) : append(self, "-", 1);
    }
    case BYTES_SENT:
    case BYTES_OR_DASH: {
        long long sent = one->functions->sent(one->exchange);
        return sent || part->kind == BYTES_SENT ? append_number(self, sent) : append(self, "-", 1);
    }
    case HEADER:
        return append_header(one, part->bytes);
    case SECONDS:
        return append_number(self, (long long)one->seconds);
    case MILLISECONDS:
        return append_number(self, (long long)(one->seconds * 1e3));
    case MICROSECONDS:
        return append_number(self, (long long)(one->seconds * 1e6));
    case DECIMAL_SECONDS: {
        char text[64];
        return append(self, text, snprintf(text, sizeof(text), "%.6f", one->seconds));
    }
    case PROCESS: {
        char text[32];
        return append(self, text, snprintf(text, sizeof(text), "<%ld>", (long)getpid()));
    }
    case PYTHON:
        break;
    }
    return append_python(one, part->function);
}

/* -- what the ledger and the service call -------------------------------------------------------------------------- */

static int
hand_over(Lines *self, ledger_state *state)
{
    if (self->size == 0) {
        return 0;
    }
    PyObject *lines = PyBytes_FromStringAndSize(self->buffer, self->size);
    self->size = 0;
    PyObject *result = lines == NULL ? NULL : PyObject_CallMethodOneArg(self->log, state->take, lines);
    Py_XDECREF(lines);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Whether a time can be told as a number of microseconds; what a broken clock gives else is the Python log's affair. */
static int
is_number(double seconds)
{
    return seconds > -1e12 && seconds < 1e12;
}

static PyObject *
Lines_write(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Lines *self = (Lines *)object;
    ledger_state *state = ledger_state_of_type(Py_TYPE(object));
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "write takes 3 arguments, %zd were given", count);
        return NULL;
    }
    const asteri_exchange_v1 *functions = exchange_functions(&self->kind, args[0]);
    Py_ssize_t before = self->size;
    if (functions != NULL && self->count != 0) {
        line one = {self,    args[0], functions, functions->request(args[0]), args[1],
                    args[2], 0,       0};
        one.seconds = PyFloat_AsDouble(args[1]);
        one.time = PyFloat_AsDouble(args[2]);
        if (PyErr_Occurred()) {
            return NULL;
        }
        int fits = is_number(one.seconds) && is_number(one.time);
        for (Py_ssize_t index = 0; fits && index < self->count; index++) {
            if (append_part(&one, &self->parts[index]) < 0) {
                self->size = before;
                return NULL;
            }
        }
        if (fits && self->size - before <= PIPE_BUF) {
            if (self->size >= HANDED_OVER && hand_over(self, state) < 0) {
                return NULL;
            }
            Py_RETURN_NONE;
        }
        self->size = before;
    }
    /* The lines before it go first. */
    if (hand_over(self, state) < 0) {
        return NULL;
    }
    PyObject *arguments[] = {self->log, args[0], args[1], args[2]};
    return PyObject_VectorcallMethod(state->write, arguments, 4 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static PyObject *
Lines_flush(PyObject *object, PyObject *now)
{
    ledger_state *state = ledger_state_of_type(Py_TYPE(object));
    if (hand_over((Lines *)object, state) < 0) {
        return NULL;
    }
    return PyObject_CallMethodOneArg(((Lines *)object)->log, state->flush, now);
}

static PyObject *
Lines_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    ledger_state *state = ledger_state_of_type(Py_TYPE(object));
    if (hand_over((Lines *)object, state) < 0) {
        return NULL;
    }
    return PyObject_CallMethodNoArgs(((Lines *)object)->log, state->close);
}

/* -- its life ------------------------------------------------------------------------------------------------------ */

/* `name` is an atom, as between the parentheses of a format. */
static int
recognise(line_part *part, const char *name)
{
    part->kind = PYTHON;
    for (size_t index = 0; index < sizeof(ATOMS) / sizeof(ATOMS[0]); index++) {
        if (strcmp(name, ATOMS[index].atom) == 0) {
            part->kind = ATOMS[index].kind;
            if (ATOMS[index].header != NULL) {
                part->bytes = PyBytes_FromString(ATOMS[index].header);
                return part->bytes == NULL ? -1 : 0;
            }
            return 0;
        }
    }
    size_t size = strlen(name);
    if (size > 3 && name[0] == '{' && strcmp(name + size - 2, "}i") == 0) {
        part->bytes = PyBytes_FromStringAndSize(name + 1, (Py_ssize_t)size - 3);
        if (part->bytes == NULL) {
            return -1;
        }
        char *header = PyBytes_AS_STRING(part->bytes); /* nobody else has it yet */
        for (size_t index = 0; index < size - 3; index++) {
            if (header[index] >= 'A' && header[index] <= 'Z') {
                header[index] += 'a' - 'A';
            }
        }
        part->kind = HEADER;
    }
    return 0;
}

static int
take_parts(Lines *self, PyObject *list)
{
    Py_ssize_t count = PyList_GET_SIZE(list);
    self->parts = PyMem_Calloc((size_t)count + 1, sizeof(line_part));
    if (self->parts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (; self->count < count; self->count++) {
        line_part *part = &self->parts[self->count];
        PyObject *item = PyList_GET_ITEM(list, self->count);
        if (PyBytes_Check(item)) {
            part->kind = LITERAL;
            part->bytes = Py_NewRef(item);
            continue;
        }
        const char *name;
        PyObject *function;
        if (!PyArg_ParseTuple(item, "sO", &name, &function) || recognise(part, name) < 0) {
            return -1;
        }
        part->function = Py_NewRef(function);
    }
    return 0;
}

static int
Lines_fill(PyObject *object, PyObject *args, PyObject *kwargs)
{
    Lines *self = (Lines *)object;
    ledger_state *state = ledger_state_of_type(Py_TYPE(object));
    static char *names[] = {"log", NULL};
    PyObject *log;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Lines", names, &log)) {
        return -1;
    }
    self->log = Py_NewRef(log);
    PyObject *format = PyObject_GetAttr(log, state->format);
    PyObject *list = format == NULL ? NULL : PyObject_CallOneArg(state->parts, format);
    Py_XDECREF(format);
    if (list == NULL) {
        return -1;
    }
    int result = -1;
    if (list == Py_None) {
        result = 0; /* not made of atoms */
    }
    else if (PyList_Check(list)) {
        result = take_parts(self, list);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "the parts of a format are a list");
    }
    Py_DECREF(list);
    return result;
}

static PyObject *
Lines_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return ledger_made(type, args, kwargs, Lines_fill);
}

static int
Lines_traverse(PyObject *object, visitproc visit, void *arg)
{
    Lines *self = (Lines *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->log);
    Py_VISIT(self->kind.type);
    for (Py_ssize_t index = 0; index < self->count; index++) {
        Py_VISIT(self->parts[index].function);
    }
    return 0;
}

static void
Lines_dealloc(PyObject *object)
{
    Lines *self = (Lines *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->log);
    Py_CLEAR(self->stamp);
    Py_CLEAR(self->kind.type);
    for (Py_ssize_t index = 0; self->parts != NULL && index <= self->count; index++) {
        /* The one behind the last may have been begun. */
        Py_CLEAR(self->parts[index].bytes);
        Py_CLEAR(self->parts[index].function);
    }
    PyMem_Free(self->parts);
    PyMem_Free(self->buffer);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef Lines_methods[] = {
    {"write", (PyCFunction)(void (*)(void))Lines_write, METH_FASTCALL,
     PyDoc_STR("write($self, exchange, duration, wall, /)\n--\n\nMake the line of an exchange that is over.")},
    {"flush", Lines_flush, METH_O, PyDoc_STR("flush($self, now, /)\n--\n\nWrite what was collected.")},
    {"close", Lines_close, METH_NOARGS, PyDoc_STR("Write what was collected, as the log's own close.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Lines_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Lines(log)\n--\n\nMakes the lines of an asteri_core.logs.AccessLog.")},
    {Py_tp_new, Lines_new},
    {Py_tp_traverse, Lines_traverse},
    {Py_tp_dealloc, Lines_dealloc},
    {Py_tp_methods, Lines_methods},
    {0, NULL},
};

static PyType_Spec Lines_spec = {
    .name = "asteri_native._ledger.Lines",
    .basicsize = sizeof(Lines),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Lines_slots,
};

int
ledger_add_lines(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &Lines_spec, NULL);
    int result = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return result;
}
