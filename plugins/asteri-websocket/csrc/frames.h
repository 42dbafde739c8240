/* The frames of a client (RFC 6455 section 5): the twin of `asteri_websocket.frames.FrameReader`, which says what
 * everything means. It keeps the bytes object that it was fed, and copies a payload once, when it is given out. */
#ifndef WS_FRAMES_H
#define WS_FRAMES_H

#include "state.h"

#include <stdint.h>

enum { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

#define WS_PROTOCOL_ERROR 1002
#define WS_LONGEST_CONTROL 125

typedef struct {
    int opcode;
    int last;
    int packed;
    int64_t size;
} ws_head;

typedef struct {
    PyObject *buffer; /* owned: bytes, NULL when there are none */
    Py_ssize_t at;    /* the first that has not been read */
    int64_t left;     /* bytes of the frame's payload that have not been given out */
    unsigned char key[4];
    int takes_packed;
} ws_frames;

/* `data` is bytes, borrowed. 0, -1. */
int ws_frames_feed(ws_frames *self, PyObject *data);
Py_ssize_t ws_frames_waiting(const ws_frames *self);
/* 1: `*head` is the next frame's; 0: it has not come; -1: RemoteProtocolError. */
int ws_frames_head(ws_frames *self, const http_errors *errors, ws_head *head);
/* How many bytes of the frame's payload have come. */
Py_ssize_t ws_frames_ready(const ws_frames *self);
/* Gives out the next `count` of those, without their mask. */
void ws_frames_take(ws_frames *self, char *to, Py_ssize_t count);
void ws_frames_clear(ws_frames *self);

#endif
