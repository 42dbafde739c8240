/* See reactor.h: descriptors that are not ours and are watched in the same wait, as `selectors.DefaultSelector` does
 * it, with the same exceptions. They are watched by their level: whoever owns them expects that. */
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>

#include "reactor.h"

#define EVENT_READ 1u /* as in the selectors module */
#define EVENT_WRITE 2u

/* -- finding ------------------------------------------------------------------------------------------------------- */

int
descriptor_of(PyObject *fileobj, int *fd)
{
    PyObject *number = PyLong_Check(fileobj) ? Py_NewRef(fileobj) : PyObject_CallMethod(fileobj, "fileno", NULL);
    long value = -1;
    if (number != NULL && !PyLong_Check(number)) {
        Py_SETREF(number, PyNumber_Long(number));
    }
    if (number != NULL) {
        value = PyLong_AsLong(number);
        Py_DECREF(number);
    }
    if (value == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_TypeError) ||
            PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Format(PyExc_ValueError, "Invalid file object: %R", fileobj);
        }
        return -1;
    }
    if (value < 0 || value > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %ld", value);
        return -1;
    }
    *fd = (int)value;
    return 0;
}

foreign *
foreign_find(reactor *self, int fd)
{
    return fd >= 0 && fd < self->foreigns_size ? self->foreigns[fd] : NULL;
}

foreign *
foreign_find_object(reactor *self, PyObject *fileobj)
{
    int fd;
    foreign *found = NULL;
    if (descriptor_of(fileobj, &fd) == 0) {
        found = foreign_find(self, fd);
    } else if (PyErr_ExceptionMatches(PyExc_ValueError)) {
        /* A closed file has lost its number, and can still be taken out. */
        PyObject *error = asteri_raised_take();
        for (foreign *next = self->all_foreigns; next != NULL && found == NULL; next = next->next) {
            found = next->source.state && next->fileobj == fileobj ? next : NULL;
        }
        if (found == NULL) {
            asteri_raised_give(error);
            return NULL;
        }
        Py_DECREF(error);
    } else {
        return NULL;
    }
    if (found == NULL) {
        PyErr_Format(PyExc_KeyError, "%R is not registered", fileobj);
    }
    return found;
}

/* What selectors call events, checked. */
static int
events_of(PyObject *object, unsigned int *events)
{
    long value = PyLong_AsLong(object);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value <= 0 || value > (long)(EVENT_READ | EVENT_WRITE)) {
        PyErr_Format(PyExc_ValueError, "Invalid events: %R", object);
        return -1;
    }
    *events = (unsigned int)value;
    return 0;
}

static uint32_t
to_epoll(unsigned int events)
{
    return (events & EVENT_READ ? EPOLLIN : 0) | (events & EVENT_WRITE ? EPOLLOUT : 0);
}

/* -- changing ------------------------------------------------------------------------------------------------------ */

