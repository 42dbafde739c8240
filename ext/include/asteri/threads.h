/* What C code may share among threads, on a build with the GIL and on one without.
 *
 * With the GIL nothing runs between two lines of C that call nothing, and a worker keeps what it may need again: free
 * objects, the type that was looked up last. Without it every such place would need a lock, which costs more than it
 * saves, so nothing of that kind is kept: `if (ASTERI_GIL && ...)`. What has to be shared all the same is counted by
 * `asteri_references`, changed in a critical section, or guarded by the reactor's lock. With the GIL all of this is
 * the plain C that it looks like.
 *
 * It says nothing of what a lock guards: that is said where the data is.
 */
#ifndef ASTERI_THREADS_H
#define ASTERI_THREADS_H

#include "slice.h" /* first: Python.h sets what the system's headers declare */

#ifdef Py_GIL_DISABLED

#include <stdatomic.h>

#define ASTERI_GIL 0

typedef _Atomic(Py_ssize_t) asteri_references;

static inline void
asteri_references_add(asteri_references *references)
{
    atomic_fetch_add_explicit(references, 1, memory_order_relaxed);
}

/* Whether that was the last one: then all that others did before they counted down has been done. */
static inline int
asteri_references_drop(asteri_references *references)
{
    return atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

#else

#define ASTERI_GIL 1

typedef Py_ssize_t asteri_references;

static inline void
asteri_references_add(asteri_references *references)
{
    ++*references;
}

static inline int
asteri_references_drop(asteri_references *references)
{
    return --*references == 0;
}

#endif

/* Before CPython 3.13 there is no build without the GIL, and nothing to enter. Between the two stands nothing that can
 * let go of an object or call anything: plain C, and Py_INCREF, no more. */
#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

/* Whether the `known` references to an object are all there are. Without the GIL nobody can tell, and it says no. */
static inline int
asteri_is_alone(PyObject *object, Py_ssize_t known)
{
    return ASTERI_GIL && Py_REFCNT(object) == known;
}

/* A new reference to an item of a list that others may have. `index` was within it at the last look; NULL: IndexError,
 * since another thread has made the list shorter, which takes a build without the GIL. */
static inline PyObject *
asteri_list_item(PyObject *list, Py_ssize_t index)
{
#ifdef Py_GIL_DISABLED
    return PyList_GetItemRef(list, index);
#else
    return Py_NewRef(PyList_GET_ITEM(list, index));
#endif
}

#endif
