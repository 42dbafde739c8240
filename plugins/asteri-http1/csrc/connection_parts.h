/* What the files of a connection share with each other, and with nobody else; see connection.h. Where nothing else is
 * said, functions give 0 or -1. */
#ifndef H1_CONNECTION_PARTS_H
#define H1_CONNECTION_PARTS_H

#include "connection.h"
#include "exchange.h"

static inline const http_errors *
h1_errors_of(const h1_connection *self)
{
    return &self->binding->state->errors;
}

/* -- connection.c -------------------------------------------------------------------------------------------------- */

static inline int
h1_has_time(double time)
{
    return !isnan(time);
}

/* Steals `object`. */
void h1_happen(h1_connection *self, int kind, PyObject *object);
/* It is `now`: a deadline that was set without knowing the time moves to it. */
static inline void
h1_tick(h1_connection *self, double now)
{
    if (self->lag) {
        self->lag = 0;
        self->deadline += now - self->now; /* no time stays no time */
    }
    self->now = now;
}

/* From now on; when draining, no later than its end. */
void h1_set_deadline(h1_connection *self, double seconds);
void h1_drop_decoder(h1_connection *self);
/* The exception that is set, when it is a RemoteProtocolError: a new reference, and nothing is set any more. Any other
 * one stays set: NULL. */
PyObject *h1_caught_remote_error(h1_connection *self);
/* Answers what never became an exchange, and closes; `silent` for HEAD. Steals `error`, which may be NULL with an
 * exception set. */
int h1_refuse(h1_connection *self, PyObject *error, int silent);
/* The body of the running exchange is broken or too slow. Steals `error`, as `h1_refuse`. */
int h1_break_body(h1_connection *self, h1_exchange *exchange, PyObject *error);

/* -- receiving.c --------------------------------------------------------------------------------------------------- */

/* Forgets what came in behind the running request. */
void h1_drop_input(h1_connection *self);
/* Bytes of a head, perhaps of several: the peer's, or a part of the input. */
int h1_receive_head(h1_connection *self, const char *data, Py_ssize_t size);

#endif
