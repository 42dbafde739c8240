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

#define KNOWN_HOSTS 8

/* Hosts that were seen lately, as text: those of proxies come again and again. */
typedef struct {
    struct {
        struct in6_addr host; /* of IPv4 the first bytes */
        sa_family_t family;
        PyObject *text; /* owned; NULL: the place is free */
    } places[KNOWN_HOSTS];
} known_hosts;

/* (host, port), or the path of a unix socket, `@` in front of an abstract one; "" for what has none. A new reference;
 * NULL: an exception. */
PyObject *address_object(known_hosts *hosts, const socket_address *address, socklen_t size);

void known_hosts_clear(known_hosts *hosts);

/* Whether every socket accepted by a listener of this address has the address itself. */
int address_is_definite(const socket_address *address);

#endif
