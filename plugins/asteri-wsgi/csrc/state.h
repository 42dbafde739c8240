/* What the C files of `asteri_wsgi._native` share: the module's state, who adds what to it, and the few functions of
 * CPython that are not the same in all versions. Pointers are borrowed unless said otherwise. */
#ifndef WSGI_STATE_H
#define WSGI_STATE_H

#include "asteri/exchange_adapter.h"
#include "asteri/module_state.h"
#include "asteri/raised.h"
#include "asteri_http/errors.h"
#include "table.h"

/* What is asked of the Python twin: its rare paths, which are written once, and its objects. X(member, module, name) */
#define WSGI_FROM_PYTHON(X)                                                                                            \
    X(empty_body, "asteri_core.empty_body", "EMPTY_BODY")                                                              \
    X(bytes_io, "io", "BytesIO")                                                                                       \
    X(environs, "asteri_wsgi.environ", "Environs")                                                                     \
    X(key_of, "asteri_wsgi.environ", "key_of")                                                                         \
    X(add_body, "asteri_wsgi.environ", "add_body")                                                                     \
    X(add_tls, "asteri_wsgi.tls", "add_tls")                                                                           \
    X(parse_status, "asteri_wsgi.head", "parse_status")                                                                \
    X(parse_headers, "asteri_wsgi.head", "parse_headers")                                                              \
    X(examine, "asteri_wsgi.head", "examine")                                                                          \
    X(twin, "asteri_wsgi.response", "Response")                                                                        \
    X(raise_again, "asteri_wsgi.response", "raise_again")                                                              \
    X(check_block, "asteri_wsgi.response", "check_block")                                                              \
    X(check_iterable, "asteri_wsgi.response", "check_iterable")                                                        \
    X(file_wrapper, "asteri_wsgi.file_wrapper", "FileWrapper")                                                         \
    X(slice_of, "asteri_wsgi.file_wrapper", "slice_of")                                                                \
    X(handler_twin, "asteri_wsgi.handler", "WSGIHandler")                                                              \
    X(websocket_token, "asteri_http.websocket", "TOKEN")                                                               \
    X(application_errors, "asteri_wsgi.handler", "APPLICATION_ERRORS")                                                 \
    X(answer_error, "asteri_wsgi.handler", "answer_error")                                                             \
    X(close_response, "asteri_wsgi.handler", "close_response")

/* Interned strings. X(member, text) */
#define WSGI_TEXTS(X)                                                                                                  \
    X(remote_addr, "REMOTE_ADDR")                                                                                      \
    X(remote_port, "REMOTE_PORT")                                                                                      \
    X(request_method, "REQUEST_METHOD")                                                                                \
    X(request_uri, "REQUEST_URI")                                                                                      \
    X(raw_uri, "RAW_URI")                                                                                              \
    X(path_info, "PATH_INFO")                                                                                          \
    X(query_string, "QUERY_STRING")                                                                                    \
    X(server_protocol, "SERVER_PROTOCOL")                                                                              \
    X(content_length, "CONTENT_LENGTH")                                                                                \
    X(http_host, "HTTP_HOST")                                                                                          \
    X(http_cookie, "HTTP_COOKIE")                                                                                      \
    X(wsgi_input, "wsgi.input")                                                                                        \
    X(wsgi_early_hints, "wsgi.early_hints")                                                                            \
    X(http_10, "HTTP/1.0")                                                                                             \
    X(http_11, "HTTP/1.1")                                                                                             \
    X(http_2, "HTTP/2")                                                                                                \
    X(http_3, "HTTP/3")                                                                                                \
    X(empty, "")                                                                                                       \
    X(comma, ",")                                                                                                      \
    X(semicolon, "; ")                                                                                                 \
    X(name_root, "root")                                                                                               \
    X(name_template, "template")                                                                                       \
    X(name_codecs, "codecs")                                                                                           \
    X(name_log, "log")                                                                                                 \
    X(name_body, "body")                                                                                               \
    X(name_close, "close")                                                                                             \
    X(name_inform, "inform")                                                                                           \
    X(name_filelike, "filelike")                                                                                       \
    X(name_first, "first")                                                                                             \
    X(name_start, "start")                                                                                             \
    X(name_write, "write")                                                                                             \
    X(name_early_hints, "early_hints")

#define WSGI_MEMBER(member, ...) PyObject *member;

/* Objects that were freed and can be had again, without the allocator: each request makes three and ends them, and
 * without this a usual one costs an eighth more (measured). Empty without the GIL (threads.h). */
#define WSGI_SPARE 16
typedef struct {
    PyObject *objects[WSGI_SPARE]; /* memory, not references: as the type's objects were left */
    int count;
    int room; /* 0 before the type is there and when it goes, which the memory must not outlive */
} wsgi_spare;

/* The numbers of peers' ports as texts, each at the place of its last bits until another one needs it: a connection
 * has many requests. Empty without the GIL. */
#define WSGI_PORTS 256
typedef struct {
    PyObject *texts[WSGI_PORTS]; /* owned; NULL until asked for */
    unsigned short numbers[WSGI_PORTS];
} wsgi_ports;

