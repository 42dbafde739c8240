/* A scope as it is lent to an application, with what is needed to know it again when the application has ended.
 *
 * A scope and every container in it are new for each application. One that nobody else has any more, and that is as it
 * was, cannot be told from a new one: it is lent again with the next request of the same head. Where the scope is not
 * as it was, as with every framework that notes something in it, the containers in it may still be.
 */
#ifndef ASGI_LENT_H
#define ASGI_LENT_H

#include "cpython.h"

#define ASGI_EXTENSIONS 8 /* as many as a scope can offer */

/* The keys of a scope, in the order of the Python twin. */
enum {
    ASGI_TYPE_KEY,
    ASGI_ASGI_KEY,
    ASGI_VERSION_KEY,
    ASGI_METHOD_KEY,
    ASGI_SCHEME_KEY,
    ASGI_PATH_KEY,
    ASGI_RAW_PATH_KEY,
    ASGI_QUERY_KEY,
    ASGI_ROOT_PATH_KEY,
    ASGI_HEADERS_KEY,
    ASGI_CLIENT_KEY,
    ASGI_SERVER_KEY,
    ASGI_STATE_KEY,
    ASGI_EXTENSIONS_KEY,
    ASGI_KEYS
};

/* The dictionaries of a scope that are the same for every request but for what an application puts into them. */
typedef struct {
    PyObject *asgi; /* owned, as the others; NULL: there is nothing here */
    PyObject *extensions;
    PyObject *each[ASGI_EXTENSIONS]; /* what is in `extensions`, in its order */
} asgi_containers;

typedef struct asgi_lent asgi_lent;

/* What the head alone decides, kept with it in a capsule. */
typedef struct {
    PyObject *key;      /* owned, as the others: that of the handler's scopes */
    PyObject *template; /* a scope in which that is set; never lent */
    PyObject *headers;  /* a list */
    asgi_lent *spare;   /* a scope of this head that has come back, or NULL */
} asgi_kept;

struct asgi_lent {
    PyObject *capsule; /* owned: that of `kept`; NULL while it is a spare one */
    asgi_kept *kept;
    PyObject *scope;   /* owned, as what follows */
    PyObject *peer;    /* whose client and server are in it */
    asgi_containers containers;
    PyObject *values[ASGI_KEYS]; /* those of the scope; NULL until it is complete */
};

/* A new one of an empty scope. `capsule` is borrowed. NULL: out of memory. */
asgi_lent *asgi_lent_new(PyObject *capsule, asgi_kept *kept);
void asgi_lent_drop(asgi_lent *lent);
int asgi_lent_visit(asgi_lent *lent, visitproc visit, void *arg);

/* The scope is complete: its values are remembered. */
void asgi_lent_remember(asgi_lent *lent);

void asgi_containers_drop(asgi_containers *containers);
int asgi_containers_visit(asgi_containers *containers, visitproc visit, void *arg);

#endif
