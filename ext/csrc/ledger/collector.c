/* `Collector`: the quick half of asteri_core.collect.Collector. A request without a body, and one whose whole body came
 * along with its head, go on at once; every other is collected by the Python one, which knows how to wait, to store on
 * disk and to refuse. */
#include "ledger.h"
#include "structmember.h"

typedef struct {
    PyObject_HEAD
    PyObject *then;    /* owned */
    PyObject *collect; /* owned: the Python collector's collect */
    Py_ssize_t limit;
    exchange_kind kind;
    ledger_state *state; /* of the module, which the type keeps alive */
} Collector;

static PyObject *
go_on(Collector *self, const asteri_exchange_v1 *functions, PyObject *exchange, PyObject *body)
{
    if (functions->set_body(exchange, body) < 0) {
        return NULL;
    }
    return pass_exchange_on(self->then, exchange);
}

static PyObject *
Collector_collect(PyObject *object, PyObject *exchange)
{
    Collector *self = (Collector *)object;
    ledger_state *state = self->state;
    const asteri_exchange_v1 *functions = exchange_functions(&self->kind, exchange);
    if (functions == NULL) {
        return pass_exchange_on(self->collect, exchange);
    }
    const asteri_request *request = functions->request(exchange);
    if (!request->has_body) {
        return go_on(self, functions, exchange, state->empty_body);
    }
    if (request->expects_continue || request->content_length < 0 || request->content_length > self->limit ||
        functions->buffered == NULL ||
        functions->buffered(exchange) != request->content_length) {
        return pass_exchange_on(self->collect, exchange);
    }
    PyObject *piece = NULL;
    if (functions->read(exchange, &piece) != 1) {
        /* What is there can be read: this is a defect, and says so. */
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError, "an exchange does not give the body that it has");
        }
        return NULL;
    }
    PyObject *body = PyBytes_GET_SIZE(piece) == 0 ? Py_NewRef(state->empty_body)
                                                  : PyObject_CallOneArg(state->bytes_io, piece);
    Py_DECREF(piece);
    PyObject *result = body == NULL ? NULL : go_on(self, functions, exchange, body);
    Py_XDECREF(body);
    return result;
}

static int
Collector_fill(PyObject *object, PyObject *args, PyObject *kwargs)
{
    Collector *self = (Collector *)object;
    self->state = ledger_state_of_type(Py_TYPE(object));
    static char *names[] = {"limit", "then", "collect", NULL};
    PyObject *then, *collect;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "nOO:Collector", names, &self->limit, &then, &collect)) {
        return -1;
    }
    self->then = Py_NewRef(then);
    self->collect = Py_NewRef(collect);
    return 0;
}

static PyObject *
Collector_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return ledger_made(type, args, kwargs, Collector_fill);
}

static int
Collector_traverse(PyObject *object, visitproc visit, void *arg)
{
    Collector *self = (Collector *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->then);
    Py_VISIT(self->collect);
    Py_VISIT(self->kind.type);
    return 0;
}

static int
Collector_clear(PyObject *object)
{
    Collector *self = (Collector *)object;
    Py_CLEAR(self->then);
    Py_CLEAR(self->collect);
    return 0;
}

static void
Collector_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)Collector_clear(object);
    Py_CLEAR(((Collector *)object)->kind.type);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef Collector_methods[] = {
    {"collect", Collector_collect, METH_O, PyDoc_STR("Begin with an exchange that has just been started.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Collector_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Collector(limit, then, collect)\n--\n\n"
                                  "Calls then(exchange) once exchange.body is whole; collect(exchange) is the slow road.")},
    {Py_tp_new, Collector_new},
    {Py_tp_traverse, Collector_traverse},
    {Py_tp_clear, Collector_clear},
    {Py_tp_dealloc, Collector_dealloc},
    {Py_tp_methods, Collector_methods},
    {0, NULL},
};

static PyType_Spec Collector_spec = {
    .name = "asteri_native._ledger.Collector",
    .basicsize = sizeof(Collector),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Collector_slots,
};

int
ledger_add_collector(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &Collector_spec, NULL);
    int result = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return result;
}
