/* Addresses of clients. What is none, and what is written in another way than usually, is for `read_address` in
 * `asteri_uwsgi.request`, which knows all of them. */
#ifndef UW_ADDRESS_H
#define UW_ADDRESS_H

#include "asteri/slice.h"

/* Whether it is an IPv4 or IPv6 address that is written as every version of Python's `ipaddress` writes it. */
int uw_is_plain_address(asteri_slice text);
/* The number of decimal digits, up to five; -1: it is none. */
int uw_number_of(asteri_slice digits);

#endif
