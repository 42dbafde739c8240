/* `Ledger`: the twin of asteri_core.ledger.Ledger. It writes the worker's slot of the scoreboard itself.
 * Called in the reactor's thread or with its lock held, so it needs no lock of its own. */
#include "ledger.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "asteri/reactor.h"
#include "asteri/scoreboard.h"
#include "running.h"
#include "structmember.h"

typedef struct {
    PyObject_HEAD
    PyObject *begin, *start; /* owned, as all objects here */
    PyObject *slot_object;
    Py_buffer view; /* of the slot's bytes; obj NULL: not held */
    asteri_slot *slot;
    PyObject *clock; /* NULL: CLOCK_MONOTONIC */
    PyObject *reactor; /* NULL, or None: there is none */
    const asteri_reactor_v1 *times; /* of the reactor; NULL: it has none in C */
    PyObject *access, *owner, *pre_request, *post_request;
    long long requests; /* until the worker asks to be replaced; 0: never */
    double request_timeout;
    running_table running;
    exchange_kind kind;
    ledger_state *state; /* of the module, which the type keeps alive */
} Ledger;

/* Takes over a float. 0, -1. */
static int
seconds_of(PyObject *value, double *seconds)
{
    *seconds = value == NULL ? -1.0 : PyFloat_AsDouble(value);
    Py_XDECREF(value);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static int
read_clock(Ledger *self, double *now)
{
    if (self->times != NULL) {
        return self->times->time(self->reactor, now);
    }
    if (self->clock == NULL) {
        struct timespec moment;
        clock_gettime(CLOCK_MONOTONIC, &moment);
        *now = (double)moment.tv_sec + (double)moment.tv_nsec * 1e-9;
        return 0;
    }
    return seconds_of(PyObject_CallNoArgs(self->clock), now);
}

/* When what the reactor is passing on has come. */
static int
arrival(Ledger *self, double *when)
{
    if (self->times != NULL) {
        return self->times->arrival(self->reactor, when);
    }
    if (self->reactor == NULL || self->reactor == Py_None) {
        return read_clock(self, when);
    }
    return seconds_of(PyObject_GetAttr(self->reactor, self->state->now), when);
}

/* -- the current request on the scoreboard ------------------------------------------------------------------------ */

static void
show_current(asteri_slot *slot, asteri_slice method, asteri_slice target)
{
    size_t room = ASTERI_CURRENT_SIZE;
    size_t size = (size_t)method.size < room ? (size_t)method.size : room;
    memcpy(slot->current, method.data, size);
    if (size < room) {
        slot->current[size++] = ' ';
    }
    size_t more = (size_t)target.size < room - size ? (size_t)target.size : room - size;
    if (more != 0) {
        memcpy(slot->current + size, target.data, more);
    }
    slot->current_size = (int64_t)(size + more);
}

static int
show_python_exchange(Ledger *self, ledger_state *state, PyObject *exchange)
{
    int result = -1;
    PyObject *method = PyObject_GetAttr(exchange, state->method);
    PyObject *target = PyObject_GetAttr(exchange, state->target);
    asteri_slice method_slice = {NULL, 0}, target_slice = {NULL, 0};
    if (method == NULL || target == NULL) {
        goto done;
    }
    method_slice.data = PyUnicode_AsUTF8AndSize(method, &method_slice.size);
    char *data;
    if (method_slice.data == NULL || PyBytes_AsStringAndSize(target, &data, &target_slice.size) < 0) {
        goto done;
    }
    target_slice.data = data;
    show_current(self->slot, method_slice, target_slice);
    result = 0;
done:
    Py_XDECREF(method);
    Py_XDECREF(target);
    return result;
}

/* -- hooks --------------------------------------------------------------------------------------------------------- */

static int
call_hooks(Ledger *self, ledger_state *state, PyObject *hooks, PyObject *names, PyObject *exchange)
{
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(hooks); index++) {
        PyObject *arguments[] = {PyTuple_GET_ITEM(hooks, index), self->owner, exchange, exchange};
        PyObject *result = PyObject_Vectorcall(state->call_hook, arguments, 1, names);
        if (result == NULL) {
            return -1;
        }
        Py_DECREF(result);
    }
    return 0;
}

