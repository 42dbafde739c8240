/* The target of a request, made of its variables: the twin of `_target` in `asteri_uwsgi.request`. */
#ifndef UW_TARGET_H
#define UW_TARGET_H

#include "variables.h"

/* New bytes; NULL: MemoryError. */
PyObject *uw_target(const uw_variables *variables);

#endif
