/* See address.h. */
#include "address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

/* The host as text: a new reference. */
static PyObject *
host_text(known_hosts *hosts, sa_family_t family, const void *host, size_t size)
{
    struct in6_addr wanted = {0};
    memcpy(&wanted, host, size);
    unsigned last = wanted.s6_addr[size - 1] % KNOWN_HOSTS;
    PyObject *known = hosts->places[last].text;
    if (known != NULL && hosts->places[last].family == family &&
        memcmp(&hosts->places[last].host, &wanted, sizeof(wanted)) == 0) {
        return Py_NewRef(known);
    }
    char letters[INET6_ADDRSTRLEN];
    if (inet_ntop(family, host, letters, sizeof(letters)) == NULL) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    PyObject *text = PyUnicode_FromString(letters);
    if (text != NULL) {
        hosts->places[last].host = wanted;
        hosts->places[last].family = family;
        Py_XSETREF(hosts->places[last].text, Py_NewRef(text));
    }
    return text;
}

static PyObject *
host_and_port(PyObject *host, in_port_t port)
{
    PyObject *number = host == NULL ? NULL : PyLong_FromLong(ntohs(port));
    PyObject *pair = number == NULL ? NULL : PyTuple_Pack(2, host, number);
    Py_XDECREF(host);
    Py_XDECREF(number);
    return pair;
}

void
known_hosts_clear(known_hosts *hosts)
{
    for (size_t index = 0; index < KNOWN_HOSTS; index++) {
        Py_CLEAR(hosts->places[index].text);
    }
}

PyObject *
address_object(known_hosts *hosts, const socket_address *address, socklen_t size)
{
    if (size < sizeof(sa_family_t)) {
        return PyUnicode_New(0, 0);
    }
    switch (address->any.sa_family) {
    case AF_INET: {
        const struct sockaddr_in *ipv4 = &address->ipv4;
        return host_and_port(host_text(hosts, AF_INET, &ipv4->sin_addr, sizeof(ipv4->sin_addr)), ipv4->sin_port);
    }
    case AF_INET6: {
        const struct sockaddr_in6 *ipv6 = &address->ipv6;
        return host_and_port(host_text(hosts, AF_INET6, &ipv6->sin6_addr, sizeof(ipv6->sin6_addr)), ipv6->sin6_port);
    }
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
