/* The native side of `asteri_core.api.Exchange` and of what HTTP adds to it: the contract "asteri.exchange.v1".
 *
 * An exchange is a Python object. Its type has the attribute ASTERI_EXCHANGE_ATTRIBUTE, a capsule of the name
 * ASTERI_EXCHANGE_CAPSULE around a `struct asteri_exchange_v1`, which lives as long as the type. Such an object also
 * has the Python attributes and methods of the contract, and what is rare (inform, upgrade, watch) is called by those
 * only. Both ways may be mixed freely.
 *
 * The meaning of every function is that of the Python method of the same name, the exceptions are the same; what is
 * said here is who owns what. Called with the GIL held (free-threaded build: attached), never by two threads at once:
 * who runs an application in another thread hands over a view that takes the reactor's lock for every operation.
 */
#ifndef ASTERI_EXCHANGE_H
#define ASTERI_EXCHANGE_H

#include "contract.h" /* first: Python.h sets what the system's headers declare */
#include "threads.h"

#include <stdint.h>

#define ASTERI_EXCHANGE_CAPSULE "asteri.exchange.v1"
#define ASTERI_EXCHANGE_ATTRIBUTE "__asteri_exchange__"

typedef struct {
    asteri_slice name; /* of a request: lower case */
    asteri_slice value;
} asteri_field;

/* What a request head says. Borrowed from the exchange, whose life it has; nobody changes it but `memo`. */
typedef struct {
    asteri_slice method;
    asteri_slice target;
    asteri_slice raw_path;
    asteri_slice query;
    asteri_slice authority;
    asteri_slice protocol;  /* what the client asks to talk instead, as it has written it; empty: nothing */
    const asteri_field *fields;
    Py_ssize_t count;
    int version;            /* 10, 11, 20 or 30 */
    int has_body;
    int expects_continue;
    int64_t content_length; /* -1: there is no body, or its length is not known */
    /* A place for one thing that an interface has made of this head and wants to find again: exchanges of equal heads
     * may share it. NULL where there is none, and always on a build without the GIL, where two threads could be at it.
     * What is kept there depends on nothing but the head and on `key`, the address of something that lives as long as
     * the interface; who finds another key's thing replaces it. */
    struct asteri_memo *memo;
} asteri_request;

typedef struct asteri_memo {
    const void *key;
    PyObject *thing; /* owned; NULL when empty */
} asteri_memo;

typedef enum {
    ASTERI_METHOD,    /* str */
    ASTERI_TARGET,    /* bytes, as the next four */
    ASTERI_RAW_PATH,
    ASTERI_QUERY,
    ASTERI_AUTHORITY,
    ASTERI_PROTOCOL,  /* in lower case */
    ASTERI_VERSION,   /* str */
    ASTERI_SCHEME,    /* str */
    ASTERI_PEER,      /* Peer */
    ASTERI_HEADERS,   /* a list of tuples of two bytes: shared, so whoever passes it on copies it */
    ASTERI_TRAILERS,  /* the list that is filled when the body has ended */
    ASTERI_BODY,      /* the collected body, or None */
} asteri_fact;

/* The item of a Peer, a tuple: a TlsFacts, or None. Who makes exchanges without it may leave it out. */
#define ASTERI_PEER_TLS 3

typedef struct asteri_exchange_v1 {
    Py_ssize_t size; /* sizeof(struct asteri_exchange_v1) of whoever filled it in: later members may be missing */

    /* Borrowed, never NULL. Its slices stay as long as the exchange. */
    const asteri_request *(*request)(PyObject *self);
    /* A fact as the Python object that the attribute of that name gives: borrowed from the exchange, stays as long as
     * it does (ASTERI_BODY: until it is set anew). NULL: an exception, out of memory. */
    PyObject *(*fact)(PyObject *self, asteri_fact which);
    /* 1: `*data` is a new reference to bytes, empty at the end of the body; 0: it would block; -1. */
    int (*read)(PyObject *self, PyObject **data);
    /* Names may be of any case. The slices are the caller's and stay only during the call. 0, -1. */
    int (*respond)(PyObject *self, int status, asteri_slice reason, const asteri_field *fields, Py_ssize_t count);
    /* 1: `respond` may be called (again); 0: it is too late; -1. */
    int (*retract)(PyObject *self);
    /* `data` is bytes, or anything else that Sendable names; borrowed. 1: more may be sent; 0: wait for Want.WRITE
     * first; -1. */
    int (*send)(PyObject *self, PyObject *data, int end);
    /* The response is complete, without trailers. 0, -1. */
    int (*finish)(PyObject *self);
    /* 0, -1. */
    int (*abort)(PyObject *self);
    /* The final status answered, 0 until then; the bytes of content sent. Cannot fail. */
    int (*status)(PyObject *self);
    int64_t (*sent)(PyObject *self);
    /* Bytes of the request's body that `read` gives at once; when they are all of a declared length, the body is whole.
     * Cannot fail. NULL where it is not known, as by an adapter. */
    int64_t (*buffered)(PyObject *self);
    /* Sets the attribute `body` (borrowed). 0, -1. */
    int (*set_body)(PyObject *self, PyObject *body);
} asteri_exchange_v1;

/* The functions of a type's exchanges, NULL (no exception) when the type has none of this contract.
 * Borrowed from the type. */
static inline const asteri_exchange_v1 *
asteri_exchange_of(PyTypeObject *type)
{
    return (const asteri_exchange_v1 *)asteri_contract_of(type, ASTERI_EXCHANGE_ATTRIBUTE, ASTERI_EXCHANGE_CAPSULE);
}

/* The last type of exchange that was met and its functions: looking them up costs more than a whole operation. */
typedef struct {
    PyTypeObject *type; /* owned, so that no other type can come to its address */
    const asteri_exchange_v1 *functions;
} asteri_exchange_kind;

/* The functions of an exchange; NULL (no exception): its type has none, or less than this header knows. Without the GIL
 * nothing is kept, since a thread could see the one member without the other. */
static inline const asteri_exchange_v1 *
asteri_exchange_functions(asteri_exchange_kind *last, PyObject *exchange)
{
    PyTypeObject *type = Py_TYPE(exchange);
    if (ASTERI_GIL && type == last->type) {
        return last->functions;
    }
    const asteri_exchange_v1 *functions = asteri_exchange_of(type);
    if (functions != NULL && functions->size < (Py_ssize_t)sizeof(asteri_exchange_v1)) {
        functions = NULL;
    }
    if (ASTERI_GIL) {
        PyTypeObject *before = last->type;
        Py_INCREF(type);
        last->functions = functions;
        last->type = type;
        Py_XDECREF(before); /* last: the end of a type may run anything, and that may ask here */
    }
    return functions;
}

#endif
