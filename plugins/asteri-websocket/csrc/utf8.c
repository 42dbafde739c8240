/* See utf8.h. The table is that of the Unicode standard, "Well-Formed UTF-8 Byte Sequences". */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* How many of the bytes are ASCII before the first that is not. */
static size_t
plain(const unsigned char *data, size_t size)
{
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, data + at, 8);
        if (word & UINT64_C(0x8080808080808080)) {
            break;
        }
    }
    while (at < size && data[at] < 0x80) {
        at++;
    }
    return at;
}

/* The first byte of a character that is not ASCII. */
static int
begin(ws_utf8 *text, unsigned char byte)
{
    text->lowest = 0x80;
    text->highest = 0xBF;
    if (byte >= 0xC2 && byte <= 0xDF) {
        text->left = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        text->left = 2;
        text->lowest = byte == 0xE0 ? 0xA0 : 0x80;  /* nothing longer than it needs to be */
        text->highest = byte == 0xED ? 0x9F : 0xBF; /* no surrogates */
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        text->left = 3;
        text->lowest = byte == 0xF0 ? 0x90 : 0x80;
        text->highest = byte == 0xF4 ? 0x8F : 0xBF; /* nothing above U+10FFFF */
    } else {
        return 0;
    }
    return 1;
}

int
ws_utf8_check(ws_utf8 *text, const char *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    for (size_t at = 0; at < size; at++) {
        if (text->left > 0) {
            if (bytes[at] < text->lowest || bytes[at] > text->highest) {
                return 0;
            }
            text->left--;
            text->lowest = 0x80;
            text->highest = 0xBF;
            continue;
        }
        at += plain(bytes + at, size - at);
        if (at < size && !begin(text, bytes[at])) {
            return 0;
        }
    }
    return 1;
}