static int
make_room(reactor *self, int fd)
{
    if (fd < self->foreigns_size) {
        return 0;
    }
    int size = self->foreigns_size ? self->foreigns_size : 64;
    while (size <= fd) {
        size = size > INT_MAX / 2 ? INT_MAX : 2 * size;
    }
    foreign **more = PyMem_Realloc(self->foreigns, (size_t)size * sizeof(*more));
    if (more == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memset(more + self->foreigns_size, 0, (size_t)(size - self->foreigns_size) * sizeof(*more));
    self->foreigns = more;
    self->foreigns_size = size;
    return 0;
}

static foreign *
foreign_new(reactor *self)
{
    foreign *new = self->free_foreigns;
    if (new != NULL) {
        self->free_foreigns = new->next_free;
        return new;
    }
    new = PyMem_Calloc(1, sizeof(*new));
    if (new == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    new->source.kind = SOURCE_FOREIGN;
    new->next = self->all_foreigns;
    self->all_foreigns = new;
    return new;
}

foreign *
foreign_add(reactor *self, PyObject *fileobj, PyObject *events, PyObject *ready)
{
    int fd;
    unsigned int wanted;
    if (events_of(events, &wanted) < 0 || descriptor_of(fileobj, &fd) < 0) {
        return NULL;
    }
    if (foreign_find(self, fd) != NULL) {
        return (foreign *)PyErr_Format(PyExc_KeyError, "%R (FD %d) is already registered", fileobj, fd);
    }
    foreign *new = foreign_new(self);
    if (new == NULL) {
        return NULL;
    }
    new->source.fd = fd;
    /* First the system has its say: a number that is no descriptor gets no place in the table, which may be a long way
     * off. */
    int status = reactor_watch(self, EPOLL_CTL_ADD, &new->source, to_epoll(wanted));
    if (status < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
    } else if (make_room(self, fd) < 0) {
        (void)reactor_watch(self, EPOLL_CTL_DEL, &new->source, 0);
        status = -1;
    }
    if (status < 0) {
        new->next_free = self->free_foreigns;
        self->free_foreigns = new;
        return NULL;
    }
    new->source.state = 1;
    new->events = wanted;
    new->fileobj = Py_NewRef(fileobj);
    new->ready = Py_XNewRef(ready);
    new->key = new->list = NULL;
    self->foreigns[fd] = new;
    return new;
}

int
foreign_change(reactor *self, foreign *one, PyObject *fileobj, PyObject *events)
{
    unsigned int wanted;
    if (events_of(events, &wanted) < 0) {
        return -1;
    }
    if (wanted != one->events) {
        if (reactor_watch(self, EPOLL_CTL_MOD, &one->source, to_epoll(wanted)) < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            PyObject *error = asteri_raised_take();
            foreign_remove(self, one);
            asteri_raised_give(error);
            return -1;
        }
        one->events = wanted;
    }
    Py_XSETREF(one->fileobj, Py_NewRef(fileobj));
    return 0;
}

void
foreign_remove(reactor *self, foreign *one)
{
    if (self->epoll >= 0) {
        /* It fails when the descriptor has been closed meanwhile, which takes it out as well. */
        (void)reactor_watch(self, EPOLL_CTL_DEL, &one->source, 0);
    }
    PyObject *owned[] = {one->fileobj, one->ready, one->key, one->list};
    self->foreigns[one->source.fd] = NULL;
    one->fileobj = one->ready = one->key = one->list = NULL;
    one->source.state = 0;
    one->next_free = self->free_foreigns;
    self->free_foreigns = one;
    for (size_t index = 0; index < sizeof(owned) / sizeof(owned[0]); index++) {
        Py_XDECREF(owned[index]);
    }
}

/* -- being ready --------------------------------------------------------------------------------------------------- */

int
foreign_ready(reactor *Py_UNUSED(self), source *source, uint32_t events)
{
    foreign *one = (foreign *)source;
    if (!source->state) {
        return 0; /* taken out in this turn */
    }
    unsigned int mask = (events & ~(uint32_t)EPOLLIN ? EVENT_WRITE : 0);
    mask |= (events & ~(uint32_t)EPOLLOUT ? EVENT_READ : 0);
    mask &= one->events;
    PyObject *number = PyLong_FromUnsignedLong(mask);
    PyObject *done = NULL;
    int status = number == NULL ? -1 : 0;
    if (status == 0 && one->ready != NULL) {
        PyObject *ready = Py_NewRef(one->ready);
        done = PyObject_CallOneArg(ready, number);
        Py_DECREF(ready);
        status = done == NULL ? -1 : 0;
    } else if (status == 0 && mask != 0) {
        PyObject *list = Py_NewRef(one->list);
        done = PyTuple_Pack(2, one->key, number);
        status = done == NULL ? -1 : PyList_Append(list, done);
        Py_DECREF(list);
    }
    Py_XDECREF(number);
    Py_XDECREF(done);
    return status;
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

int
foreigns_traverse(reactor *self, visitproc visit, void *arg)
{
    for (foreign *next = self->all_foreigns; next != NULL; next = next->next) {
        Py_VISIT(next->fileobj);
        Py_VISIT(next->ready);
        Py_VISIT(next->key);
        Py_VISIT(next->list);
    }
    return 0;
}

void
foreigns_free(reactor *self)
{
    for (foreign *next = self->all_foreigns; next != NULL; next = next->next) {
        if (next->source.state) {
            foreign_remove(self, next);
        }
    }
}

void
foreigns_release(reactor *self)
{
    while (self->all_foreigns != NULL) {
        foreign *old = self->all_foreigns;
        self->all_foreigns = old->next;
        PyMem_Free(old);
    }
    PyMem_Free(self->foreigns);
    self->foreigns = NULL;
    self->foreigns_size = 0;
}
