/* The type `ReactorSelector`: the twin of `asteri_core.reactor.door.ReactorSelector`, a selector for a stock asyncio
 * loop, in whose `select` the reactor serves its own peers. It does not own the reactor: closing it takes out what
 * asyncio registered, no more.
 *
 * When it knows its loop, `select` goes on turning the reactor for as long as the loop has nothing to do. What it looks
 * at there are the loop's attributes `_ready` (callbacks that are due), `_scheduled` (a heap of timers, whose first one
 * it waits for) and `_stopping`. A loop without them gets its turn after every turn of the reactor in which anything
 * has happened. */

#include "asteri/arguments.h"
#include "reactor.h"

#include <structmember.h>

/* Timers set during one `select` after which the loop gets a turn: only there does it forget those that were
 * cancelled. */
#define TIMERS_PILED 128

enum { KEY_FILEOBJ, KEY_FD, KEY_EVENTS, KEY_DATA };

typedef struct {
    PyObject_HEAD
    reactor_state *state; /* the module's, which the type keeps alive */
    reactor *reactor;     /* owned */
    PyObject *keys;       /* owned: a dict, descriptor to SelectorKey */
    PyObject *ready;      /* owned: a list of (key, mask), shared with the reactor's descriptors */
    PyObject *loop;       /* owned; None: no loop is known */
} selector;

/* -- keys ---------------------------------------------------------------------------------------------------------- */

static PyObject *
key_new(selector *self, PyObject *fileobj, PyObject *fd, PyObject *events, PyObject *data)
{
    PyObject *items[] = {fileobj, fd, events, data};
    return named_tuple(self->state->selector_key, items, 4);
}

/* The key of a file object, as a new reference. NULL: an exception. */
static PyObject *
find_key(selector *self, PyObject *fileobj)
{
    int fd;
    PyObject *key = NULL;
    if (descriptor_of(fileobj, &fd) == 0) {
        PyObject *number = PyLong_FromLong(fd);
        key = number == NULL ? NULL : PyObject_GetItem(self->keys, number);
        Py_XDECREF(number);
        if (key != NULL) {
            return key;
        }
    }
    if (!PyErr_ExceptionMatches(PyExc_KeyError) && !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return NULL;
    }
    PyErr_Clear();
    /* A closed file has lost its number, but asyncio still takes it out by itself. */
    PyObject *keys = PyDict_Values(self->keys);
    Py_ssize_t count = keys == NULL ? 0 : PyList_GET_SIZE(keys);
    for (Py_ssize_t index = 0; index < count && key == NULL; index++) {
        PyObject *one = PyList_GET_ITEM(keys, index); /* the list is ours alone */
        key = PyTuple_GET_ITEM(one, KEY_FILEOBJ) == fileobj ? Py_NewRef(one) : NULL;
    }
    if (key == NULL && keys != NULL) {
        PyErr_Format(PyExc_KeyError, "%R is not registered", fileobj);
    }
    Py_XDECREF(keys);
    return key;
}

/* What the reactor watches for a key; NULL (no exception): the reactor was closed. */
static foreign *
watched_for(selector *self, PyObject *key)
{
    int fd = (int)PyLong_AsLong(PyTuple_GET_ITEM(key, KEY_FD));
    foreign *one = foreign_find(self->reactor, fd);
    return one != NULL && one->list == self->ready ? one : NULL;
}

/* -- the interface of selectors.BaseSelector ----------------------------------------------------------------------- */

/* The arguments (fileobj, events, data=None), borrowed. 0, -1. */
static int
parse(PyObject *arguments, PyObject *keywords, const char *format, PyObject **to)
{
    static char *names[] = {"fileobj", "events", "data", NULL};
    to[2] = Py_None;
    return PyArg_ParseTupleAndKeywords(arguments, keywords, format, names, &to[0], &to[1], &to[2]) ? 0 : -1;
}

