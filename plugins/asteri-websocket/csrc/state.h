/* What the C files of `asteri_websocket._native` share: the state of the module. */
#ifndef WS_STATE_H
#define WS_STATE_H

#include "asteri/module_state.h"
#include "asteri_http/errors.h"

/* Every object is owned. */
typedef struct {
    http_errors errors;
    PyTypeObject *reader_type;
    PyObject *ping;       /* `asteri_websocket.messages.Ping`, as what follows */
    PyObject *pong;
    PyObject *read_close;
    PyObject *name_unpack; /* methods of an unpacker */
    PyObject *name_end;
} ws_state;

int ws_add_reader(PyObject *module, ws_state *state); /* reader.c: 0, -1 */

#endif