/* -- what the reactor calls ---------------------------------------------------------------------------------------- */

static PyObject *
pass_on(PyObject *to, PyObject *exchange)
{
    if (to == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the ledger has nobody to pass a request on to");
        return NULL;
    }
    Py_INCREF(to); /* whoever is called may set another one */
    PyObject *result = pass_exchange_on(to, exchange);
    Py_DECREF(to);
    return result;
}

static PyObject *
Ledger_started(PyObject *object, PyObject *exchange)
{
    Ledger *self = (Ledger *)object;
    ledger_state *state = self->state;
    double when;
    if (arrival(self, &when) < 0 || running_add(&self->running, exchange, when) < 0) {
        return NULL;
    }
    self->slot->active = (int64_t)self->running.count;
    const asteri_exchange_v1 *functions = exchange_functions(&self->kind, exchange);
    if (functions != NULL) {
        const asteri_request *request = functions->request(exchange);
        show_current(self->slot, request->method, request->target);
    }
    else if (show_python_exchange(self, state, exchange) < 0) {
        return NULL;
    }
    if (call_hooks(self, state, self->pre_request, state->worker_request, exchange) < 0) {
        return NULL;
    }
    return pass_on(self->begin, exchange);
}

static PyObject *
Ledger_time(PyObject *object, PyObject *exchange)
{
    Ledger *self = (Ledger *)object;
    double now;
    if (read_clock(self, &now) < 0) {
        return NULL;
    }
    running_entry *entry = running_find(&self->running, exchange);
    if (entry != NULL) {
        entry->due = now + self->request_timeout;
    }
    return pass_on(self->start, exchange);
}