typedef struct {
    PyObject *module; /* borrowed: the one whose state this is */
    asteri_exchanges exchanges;
    http_errors errors;
    struct {
        WSGI_FROM_PYTHON(WSGI_MEMBER)
    } python; /* owned */
    struct {
        WSGI_TEXTS(WSGI_MEMBER)
    } text; /* owned */
    PyObject *want_write;        /* owned, as the types */
    PyTypeObject *template_type; /* template.c */
    PyTypeObject *kept_type;     /* kept.c */
    PyTypeObject *response_type; /* response.c */
    PyTypeObject *operation_type;
    PyTypeObject *handler_type; /* handler.c */
    wsgi_table keys;            /* lower-case names -> environ keys; no result: dropped */
    wsgi_table names;           /* names given to start_response -> lower-case bytes; number: is it content-length */
    wsgi_table statuses;        /* status lines -> reason; number: the code */
    wsgi_ports ports;
    wsgi_spare spare_responses, spare_operations;
} wsgi_state;

/* Each adds its types to the module and fills in its members of the state. 0, -1. */
int wsgi_add_templates(PyObject *module); /* template.c */
int wsgi_add_kept(PyObject *module);      /* kept.c */
int wsgi_add_keys(PyObject *module);      /* keys.c */
int wsgi_add_response(PyObject *module);  /* response.c */
int wsgi_add_handler(PyObject *module);   /* handler.c */

static inline wsgi_state *
wsgi_state_of(PyObject *module)
{
    return (wsgi_state *)PyModule_GetState(module);
}

/* An object of `type` from the spare ones, or a new one: owned, not tracked by the collector, its members not set. */
static inline PyObject *
wsgi_spare_take(wsgi_spare *spare, PyTypeObject *type)
{
    if (ASTERI_GIL && spare->count > 0) {
        return PyObject_Init(spare->objects[--spare->count], type);
    }
    return PyObject_GC_New(PyObject, type);
}

/* The end of an untracked object that has nothing more to release. Stolen. */
static inline void
wsgi_spare_give(wsgi_spare *spare, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (ASTERI_GIL && spare->count < spare->room) {
        spare->objects[spare->count++] = object;
    } else {
        PyObject_GC_Del(object);
    }
    Py_DECREF(type);
}

/* -- what CPython calls by other names in other versions ----------------------------------------------------------- */

/* The exception that is set, taken away: owned, whole, with its traceback. */
static inline PyObject *
wsgi_take_exception(void)
{
    return asteri_raised_take();
}

/* Raises it as it is. Stolen. */
static inline void
wsgi_put_exception(PyObject *error)
{
    asteri_raised_give(error);
}

/* A new reference to the value of a key, or NULL: an exception, or none when there is no such key. */
static inline PyObject *
wsgi_dict_get(PyObject *dict, PyObject *key)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *value;
    (void)PyDict_GetItemRef(dict, key, &value);
    return value;
#else
    return Py_XNewRef(PyDict_GetItemWithError(dict, key));
#endif
}

/* Sets a key that the dict does not have. 1: done; 0: it has it; -1. */
static inline int
wsgi_dict_add(PyObject *dict, PyObject *key, PyObject *value)
{
#if PY_VERSION_HEX >= 0x030D0000
    int found = PyDict_SetDefaultRef(dict, key, value, NULL);
    return found < 0 ? -1 : !found;
#else
    Py_ssize_t before = PyDict_GET_SIZE(dict); /* the value found may be the one given: small strings are shared */
    return PyDict_SetDefault(dict, key, value) == NULL ? -1 : PyDict_GET_SIZE(dict) != before;
#endif
}

/* A number that changes with every change of the dict, and whether it is still the same; where CPython counts none
 * that can be read, no dict is said to be unchanged. */
#if PY_VERSION_HEX < 0x030E0000
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static inline uint64_t
wsgi_dict_version(PyObject *dict)
{
    return ((PyDictObject *)dict)->ma_version_tag;
}
#pragma GCC diagnostic pop

static inline int
wsgi_dict_is_unchanged(PyObject *dict, uint64_t version)
{
    return wsgi_dict_version(dict) == version;
}
#else
static inline uint64_t
wsgi_dict_version(PyObject *Py_UNUSED(dict))
{
    return 0;
}

static inline int
wsgi_dict_is_unchanged(PyObject *Py_UNUSED(dict), uint64_t Py_UNUSED(version))
{
    return 0;
}
#endif

/* Whether it is an exact str whose characters can be looked at. */
static inline int
wsgi_is_text(PyObject *object)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_CheckExact(object) && PyUnicode_READY(object) == 0;
#else
    return PyUnicode_CheckExact(object);
#endif
}

/* Whether both are such, and alike. */
static inline int
wsgi_same_text(PyObject *one, PyObject *other)
{
    return wsgi_is_text(one) && wsgi_is_text(other) && PyUnicode_GET_LENGTH(one) == PyUnicode_GET_LENGTH(other) &&
           PyUnicode_KIND(one) == PyUnicode_KIND(other) &&
           memcmp(PyUnicode_DATA(one), PyUnicode_DATA(other),
                  (size_t)PyUnicode_GET_LENGTH(one) * (size_t)PyUnicode_KIND(one)) == 0;
}

#endif
