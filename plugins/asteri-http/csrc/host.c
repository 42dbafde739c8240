/* Checks authorities, see `asteri_http.host`. An IPv6 address is judged as the `ipaddress` module of Python does. */
#include "asteri_http/host.h"

#include <string.h>

#define IS_HOST_BYTE 1   /* of a registered name */
#define IS_HEX 2
#define IS_FUTURE_BYTE 4 /* of the address of an IPvFuture literal (RFC 3986 section 3.2.2) */

/* A registered name has neither percent-encoding nor commas, see `asteri_http.host`. */
static const unsigned char host_classes[128] = {
    ['!'] = 5, ['$'] = 5, ['&'] = 5, ['\''] = 5, ['('] = 5, [')'] = 5, ['*'] = 5, ['+'] = 5, [','] = 4, ['-'] = 5,
    ['.'] = 5, [':'] = 4, [';'] = 5, ['='] = 5,  ['_'] = 5, ['~'] = 5, ['0'] = 7, ['1'] = 7, ['2'] = 7, ['3'] = 7,
    ['4'] = 7, ['5'] = 7, ['6'] = 7, ['7'] = 7,  ['8'] = 7, ['9'] = 7, ['A'] = 7, ['B'] = 7, ['C'] = 7, ['D'] = 7,
    ['E'] = 7, ['F'] = 7, ['G'] = 5, ['H'] = 5,  ['I'] = 5, ['J'] = 5, ['K'] = 5, ['L'] = 5, ['M'] = 5, ['N'] = 5,
    ['O'] = 5, ['P'] = 5, ['Q'] = 5, ['R'] = 5,  ['S'] = 5, ['T'] = 5, ['U'] = 5, ['V'] = 5, ['W'] = 5, ['X'] = 5,
    ['Y'] = 5, ['Z'] = 5, ['a'] = 7, ['b'] = 7,  ['c'] = 7, ['d'] = 7, ['e'] = 7, ['f'] = 7, ['g'] = 5, ['h'] = 5,
    ['i'] = 5, ['j'] = 5, ['k'] = 5, ['l'] = 5,  ['m'] = 5, ['n'] = 5, ['o'] = 5, ['p'] = 5, ['q'] = 5, ['r'] = 5,
    ['s'] = 5, ['t'] = 5, ['u'] = 5, ['v'] = 5,  ['w'] = 5, ['x'] = 5, ['y'] = 5, ['z'] = 5,
};

static inline int
is(char byte, int class)
{
    unsigned char index = (unsigned char)byte;
    return index < 128 && (host_classes[index] & class);
}

static inline int
is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The index of the first byte from `from` on that is not of the class. */
static Py_ssize_t
run_of(asteri_slice value, Py_ssize_t from, int class)
{
    while (from < value.size && is(value.data[from], class)) {
        from++;
    }
    return from;
}

/* Whether it is an IPv4 address: four numbers up to 255 without leading zeros. */
static int
is_ipv4(const char *at, const char *end)
{
    for (int octet = 0; octet < 4; octet++) {
        if (octet > 0) {
            if (at == end || *at != '.') {
                return 0;
            }
            at++;
        }
        const char *start = at;
        int number = 0;
        while (at < end && is_digit(*at) && at - start < 4) {
            number = number * 10 + (*at - '0');
            at++;
        }
        if (at == start || number > 255 || (*start == '0' && at - start > 1)) {
            return 0;
        }
    }
    return at == end;
}

/* Whether what stands between the brackets, hexadecimal digits, colons and dots, is an IPv6 address. */
static int
is_ipv6(const char *at, const char *end)
{
    int groups = 0, gap = 0;
    if (end - at >= 2 && at[0] == ':' && at[1] == ':') {
        gap = 1;
        at += 2;
        if (at == end) {
            return 1;
        }
    }
    while (1) {
        const char *start = at;
        while (at < end && is(*at, IS_HEX)) {
            at++;
        }
        if (at < end && *at == '.') {
            groups += 2;
            return is_ipv4(start, end) && (gap ? groups < 8 : groups == 8);
        }
        if (at == start || at - start > 4) {
            return 0;
        }
        groups++;
        if (at == end) {
            return gap ? groups < 8 : groups == 8;
        }
        at++; /* a colon: nothing else is left */
        if (at < end && *at == ':') {
            if (gap) {
                return 0;
            }
            gap = 1;
            at++;
            if (at == end) {
                return groups < 8;
            }
        }
    }
}

/* The index behind an IP literal with its brackets, 0 when it is none. `*future`: it is one of a later version. */
static Py_ssize_t
literal_end(asteri_slice value, int *future)
{
    const char *data = value.data;
    Py_ssize_t at = 1;
    *future = value.size > 1 && (data[1] | 0x20) == 'v';
    if (*future) {
        at = run_of(value, 2, IS_HEX);
        if (at < 3 || at > 10 || at == value.size || data[at] != '.') {
            return 0;
        }
        Py_ssize_t start = at + 1;
        at = run_of(value, start, IS_FUTURE_BYTE);
        if (at == start || at - start > 64) {
            return 0;
        }
    }
    else {
        while (at < value.size && (is(data[at], IS_HEX) || data[at] == ':' || data[at] == '.')) {
            at++;
        }
        if (at < 3 || at > 46) {
            return 0;
        }
    }
    return at < value.size && data[at] == ']' ? at + 1 : 0;
}

int
http_check_authority(const http_errors *errors, asteri_slice value)
{
    static const char expected[] = "expected host[:port], found %R";
    int literal = value.size > 0 && value.data[0] == '[', future = 0;
    Py_ssize_t end;
    if (literal) {
        end = literal_end(value, &future);
    }
    else {
        end = run_of(value, 0, IS_HOST_BYTE);
        end = end > 255 ? 0 : end;
    }
    if (end == 0) {
        return http_refuse_bytes(errors, 400, expected, value, 256);
    }
    if (end < value.size) {
        if (value.data[end] != ':' || value.size - end > 6) {
            return http_refuse_bytes(errors, 400, expected, value, 256);
        }
        int port = 0;
        for (Py_ssize_t at = end + 1; at < value.size; at++) {
            if (!is_digit(value.data[at])) {
                return http_refuse_bytes(errors, 400, expected, value, 256);
            }
            port = port * 10 + (value.data[at] - '0');
        }
        if (port > 65535) {
            return http_refuse_bytes(errors, 400, "port out of range in %R", value, 256);
        }
    }
    if (literal && !future && !is_ipv6(value.data + 1, value.data + end - 1)) {
        asteri_slice address = {value.data + 1, end - 2};
        return http_refuse_bytes(errors, 400, "expected an IPv6 address in brackets, found %R", address, address.size);
    }
    return 0;
}
