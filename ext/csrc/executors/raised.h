/* The exception that is being raised, while something else may be. */
#ifndef EXECUTORS_RAISED_H
#define EXECUTORS_RAISED_H

#include "asteri/raised.h"

/* Takes the exception away: owned by the caller, NULL when there is none. */
static inline PyObject *
raised_take(void)
{
    return asteri_raised_take();
}

/* Raises `error` (stolen; NULL: nothing). One that is raised already has come while `error` was handled: it stays, and
 * `error` becomes its context, as after a `finally`. */
static inline void
raised_give(PyObject *error)
{
    if (error == NULL) {
        return;
    }
    PyObject *later = raised_take();
    if (later != NULL) {
        PyException_SetContext(later, error); /* steals */
        error = later;
    }
    asteri_raised_give(error);
}

#endif
