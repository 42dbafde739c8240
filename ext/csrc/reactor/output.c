/* See output.h. */
#include "output.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "reactor.h"

/* What has become of an attempt to send. */
enum { FAILED = -1, BLOCKED, YIELDED, SENT, LOST };

/* -- corks --------------------------------------------------------------------------------------------------------- */

static cork *
cork_new(stream *self)
{
    reactor *reactor = self->reactor;
    cork *new = reactor->free_corks;
    if (new != NULL) {
        reactor->free_corks = new->next;
        reactor->free_cork_count--;
    } else {
        new = PyMem_Malloc(sizeof(*new));
        if (new == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
    }
    new->next = NULL;
    new->at = NULL;
    new->stream = self;
    new->start = new->size = 0;
    new->since = 0;
    return new;
}

static void
cork_free(stream *self)
{
    reactor *reactor = self->reactor;
    cork *old = self->cork;
    self->cork = NULL;
    if (old->at != NULL) {
        *old->at = old->next;
        if (old->next != NULL) {
            old->next->at = old->at;
        } else {
            reactor->corked_end = old->at;
        }
    }
    if (reactor->free_cork_count < CORKS_KEPT) {
        old->next = reactor->free_corks;
        reactor->free_corks = old;
        reactor->free_cork_count++;
    } else {
        PyMem_Free(old);
    }
}

void
output_free_corks(reactor *reactor)
{
    while (reactor->free_corks != NULL) {
        cork *old = reactor->free_corks;
        reactor->free_corks = old->next;
        PyMem_Free(old);
    }
    reactor->free_cork_count = 0;
}

void
output_keep(stream *self)
{
    reactor *reactor = self->reactor;
    cork *kept = self->cork;
    if (kept->at != NULL) {
        return;
    }
    if (reactor->corked == NULL) {
        reactor->corked_since = reactor->asked; /* since the request that it waits for has begun */
    }
    kept->at = reactor->corked_end;
    *reactor->corked_end = kept;
    reactor->corked_end = &kept->next;
}

/* -- the queue ----------------------------------------------------------------------------------------------------- */

/* The first piece in the queue; there is a queue. */
static asteri_piece *
head_of(stream *self)
{
    return &self->unsent->pieces[self->unsent->first];
}

/* Takes the first piece out of the queue, which is freed with its last one. Its owner is the caller's. */
static PyObject *
queue_pop(stream *self)
{
    queue *unsent = self->unsent;
    PyObject *owner = unsent->pieces[unsent->first++].owner;
    if (unsent->first == unsent->count) {
        self->unsent = NULL;
        PyMem_Free(unsent);
    }
    return owner;
}

void
output_clear(stream *self)
{
    queue *unsent = self->unsent;
    self->unsent = NULL;
    if (self->cork != NULL) {
        cork_free(self);
    }
    if (unsent != NULL) {
        for (Py_ssize_t index = unsent->first; index < unsent->count; index++) {
            Py_XDECREF(unsent->pieces[index].owner);
        }
        PyMem_Free(unsent);
    }
}

int
output_traverse(stream *self, visitproc visit, void *arg)
{
    queue *unsent = self->unsent;
    if (unsent != NULL) {
        for (Py_ssize_t index = unsent->first; index < unsent->count; index++) {
            Py_VISIT(unsent->pieces[index].owner);
        }
    }
    return 0;
}

/* The connection's own bytes are copied: from here on it may do with them what it likes. */
static int
queue_own(stream *self)
{
    queue *unsent = self->unsent;
    if (unsent == NULL) {
        return 0;
    }
    for (Py_ssize_t index = unsent->first; index < unsent->count; index++) {
        asteri_piece *piece = &unsent->pieces[index];
        if (piece->kind == ASTERI_BYTES && piece->owner == NULL) {
            piece->owner = PyBytes_FromStringAndSize(piece->data, piece->size);
            if (piece->owner == NULL) {
                return -1;
            }
            piece->data = PyBytes_AS_STRING(piece->owner);
        }
    }
    return 0;
}

/* Room for so many pieces, and before them for what a cork may leave. */
static queue *
queue_new(Py_ssize_t count)
{
    queue *made = PyMem_Malloc(sizeof(queue) + (size_t)(count + 1) * sizeof(asteri_piece));
    if (made == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    made->first = 1;
    made->count = count + 1;
    return made;
}

/* What the cork still has stands at the head of the queue afterwards: a peer that is slow keeps no more memory than it
 * has to get. */
static int
cork_to_queue(stream *self)
{
    cork *from = self->cork;
    PyObject *rest = PyBytes_FromStringAndSize(from->data + from->start, from->size - from->start);
    if (rest == NULL) {
        return -1;
    }
    if (self->unsent == NULL) {
        self->unsent = queue_new(0);
        if (self->unsent == NULL) {
            Py_DECREF(rest);
            return -1;
        }
    }
    asteri_piece *head = &self->unsent->pieces[--self->unsent->first];
    head->kind = ASTERI_BYTES;
    head->owner = rest;
    head->data = PyBytes_AS_STRING(rest);
    head->size = PyBytes_GET_SIZE(rest);
    cork_free(self);
    return 0;
}

/* -- sending ------------------------------------------------------------------------------------------------------- */

/* The bytes that stand first, the cork's and those of the queue. Returns how many slices. */
static int
gather(stream *self, struct iovec *slices, size_t *total)
{
    int count = 0;
    *total = 0;
    if (self->cork != NULL) {
        slices[0].iov_base = self->cork->data + self->cork->start;
        slices[0].iov_len = self->cork->size - self->cork->start;
        *total = slices[count++].iov_len;
    }
    queue *unsent = self->unsent;
    Py_ssize_t index = unsent == NULL ? 0 : unsent->first;
    while (unsent != NULL && index < unsent->count && count < ROOM) {
        asteri_piece *piece = &unsent->pieces[index++];
        if (piece->kind != ASTERI_BYTES) {
            break;
        }
        slices[count].iov_base = (void *)piece->data;
        slices[count].iov_len = (size_t)piece->size;
        *total += slices[count++].iov_len;
    }
    return count;
}

/* Whether a file or a polite end follows the `count` slices that stand first: then they wait, and leave with it. */
static int
more_follows(stream *self, int count)
{
    queue *unsent = self->unsent;
    if (unsent == NULL) {
        return 0;
    }
    Py_ssize_t index = unsent->first + count - (self->cork != NULL);
    if (index == unsent->count) {
        return 0;
    }
    const asteri_piece *next = &unsent->pieces[index];
    return next->kind == ASTERI_FILE ? next->length > 0 : next->kind != ASTERI_RESET;
}

/* Whatever is freed may call back, and what that does to the connection must not reach what is still in the queue. 0;
 * -1: MemoryError; the owner (stolen, may be NULL) is released in any case. */
static int
release(stream *self, PyObject *owner)
{
    int status = owner == NULL ? 0 : queue_own(self);
    if (status < 0) {
        output_clear(self); /* rather than bytes that may be others by now */
    }
    Py_XDECREF(owner);
    return status;
}

/* `sent` bytes have left. 0; -1: MemoryError. */
static int
consume(stream *self, size_t sent)
{
    PyObject *owners[ROOM];
    int count = 0, status = 0;
    if (self->cork != NULL) {
        size_t size = self->cork->size - self->cork->start;
        if (sent < size) {
            self->cork->start += (uint32_t)sent;
            return 0;
        }
        sent -= size;
        cork_free(self);
    }
    while (sent > 0) {
        asteri_piece *piece = head_of(self);
        if (sent < (size_t)piece->size) {
            piece->data += sent;
            piece->size -= (Py_ssize_t)sent;
            break;
        }
        sent -= (size_t)piece->size;
        owners[count++] = queue_pop(self);
    }
    while (count > 0) { /* only now that the queue is in order */
        if (release(self, owners[--count]) < 0) {
            status = -1;
        }
    }
    return status;
}

static int
send_bytes(stream *self)
{
    struct iovec slices[ROOM];
    size_t total;
    int count = gather(self, slices, &total);
    int flags = MSG_NOSIGNAL | (more_follows(self, count) ? MSG_MORE : 0);
    ssize_t sent;
    do {
        if (count == 1) {
            sent = send(self->source.fd, slices[0].iov_base, slices[0].iov_len, flags);
        } else {
            struct msghdr message = {.msg_iov = slices, .msg_iovlen = (size_t)count};
            sent = sendmsg(self->source.fd, &message, flags);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? BLOCKED : LOST;
    }
    if (consume(self, (size_t)sent) < 0) {
        return FAILED;
    }
    if ((size_t)sent == total) {
        return SENT;
    }
    if (sent > 0) {
        self->progress = self->reactor->now;
    }
    return BLOCKED;
}

/* The descriptor of the file that stands first. -1: an exception, -2: an OSError, which is the peer's loss alone, -3:
 * that has called us back, and the file stands there no more. */
static int
file_descriptor(stream *self)
{
    if (queue_own(self) < 0) { /* what is called may call back */
        return -1;
    }
    PyObject *file = Py_NewRef(head_of(self)->owner);
    PyObject *number = PyObject_CallMethodNoArgs(file, self->reactor->state->name_fileno);
    int stands = self->unsent != NULL && head_of(self)->kind == ASTERI_FILE && head_of(self)->owner == file;
    Py_DECREF(file);
    long fd = number == NULL ? -1 : PyLong_AsLong(number);
    Py_XDECREF(number);
    if (fd == -1 && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_OSError)) {
        return -1;
    }
    PyErr_Clear();
    return !stands ? -3 : fd < 0 || fd > INT_MAX ? -2 : (int)fd;
}

static int
send_file(stream *self)
{
    if (head_of(self)->length <= 0) {
        return release(self, queue_pop(self)) < 0 ? FAILED : SENT;
    }
    int fd = file_descriptor(self);
    if (fd == -1) {
        return FAILED;
    }
    if (fd == -3) {
        return YIELDED;
    }
    asteri_piece *piece = head_of(self);
    off_t offset = (off_t)piece->offset;
    size_t size = piece->length < FILE_PIECE ? (size_t)piece->length : FILE_PIECE;
    ssize_t sent;
    do {
        sent = sendfile(self->source.fd, fd, &offset, size);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? BLOCKED : LOST;
    }
    if (sent == 0) {
        return LOST; /* the file ended before the announced length */
    }
    if (sent < piece->length) {
        self->progress = self->reactor->now;
        piece->offset += sent;
        piece->length -= sent;
        /* It may have been short for another reason than a full socket: only EAGAIN promises another event. */
        return YIELDED;
    }
    return release(self, queue_pop(self)) < 0 ? FAILED : SENT;
}

static int
end_of_output(stream *self)
{
    asteri_piece_kind end = head_of(self)->kind;
    output_clear(self);
    switch (end) {
    case ASTERI_RESET:
        return stream_reset(self);
    case ASTERI_CLOSE:
        return stream_close(self);
    default:
        return stream_half_close(self);
    }
}

int
output_write(stream *self)
{
    int outcome = SENT;
    while (self->cork != NULL || self->unsent != NULL) {
        asteri_piece *head = self->cork == NULL ? head_of(self) : NULL;
        if (head == NULL || head->kind == ASTERI_BYTES) {
            outcome = send_bytes(self);
        } else if (head->kind == ASTERI_FILE) {
            outcome = send_file(self);
        } else {
            return end_of_output(self);
        }
        if (outcome != SENT) {
            break;
        }
        self->progress = self->reactor->now;
    }
    switch (outcome) {
    case FAILED:
        return -1;
    case LOST:
        if (self->cork != NULL) {
            cork_free(self);
        }
        return stream_lose(self);
    case BLOCKED:
        self->flags &= ~(uint32_t)STREAM_WRITABLE;
        break;
    case YIELDED:
        self->flags |= STREAM_WRITABLE;
        break;
    }
    return self->cork == NULL ? 0 : cork_to_queue(self);
}

void
output_try(stream *self)
{
    cork *from = self->cork;
    ssize_t sent = send(self->source.fd, from->data + from->start, from->size - from->start, MSG_NOSIGNAL);
    if (sent > 0) {
        self->progress = self->reactor->now;
        from->start += (uint32_t)sent;
        if (from->start == from->size) {
            cork_free(self);
        }
    }
}

/* Whether a piece goes into the cork: 1, and it is there; 0; -1: an exception. */
static int
put_in_cork(stream *self, asteri_piece *piece)
{
    if (piece->kind != ASTERI_BYTES || piece->size > (piece->owner != NULL ? COPIED : CORK_SIZE)) {
        return 0;
    }
    if (self->cork == NULL) {
        self->cork = cork_new(self);
        if (self->cork == NULL) {
            return -1;
        }
    }
    if (piece->size > (Py_ssize_t)(CORK_SIZE - self->cork->size)) {
        return 0;
    }
    memcpy(self->cork->data + self->cork->size, piece->data, (size_t)piece->size);
    self->cork->size += (uint32_t)piece->size;
    return 1;
}

int
output_send_now(stream *self, asteri_piece *piece)
{
    if (piece->kind != ASTERI_BYTES) {
        return 0;
    }
    ssize_t sent = send(self->source.fd, piece->data, (size_t)piece->size, MSG_NOSIGNAL);
    if (sent < piece->size) {
        piece->data += sent > 0 ? sent : 0;
        piece->size -= sent > 0 ? sent : 0;
        return 0;
    }
    Py_XDECREF(piece->owner);
    return 1;
}

int
output_take(stream *self, asteri_piece *pieces, Py_ssize_t count)
{
    Py_ssize_t taken = 0;
    int put = 1;
    while (taken < count && (put = put_in_cork(self, &pieces[taken])) == 1) {
        taken++;
    }
    int status = put < 0 ? -1 : 0;
    if (put == 0) {
        self->unsent = queue_new(count - taken);
        if (self->unsent == NULL) {
            status = -1;
        } else {
            memcpy(&self->unsent->pieces[1], &pieces[taken], (size_t)(count - taken) * sizeof(*pieces));
            count = taken;
            status = output_write(self) < 0 ? -1 : queue_own(self);
        }
    }
    /* Last: whatever is freed may call back. */
    for (Py_ssize_t index = 0; index < count; index++) {
        Py_XDECREF(pieces[index].owner);
    }
    return status;
}
