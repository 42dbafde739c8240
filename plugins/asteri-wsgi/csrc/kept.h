/* What is kept with a request head, for the requests that are equal to it. */
#ifndef WSGI_KEPT_H
#define WSGI_KEPT_H

#include "template.h"

/* Two things: an environ to copy, and, most of the time, one that needs no copy. An application seldom changes its
 * environ, nor keeps it; what it has left as it was serves the next request. It is known to be such when nobody else
 * has a reference, and when CPython has not counted a change (ma_version_tag, until 3.13). */
typedef struct {
    PyObject_HEAD
    wsgi_template *template; /* owned: so nothing else can come to the address that is the memo's key */
    PyObject *environ;       /* owned: a dict that nobody changes, without what differs between equal requests */
    PyObject *host;          /* owned: its REMOTE_ADDR */
    PyObject *left;          /* NULL; or owned, and unknown to all others and to the collector: what was left */
    PyObject *early_hints;   /* its wsgi.early_hints, without a response; borrowed from it, as the next one */
    PyObject *port;          /* its REMOTE_PORT */
} wsgi_kept;

/* The environ of one request. */
typedef struct {
    PyObject *dict;        /* owned */
    PyObject *early_hints; /* borrowed from it, as the next one */
    PyObject *port;
    wsgi_kept *kept;  /* owned; NULL: this environ will serve no other request */
    uint64_t version; /* of the dict, when the application got it */
} wsgi_environ;

/* A new reference; NULL: an exception. A copy of the environ is kept. */
wsgi_kept *wsgi_kept_new(wsgi_state *state, wsgi_template *template, PyObject *environ, PyObject *host);
/* Fills in `dict`, and `early_hints` and `port` with what the dict has, NULL where it has none. 0, -1. */
int wsgi_kept_take(wsgi_kept *self, wsgi_environ *taken);
/* The end of an environ's request. What it owns is released, or kept. */
void wsgi_environ_release(wsgi_environ *environ);

#endif
