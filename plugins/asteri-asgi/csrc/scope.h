/* The scope of a request: the twin of `asteri_asgi.scope`, which says what is in it. */
#ifndef ASGI_SCOPE_H
#define ASGI_SCOPE_H

#include "state.h"

#define ASGI_EXTENSIONS 8 /* as many as a scope can offer */
#define ASGI_SPARE 64     /* as many as there are requests under way at once in a busy worker */

/* The dictionaries of a scope that are the same for every request but for what an application puts into them. */
typedef struct {
    PyObject *asgi; /* owned, as the others; NULL: there is nothing here */
    PyObject *extensions;
    PyObject *each[ASGI_EXTENSIONS]; /* what is in `extensions`, in its order */
} asgi_containers;

/* What the scopes of one application share. Filled with zeros before it is loaded. */
typedef struct {
    PyObject *template;   /* owned, as the others: a scope in which all is set that is the same for every request */
    PyObject *asgi;       /* the dictionaries in it */
    PyObject *extensions;
    PyObject *root_path;  /* str */
    PyObject *below_root; /* root_path + "/" */
    PyObject *state;      /* the namespace of the lifespan */
    PyObject *key;        /* its address is the key of what is kept with heads; what is kept owns it too */
    PyObject *offered[ASGI_EXTENSIONS]; /* the names of the extensions, in their order */
    PyObject *told[2][2];               /* the keys of `asgi`, and their values */
    int count;                          /* how many extensions are offered */
    int spares;
    asgi_containers spare[ASGI_SPARE]; /* containers that have come back, for scopes to come */
} asgi_scopes;

/* Makes the template by `asteri_asgi.scope.scope_template`, so that what is constant is written once. 0, -1. */
int asgi_scopes_load(asgi_scopes *scopes, const asgi_state *state, PyObject *root_path, PyObject *lifespan_state,
                     PyObject *version, int debug);
int asgi_scopes_visit(asgi_scopes *scopes, visitproc visit, void *arg);
void asgi_scopes_clear(asgi_scopes *scopes);

/* The scope of an exchange, a new reference; `containers` (empty before) are those in it. NULL: an exception. */
PyObject *asgi_make_scope(asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange,
                          asgi_containers *containers);

/* The application has ended. Containers that nobody else has any more, and that are as they were, are used again: to
 * the next application they are new. In any case `containers` are empty afterwards. */
void asgi_scopes_take_back(asgi_scopes *scopes, asgi_containers *containers);
void asgi_containers_drop(asgi_containers *containers);
int asgi_containers_visit(asgi_containers *containers, visitproc visit, void *arg);

#endif
