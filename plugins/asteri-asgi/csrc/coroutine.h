/* Coroutines written in C, in the sense of collections.abc.Coroutine: what all of them do alike.
 *
 * A coroutine embeds `asgi_coroutine` as its head. Its body is two functions: `start` runs from the beginning, `resume`
 * goes on when what was awaited has ended. Either returns
 *
 *     PYGEN_RETURN   it is over, `*result` is what it gives (a new reference)
 *     PYGEN_ERROR    it is over, an exception is set
 *     PYGEN_NEXT     it awaits the iterator that it has put into `awaited`; `*result` is left alone
 *
 * Everything else is done here as CPython does it for an `async def`: what is sent, thrown and closed goes to what is
 * awaited, misuse has the same errors in the same words, and one that is dropped without being awaited is warned of.
 */
#ifndef ASGI_COROUTINE_H
#define ASGI_COROUTINE_H

#include "cpython.h"

typedef enum {
    ASGI_CREATED,
    ASGI_RUNNING,
    ASGI_SUSPENDED,
    ASGI_CLOSED,
} asgi_coroutine_state;

typedef struct asgi_coroutine asgi_coroutine;

typedef struct {
    PySendResult (*start)(asgi_coroutine *self, PyObject **result);
    /* `value` is what was awaited has given, stolen; NULL when it has raised, and the exception is set. */
    PySendResult (*resume)(asgi_coroutine *self, PyObject *value, PyObject **result);
    const char *name;
    const char *qualname;
} asgi_body;

struct asgi_coroutine {
    PyObject_HEAD
    const asgi_body *body;
    PyObject *awaited; /* owned, NULL when nothing is awaited */
    asgi_coroutine_state state;
};

/* For a new coroutine whose object is otherwise set up. */
static inline void
asgi_coroutine_init(asgi_coroutine *self, const asgi_body *body)
{
    self->body = body;
    self->awaited = NULL;
    self->state = ASGI_CREATED;
}

/* The iterator by which `thing` is awaited; NULL: an exception, as `await thing` raises it. A new reference. */
PyObject *asgi_awaited(PyObject *thing);

/* Slots of the type. `self` is borrowed throughout. */
PySendResult asgi_coroutine_send(PyObject *self, PyObject *value, PyObject **result); /* Py_am_send */
PyObject *asgi_coroutine_await(PyObject *self);                                       /* Py_am_await, Py_tp_iter */
PyObject *asgi_coroutine_next(PyObject *self);                                        /* Py_tp_iternext */
void asgi_coroutine_finalize(PyObject *self);                                         /* Py_tp_finalize */
extern PyMethodDef asgi_coroutine_methods[];
extern PyGetSetDef asgi_coroutine_attributes[];

/* The first thing in tp_dealloc. -1: somebody has got hold of the object again, so leave it alone. */
static inline int
asgi_coroutine_dying(asgi_coroutine *self)
{
    return self->state == ASGI_CLOSED ? 0 : PyObject_CallFinalizerFromDealloc((PyObject *)self);
}

#endif
