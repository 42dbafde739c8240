/* See frames.h. */
#include "frames.h"

#include <string.h>

#define FIN 0x80
#define PACKED 0x40
#define RESERVED 0x30
#define MASKED 0x80

Py_ssize_t
ws_frames_waiting(const ws_frames *self)
{
    return self->buffer == NULL ? 0 : PyBytes_GET_SIZE(self->buffer) - self->at;
}

int
ws_frames_feed(ws_frames *self, PyObject *data)
{
    Py_ssize_t rest = ws_frames_waiting(self);
    PyObject *all;
    if (rest == 0) {
        all = Py_NewRef(data);
    } else {
        all = PyBytes_FromStringAndSize(NULL, rest + PyBytes_GET_SIZE(data));
        if (all == NULL) {
            return -1;
        }
        memcpy(PyBytes_AS_STRING(all), PyBytes_AS_STRING(self->buffer) + self->at, (size_t)rest);
        memcpy(PyBytes_AS_STRING(all) + rest, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data));
    }
    Py_XSETREF(self->buffer, all);
    self->at = 0;
    return 0;
}

void
ws_frames_clear(ws_frames *self)
{
    Py_CLEAR(self->buffer);
    self->at = 0;
}

/* A peer may be silent for long: what has been read is not kept until it speaks again. */
static void
drop_read(ws_frames *self)
{
    if (ws_frames_waiting(self) == 0) {
        ws_frames_clear(self);
    }
}

static int
is_opcode(int number)
{
    return number <= WS_BINARY || (number >= WS_CLOSE && number <= WS_PONG);
}

/* What the first two bytes say. 0, -1. */
static int
check(const ws_frames *self, const http_errors *errors, int first, int second)
{
    int opcode = first & 0x0F, size = second & 0x7F;
    if (!is_opcode(opcode)) {
        return http_refuse(errors, WS_PROTOCOL_ERROR, "an opcode that there is not: %d", opcode);
    }
    if (first & RESERVED || (first & PACKED && !(self->takes_packed && opcode > 0 && opcode < WS_CLOSE))) {
        return http_refuse(errors, WS_PROTOCOL_ERROR, "a reserved bit is set (section 5.2)");
    }
    if (!(second & MASKED)) {
        return http_refuse(errors, WS_PROTOCOL_ERROR, "a frame without a mask (section 5.1)");
    }
    if (opcode >= WS_CLOSE && (size > WS_LONGEST_CONTROL || !(first & FIN))) {
        return http_refuse(errors, WS_PROTOCOL_ERROR, "a control frame that is long or in parts (section 5.5)");
    }
    return 0;
}

int
ws_frames_head(ws_frames *self, const http_errors *errors, ws_head *head)
{
    Py_ssize_t waiting = ws_frames_waiting(self), used = 2;
    if (waiting < 2) {
        return 0;
    }
    const unsigned char *data = (const unsigned char *)PyBytes_AS_STRING(self->buffer) + self->at;
    if (check(self, errors, data[0], data[1]) < 0) {
        return -1;
    }
    uint64_t size = data[1] & 0x7F;
    if (size > WS_LONGEST_CONTROL) {
        int bytes = size == 126 ? 2 : 8;
        uint64_t least = size == 126 ? 126 : UINT64_C(1) << 16;
        if (waiting < used + bytes) {
            return 0;
        }
        size = 0;
        for (int byte = 0; byte < bytes; byte++) {
            size = size << 8 | data[used++];
        }
        if (size < least || size >> 63) {
            return http_refuse(errors, WS_PROTOCOL_ERROR,
                               "a length of %llu in more bytes than it needs, or than there are",
                               (unsigned long long)size);
        }
    }
    if (waiting < used + 4) {
        return 0;
    }
    memcpy(self->key, data + used, 4);
    self->at += used + 4;
    self->left = (int64_t)size;
    *head = (ws_head){data[0] & 0x0F, (data[0] & FIN) != 0, (data[0] & PACKED) != 0, (int64_t)size};
    drop_read(self);
    return 1;
}

Py_ssize_t
ws_frames_ready(const ws_frames *self)
{
    Py_ssize_t waiting = ws_frames_waiting(self);
    return waiting < self->left ? waiting : (Py_ssize_t)self->left;
}

void
ws_frames_take(ws_frames *self, char *to, Py_ssize_t count)
{
    if (count == 0) {
        return;
    }
    const char *from = PyBytes_AS_STRING(self->buffer) + self->at;
    unsigned char *key = self->key;
    uint64_t word, mask;
    unsigned char twice[8] = {key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]};
    memcpy(&mask, twice, 8);
    Py_ssize_t at = 0;
    for (; count - at >= 8; at += 8) {
        memcpy(&word, from + at, 8);
        word ^= mask;
        memcpy(to + at, &word, 8);
    }
    for (; at < count; at++) {
        to[at] = (char)((unsigned char)from[at] ^ key[at & 3]);
    }
    memcpy(key, twice + (count & 3), 4); /* the rest of the payload goes on with it */
    self->at += count;
    self->left -= count;
    drop_read(self);
}