static int
status_of(ledger_state *state, const asteri_exchange_v1 *functions, PyObject *exchange, int64_t *status, int64_t *sent)
{
    if (functions != NULL) {
        *status = functions->status(exchange);
        *sent = functions->sent(exchange);
        return 0;
    }
    PyObject *names[] = {state->status, state->sent};
    int64_t values[2];
    for (int index = 0; index < 2; index++) {
        PyObject *value = PyObject_GetAttr(exchange, names[index]);
        if (value == NULL) {
            return -1;
        }
        values[index] = PyLong_AsLongLong(value);
        Py_DECREF(value);
        if (values[index] == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    *status = values[0];
    *sent = values[1];
    return 0;
}

static void
count_answer(Ledger *self, double seconds, int64_t status, int64_t sent)
{
    asteri_slot *slot = self->slot;
    slot->active = (int64_t)self->running.count;
    slot->requests++;
    if (status >= 500) {
        slot->errors++;
    }
    slot->sent += sent;
    slot->busy += seconds;
    /* The number of bits of the whole microseconds: 0 µs is bucket 0, 1 µs bucket 1, 2 and 3 µs bucket 2. */
    uint64_t microseconds = seconds > 0 ? (uint64_t)(seconds * 1e6) : 0;
    int bucket = microseconds == 0 ? 0 : 64 - __builtin_clzll(microseconds);
    slot->latency[bucket < ASTERI_BUCKETS ? bucket : ASTERI_BUCKETS - 1]++;
}

static int
write_access(Ledger *self, ledger_state *state, PyObject *exchange, double duration)
{
    struct timespec moment;
    clock_gettime(CLOCK_REALTIME, &moment);
    PyObject *seconds = PyFloat_FromDouble(duration);
    PyObject *wall = PyFloat_FromDouble((double)moment.tv_sec + (double)moment.tv_nsec * 1e-9);
    PyObject *result = NULL;
    if (seconds != NULL && wall != NULL) {
        PyObject *arguments[] = {self->access, exchange, seconds, wall};
        result = PyObject_VectorcallMethod(state->write, arguments, 4 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_XDECREF(seconds);
    Py_XDECREF(wall);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
count_down(Ledger *self, ledger_state *state)
{
    if (self->requests == 0 || --self->requests != 0) {
        return 0;
    }
    PyObject *result = PyObject_CallMethodNoArgs(self->slot_object, state->ask_recycle);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static PyObject *
Ledger_finished(PyObject *object, PyObject *exchange)
{
    Ledger *self = (Ledger *)object;
    ledger_state *state = self->state;
    double now;
    if (read_clock(self, &now) < 0) {
        return NULL;
    }
    running_entry *entry = running_find(&self->running, exchange);
    if (entry == NULL) {
        PyErr_SetObject(PyExc_KeyError, exchange);
        return NULL;
    }
    running_entry taken;
    running_remove(&self->running, entry, &taken);
    double duration = now - taken.since;
    int64_t status, sent;
    int failed = status_of(state, exchange_functions(&self->kind, exchange), exchange, &status, &sent) < 0;
    if (!failed) {
        count_answer(self, duration, status, sent);
        failed = (self->access != NULL && write_access(self, state, exchange, duration) < 0) ||
                 call_hooks(self, state, self->post_request, state->worker_request_response, exchange) < 0 ||
                 count_down(self, state) < 0;
    }
    Py_DECREF(taken.exchange);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* -- what is asked now and then ------------------------------------------------------------------------------------ */

/* The exchanges of copied entries, which are stolen. */
static PyObject *
as_list(running_entry *entries, size_t count)
{
    if (entries == NULL) {
        return NULL;
    }
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t index = 0; index < count; index++) {
        if (list != NULL) {
            PyList_SET_ITEM(list, (Py_ssize_t)index, entries[index].exchange);
        }
        else {
            Py_DECREF(entries[index].exchange);
        }
    }
    PyMem_Free(entries);
    return list;
}

static int
is_over(const running_entry *entry, double now)
{
    return now >= entry->due; /* false for NAN */
}

static PyObject *
Ledger_overdue(PyObject *object, PyObject *argument)
{
    Ledger *self = (Ledger *)object;
    double now = PyFloat_AsDouble(argument);
    if (now == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    size_t count;
    running_entry *over = running_sorted(&self->running, is_over, now, &count);
    for (size_t index = 0; over != NULL && index < count; index++) {
        running_find(&self->running, over[index].exchange)->due = NAN;
    }
    return as_list(over, count);
}

static PyObject *
Ledger_running(PyObject *object, void *Py_UNUSED(closure))
{
    size_t count;
    running_entry *all = running_sorted(&((Ledger *)object)->running, NULL, 0, &count);
    return as_list(all, count);
}

/* -- its life ------------------------------------------------------------------------------------------------------ */

static int
Ledger_fill(PyObject *object, PyObject *args, PyObject *kwargs)
{
    Ledger *self = (Ledger *)object;
    ledger_state *state = self->state = ledger_state_of_type(Py_TYPE(object));
    static char *names[] = {"slot",  "clock",    "access",          "pre_request", "post_request",
                            "owner", "requests", "request_timeout", NULL};
    PyObject *slot, *clock, *access = Py_None, *pre_request = NULL, *post_request = NULL, *owner = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|$OOOOLd:Ledger", names, &slot, &clock, &access, &pre_request,
                                     &post_request, &owner, &self->requests, &self->request_timeout)) {
        return -1;
    }
    PyObject *bytes = PyObject_GetAttr(slot, state->buffer);
    if (bytes == NULL) {
        return -1;
    }
    int failed = PyObject_GetBuffer(bytes, &self->view, PyBUF_WRITABLE | PyBUF_SIMPLE) < 0;
    Py_DECREF(bytes);
    if (failed) {
        return -1;
    }
    if (self->view.len != (Py_ssize_t)sizeof(asteri_slot)) {
        PyErr_Format(PyExc_ValueError, "a slot of %zd bytes, expected %zu", self->view.len, sizeof(asteri_slot));
        return -1;
    }
    self->slot = self->view.buf;
    self->slot_object = Py_NewRef(slot);
    self->clock = clock == state->monotonic ? NULL : Py_NewRef(clock);
    self->access = access == Py_None ? NULL : Py_NewRef(access);
    self->owner = Py_NewRef(owner);
    self->pre_request = pre_request == NULL ? PyTuple_New(0) : PySequence_Tuple(pre_request);
    self->post_request = post_request == NULL ? PyTuple_New(0) : PySequence_Tuple(post_request);
    if (self->pre_request == NULL || self->post_request == NULL) {
        return -1;
    }
    return running_init(&self->running);
}

static PyObject *
Ledger_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return ledger_made(type, args, kwargs, Ledger_fill);
}

static int
Ledger_traverse(PyObject *object, visitproc visit, void *arg)
{
    Ledger *self = (Ledger *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->begin);
    Py_VISIT(self->start);
    Py_VISIT(self->slot_object);
    Py_VISIT(self->clock);
    Py_VISIT(self->reactor);
    Py_VISIT(self->access);
    Py_VISIT(self->owner);
    Py_VISIT(self->pre_request);
    Py_VISIT(self->post_request);
    Py_VISIT(self->kind.type);
    for (size_t place = 0; self->running.entries != NULL && place <= self->running.mask; place++) {
        Py_VISIT(self->running.entries[place].exchange);
    }
    return 0;
}

static int
Ledger_clear(PyObject *object)
{
    Ledger *self = (Ledger *)object;
    Py_CLEAR(self->begin);
    Py_CLEAR(self->start);
    Py_CLEAR(self->access);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->pre_request);
    Py_CLEAR(self->post_request);
    Py_CLEAR(self->clock);
    self->times = NULL;
    Py_CLEAR(self->reactor);
    return 0;
}

static void
Ledger_dealloc(PyObject *object)
{
    Ledger *self = (Ledger *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)Ledger_clear(object);
    running_free(&self->running);
    Py_CLEAR(self->kind.type);
    if (self->view.obj != NULL) {
        PyBuffer_Release(&self->view);
    }
    Py_CLEAR(self->slot_object);
    type->tp_free(object);
    Py_DECREF(type);
}

static int
Ledger_set_reactor(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    Ledger *self = (Ledger *)object;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "reactor cannot be deleted");
        return -1;
    }
    const asteri_reactor_v1 *functions = asteri_reactor_of(Py_TYPE(value));
    int tells = functions != NULL && functions->size >= (Py_ssize_t)sizeof(asteri_reactor_v1);
    self->times = tells ? functions : NULL;
    Py_XSETREF(self->reactor, Py_NewRef(value));
    return 0;
}

static PyObject *
Ledger_get_reactor(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *reactor = ((Ledger *)object)->reactor;
    return Py_NewRef(reactor == NULL ? Py_None : reactor);
}

static PyMethodDef Ledger_methods[] = {
    {"started", Ledger_started, METH_O, PyDoc_STR("A request head is complete.")},
    {"time", Ledger_time, METH_O, PyDoc_STR("The application's time begins.")},
    {"finished", Ledger_finished, METH_O, PyDoc_STR("An exchange is over.")},
    {"overdue", Ledger_overdue, METH_O, PyDoc_STR("Those whose time is over; each is told once.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Ledger_members[] = {
    {"begin", T_OBJECT, offsetof(Ledger, begin), 0, PyDoc_STR("Gets every exchange that has been started.")},
    {"start", T_OBJECT, offsetof(Ledger, start), 0, PyDoc_STR("What `time` passes exchanges on to.")},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Ledger_getset[] = {
    {"reactor", Ledger_get_reactor, Ledger_set_reactor, PyDoc_STR("Whose turns requests come in, or None."), NULL},
    {"running", Ledger_running, NULL, PyDoc_STR("What runs now, first started first."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Ledger_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The book-keeping of one worker: the twin of asteri_core.ledger.Ledger.")},
    {Py_tp_new, Ledger_new},
    {Py_tp_traverse, Ledger_traverse},
    {Py_tp_clear, Ledger_clear},
    {Py_tp_dealloc, Ledger_dealloc},
    {Py_tp_methods, Ledger_methods},
    {Py_tp_members, Ledger_members},
    {Py_tp_getset, Ledger_getset},
    {0, NULL},
};

static PyType_Spec Ledger_spec = {
    .name = "asteri_native._ledger.Ledger",
    .basicsize = sizeof(Ledger),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Ledger_slots,
};

int
ledger_add_ledger(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &Ledger_spec, NULL);
    int result = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return result;
}