static PyObject *
selector_register(selector *self, PyObject *arguments, PyObject *keywords)
{
    PyObject *given[3], *key = NULL, *number = NULL;
    int fd;
    if (parse(arguments, keywords, "OO|O:register", given) < 0 || descriptor_of(given[0], &fd) < 0) {
        return NULL;
    }
    reactor_enter(self->reactor);
    number = PyLong_FromLong(fd);
    int known = number == NULL ? -1 : PyDict_Contains(self->keys, number);
    if (known > 0) {
        PyErr_Format(PyExc_KeyError, "%R (fd %d) is already registered", given[0], fd);
    }
    if (known == 0) {
        key = key_new(self, given[0], number, given[1], given[2]);
    }
    if (key != NULL) {
        foreign *one = foreign_add(self->reactor, number, given[1], NULL);
        if (one != NULL) {
            one->key = Py_NewRef(key);
            one->list = Py_NewRef(self->ready);
            if (PyDict_SetItem(self->keys, number, key) < 0) {
                foreign_remove(self->reactor, one);
                one = NULL;
            }
        }
        if (one == NULL) {
            Py_CLEAR(key);
        }
    }
    reactor_leave(self->reactor);
    Py_XDECREF(number);
    return key;
}

static PyObject *
selector_unregister(selector *self, PyObject *fileobj)
{
    reactor_enter(self->reactor);
    PyObject *key = find_key(self, fileobj);
    if (key != NULL) {
        foreign *one = watched_for(self, key);
        if (PyDict_DelItem(self->keys, PyTuple_GET_ITEM(key, KEY_FD)) < 0) {
            Py_CLEAR(key);
        } else if (one != NULL) {
            foreign_remove(self->reactor, one);
        }
    }
    reactor_leave(self->reactor);
    return key;
}

static PyObject *
selector_modify(selector *self, PyObject *arguments, PyObject *keywords)
{
    PyObject *given[3], *changed = NULL;
    if (parse(arguments, keywords, "OO|O:modify", given) < 0) {
        return NULL;
    }
    reactor_enter(self->reactor);
    PyObject *key = find_key(self, given[0]);
    if (key != NULL) {
        PyObject *number = PyTuple_GET_ITEM(key, KEY_FD);
        foreign *one = watched_for(self, key);
        changed = key_new(self, PyTuple_GET_ITEM(key, KEY_FILEOBJ), number, given[1], given[2]);
        if (changed != NULL && one != NULL && foreign_change(self->reactor, one, number, given[1]) < 0) {
            Py_CLEAR(changed);
        }
        if (changed != NULL && PyDict_SetItem(self->keys, number, changed) < 0) {
            Py_CLEAR(changed);
        }
        if (changed != NULL && one != NULL) {
            Py_XSETREF(one->key, Py_NewRef(changed));
        }
        Py_DECREF(key);
    }
    reactor_leave(self->reactor);
    return changed;
}

static PyObject *
selector_get_key(selector *self, PyObject *fileobj)
{
    return find_key(self, fileobj);
}

static PyObject *
selector_get_map(selector *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *get_key = PyObject_GetAttrString((PyObject *)self, "get_key");
    PyObject *map = NULL;
    PyObject *keys = get_key == NULL ? NULL : PyDictProxy_New(self->keys); /* nobody else puts into it what is none */
    if (keys != NULL) {
        map = PyObject_CallFunctionObjArgs(self->reactor->state->key_map, get_key, keys, NULL);
    }
    Py_XDECREF(get_key);
    Py_XDECREF(keys);
    return map;
}

/* Takes out everything. */
static void
take_out(selector *self)
{
    reactor *reactor = self->reactor;
    reactor_enter(reactor);
    for (foreign *one = reactor->all_foreigns; one != NULL; one = one->next) {
        if (one->source.state && one->list == self->ready) {
            foreign_remove(reactor, one);
        }
    }
    PyDict_Clear(self->keys);
    reactor_leave(reactor);
}

static PyObject *
selector_close(selector *self, PyObject *Py_UNUSED(ignored))
{
    take_out(self);
    Py_RETURN_NONE;
}

static PyObject *
selector_enter(selector *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef((PyObject *)self);
}

static PyObject *
selector_exit(selector *self, PyObject *const *Py_UNUSED(arguments), Py_ssize_t Py_UNUSED(count))
{
    return selector_close(self, NULL);
}

/* -- select -------------------------------------------------------------------------------------------------------- */

/* What is seen of the loop during one `select`. */
typedef struct {
    PyObject *loop;      /* owned; NULL: none is known */
    PyObject *ready;     /* owned; NULL: the loop has no such attributes */
    PyObject *scheduled; /* owned; NULL as well */
    PyObject *first;     /* owned: the timer that is waited for; NULL: none */
    Py_ssize_t timers;   /* at the beginning */
    double until;        /* when the loop wants its turn at the latest, by CLOCK_MONOTONIC */
} view;

