/* `asteri_http1._native.Binding`: what the HTTP/1.1 connections of one worker share, and what makes them. */
#ifndef H1_BINDING_H
#define H1_BINDING_H

#include "asteri_http/date.h"
#include "output.h"
#include "parser.h"
#include "repeat.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall; /* (peer, now) makes a connection */
    PyObject *module;          /* owned for life: the collector may clear the type before what a binding has made */
    h1_state *state;           /* of the module */
    h1_limits limits;
    h1_heads heads;
    h1_spare_buffers spare;
    http_date date;
    h1_repeat repeat;
    PyObject *upgrades;   /* owned: the attribute, a dict of functions by token; NULL: there are none */
    PyObject *forwarding; /* owned: an asteri_http.forwarded.Forwarding */
    char *lines;    /* the Date line, then the Server line; owned */
    Py_ssize_t date_size, server_size;
} h1_binding;

/* The Date and Server lines that a response lacks: the twin of `writer.Signature`. `*lines` stays until the next call.
 * 0, -1: what the clock raised. */
int h1_signature(h1_binding *binding, int has_date, int has_server, asteri_slice *lines);

#endif
