/* What the C files of `asteri_asgi._native` share: the state of the module, and who adds what to it. */
#ifndef ASGI_STATE_H
#define ASGI_STATE_H

#include "cpython.h"

#include "asteri/exchange_adapter.h"
#include "asteri/module_state.h"
#include "asteri/raised.h"
#include "asteri_http/errors.h"

/* Interned strings: first the keys that a response's messages have (message.h), then those of scopes, and names of
 * methods. */
#define ASGI_EACH_NAME(DO)                                                                                             \
    DO(type)                                                                                                           \
    DO(status)                                                                                                         \
    DO(headers)                                                                                                        \
    DO(trailers)                                                                                                       \
    DO(body)                                                                                                           \
    DO(more_body)                                                                                                      \
    DO(more_trailers)                                                                                                  \
    DO(info)                                                                                                           \
    DO(get)                                                                                                            \
    DO(take)                                                                                                           \
    DO(respond)                                                                                                        \
    DO(inform)                                                                                                         \
    DO(finish)                                                                                                         \
    DO(upper)                                                                                                          \
    DO(asgi)                                                                                                           \
    DO(http_version)                                                                                                   \
    DO(method)                                                                                                         \
    DO(scheme)                                                                                                         \
    DO(path)                                                                                                           \
    DO(raw_path)                                                                                                       \
    DO(query_string)                                                                                                   \
    DO(client)                                                                                                         \
    DO(server)                                                                                                         \
    DO(state)                                                                                                          \
    DO(extensions)

/* What both twins share and is written in Python: the rare steps, and what is judged and logged. */
#define ASGI_EACH_SHARED(DO)                                                                                           \
    DO("asteri_asgi.awaiting", mark_as_coroutine_function)                                                             \
    DO("asteri_asgi.turns", Turns)                                                                                     \
    DO("asteri_asgi.values", fields)                                                                                   \
    DO("asteri_asgi.values", octets)                                                                                   \
    DO("asteri_asgi.values", hints)                                                                                    \
    DO("asteri_asgi.values", part_of_file)                                                                             \
    DO("asteri_asgi.values", whole_file)                                                                               \
    DO("asteri_asgi.values", takes_trailers)                                                                           \
    DO("asteri_asgi.endings", raised)                                                                                  \
    DO("asteri_asgi.endings", returned)                                                                                \
    DO("asteri_asgi.endings", body_broken)                                                                             \
    DO("asteri_asgi.http", refuse)                                                                                     \
    DO("asteri_asgi.scope", scope_template)                                                                            \
    DO("asteri_asgi.tls", tls_extension)                                                                               \
    DO("asteri_http.websocket", TOKEN)                                                                                 \
    DO("asteri_asgi.websocket", websocket_runner)                                                                      \
    DO("asteri_asgi.lifespan", Lifespan)                                                                               \
    DO("asteri_asgi.settings", AsgiSettings)                                                                           \
    DO("asteri_http.settings", HttpSettings)

/* How far a response has come: the phases of `asteri_asgi.http`, where the table is that this follows. */
typedef enum {
    ASGI_TELLING,
    ASGI_WAITING,
    ASGI_HELD,
    ASGI_OPEN,
    ASGI_TRAILING,
    ASGI_COMPLETE,
    ASGI_CUT,
    ASGI_PHASES
} asgi_phase;

/* The types of message that an application may send. */
typedef enum {
    ASGI_START,
    ASGI_BODY,
    ASGI_FILE,
    ASGI_PATH,
    ASGI_HINT,
    ASGI_TRAILERS,
    ASGI_DEBUG,
    ASGI_KINDS
} asgi_kind;

/* Every object is owned. */
typedef struct {
    http_errors errors;
    asteri_exchanges exchanges;
    PyTypeObject *handler_type;
    PyTypeObject *call_type;
    PyTypeObject *receive_type;
    PyTypeObject *send_type;
    PyTypeObject *step_type;
    struct {
#define ASGI_DECLARE(name) PyObject *name;
        ASGI_EACH_NAME(ASGI_DECLARE)
#undef ASGI_DECLARE
    } name;
    struct {
#define ASGI_DECLARE(module, name) PyObject *name;
        ASGI_EACH_SHARED(ASGI_DECLARE)
#undef ASGI_DECLARE
    } shared;
    PyObject *phases[ASGI_PHASES];
    PyObject *kinds;      /* dict: type of message -> asgi_kind, for those that are no plain str */
    PyObject *want_read, *want_write, *want_gone;
    PyObject *no_bytes, *nothing; /* b"" and () */
    PyObject *request;    /* {"type": "http.request", "body": b"", "more_body": False} */
    PyObject *disconnect; /* {"type": "http.disconnect"} */
} asgi_state;

/* Each adds its types to the module and to the state. 0, -1. */
int asgi_add_handler(PyObject *module, asgi_state *state); /* handler.c */
int asgi_add_call(PyObject *module, asgi_state *state);    /* call.c */
int asgi_add_sides(PyObject *module, asgi_state *state);   /* sides.c */

#endif
