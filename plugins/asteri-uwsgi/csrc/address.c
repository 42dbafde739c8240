/* Knows usual addresses, see address.h. */
#include "address.h"

#include <string.h>

#define GROUPS 8
#define LONGEST 39 /* bytes of an IPv6 address */

int
uw_number_of(asteri_slice digits)
{
    int number = 0;
    if (digits.size < 1 || digits.size > 5) {
        return -1;
    }
    for (Py_ssize_t at = 0; at < digits.size; at++) {
        if (digits.data[at] < '0' || digits.data[at] > '9') {
            return -1;
        }
        number = number * 10 + (digits.data[at] - '0');
    }
    return number;
}

/* An IPv4 address is written in one way only. */
static int
is_ipv4(asteri_slice text)
{
    const char *at = text.data, *end = text.data + text.size;
    for (int octet = 0; octet < 4; octet++) {
        const char *dot = octet == 3 ? end : memchr(at, '.', (size_t)(end - at));
        if (dot == NULL) {
            return 0;
        }
        asteri_slice digits = {at, dot - at};
        int number = uw_number_of(digits);
        if (number < 0 || number > 255 || (digits.size > 1 && *at == '0')) {
            return 0;
        }
        at = dot + (octet < 3);
    }
    return 1;
}

/* The groups of what may be an IPv6 address: what it says when it is one, anything when not. Whether there are eight,
 * with those that :: stands for. */
static int
read_groups(asteri_slice text, unsigned *groups)
{
    const char *at = text.data, *end = text.data + text.size;
    int count = 0, gap = -1;
    while (1) {
        const char *start = at;
        unsigned number = 0;
        for (; at < end && *at != ':'; at++) {
            unsigned digit = (unsigned char)*at - (unsigned)'0', letter = (unsigned char)*at - (unsigned)'a';
            if (digit > 9 && letter > 5) {
                return 0;
            }
            number = number << 4 | (digit > 9 ? letter + 10 : digit);
        }
        if (at - start > 4 || (at > start && count == GROUPS)) {
            return 0;
        }
        if (at > start) {
            groups[count++] = number;
        }
        else if (gap < 0) {
            gap = count;
        }
        if (at == end) {
            break;
        }
        at++;
    }
    if (gap >= 0) {
        int behind = count - gap;
        memmove(groups + GROUPS - behind, groups + gap, (size_t)behind * sizeof *groups);
        memset(groups + gap, 0, (size_t)(GROUPS - count) * sizeof *groups);
    }
    return gap >= 0 || count == GROUPS;
}

/* The first of the longest runs of zeros, where it is more than one group (RFC 5952 section 4.2). Its length, or 0. */
static int
longest_run(const unsigned *groups, int *start)
{
    int best = 1;
    for (int at = 0; at < GROUPS; at++) {
        int end = at;
        while (end < GROUPS && groups[end] == 0) {
            end++;
        }
        if (end - at > best) {
            best = end - at;
            *start = at;
        }
    }
    return best > 1 ? best : 0;
}

/* The address in the usual way, its size. */
static Py_ssize_t
write_groups(const unsigned *groups, char *place)
{
    int gap = -1, size = longest_run(groups, &gap);
    char *start = place;
    for (int at = 0; at < GROUPS; at++) {
        if (at == gap) {
            *place++ = ':';
            at += size - 1;
            if (at == GROUPS - 1) {
                *place++ = ':';
            }
            continue;
        }
        if (at > 0) {
            *place++ = ':';
        }
        for (int shift = 12; shift >= 0; shift -= 4) {
            if (groups[at] >> shift || shift == 0) {
                *place++ = "0123456789abcdef"[groups[at] >> shift & 15];
            }
        }
    }
    return place - start;
}

static int
is_usual_ipv6(asteri_slice text)
{
    unsigned groups[GROUPS];
    char usual[LONGEST + 1];
    if (text.size > LONGEST || !read_groups(text, groups)) {
        return 0;
    }
    if (groups[5] == 0xffff && (groups[0] | groups[1] | groups[2] | groups[3] | groups[4]) == 0) {
        return 0; /* it has an IPv4 address in it, and CPython 3.13 writes that as one */
    }
    return write_groups(groups, usual) == text.size && memcmp(usual, text.data, (size_t)text.size) == 0;
}

int
uw_is_plain_address(asteri_slice text)
{
    return is_ipv4(text) || is_usual_ipv6(text);
}
