/* `HeadParser` and `ChunkDecoder` as Python types, so that they can be tested and fuzzed alone beside their twins in
 * `asteri_http1.parser` and `asteri_http1.chunked`; and what parsing keeps in the module's state. */
#include "chunked.h"
#include "names.h"
#include "parser.h"

/* -- HeadParser ---------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    h1_limits limits;
    h1_heads heads;
    h1_parser parser;
} parser_object;

/* The only argument of a constructor, borrowed; NULL: TypeError. */
static PyObject *
only_argument(const char *format, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"limits", NULL};
    PyObject *limits;
    return PyArg_ParseTupleAndKeywords(arguments, keywords, format, names, &limits) ? limits : NULL;
}

static PyObject *
parser_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *limits = only_argument("O:HeadParser", arguments, keywords);
    if (limits == NULL) {
        return NULL;
    }
    parser_object *self = (parser_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    h1_parser_init(&self->parser, &self->limits, &self->heads);
    if (h1_limits_read(&self->limits, limits) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
parser_dealloc(PyObject *object)
{
    parser_object *self = (parser_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    h1_parser_clear(&self->parser);
    h1_heads_clear(&self->heads);
    type->tp_free(object);
    Py_DECREF(type);
}

/* A RequestHead of the Python twin with the objects of a head. A new reference. */
static PyObject *
request_head(h1_state *state, h1_head *head)
{
    static const asteri_fact facts[] = {ASTERI_METHOD,    ASTERI_TARGET,   ASTERI_VERSION, ASTERI_HEADERS,
                                        ASTERI_AUTHORITY, ASTERI_RAW_PATH, ASTERI_QUERY};
    const asteri_request *request = &head->request;
    PyObject *made[14] = {NULL}, *whole = NULL;
    for (int index = 0; index < 7; index++) {
        made[index] = Py_XNewRef(h1_head_fact(state, head, facts[index]));
    }
    int has_length = request->content_length >= 0;
    made[7] = has_length ? PyLong_FromLongLong(request->content_length) : Py_NewRef(Py_None);
    made[8] = PyBool_FromLong(head->chunked);
    made[9] = PyBool_FromLong(head->persistent);
    made[10] = PyBool_FromLong(request->expects_continue);
    made[11] = PyBytes_FromStringAndSize(head->request.protocol.data, head->request.protocol.size);
    made[12] = PyBool_FromLong(head->takes_trailers);
    made[13] = PyBool_FromLong(head->forwarded);
    int missing = 0;
    for (int index = 0; index < 14; index++) {
        missing |= made[index] == NULL;
    }
    if (!missing) {
        whole = PyObject_Vectorcall(state->request_head, made, 14, NULL);
    }
    for (int index = 0; index < 14; index++) {
        Py_XDECREF(made[index]);
    }
    return whole;
}

static PyObject *
parser_feed(PyObject *object, PyObject *data)
{
    parser_object *self = (parser_object *)object;
    h1_state *state = h1_state_of_type(Py_TYPE(object));
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *found = NULL;
    h1_head *head = NULL;
    Py_ssize_t used = 0;
    int outcome = h1_parser_feed(state, &self->parser, view.buf, view.len, &head, &used);
    if (outcome == 0) {
        found = Py_NewRef(Py_None);
    }
    else if (outcome > 0) {
        PyObject *request = request_head(state, head);
        if (request != NULL) {
            found = Py_BuildValue("(Ny#)", request, (const char *)view.buf + used, view.len - used);
        }
        h1_head_release(head);
    }
    PyBuffer_Release(&view);
    return found;
}

static PyObject *
parser_begun(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(h1_parser_begun(&((parser_object *)object)->parser));
}

static PyObject *
parser_asks_for_head(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(h1_parser_asks_for_head(&((parser_object *)object)->parser));
}

static PyMethodDef parser_methods[] = {
    {"feed", parser_feed, METH_O, "The head and the bytes behind it, or None as long as it is not whole."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef parser_attributes[] = {
    {"begun", parser_begun, NULL, "Whether a part of a head waits for the rest.", NULL},
    {"asks_for_head", parser_asks_for_head, NULL, "Whether what was collected is a HEAD request.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot parser_slots[] = {
    {Py_tp_doc, "Collects one request head after the other."},
    {Py_tp_new, (void *)parser_new},
    {Py_tp_dealloc, (void *)parser_dealloc},
    {Py_tp_methods, parser_methods},
    {Py_tp_getset, parser_attributes},
    {0, NULL},
};

static PyType_Spec parser_spec = {
    .name = "asteri_http1._native.HeadParser",
    .basicsize = sizeof(parser_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = parser_slots,
};

/* -- ChunkDecoder -------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    h1_limits limits;
    h1_chunked *decoder;
    PyObject *trailers;
    int done;
} decoder_object;

static PyObject *
decoder_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *limits = only_argument("O:ChunkDecoder", arguments, keywords);
    if (limits == NULL) {
        return NULL;
    }
    decoder_object *self = (decoder_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->trailers = PyList_New(0);
    self->decoder = h1_chunked_new(&self->limits);
    if (self->trailers == NULL || self->decoder == NULL || h1_limits_read(&self->limits, limits) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
decoder_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((decoder_object *)object)->trailers);
    return 0;
}

static int
decoder_clear(PyObject *object)
{
    Py_CLEAR(((decoder_object *)object)->trailers);
    return 0;
}

static void
decoder_dealloc(PyObject *object)
{
    decoder_object *self = (decoder_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->trailers);
    h1_chunked_free(self->decoder);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
decoder_decode(PyObject *object, PyObject *data)
{
    decoder_object *self = (decoder_object *)object;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *content = NULL, *found = NULL, *trailers = Py_NewRef(self->trailers);
    Py_ssize_t used = 0;
    int outcome = h1_chunked_decode(h1_state_of_type(Py_TYPE(object)), self->decoder, view.buf, view.len, &content,
                                    &used, trailers);
    Py_DECREF(trailers);
    PyBuffer_Release(&view);
    if (outcome < 0) {
        return NULL;
    }
    self->done = outcome;
    if (content == NULL) {
        content = PyBytes_FromStringAndSize(NULL, 0);
    }
    if (content != NULL) {
        found = Py_BuildValue("(Nn)", content, used);
    }
    return found;
}

static PyObject *
decoder_done(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((decoder_object *)object)->done);
}

static PyObject *
decoder_trailers(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(((decoder_object *)object)->trailers);
}

static PyMethodDef decoder_methods[] = {
    {"decode", decoder_decode, METH_O, "The content in data, and the index behind what belongs to the body."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef decoder_attributes[] = {
    {"done", decoder_done, NULL, "Whether the body has ended.", NULL},
    {"trailers", decoder_trailers, NULL, "The trailer fields, filled in at the end.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot decoder_slots[] = {
    {Py_tp_doc, "Takes the chunked coding off the body of one request."},
    {Py_tp_new, (void *)decoder_new},
    {Py_tp_dealloc, (void *)decoder_dealloc},
    {Py_tp_traverse, (void *)decoder_traverse},
    {Py_tp_clear, (void *)decoder_clear},
    {Py_tp_methods, decoder_methods},
    {Py_tp_getset, decoder_attributes},
    {0, NULL},
};

static PyType_Spec decoder_spec = {
    .name = "asteri_http1._native.ChunkDecoder",
    .basicsize = sizeof(decoder_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = decoder_slots,
};

/* -- the module ---------------------------------------------------------------------------------------------------- */

static PyObject *
tuple_of_names(void)
{
    PyObject *names = PyTuple_New(H1_NAMES);
    for (int number = 0; names != NULL && number < H1_NAMES; number++) {
        PyObject *name = PyBytes_FromStringAndSize(h1_names[number].text, h1_names[number].size);
        if (name == NULL) {
            Py_CLEAR(names);
        }
        else {
            PyTuple_SET_ITEM(names, number, name);
        }
    }
    return names;
}

static PyObject *
tuple_of_strings(const char *const *texts, int count)
{
    PyObject *strings = PyTuple_New(count);
    for (int number = 0; strings != NULL && number < count; number++) {
        PyObject *string = PyUnicode_InternFromString(texts[number]);
        if (string == NULL) {
            Py_CLEAR(strings);
        }
        else {
            PyTuple_SET_ITEM(strings, number, string);
        }
    }
    return strings;
}

/* Bytes that no peer knows. */
static int
draw_seed(uint64_t *seed, size_t size)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *drawn = os == NULL ? NULL : PyObject_CallMethod(os, "urandom", "n", (Py_ssize_t)size);
    int outcome = -1;
    if (drawn != NULL && PyBytes_Check(drawn) && (size_t)PyBytes_GET_SIZE(drawn) == size) {
        memcpy(seed, PyBytes_AS_STRING(drawn), size);
        outcome = 0;
    }
    Py_XDECREF(drawn);
    Py_XDECREF(os);
    return outcome;
}

int
h1_add_parsing(PyObject *module, h1_state *state)
{
    static const char *const versions[] = {"1.0", "1.1"};
    state->names = tuple_of_names();
    state->methods = tuple_of_strings(h1_methods, H1_METHODS);
    state->versions = tuple_of_strings(versions, 2);
    if (state->names == NULL || state->methods == NULL || state->versions == NULL) {
        return -1;
    }
    if (asteri_add_type(module, &parser_spec, &state->parser_type) < 0
        || asteri_add_type(module, &decoder_spec, &state->decoder_type) < 0) {
        return -1;
    }
    return draw_seed(state->seed, sizeof state->seed);
}
