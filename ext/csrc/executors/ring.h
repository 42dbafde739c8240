/* A queue of objects, first in, first out, in one piece of memory that grows. It owns what is in it.
 *
 * The caller sees to it that one thread at a time uses it; nothing here runs other code.
 */
#ifndef EXECUTORS_RING_H
#define EXECUTORS_RING_H

#include "asteri/slice.h"

typedef struct {
    PyObject **places;
    Py_ssize_t room; /* a power of two, or 0 */
    Py_ssize_t first;
    Py_ssize_t count;
} ring;

static inline PyObject **
ring_place(const ring *self, Py_ssize_t index)
{
    return &self->places[(self->first + index) & (self->room - 1)];
}

/* Adds an object (borrowed). 0; -1 when there is no memory, without an exception. */
static inline int
ring_push(ring *self, PyObject *object)
{
    if (self->count == self->room) {
        Py_ssize_t room = self->room ? self->room * 2 : 64;
        PyObject **places = (PyObject **)PyMem_RawMalloc((size_t)room * sizeof(PyObject *));
        if (places == NULL) {
            return -1;
        }
        for (Py_ssize_t index = 0; index < self->count; index++) {
            places[index] = *ring_place(self, index);
        }
        PyMem_RawFree(self->places);
        self->places = places;
        self->room = room;
        self->first = 0;
    }
    *ring_place(self, self->count) = Py_NewRef(object);
    self->count++;
    return 0;
}

/* The first object, now the caller's, or NULL when there is none. */
static inline PyObject *
ring_pop(ring *self)
{
    if (self->count == 0) {
        return NULL;
    }
    PyObject *object = *ring_place(self, 0);
    self->first = (self->first + 1) & (self->room - 1);
    self->count--;
    return object;
}

/* Takes this very object (borrowed) out. 1: what the ring owned of it is the caller's now; 0: it is not in the ring. */
static inline int
ring_remove(ring *self, PyObject *object)
{
    for (Py_ssize_t index = 0; index < self->count; index++) {
        if (*ring_place(self, index) == object) {
            for (; index + 1 < self->count; index++) {
                *ring_place(self, index) = *ring_place(self, index + 1);
            }
            self->count--;
            return 1;
        }
    }
    return 0;
}

static inline int
ring_traverse(const ring *self, visitproc visit, void *arg)
{
    for (Py_ssize_t index = 0; index < self->count; index++) {
        Py_VISIT(*ring_place(self, index));
    }
    return 0;
}

/* Lets go of everything, one by one: what that runs may use the ring. */
static inline void
ring_clear(ring *self)
{
    PyObject *object;
    while ((object = ring_pop(self)) != NULL) {
        Py_DECREF(object);
    }
    PyMem_RawFree(self->places);
    self->places = NULL;
    self->room = self->first = 0;
}

#endif
