/* See stream.h. */
#include "stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reactor.h"

/* With these a recv that is short is not the last one: the end is still to be read, or it stops at urgent data. */
#define ENDINGS (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)
#define WATCHED (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET)

_Static_assert(sizeof(stream) <= 200, "an idle peer is small");

/* -- what the connection says -------------------------------------------------------------------------------------- */

/* `asteri_driver.wake`. */
static void
wake(asteri_driver *driver)
{
    stream *self = (stream *)((char *)driver - offsetof(stream, driver));
    if (self->flags & STREAM_PUMPING) {
        self->flags |= STREAM_AGAIN;
    } else if (!(self->flags & STREAM_DIRTY)) {
        reactor_mark(self->reactor, self);
    }
}

/* The connection (borrowed) owns the bytes from here on. 0; -1: any exception, and nothing has changed. */
static int
adopt(stream *self, PyObject *connection)
{
    const asteri_connection_v1 *functions = reactor_functions(self->reactor, Py_TYPE(connection));
    PyObject *driven = functions != NULL ? Py_NewRef(connection) : adapter_new(self->reactor->state, connection);
    if (driven == NULL) {
        return -1;
    }
    PyObject *before = self->connection;
    if (before != NULL) {
        self->functions->drive(before, NULL);
    }
    self->connection = driven;
    self->functions = functions != NULL ? functions : &adapter_functions;
    self->functions->drive(driven, &self->driver);
    self->flags &= ~(uint32_t)STREAM_ADVANCES;
    if (self->functions->size > (Py_ssize_t)offsetof(asteri_connection_v1, advance) &&
        self->functions->advance != NULL) {
        self->flags |= STREAM_ADVANCES;
    }
    Py_XDECREF(before);
    return 0;
}

/* The connection hands the stream over to another one (borrowed). `leftover` is bytes. 0; -1: any exception. */
static int
switch_to(stream *self, PyObject *connection, PyObject *leftover)
{
    double now = self->reactor->now;
    if (adopt(self, connection) < 0) {
        return -1;
    }
    const asteri_connection_v1 *functions = self->functions;
    Py_ssize_t size = PyBytes_GET_SIZE(leftover);
    if (size > 0 && functions->receive_data(self->connection, PyBytes_AS_STRING(leftover), size, now) < 0) {
        return -1;
    }
    if (self->flags & STREAM_EOF && functions->receive_eof(self->connection, now) < 0) {
        return -1;
    }
    if (self->flags & STREAM_DRAINING && functions->drain(self->connection, self->drain_until, now) < 0) {
        return -1;
    }
    return 0;
}

/* A request begins. What was gathered for those before it may wait for its answer, but not for long. */
static int
start(stream *self, PyObject *exchange)
{
    reactor *reactor = self->reactor;
    if (self->cork != NULL) {
        double now;
        if (reactor_time(reactor, &now) < 0) {
            return -1;
        }
        if (self->cork->since == 0) {
            /* Only requests that come one behind the other ask for the time: this was at most one before. */
            self->cork->since = reactor->asked;
        }
        reactor->asked = now;
        if (now - self->cork->since >= CORK_SECONDS) {
            self->cork->since = now;
            output_try(self);
        }
    }
    return reactor_call(reactor, reactor->started, exchange, NULL);
}

/* Passes on an event, which it takes over. `*begun`, which is only compared, is an exchange that has begun and is not
 * over. 0; -1: any exception. */
static int
pass_event(stream *self, const asteri_event *event, const PyObject **begun)
{
    reactor *reactor = self->reactor;
    int status = 0;
    switch (event->kind) {
    case ASTERI_STARTED:
        *begun = event->object;
        status = start(self, event->object);
        break;
    case ASTERI_FINISHED:
        *begun = event->object == *begun ? NULL : *begun;
        status = reactor_call(reactor, reactor->finished, event->object, NULL);
        break;
    case ASTERI_FAILED:
        status = reactor_call(reactor, reactor->failed, event->object, self->peer);
        break;
    case ASTERI_SWITCHED:
        status = switch_to(self, event->object, event->leftover);
        Py_DECREF(event->leftover);
        break;
    }
    Py_DECREF(event->object);
    return status;
}

/* Whether `list`, NULL for an empty one, has this very object. */
static int
is_among(PyObject *list, PyObject *object)
{
    Py_ssize_t count = list == NULL ? 0 : PyList_GET_SIZE(list);
    for (Py_ssize_t index = 0; index < count; index++) {
        if (PyList_GET_ITEM(list, index) == object) {
            return 1;
        }
    }
    return 0;
}

