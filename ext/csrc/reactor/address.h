/* The addresses of a socket as `asteri_core.api.Address`. */
#ifndef REACTOR_ADDRESS_H
#define REACTOR_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "state.h"

typedef union {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_un unix_path;
    struct sockaddr_storage largest;
} socket_address;

/* (host, port), or the path of a unix socket, `@` in front of an abstract one; "" for what has none. A new reference;
 * NULL: an exception. */
PyObject *address_object(const socket_address *address, socklen_t size);

/* Whether every socket accepted by a listener of this address has the address itself. */
int address_is_definite(const socket_address *address);

#endif
