/* The packet of a request: the twin of `asteri_uwsgi.packet`. It knows no variable, but which of them
 * may come again. */
#ifndef UW_PACKET_H
#define UW_PACKET_H

#include "asteri/exchange.h"
#include "asteri_http/errors.h"

typedef struct {
    asteri_field *variables; /* owned memory, NULL when there is none; the slices are of the data that was read */
    Py_ssize_t count;
    Py_ssize_t size; /* bytes of the data that are the packet's */
} uw_packet;

/* 1: the packet is whole, and what it holds stays until `uw_packet_clear`; 0: more bytes are needed; -1:
 * RemoteProtocolError (400, 501), in the words of the Python twin, or MemoryError. In the last two cases it holds
 * nothing. */
int uw_packet_read(const http_errors *errors, asteri_slice data, uw_packet *packet);
void uw_packet_clear(uw_packet *packet);

/* RemoteProtocolError (400); `format` has one %U, for the name of a variable. Always -1. */
int uw_refuse_variable(const http_errors *errors, const char *format, asteri_slice name);

#endif
