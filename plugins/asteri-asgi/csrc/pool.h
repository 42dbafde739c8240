/* Free-lists: the memory of objects that have gone, kept for the next ones of the same type.
 *
 * A request makes and drops a handful of small objects; with this each costs a few instructions. What is kept holds the
 * reference to its type that it had as an object. A build without the GIL keeps nothing (threads.h); neither does one
 * with ASGI_NO_POOLS, in which sanitizers can see every use of what has gone.
 */
#ifndef ASGI_POOL_H
#define ASGI_POOL_H

#include "cpython.h"

#ifdef ASGI_NO_POOLS
#define ASGI_POOLED 0
#else
#define ASGI_POOLED ASTERI_GIL
#endif

#define ASGI_POOL_SIZE 64 /* as many requests as are under way at once in a busy worker */

typedef struct {
    int count;
    PyObject *objects[ASGI_POOL_SIZE]; /* owned memory without references to it */
} asgi_pool;

/* A new object of a type with garbage collection, not tracked, none of its own members set. NULL: out of memory. */
static inline PyObject *
asgi_pool_new(asgi_pool *pool, PyTypeObject *type)
{
    if (ASGI_POOLED && pool->count > 0) {
        PyObject *object = pool->objects[--pool->count];
        PyObject_Init(object, type); /* which takes a reference to the type, and one was kept */
        Py_DECREF(type);
        return object;
    }
    return PyObject_GC_New(PyObject, type);
}

/* The end of tp_dealloc, in place of PyObject_GC_Del and the release of the type: members are released by now. */
static inline void
asgi_pool_put(asgi_pool *pool, PyObject *object)
{
    /* What has been finalized once would not be a second time. */
    if (ASGI_POOLED && pool->count < ASGI_POOL_SIZE && !PyObject_GC_IsFinalized(object)) {
        pool->objects[pool->count++] = object;
        return;
    }
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static inline int
asgi_pool_visit(asgi_pool *pool, visitproc visit, void *arg)
{
    for (int index = 0; index < pool->count; index++) {
        Py_VISIT(Py_TYPE(pool->objects[index]));
    }
    return 0;
}

static inline void
asgi_pool_clear(asgi_pool *pool)
{
    while (pool->count > 0) {
        PyObject *object = pool->objects[--pool->count];
        PyTypeObject *type = Py_TYPE(object);
        PyObject_GC_Del(object);
        Py_DECREF(type);
    }
}

#endif