static void
view_clear(view *self)
{
    Py_XDECREF(self->loop);
    Py_XDECREF(self->ready);
    Py_XDECREF(self->scheduled);
    Py_XDECREF(self->first);
}

/* An attribute, or NULL without an exception where there is none. -1 in `*status`: another exception. */
static PyObject *
attribute(PyObject *object, PyObject *name, int *status)
{
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
        } else {
            *status = -1;
        }
    }
    return value;
}

/* The first timer of the heap, NULL if there is none: a new reference. */
static PyObject *
first_timer(view *self)
{
    return PyList_GET_SIZE(self->scheduled) == 0 ? NULL : PySequence_GetItem(self->scheduled, 0);
}

static int
view_open(view *self, reactor_state *state, PyObject *loop, double timeout)
{
    int status = 0;
    memset(self, 0, sizeof(*self));
    self->until = timeout == INFINITY ? INFINITY : monotonic_time() + timeout;
    if (loop == Py_None) {
        return 0;
    }
    self->loop = Py_NewRef(loop);
    self->ready = attribute(loop, state->name__ready, &status);
    self->scheduled = attribute(loop, state->name__scheduled, &status);
    PyObject *stopping = attribute(loop, state->name__stopping, &status);
    if (status < 0 || self->ready == NULL || self->scheduled == NULL || stopping == NULL ||
        !PyList_Check(self->scheduled)) {
        Py_CLEAR(self->ready);
        Py_CLEAR(self->scheduled);
    } else {
        self->timers = PyList_GET_SIZE(self->scheduled);
        self->first = first_timer(self);
    }
    Py_XDECREF(stopping);
    return status;
}

/* Another timer has become the first one: the loop has to be called for it. Whether it has been cancelled already does
 * not matter: then the loop is called for nothing, once, and forgets it. */