/* What has ended is told; what has only begun now is not, neither that it began nor that it ended. 0; -1: any
 * exception. */
static int
pass_last_events(stream *self)
{
    PyObject *unheard = NULL; /* ours alone */
    int status = 0;
    while (status == 0 && self->source.state != STREAM_CLOSED) {
        asteri_event event;
        int got = self->functions->next_event(self->connection, &event);
        if (got <= 0) {
            status = got;
            break;
        }
        if (event.kind == ASTERI_STARTED) {
            if (unheard == NULL) {
                unheard = PyList_New(0);
            }
            status = unheard == NULL ? -1 : PyList_Append(unheard, event.object);
        } else if (event.kind == ASTERI_FINISHED && !is_among(unheard, event.object)) {
            self->flags |= self->flags & STREAM_LOSING ? STREAM_CUT : 0;
            status = reactor_call(self->reactor, self->reactor->finished, event.object, NULL);
        }
        Py_DECREF(event.object);
        Py_XDECREF(event.leftover);
    }
    Py_XDECREF(unheard);
    return status < 0 ? -1 : 0;
}

/* -- the life of the socket ---------------------------------------------------------------------------------------- */

void
stream_drop(stream *self)
{
    if (self->source.state == STREAM_CLOSED) {
        return;
    }
    self->source.state = STREAM_CLOSED;
    if (self->flags & STREAM_REGISTERED) {
        /* Closing would do, but for a forked child that has a copy of the descriptor. */
        (void)reactor_watch(self->reactor, EPOLL_CTL_DEL, &self->source, 0);
    }
    close(self->source.fd);
    self->source.fd = -1;
    output_clear(self);
    reactor_forget(self->reactor, self);
    if (self->connection != NULL) {
        self->functions->drive(self->connection, NULL);
    }
}

void
stream_release(stream *self)
{
    Py_CLEAR(self->connection);
    Py_CLEAR(self->peer);
}

int
stream_traverse(stream *self, visitproc visit, void *arg)
{
    Py_VISIT(self->connection);
    Py_VISIT(self->peer);
    return output_traverse(self, visit, arg);
}

