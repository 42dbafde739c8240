/* The scope of a request: the twin of `asteri_asgi.scope`, which says what is in it. */
#ifndef ASGI_SCOPE_H
#define ASGI_SCOPE_H

#include "lent.h"
#include "state.h"

#define ASGI_SPARE 64 /* as many as there are requests under way at once in a busy worker */

/* What the scopes of one application share. Filled with zeros before it is loaded. */
typedef struct {
    PyObject *template;   /* owned, as the others: a scope in which all is set that is the same for every request */
    PyObject *asgi;       /* the dictionaries in it */
    PyObject *extensions;
    PyObject *root_path;  /* str */
    PyObject *below_root; /* root_path + "/" */
    PyObject *state;      /* the namespace of the lifespan */
    PyObject *key;        /* its address is the key of what is kept with heads; what is kept owns it too */
    PyObject *keys[ASGI_KEYS];          /* those of a scope, in their order */
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

/* The scope of an exchange, which is the caller's to give back or drop. NULL: an exception. */
asgi_lent *asgi_make_scope(asgi_scopes *scopes, const asgi_state *state, const asteri_reached *exchange);
/* The application has ended; `lent` is stolen. What nobody else has any more, and is as it was, is used again: to the
 * next application it is new. */
void asgi_scopes_take_back(asgi_scopes *scopes, asgi_lent *lent);

/* The scope of `kept` that has come back, or NULL (no exception). `capsule`, that of `kept`, is borrowed. */
asgi_lent *asgi_scopes_take_spare(const asgi_scopes *scopes, PyObject *capsule, asgi_kept *kept);

/* Containers that have come back, or new ones; `containers` are empty before. 0, -1. */
int asgi_scopes_take_containers(asgi_scopes *scopes, asgi_containers *containers);

#endif