static int
view_look_at_timer(view *self, reactor_state *state)
{
    PyObject *first = first_timer(self);
    if (first == NULL || first == self->first) {
        Py_XDECREF(first);
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_XSETREF(self->first, first);
    PyObject *when = PyObject_GetAttr(first, state->name__when);
    PyObject *now = when == NULL ? NULL : PyObject_CallMethodNoArgs(self->loop, state->name_time);
    double left = now == NULL ? -1.0 : PyFloat_AsDouble(when) - PyFloat_AsDouble(now);
    Py_XDECREF(when);
    Py_XDECREF(now);
    if (PyErr_Occurred()) {
        return -1;
    }
    self->until = fmin(self->until, monotonic_time() + left);
    return 0;
}

/* Whether the loop is to have its turn. 1, 0, -1. */
static int
view_is_due(view *self, reactor_state *state, int dispatched)
{
    if (self->loop == NULL) {
        return 1;
    }
    if (self->ready == NULL) {
        return dispatched;
    }
    Py_ssize_t callbacks = PyObject_Size(self->ready);
    if (callbacks != 0) {
        return callbacks < 0 ? -1 : 1;
    }
    PyObject *stopping = PyObject_GetAttr(self->loop, state->name__stopping);
    int stops = stopping == NULL ? -1 : PyObject_IsTrue(stopping);
    Py_XDECREF(stopping);
    if (stops != 0) {
        return stops;
    }
    if (PyList_GET_SIZE(self->scheduled) >= self->timers + TIMERS_PILED) {
        return 1;
    }
    return view_look_at_timer(self, state);
}

/* Turns until the loop is to have its turn. 0, -1. */
static int
turn_for(selector *self, view *loop, double timeout)
{
    for (;;) {
        int dispatched;
        if (reactor_turn(self->reactor, timeout, &dispatched) < 0) {
            return -1;
        }
        if (PyList_GET_SIZE(self->ready) > 0) {
            return 0;
        }
        int due = view_is_due(loop, self->state, dispatched);
        if (due != 0) {
            return due < 0 ? -1 : 0;
        }
        if (loop->until < INFINITY) {
            timeout = loop->until - monotonic_time();
            if (timeout <= 0) {
                return 0;
            }
        }
    }
}

static PyObject *
selector_select(selector *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout"};
    PyObject *given;
    double timeout = INFINITY;
    if (asteri_arguments("select", arguments, count, keywords, names, 0, 1, &given) < 0 ||
        (given != NULL && given != Py_None && asteri_seconds(given, &timeout) < 0)) {
        return NULL;
    }
    timeout = fmax(0.0, timeout);
    view loop;
    int status = view_open(&loop, self->state, self->loop, timeout);
    if (status == 0) {
        status = turn_for(self, &loop, timeout);
    }
    view_clear(&loop);
    if (status < 0) {
        return NULL;
    }
    /* The list itself stays with those who append to it. */
    PyObject *ready = PyList_GetSlice(self->ready, 0, PyList_GET_SIZE(self->ready));
    if (ready != NULL && PyList_SetSlice(self->ready, 0, PyList_GET_SIZE(ready), NULL) < 0) {
        Py_CLEAR(ready);
    }
    return ready;
}

/* -- the type ------------------------------------------------------------------------------------------------------ */

static PyObject *
selector_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"reactor", NULL};
    reactor_state *state = reactor_state_of_type(type);
    PyObject *reactor;
    if (state == NULL || !PyArg_ParseTupleAndKeywords(arguments, keywords, "O!:ReactorSelector", names,
                                                      state->reactor_type, &reactor)) {
        return NULL;
    }
    selector *self = (selector *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->reactor = (void *)Py_NewRef(reactor);
    self->loop = Py_NewRef(Py_None);
    self->keys = PyDict_New();
    self->ready = PyList_New(0);
    if (self->keys == NULL || self->ready == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
selector_traverse(selector *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->reactor);
    Py_VISIT(self->keys);
    Py_VISIT(self->ready);
    Py_VISIT(self->loop);
    return 0;
}

static int
selector_clear(selector *self)
{
    /* The other members are what methods need, and are not what makes a cycle. */
    Py_XSETREF(self->loop, Py_NewRef(Py_None));
    if (self->keys != NULL) {
        PyDict_Clear(self->keys);
    }
    return 0;
}

static void
selector_dealloc(selector *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->reactor != NULL && self->keys != NULL && self->ready != NULL) {
        take_out(self);
    }
    Py_XDECREF(self->loop);
    Py_XDECREF(self->keys);
    Py_XDECREF(self->ready);
    Py_XDECREF(self->reactor);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef selector_members[] = {
    {"loop", T_OBJECT, offsetof(selector, loop), 0, "The asyncio loop that polls here, or None."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef selector_methods[] = {
    {"register", (PyCFunction)(void (*)(void))selector_register, METH_VARARGS | METH_KEYWORDS, NULL},
    {"unregister", (PyCFunction)selector_unregister, METH_O, NULL},
    {"modify", (PyCFunction)(void (*)(void))selector_modify, METH_VARARGS | METH_KEYWORDS, NULL},
    {"select", (PyCFunction)(void (*)(void))selector_select, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"close", (PyCFunction)selector_close, METH_NOARGS, NULL},
    {"get_key", (PyCFunction)selector_get_key, METH_O, NULL},
    {"get_map", (PyCFunction)selector_get_map, METH_NOARGS, NULL},
    {"__enter__", (PyCFunction)selector_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))selector_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot selector_slots[] = {
    {Py_tp_doc, "`selectors.BaseSelector` on top of a reactor."},
    {Py_tp_new, selector_new},
    {Py_tp_dealloc, selector_dealloc},
    {Py_tp_traverse, selector_traverse},
    {Py_tp_clear, selector_clear},
    {Py_tp_methods, selector_methods},
    {Py_tp_members, selector_members},
    {0, NULL},
};

static PyType_Spec selector_spec = {
    .name = "asteri_native._reactor.ReactorSelector",
    .basicsize = sizeof(selector),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = selector_slots,
};

int
reactor_add_selector(PyObject *module)
{
    reactor_state *state = reactor_state_of(module);
    state->selector_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &selector_spec, NULL);
    if (state->selector_type == NULL) {
        return -1;
    }
    /* As if it inherited: `isinstance` knows it. The method is its class's; its own `register` is for files. */
    PyObject *interface = asteri_import("selectors", "BaseSelector");
    PyObject *done = NULL;
    if (interface != NULL) {
        done = PyObject_CallMethod((PyObject *)Py_TYPE(interface), "register", "OO", interface, state->selector_type);
    }
    Py_XDECREF(interface);
    Py_XDECREF(done);
    return done == NULL ? -1 : PyModule_AddType(module, state->selector_type);
}