int
stream_close(stream *self)
{
    self->source.state = STREAM_ENDING;
    self->flags |= STREAM_TELLING;
    int status = pass_last_events(self);
    self->flags &= ~(uint32_t)STREAM_TELLING;
    if (status < 0 || self->source.state == STREAM_CLOSED) { /* who was told may have given it up */
        return status;
    }
    if (self->flags & STREAM_CUT) {
        /* SO_LINGER with a time of zero: close sends a reset (POSIX.1-2017, setsockopt, and tcp(7)). */
        const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(self->source.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    stream_drop(self);
    return 0;
}

/* Bytes of ours that the peer's system has not acknowledged (tcp(7), SIOCOUTQ), a half-close not counted. */
static int
on_its_way(int fd)
{
    int family = AF_UNIX, count = 0;
    socklen_t size = sizeof(family);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 || family == AF_UNIX) {
        return 0; /* what was sent is there */
    }
    return ioctl(fd, SIOCOUTQ, &count) < 0 || count < 1 ? 0 : count - 1;
}

int
stream_half_close(stream *self)
{
    double now = self->reactor->now;
    int late = now >= self->progress + LINGER_SECONDS;
    if (self->flags & STREAM_EOF || (late && !on_its_way(self->source.fd))) {
        /* Nothing of ours can still be on its way: the peer of an idle connection holds nothing up. */
        return stream_close(self);
    }
    self->source.state = STREAM_LINGERING;
    self->until = (late ? now : self->progress) + LINGER_SECONDS;
    if (shutdown(self->source.fd, SHUT_WR) < 0) {
        return stream_close(self);
    }
    return 0;
}

/* The system may have taken an answer of megabytes at once. Its peer says meanwhile how much it has read, and what comes
 * to a closed socket makes the system send a reset. 0; -1: any exception. */
static int
linger(stream *self)
{
    double now = self->reactor->now;
    int left = on_its_way(self->source.fd), before = self->left;
    int stalled = before && left >= before && now >= self->progress + self->reactor->write_timeout;
    if (stalled || !(left || before)) {
        return stream_close(self);
    }
    if (left < before || !before) {
        self->progress = now;
    }
    self->left = left;
    self->until = now + LINGER_SECONDS;
    return 0;
}

int
stream_reset(stream *self)
{
    self->flags |= STREAM_CUT;
    return stream_close(self);
}

/* If that cuts an answer, the peer gets a reset: content that ends with the connection would look whole. */
int
stream_lose(stream *self)
{
    if (self->source.state == STREAM_ENDING || self->source.state == STREAM_CLOSED) {
        output_clear(self); /* handed out while it was given up */
        return 0;
    }
    if (self->cork != NULL) {
        output_try(self); /* these bytes only wait for company */
    }
    if (self->unsent != NULL || self->cork != NULL) {
        self->flags |= STREAM_CUT;
    }
    output_clear(self);
    if (self->source.state == STREAM_OPEN) {
        self->source.state = STREAM_ENDING;
        self->flags |= STREAM_LOSING;
        if (self->functions->lost(self->connection, self->reactor->now) < 0) {
            return -1;
        }
    }
    return stream_close(self);
}

/* The connection has raised: what has ended is told even where `lost` raises as well. */
static int
give_up(stream *self)
{
    int (*const ends[])(stream *) = {stream_lose, stream_close};
    reactor_state *state = self->reactor->state;
    int status = log_exception(state, "a connection has failed, its peer is given up");
    for (int index = 0; index < 2 && status == 0 && self->source.state != STREAM_CLOSED; index++) {
        if (ends[index](self) < 0) {
            status = is_mere_exception() ? log_exception(state, "the failed connection cannot even end") : -1;
        }
    }
    if (self->source.state != STREAM_CLOSED) {
        PyObject *error = status < 0 ? asteri_raised_take() : NULL;
        stream_drop(self);
        if (error != NULL) {
            asteri_raised_give(error);
        }
    }
    return status;
}

/* Something of this stream has raised. An interrupt is none of its affair: it goes on in another turn. */
static int
raised(stream *self)
{
    if (is_mere_exception()) {
        return give_up(self);
    }
    if (self->source.state != STREAM_CLOSED) {
        reactor_queue(self->reactor, self);
    }
    return -1;
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

/* 0; -1: any exception. */
static int
read_some(stream *self)
{
    reactor *reactor = self->reactor;
    ssize_t size;
    do {
        size = recv(self->source.fd, reactor->buffer, READ_SIZE, 0);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            self->flags &= ~(uint32_t)(STREAM_READABLE | STREAM_ENDED);
            return 0;
        }
        return stream_lose(self);
    }
    if (size == 0 || (size < READ_SIZE && !(self->flags & STREAM_ENDED))) {
        /* Short: there was no more. What has come since has made an event of its own (epoll(7), question 9). */
        self->flags &= ~(uint32_t)STREAM_READABLE;
    }
    if (self->source.state == STREAM_LINGERING) {
        self->lingered += (uint32_t)size;
        return size == 0 || self->lingered > LINGER_BYTES ? stream_close(self) : 0;
    }
    if (size > 0) {
        return self->functions->receive_data(self->connection, reactor->buffer, size, reactor->now);
    }
    /* Said here, since a turn within a pump of this stream may come by again before that one settles. */
    self->flags = (self->flags | STREAM_EOF) & ~(uint32_t)STREAM_WANTED;
    return self->functions->receive_eof(self->connection, reactor->now);
}

void
stream_note(stream *self, uint32_t events)
{
    if (self->source.state == STREAM_CLOSED) {
        return;
    }
    if (events & (EPOLLIN | ENDINGS)) {
        self->flags |= STREAM_READABLE;
    }
    if (events & ENDINGS) {
        self->flags |= STREAM_ENDED;
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        self->flags |= STREAM_WRITABLE;
    }
    if ((events & (EPOLLIN | EPOLLOUT)) == EPOLLOUT && self->unsent == NULL && self->flags & STREAM_OUT) {
        /* Only for what nobody waits for any more. TCP says so once; a unix socket would with every answer. */
        self->flags &= ~(uint32_t)STREAM_OUT;
        (void)reactor_watch(self->reactor, EPOLL_CTL_MOD, &self->source, WATCHED);
    }
}

int
stream_ready(stream *self, uint32_t events)
{
    stream_note(self, events);
    if (self->source.state == STREAM_ENDING) {
        return stream_pump(self, WAIT_FOR_NONE);
    }
    if (self->unsent != NULL && self->flags & STREAM_WRITABLE && output_write(self) < 0 && raised(self) < 0) {
        return -1;
    }
    const uint32_t both = STREAM_READABLE | STREAM_WANTED;
    if (self->source.state != STREAM_CLOSED && (self->flags & both) == both) {
        if (read_some(self) < 0 && raised(self) < 0) {
            return -1;
        }
    }
    return stream_pump(self, WAIT_FOR_NONE);
}

/* -- pumping ------------------------------------------------------------------------------------------------------- */

/* What the connection has next, as `asteri_connection_v1.advance`; how it stands only with STREAM_ADVANCES. */
static int
advance(stream *self, asteri_piece *pieces, Py_ssize_t room, asteri_step *step)
{
    const asteri_connection_v1 *functions = self->functions;
    double now = self->reactor->now;
    if (self->flags & STREAM_ADVANCES) {
        return functions->advance(self->connection, now, pieces, room, step);
    }
    int got = functions->next_event(self->connection, &step->event);
    if (got != 0) {
        return got < 0 ? -1 : ASTERI_EVENT;
    }
    if (room > 0) {
        step->count = functions->data_to_send(self->connection, now, pieces, room);
        step->last = 0;
        if (step->count != 0) {
            return step->count < 0 ? -1 : ASTERI_PIECES;
        }
    }
    return ASTERI_REST;
}

/* Takes over what is to be sent; `alone`: nothing comes that it may wait for. 0; -1: any exception. */
static int
take(stream *self, asteri_piece *pieces, Py_ssize_t count, int alone)
{
    if (pieces[0].kind == ASTERI_BYTES || pieces[0].kind == ASTERI_FILE) {
        self->progress = self->reactor->now;
    }
    self->flags |= STREAM_AGAIN;
    if (alone && count == 1 && self->cork == NULL && output_send_now(self, pieces)) {
        return 0;
    }
    return output_take(self, pieces, count);
}

/* Until the connection has no more; what can leave has left afterwards, but for a cork that `later` allows to keep. 1:
 * `rest` is how the connection stands; 0: that is not known; -1: any exception. */
static int
pass_on(stream *self, wait_for later, asteri_step *rest)
{
    asteri_piece pieces[ROOM];
    const PyObject *begun = NULL; /* what an answer may wait for */
    int got, status = 0;
    do {
        self->flags &= ~(uint32_t)STREAM_AGAIN;
        int open = self->source.state == STREAM_OPEN && self->unsent == NULL;
        got = advance(self, pieces, open ? ROOM : 0, rest);
        if (got == ASTERI_EVENT) {
            status = pass_event(self, &rest->event, &begun);
        } else if (got == ASTERI_PIECES) {
            status = take(self, pieces, rest->count, rest->last && later != WAIT_FOR_ALL);
        }
        if (got < 0 || status < 0) {
            return -1;
        }
        /* Once more has to be asked after an event, and what has had something new is, while all leaves. */
    } while ((got == ASTERI_EVENT || (self->flags & STREAM_AGAIN && self->unsent == NULL)) &&
             self->source.state != STREAM_CLOSED);
    if (self->cork != NULL) {
        int waits = later == WAIT_FOR_ALL || (later == WAIT_FOR_OWN && begun != NULL);
        if (waits && self->unsent == NULL && self->source.state == STREAM_OPEN) {
            self->reactor->together += begun == NULL;
            output_keep(self);
        } else if (output_write(self) < 0) {
            return -1;
        }
    }
    return got == ASTERI_REST && (self->flags & (STREAM_ADVANCES | STREAM_AGAIN)) == STREAM_ADVANCES;
}

/* After every change: what to watch the socket for, and until when. `rest` is how the connection stands; NULL: it is
 * asked. 0; -1: any exception. */
static int
settle(stream *self, const asteri_step *rest)
{
    reactor *reactor = self->reactor;
    double deadline;
    int wants = 1;
    if (self->source.state == STREAM_ENDING || self->source.state == STREAM_CLOSED) {
        return 0;
    }
    if (self->source.state == STREAM_LINGERING) {
        deadline = self->until;
    } else {
        if (rest != NULL) {
            wants = self->flags & STREAM_EOF ? 0 : rest->wants_data;
            deadline = rest->deadline;
        } else {
            wants = self->flags & STREAM_EOF ? 0 : self->functions->wants_data(self->connection);
            deadline = wants < 0 ? NAN : self->functions->deadline(self->connection);
            if (isnan(deadline)) {
                return -1;
            }
        }
        if (self->unsent != NULL) {
            double stalled = self->progress + reactor->write_timeout;
            deadline = stalled < deadline ? stalled : deadline;
        }
    }
    self->flags = wants ? self->flags | STREAM_WANTED : self->flags & ~(uint32_t)STREAM_WANTED;
    int stuck = self->unsent != NULL && !(self->flags & STREAM_WRITABLE);
    if (!(self->flags & STREAM_REGISTERED) || (stuck && !(self->flags & STREAM_OUT))) {
        int operation = self->flags & STREAM_REGISTERED ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        uint32_t events = WATCHED | (stuck ? EPOLLOUT : 0);
        if (reactor_watch(reactor, operation, &self->source, events) < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        self->flags |= STREAM_REGISTERED | (stuck ? STREAM_OUT : 0);
    }
    if ((self->flags & STREAM_READABLE && wants) || (self->unsent != NULL && !stuck)) {
        reactor_list(reactor, self);
    }
    if (deadline < ASTERI_NEVER && (self->deadline.tick == 0 || deadline < self->due)) {
        self->due = deadline;
        reactor_set_deadline(reactor, self, deadline);
    }
    return 0;
}

int
stream_pump(stream *self, wait_for later)
{
    asteri_step rest;
    int known = 0;
    self->flags &= ~(uint32_t)STREAM_DIRTY;
    if (self->source.state == STREAM_OPEN) {
        if (self->flags & STREAM_PUMPING) {
            /* Further up the stack, and it goes on there. */
            self->flags |= STREAM_AGAIN;
            return 0;
        }
        reactor *reactor = self->reactor;
        pump_frame frame = {self, reactor->pumps};
        reactor->pumps = &frame;
        self->flags |= STREAM_PUMPING;
        known = pass_on(self, later, &rest);
        self->flags &= ~(uint32_t)STREAM_PUMPING;
        reactor->pumps = frame.below;
        if (known < 0) {
            return raised(self);
        }
    }
    if (self->source.state == STREAM_ENDING && !(self->flags & STREAM_TELLING) && stream_close(self) < 0) {
        return raised(self); /* an interrupt had come between */
    }
    return settle(self, known ? &rest : NULL) < 0 ? raised(self) : 0;
}

int
stream_pump_within(stream *self)
{
    if (self->source.state != STREAM_OPEN) {
        return 0;
    }
    asteri_step rest;
    int status = pass_on(self, WAIT_FOR_NONE, &rest) < 0 || settle(self, NULL) < 0 ? raised(self) : 0;
    self->flags |= STREAM_AGAIN;
    return status;
}

int
stream_uncork(stream *self)
{
    return output_write(self) < 0 || settle(self, NULL) < 0 ? raised(self) : 0;
}

/* -- what the reactor says ----------------------------------------------------------------------------------------- */

int
stream_open(reactor *reactor, int fd, PyObject *peer, PyObject *connection)
{
    stream *self = reactor_new_stream(reactor);
    if (self == NULL) {
        close(fd);
        return -1;
    }
    self->source.fd = fd;
    self->driver.wake = wake;
    self->progress = reactor->now;
    self->peer = Py_NewRef(peer);
    if (adopt(self, connection) < 0) {
        PyObject *error = asteri_raised_take();
        stream_drop(self);
        asteri_raised_give(error);
        return -1;
    }
    return stream_pump(self, WAIT_FOR_NONE);
}

int
stream_expire(stream *self)
{
    reactor *reactor = self->reactor;
    int status = 0;
    if (self->source.state == STREAM_LINGERING) {
        if (reactor->now >= self->until) {
            status = linger(self);
        }
    } else if (self->source.state == STREAM_OPEN) {
        if (self->unsent != NULL && reactor->now >= self->progress + reactor->write_timeout) {
            status = stream_lose(self);
        } else {
            status = self->functions->expire(self->connection, reactor->now);
        }
    }
    if (status < 0 && raised(self) < 0) {
        return -1;
    }
    return stream_pump(self, WAIT_FOR_NONE);
}

int
stream_drain(stream *self, double until)
{
    if (self->source.state != STREAM_OPEN) {
        return 0;
    }
    self->flags |= STREAM_DRAINING;
    self->drain_until = until;
    if (self->functions->drain(self->connection, until, self->reactor->now) < 0 && raised(self) < 0) {
        return -1;
    }
    return stream_pump(self, WAIT_FOR_NONE);
}

int
stream_abandon(stream *self)
{
    return stream_lose(self) < 0 ? raised(self) : 0;
}
