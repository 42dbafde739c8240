/* What a message of an application says.
 *
 * The keys of a message are literals, which are interned: to compare their addresses in one pass costs a third of what
 * it costs to look up each key. Nothing is taken for granted: a key that is not known by its address may be equal to
 * one of ours, so a message that has such a key is asked by look-ups for what has not been found.
 */
#ifndef ASGI_MESSAGE_H
#define ASGI_MESSAGE_H

#include "state.h"

/* The first names of the state, which are the keys of the messages of a response. */
#define ASGI_INDEX(word) ASGI_KEY_##word,
typedef enum { ASGI_EACH_NAME(ASGI_INDEX) } asgi_key;
#undef ASGI_INDEX
#define ASGI_SAID (ASGI_KEY_info + 1)

typedef struct {
    PyObject *whole;             /* borrowed */
    int complete;                /* whether what is not in `values` is not in the message either */
    PyObject *values[ASGI_SAID]; /* owned */
} asgi_message;

/* Reads `whole`, which is borrowed. Cannot fail. */
void asgi_message_read(asgi_message *self, const asgi_state *state, PyObject *whole);
void asgi_message_drop(asgi_message *self);

/* Code of the application has been run, which may have changed the message: it is asked anew. */
void asgi_message_changed(asgi_message *self);

/* message[key]. 1: `*value` is a new reference; 0: a dictionary has no such key; -1: an exception. */
int asgi_message_find(const asgi_message *self, const asgi_state *state, asgi_key key, PyObject **value);

/* message.get(key, otherwise), and message.get(key) when `otherwise` is NULL. A new reference. */
PyObject *asgi_message_get(const asgi_message *self, const asgi_state *state, asgi_key key, PyObject *otherwise);

/* The truth of message.get(key, False): 1, 0, or -1. */
int asgi_message_says(const asgi_message *self, const asgi_state *state, asgi_key key);

#endif
