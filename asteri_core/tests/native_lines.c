/* `native_lines`, for tests of the native reactor: a protocol of lines whose connection is driven by its functions
 * ("asteri/connection.h"), of which its methods are made ("asteri/connection_methods.h"). One line is one request, one at a time. It hands out bytes of its own,
 * bytes that have an owner, files and both ends; what it cannot do is fail. */
#include "asteri/connection.h"
#include "asteri/module_state.h"

#include <structmember.h>

#include <string.h>

#define INPUT 65536
#define OUTPUT 262144

typedef struct {
    PyObject_HEAD
    asteri_driver *driver;
    PyObject *peer;
    PyObject *events; /* list of tuples (kind, line) */
    PyObject *line;   /* the running one, or NULL */
    PyObject *pieces; /* list: bytes, (file, offset, length), None for a reset or ... for a close */
    char *input, *output;
    Py_ssize_t input_size, output_size, output_start;
    double due;
    int eof, closed, lost, held, driven, calls;
    int ending; /* the running line is over when its answer has been handed out */
} lines;

typedef struct {
    PyObject_HEAD
    lines *connection; /* owned */
    PyObject *target;
} line;

typedef struct {
    PyTypeObject *lines_type, *line_type;
    asteri_connection_api api;
} module_state;

static const asteri_object objects[] = {
    ASTERI_MADE(module_state, lines_type),
    ASTERI_MADE(module_state, line_type),
    ASTERI_CONNECTION_OBJECTS(module_state, api),
    ASTERI_OBJECTS_END,
};

static struct PyModuleDef definition;

static module_state *
state_of(PyObject *self)
{
    return PyModule_GetState(PyType_GetModuleByDef(Py_TYPE(self), &definition));
}

static void
begin(lines *self)
{
    char *end = self->input_size > 0 ? memchr(self->input, '\n', (size_t)self->input_size) : NULL;
    if (self->line != NULL || self->lost || self->closed) {
        return;
    }
    if (end == NULL) {
        self->closed |= self->eof;
        return;
    }
    line *made = PyObject_New(line, state_of((PyObject *)self)->line_type);
    made->connection = (lines *)Py_NewRef((PyObject *)self);
    made->target = PyBytes_FromStringAndSize(self->input, end - self->input);
    self->input_size -= end + 1 - self->input;
    memmove(self->input, end + 1, (size_t)self->input_size);
    self->line = Py_NewRef((PyObject *)made);
    PyObject *event = Py_BuildValue("(iN)", ASTERI_STARTED, made);
    PyList_Append(self->events, event);
    Py_DECREF(event);
}

static void
finish(lines *self)
{
    PyObject *event = Py_BuildValue("(iN)", ASTERI_FINISHED, self->line);
    self->line = NULL;
    PyList_Append(self->events, event);
    Py_DECREF(event);
    self->ending = 0;
}

/* -- the contract -------------------------------------------------------------------------------------------------- */

static void
lines_drive(PyObject *self, asteri_driver *driver)
{
    lines *connection = (lines *)self;
    connection->driver = driver;
    connection->driven += driver != NULL;
    if (driver == NULL) {
        /* The line refers to its connection, and no collector knows of these types. */
        Py_CLEAR(connection->line);
        PyList_SetSlice(connection->events, 0, PyList_GET_SIZE(connection->events), NULL);
    }
}

static int
lines_receive_data(PyObject *object, const char *data, Py_ssize_t size, double Py_UNUSED(now))
{
    lines *self = (lines *)object;
    self->calls++;
    size = size < INPUT - self->input_size ? size : INPUT - self->input_size;
    memcpy(self->input + self->input_size, data, (size_t)size);
    self->input_size += size;
    begin(self);
    return 0;
}

static int
lines_receive_eof(PyObject *object, double Py_UNUSED(now))
{
    ((lines *)object)->eof = 1;
    begin((lines *)object);
    return 0;
}

static int
lines_lost(PyObject *object, double Py_UNUSED(now))
{
    lines *self = (lines *)object;
    self->lost = 1;
    if (self->line != NULL) {
        finish(self);
    }
    return 0;
}

