/* See address.h. */
#include "address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

static PyObject *
host_and_port(int family, const void *host, in_port_t port)
{
    char text[INET6_ADDRSTRLEN];
    if (inet_ntop(family, host, text, sizeof(text)) == NULL) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("(si)", text, (int)ntohs(port));
}

PyObject *
address_object(const socket_address *address, socklen_t size)
{
    if (size < sizeof(sa_family_t)) {
        return PyUnicode_New(0, 0);
    }
    switch (address->any.sa_family) {
    case AF_INET:
        return host_and_port(AF_INET, &address->ipv4.sin_addr, address->ipv4.sin_port);
    case AF_INET6:
        return host_and_port(AF_INET6, &address->ipv6.sin6_addr, address->ipv6.sin6_port);
    case AF_UNIX:
        break;
    default:
        return PyUnicode_New(0, 0);
    }
    const char *path = address->unix_path.sun_path;
    size_t room = size > offsetof(struct sockaddr_un, sun_path) ? size - offsetof(struct sockaddr_un, sun_path) : 0;
    if (room > 0 && path[0] == '\0') {
        PyObject *name = PyUnicode_DecodeUTF8(path + 1, (Py_ssize_t)room - 1, "surrogateescape");
        PyObject *shown = name == NULL ? NULL : PyUnicode_FromFormat("@%U", name);
        Py_XDECREF(name);
        return shown;
    }
    return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)strnlen(path, room));
}

int
address_is_definite(const socket_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return address->ipv4.sin_addr.s_addr != htonl(INADDR_ANY);
    case AF_INET6:
        return !IN6_IS_ADDR_UNSPECIFIED(&address->ipv6.sin6_addr);
    default:
        return address->any.sa_family == AF_UNIX;
    }
}
