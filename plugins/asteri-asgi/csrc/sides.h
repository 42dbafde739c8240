/* `Receive` and `Send`, the callables that an application is given, and `Step`, the coroutine that a call of one gives.
 *
 * As with the Python twin the effect is not that of the call but that of its being awaited. What can be done at once
 * never suspends. All three keep the `asgi_call` alive whose sides they are.
 */
#ifndef ASGI_SIDES_H
#define ASGI_SIDES_H

#include "call.h"

typedef struct {
    asgi_coroutine coroutine;
    asgi_call *call;   /* owned for life */
    PyObject *message; /* owned: what is sent; NULL when something is received */
    int leaving;       /* whether it is the departure of the client that is awaited */
} asgi_step;

/* What the two kinds of steps do. */
extern const asgi_body asgi_receiving; /* receiving.c */
extern const asgi_body asgi_sending;   /* sending.c */

/* New references; NULL: out of memory. */
PyObject *asgi_receive_new(asgi_call *call);
PyObject *asgi_send_new(asgi_call *call);

#endif