static int
lines_next_event(PyObject *object, asteri_event *event)
{
    lines *self = (lines *)object;
    if (PyList_GET_SIZE(self->events) == 0) {
        return 0;
    }
    PyObject *item = Py_NewRef(PyList_GET_ITEM(self->events, 0));
    PyList_SetSlice(self->events, 0, 1, NULL);
    event->kind = (asteri_event_kind)PyLong_AsLong(PyTuple_GET_ITEM(item, 0));
    event->object = Py_NewRef(PyTuple_GET_ITEM(item, 1));
    event->leftover = NULL;
    Py_DECREF(item);
    return 1;
}

static Py_ssize_t
lines_data_to_send(PyObject *object, double Py_UNUSED(now), asteri_piece *pieces, Py_ssize_t room)
{
    lines *self = (lines *)object;
    Py_ssize_t count = 0;
    if (self->output_size > 0) {
        /* From now on these bytes are overwritten with the next answer. */
        pieces[count++] = (asteri_piece){.kind = ASTERI_BYTES, .data = self->output, .size = self->output_size};
        self->output_size = 0;
    }
    while (PyList_GET_SIZE(self->pieces) > 0 && count < room) {
        PyObject *item = Py_NewRef(PyList_GET_ITEM(self->pieces, 0));
        PyList_SetSlice(self->pieces, 0, 1, NULL);
        asteri_piece *piece = &pieces[count++];
        if (item == Py_None || item == Py_Ellipsis) {
            *piece = (asteri_piece){.kind = item == Py_None ? ASTERI_RESET : ASTERI_CLOSE};
            self->closed = 2; /* nothing begins behind it */
            Py_DECREF(item);
        } else if (PyTuple_Check(item)) {
            *piece = (asteri_piece){
                .kind = ASTERI_FILE,
                .owner = Py_NewRef(PyTuple_GET_ITEM(item, 0)),
                .offset = PyLong_AsLongLong(PyTuple_GET_ITEM(item, 1)),
                .length = PyLong_AsLongLong(PyTuple_GET_ITEM(item, 2)),
            };
            Py_DECREF(item);
        } else {
            char *data = PyBytes_AS_STRING(item);
            *piece = (asteri_piece){.kind = ASTERI_BYTES, .owner = item, .data = data, .size = PyBytes_GET_SIZE(item)};
        }
    }
    if (self->closed == 1 && count < room) {
        self->closed = 2;
        pieces[count++] = (asteri_piece){.kind = ASTERI_HALF_CLOSE};
    }
    if (self->ending && PyList_GET_SIZE(self->pieces) == 0) {
        finish(self);
        begin(self);
    }
    return count;
}

static int
lines_wants_data(PyObject *self)
{
    return !((lines *)self)->held;
}

static double
lines_deadline(PyObject *self)
{
    return ((lines *)self)->due;
}

static int
lines_expire(PyObject *object, double now)
{
    lines *self = (lines *)object;
    if (now < self->due) {
        return 0;
    }
    self->due = ASTERI_NEVER;
    return lines_receive_eof(object, now);
}

static int
lines_drain(PyObject *self, double Py_UNUSED(until), double now)
{
    return lines_receive_eof(self, now);
}

static const asteri_connection_v1 functions = {
    .size = sizeof(functions),
    .drive = lines_drive,
    .receive_data = lines_receive_data,
    .receive_eof = lines_receive_eof,
    .lost = lines_lost,
    .next_event = lines_next_event,
    .data_to_send = lines_data_to_send,
    .wants_data = lines_wants_data,
    .deadline = lines_deadline,
    .expire = lines_expire,
    .drain = lines_drain,
};

#define ASTERI_CONNECTION_FUNCTIONS functions
#define ASTERI_CONNECTION_API(self) (&state_of(self)->api)
#include "asteri/connection_methods.h"

/* -- Lines(peer, now) ---------------------------------------------------------------------------------------------- */

static PyObject *
lines_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(keywords))
{
    PyObject *peer;
    double now;
    if (!PyArg_ParseTuple(arguments, "Od", &peer, &now)) {
        return NULL;
    }
    lines *self = (lines *)type->tp_alloc(type, 0);
    self->peer = Py_NewRef(peer);
    self->events = PyList_New(0);
    self->pieces = PyList_New(0);
    self->input = PyMem_Malloc(INPUT);
    self->output = PyMem_Malloc(OUTPUT);
    self->due = ASTERI_NEVER;
    return (PyObject *)self;
}

static void
lines_dealloc(lines *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->peer);
    Py_XDECREF(self->events);
    Py_XDECREF(self->pieces);
    Py_XDECREF(self->line);
    PyMem_Free(self->input);
    PyMem_Free(self->output);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
