/* See reactor.h: listening sockets, and the peers that come by them. */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "reactor.h"

struct listener {
    source source;     /* source.state: whether it is listened to */
    PyObject *socket;  /* owned, the caller's to close */
    PyObject *factory; /* owned */
    PyObject *local;   /* owned: the address of each of its peers' sockets; NULL: they have to be asked */
    int sets_nodelay;  /* accepted sockets do not inherit TCP_NODELAY */
    listener *next;
};

/* -- accepting or not ---------------------------------------------------------------------------------------------- */

static void
stop_accepting(reactor *self)
{
    if (self->accepting) {
        self->accepting = 0;
        for (listener *next = self->listeners; next != NULL; next = next->next) {
            (void)reactor_watch(self, EPOLL_CTL_DEL, &next->source, 0);
        }
    }
}

/* Whatever has failed, it is not worth the running requests. 0; -1: what the log has raised. */
static int
pause_accepting(reactor *self, int error)
{
    stop_accepting(self);
    self->pause_until = self->now + ACCEPT_PAUSE;
    reactor_sleeps_until(self, self->pause_until);
    PyObject *reason = PyObject_CallFunction(PyExc_OSError, "is", error, strerror(error));
    PyObject *done = NULL;
    if (reason != NULL) {
        static const char message[] = "accepting pauses for %.0f s: %s";
        done = PyObject_CallMethod(self->state->log, "error", "sdO", message, ACCEPT_PAUSE, reason);
    }
    Py_XDECREF(reason);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

void
reactor_resume_accepting(reactor *self)
{
    if (self->accepting || self->listeners == NULL || self->pause_until < INFINITY ||
        self->connections >= self->max_connections || self->epoll < 0) {
        return;
    }
    self->accepting = 1;
    for (listener *next = self->listeners; next != NULL; next = next->next) {
        if (reactor_watch(self, EPOLL_CTL_ADD, &next->source, EPOLLIN) < 0 && errno != EEXIST) {
            if (pause_accepting(self, errno) < 0) {
                PyErr_WriteUnraisable(self->state->log);
            }
            return;
        }
    }
}

/* -- one peer ------------------------------------------------------------------------------------------------------ */

static int
set_nodelay(int fd)
{
    const int on = 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int
is_internet(int family)
{
    return family == AF_INET || family == AF_INET6;
}

/* The peer of a socket that was just accepted; a new reference. NULL without an exception: it has left already. */
static PyObject *
peer_of(reactor *self, const listener *by, int fd, const socket_address *address, socklen_t size)
{
    PyObject *local = Py_XNewRef(by->local);
    if (local == NULL) {
        socket_address own;
        socklen_t own_size = sizeof(own);
        if (getsockname(fd, &own.any, &own_size) < 0) {
            return NULL;
        }
        local = address_object(&self->hosts, &own, own_size);
        if (local == NULL) {
            return NULL;
        }
    }
    PyObject *remote = address_object(&self->hosts, address, size);
    PyObject *peer = NULL;
    if (remote != NULL) {
        PyObject *items[] = {remote, local, self->state->http, Py_None};
        peer = named_tuple(self->state->peer, items, 4);
        Py_DECREF(remote);
    }
    Py_DECREF(local);
    return peer;
}

/* Begins with a peer; `fd` is stolen. 0; -1: an interrupt. */
static int
begin(reactor *self, const listener *by, int fd, const socket_address *address, socklen_t size)
{
    if (by->sets_nodelay && set_nodelay(fd) < 0) {
        close(fd); /* the peer has left; some systems then refuse the options */
        return 0;
    }
    PyObject *connection = NULL;
    PyObject *factory = Py_NewRef(by->factory);
    PyObject *peer = peer_of(self, by, fd, address, size);
    int failed = peer == NULL;
    if (peer != NULL) {
        connection = connection_new(factory, peer, self->now);
        if (connection != NULL) {
            failed = stream_open(self, fd, peer, connection) < 0;
            fd = -1;
        }
    }
    if (fd >= 0) {
        close(fd);
        failed = PyErr_Occurred() != NULL;
    }
    Py_DECREF(factory);
    Py_XDECREF(peer);
    Py_XDECREF(connection);
    if (failed && is_mere_exception()) {
        return log_exception(self->state, "a connection has failed, its peer is given up");
    }
    return failed ? -1 : 0;
}

/* What accept says when there is no peer (any more): accept(2) passes on what has happened to the waiting one. */
static int
is_the_peers_own(int error)
{
    switch (error) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ETIMEDOUT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
        return 1;
    default:
        return 0;
    }
}

/* Accepts one peer. 1; 0: there is none, or no room for one; -1. */
static int
accept_one(reactor *self, listener *by)
{
    socket_address address;
    socklen_t size = sizeof(address);
    int fd = accept4(by->source.fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        return is_the_peers_own(error) ? 0 : pause_accepting(self, error);
    }
    self->accepted++;
    return begin(self, by, fd, &address, size < sizeof(address) ? size : sizeof(address)) < 0 ? -1 : 1;
}

int
listener_ready(reactor *self, source *source)
{
    listener *by = (listener *)source;
    for (Py_ssize_t count = 0; count < self->accept_batch; count++) {
        /* Since this turn began the last place may have been taken, or the listener is no longer ours. */
        if (!self->accepting || !source->state) {
            return 0;
        }
        int got = accept_one(self, by);
        if (got <= 0) {
            return got;
        }
        if (self->connections >= self->max_connections) {
            stop_accepting(self);
        }
    }
    return 0;
}

int
reactor_accept_waiting(reactor *self)
{
    for (listener *by = self->listeners, *next; by != NULL; by = next) {
        next = by->next;
        if (!by->source.state) {
            continue;
        }
        /* Its owner may have closed it, and the number may be another one's by now. */
        int fd = PyObject_AsFileDescriptor(by->socket);
        PyErr_Clear();
        if (fd != by->source.fd) {
            if (pause_accepting(self, EBADF) < 0) {
                return -1;
            }
            continue;
        }
        int got = 1;
        while (got > 0 && by->source.state && self->connections < self->max_connections) {
            got = accept_one(self, by);
        }
        if (got < 0) {
            return -1;
        }
    }
    return 0;
}

/* -- listening ----------------------------------------------------------------------------------------------------- */

/* What can be known before any peer comes. 0; -1: an exception. */
static int
examine(listener *self, known_hosts *hosts)
{
    socket_address own;
    socklen_t size = sizeof(own);
    if (getsockname(self->source.fd, &own.any, &size) < 0) {
        return 0; /* accepting will say what is wrong */
    }
    if (is_internet(own.any.sa_family)) {
        self->sets_nodelay = set_nodelay(self->source.fd) < 0;
    }
    if (address_is_definite(&own)) {
        self->local = address_object(hosts, &own, size);
        return self->local == NULL ? -1 : 0;
    }
    return 0;
}

static void
listener_clear(listener *self)
{
    Py_CLEAR(self->socket);
    Py_CLEAR(self->factory);
    Py_CLEAR(self->local);
}

int
reactor_listen(reactor *self, PyObject *socket, PyObject *factory)
{
    for (listener *one = self->listeners; one != NULL; one = one->next) {
        if (one->socket == socket) {
            Py_XSETREF(one->factory, Py_NewRef(factory));
            return 0;
        }
    }
    int fd = PyObject_AsFileDescriptor(socket);
    if (fd < 0) {
        return -1;
    }
    listener *new = PyMem_Calloc(1, sizeof(*new));
    if (new == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    new->source = (source){.fd = fd, .kind = SOURCE_LISTENER, .state = 1};
    new->socket = Py_NewRef(socket);
    new->factory = Py_NewRef(factory);
    if (examine(new, &self->hosts) < 0) {
        goto failed;
    }
    if (self->accepting && reactor_watch(self, EPOLL_CTL_ADD, &new->source, EPOLLIN) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        goto failed;
    }
    listener **end = &self->listeners;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = new;
    reactor_resume_accepting(self);
    return 0;
failed:
    listener_clear(new);
    PyMem_Free(new);
    return -1;
}

void
reactor_unlisten(reactor *self)
{
    stop_accepting(self);
    while (self->listeners != NULL) {
        listener *old = self->listeners;
        self->listeners = old->next;
        old->source.state = 0;
        /* An event of this turn may point to it, and its own factory may be what has called us. */
        old->next = self->former_listeners;
        self->former_listeners = old;
        self->remains = 1;
    }
}

int
reactor_attach(reactor *self, PyObject *socket, PyObject *peer, PyObject *factory)
{
    reactor_state *state = self->state;
    PyObject *arguments[] = {socket, Py_False};
    PyObject *done = PyObject_VectorcallMethod(state->name_setblocking, arguments, 2, NULL);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    int fd = PyObject_AsFileDescriptor(socket);
    int family = 0;
    socklen_t size = sizeof(family);
    if (fd < 0) {
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 || (is_internet(family) && set_nodelay(fd) < 0)) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    PyObject *connection = connection_new(factory, peer, self->now);
    if (connection == NULL) {
        return -1;
    }
    int status = -1;
    PyObject *number = PyObject_CallMethodNoArgs(socket, state->name_detach);
    fd = number == NULL ? -1 : (int)PyLong_AsLong(number);
    Py_XDECREF(number);
    if (fd >= 0 || !PyErr_Occurred()) { /* -1: its factory has closed it, which is found out as of any other peer */
        status = stream_open(self, fd, peer, connection);
    }
    Py_DECREF(connection);
    return status;
}

int
listeners_traverse(reactor *self, visitproc visit, void *arg)
{
    listener *lists[] = {self->listeners, self->former_listeners};
    for (size_t index = 0; index < sizeof(lists) / sizeof(lists[0]); index++) {
        for (listener *next = lists[index]; next != NULL; next = next->next) {
            Py_VISIT(next->socket);
            Py_VISIT(next->factory);
            Py_VISIT(next->local);
        }
    }
    return 0;
}

void
listeners_free(reactor *self)
{
    for (listener *next = self->former_listeners; next != NULL; next = next->next) {
        listener_clear(next);
    }
}

void
listeners_release(reactor *self)
{
    while (self->former_listeners != NULL) {
        listener *old = self->former_listeners;
        self->former_listeners = old->next;
        PyMem_Free(old);
    }
}
