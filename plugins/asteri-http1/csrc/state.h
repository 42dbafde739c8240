/* What the C files of `asteri_http1._native` share: the module's state, and who adds what to the module. */
#ifndef H1_STATE_H
#define H1_STATE_H

#include "asteri/connection.h"
#include "asteri/module_state.h"
#include "asteri_http/errors.h"

#include <stdint.h>

#define H1_SPARE_EXCHANGES 8

typedef struct {
    http_errors errors; /* LocalProtocolError, RemoteProtocolError, Disconnected: owned */
    /* connection.c, exchange.c: owned */
    PyTypeObject *connection_type;
    PyTypeObject *exchange_type;
    PyTypeObject *binding_type;
    asteri_connection_api api;
    PyObject *want_read, *want_write, *want_gone; /* members of Want */
    PyObject *scheme_name, *status_name, *peer_name, *trusts_name; /* interned names of attributes */
    PyObject *forwarding_type;                    /* asteri_http.forwarded.Forwarding */
    /* exchange.c: memory of exchanges that are no more, for the next ones; owned, no objects */
    struct h1_exchange *spare_exchanges[H1_SPARE_EXCHANGES];
    int spare_count;
    /* parsing.c: owned */
    PyTypeObject *parser_type;
    PyTypeObject *decoder_type;
    PyObject *request_head; /* asteri_http1.parser.RequestHead */
    PyObject *methods;      /* tuple: the str of each of h1_methods */
    PyObject *names;        /* tuple: the bytes of each of h1_names */
    PyObject *versions;     /* tuple: "1.0", "1.1" */
    uint64_t seed[2];       /* of the hash that finds heads again: a peer cannot choose heads that collide */
} h1_state;

h1_state *h1_state_of(PyObject *module);
h1_state *h1_state_of_type(PyTypeObject *type);

void h1_exchange_free_spare(h1_state *state); /* exchange.c */

/* Each adds its types to the module and fills in its members of the state. 0, -1. */
int h1_add_parsing(PyObject *module, h1_state *state);         /* parsing.c */
int h1_add_exchange_type(PyObject *module, h1_state *state);   /* exchange_type.c */
int h1_add_connection_type(PyObject *module, h1_state *state); /* connection_type.c */
int h1_add_binding(PyObject *module, h1_state *state);         /* binding.c */

#endif