lines_wake(lines *self, PyObject *Py_UNUSED(ignored))
{
    if (self->driver != NULL) {
        self->driver->wake(self->driver);
    }
    Py_RETURN_NONE;
}

static PyMemberDef lines_members[] = {
    {"held", T_INT, offsetof(lines, held), 0, NULL},
    {"due", T_DOUBLE, offsetof(lines, due), 0, NULL},
    {"driven", T_INT, offsetof(lines, driven), READONLY, NULL},
    {"calls", T_INT, offsetof(lines, calls), READONLY, NULL},
    {"peer", T_OBJECT, offsetof(lines, peer), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef lines_attributes[] = {
    ASTERI_CONNECTION_WANTS_DATA,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef lines_methods[] = {
    ASTERI_CONNECTION_METHODS,
    {"wake", (PyCFunction)lines_wake, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lines_slots[] = {
    {Py_tp_new, lines_new},
    {Py_tp_dealloc, lines_dealloc},
    {Py_tp_members, lines_members},
    {Py_tp_getset, lines_attributes},
    {Py_tp_methods, lines_methods},
    {0, NULL},
};

static PyType_Spec lines_spec = {"native_lines.Lines", sizeof(lines), 0, Py_TPFLAGS_DEFAULT, lines_slots};

/* -- Line ---------------------------------------------------------------------------------------------------------- */

static void
line_dealloc(line *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_DECREF(self->connection);
    Py_DECREF(self->target);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* answer(data): the whole answer, bytes of the connection's own. */
static PyObject *
line_answer(line *self, PyObject *data)
{
    lines *connection = self->connection;
    Py_ssize_t size = PyBytes_GET_SIZE(data);
    if (connection->line == (PyObject *)self && !connection->ending && size + connection->output_size <= OUTPUT) {
        memcpy(connection->output + connection->output_size, PyBytes_AS_STRING(data), (size_t)size);
        connection->output_size += size;
        connection->ending = 1;
        return lines_wake(connection, NULL);
    }
    PyErr_SetString(PyExc_ConnectionError, "the line is over");
    return NULL;
}

/* hand_out(*pieces): the whole answer, of pieces that have owners. */
static PyObject *
line_hand_out(line *self, PyObject *pieces)
{
    lines *connection = self->connection;
    if (connection->line != (PyObject *)self || connection->ending) {
        PyErr_SetString(PyExc_ConnectionError, "the line is over");
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(pieces); index++) {
        PyList_Append(connection->pieces, PyTuple_GET_ITEM(pieces, index));
    }
    connection->ending = 1;
    return lines_wake(connection, NULL);
}

static PyMemberDef line_members[] = {
    {"connection", T_OBJECT, offsetof(line, connection), READONLY, NULL},
    {"target", T_OBJECT, offsetof(line, target), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef line_methods[] = {
    {"answer", (PyCFunction)line_answer, METH_O, NULL},
    {"hand_out", (PyCFunction)line_hand_out, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot line_slots[] = {
    {Py_tp_dealloc, line_dealloc},
    {Py_tp_members, line_members},
    {Py_tp_methods, line_methods},
    {0, NULL},
};

static PyType_Spec line_spec = {
    "native_lines.Line", sizeof(line), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, line_slots,
};

static PyObject *
echo(PyObject *Py_UNUSED(module), PyObject *exchange)
{
    return line_answer((line *)exchange, ((line *)exchange)->target);
}

static int
execute(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    if (asteri_state_load(state, objects) < 0 || asteri_add_type(module, &lines_spec, &state->lines_type) < 0 ||
        asteri_add_type(module, &line_spec, &state->line_type) < 0) {
        return -1;
    }
    return asteri_add_contract(state->lines_type, ASTERI_CONNECTION_ATTRIBUTE, ASTERI_CONNECTION_CAPSULE, &functions);
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    return asteri_state_visit(PyModule_GetState(module), objects, visit, arg);
}

static int
clear(PyObject *module)
{
    asteri_state_clear(PyModule_GetState(module), objects);
    return 0;
}

static PyModuleDef_Slot slots[] = ASTERI_MODULE_SLOTS(execute);

static PyMethodDef functions_of_module[] = {
    {"echo", echo, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "native_lines", NULL, sizeof(module_state), functions_of_module, slots, traverse, clear, NULL,
};

PyMODINIT_FUNC
PyInit_native_lines(void)
{
    return PyModuleDef_Init(&definition);
}
