/* Finds the first byte of a run that a class of bytes does not allow.
 *
 * The table `asteri_classes` defines what is allowed; a scalar loop over it is the meaning. The vector versions stand
 * beside it and are chosen when this is compiled: SSE2 is what every x86-64 has, and is exact here by comparing ranges,
 * so that there is nothing to choose at run time; AVX2 and NEON do the same with their widths. With
 * ASTERI_SCAN_SCALAR there is the loop alone.
 *
 * No byte outside of `data[0..size)` is read. It knows no protocol's grammar beyond the four classes, which are those
 * of RFC 9110 and RFC 3986, and keeps no state.
 */
#ifndef ASTERI_SCAN_H
#define ASTERI_SCAN_H

#include "slice.h"

#include <stdint.h>
#include <string.h>

#if !defined(ASTERI_SCAN_SCALAR) && defined(__AVX2__)
#include <immintrin.h>
#define ASTERI_SCAN_BLOCK 32
#elif !defined(ASTERI_SCAN_SCALAR) && defined(__SSE2__)
#include <emmintrin.h>
#define ASTERI_SCAN_BLOCK 16
#elif !defined(ASTERI_SCAN_SCALAR) && defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#include <arm_neon.h>
#define ASTERI_SCAN_BLOCK 16
#endif

/* Who has so many bytes of no class behind the data, and counts them into `size`, spares the end's special cases. */
#define ASTERI_SCAN_PAD 32

typedef enum {
    ASTERI_TOKEN = 1,   /* RFC 9110 section 5.6.2: names, methods */
    ASTERI_VISIBLE = 2, /* 0x21 to 0x7e */
    ASTERI_VALUE = 4,   /* RFC 9110 section 5.5: tab, space, visible, and 0x80 to 0xff */
    ASTERI_URI = 8,     /* visible, and neither '#' nor '%', behind which more than the byte itself is to be checked */
} asteri_class;

/* What each byte may be part of, as a sum of classes. */
static const unsigned char asteri_classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, /* tab */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    4, 15, 14, 7, 15, 7, 15, 15, 14, 14, 15, 15, 14, 15, 15, 14, /*   ! " # $ % & ' ( ) * + , - . / */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 14, 14, 14, 14, /* 0 to 9 : ; < = > ? */
    14, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* @ A to O */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 14, 15, 15, /* P to Z [ \ ] ^ _ */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* ` a to o */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 15, 14, 15, 0,  /* p to z { | } ~ DEL */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
};

static inline int
asteri_is(char byte, asteri_class allowed)
{
    return asteri_classes[(unsigned char)byte] & allowed;
}

/* The meaning: the index of the first byte from `from` on that is not of the class, `size` when all are. */
static inline Py_ssize_t
asteri_scan_scalar(const char *data, Py_ssize_t from, Py_ssize_t size, asteri_class allowed)
{
    while (from < size && asteri_is(data[from], allowed)) {
        from++;
    }
    return from;
}

#ifdef ASTERI_SCAN_BLOCK

/* -- a block of bytes, and the few operations that the classes are made of ---------------------------------------- */

#if defined(__AVX2__)

typedef __m256i asteri_block;

static inline asteri_block asteri_load(const char *data) { return _mm256_loadu_si256((const __m256i *)data); }
static inline asteri_block asteri_join(uint64_t a, uint64_t b)
{
    return _mm256_set_epi64x((long long)b, (long long)a, (long long)b, (long long)a);
}
static inline asteri_block asteri_fill(int byte) { return _mm256_set1_epi8((char)byte); }
static inline asteri_block asteri_and(asteri_block a, asteri_block b) { return _mm256_and_si256(a, b); }
static inline asteri_block asteri_or(asteri_block a, asteri_block b) { return _mm256_or_si256(a, b); }
/* `a` without what is in `b`. */
static inline asteri_block asteri_less(asteri_block a, asteri_block b) { return _mm256_andnot_si256(b, a); }
static inline asteri_block asteri_equal(asteri_block a, int byte) { return _mm256_cmpeq_epi8(a, asteri_fill(byte)); }

/* The bytes from `first` to `last`. */
static inline asteri_block
asteri_range(asteri_block a, int first, int last)
{
    asteri_block moved = _mm256_sub_epi8(a, asteri_fill(first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(moved, asteri_fill(last - first)), moved);
}

/* One bit, or a few (ASTERI_SCAN_BITS), for each byte that is set, the first byte lowest. */
static inline uint64_t asteri_bits(asteri_block set) { return (uint32_t)_mm256_movemask_epi8(set); }
#define ASTERI_SCAN_BITS 1
#define ASTERI_SCAN_ALL 0xffffffffu

#elif defined(__SSE2__)

typedef __m128i asteri_block;

static inline asteri_block asteri_load(const char *data) { return _mm_loadu_si128((const __m128i *)data); }
static inline asteri_block asteri_join(uint64_t a, uint64_t b)
{
    return _mm_set_epi64x((long long)b, (long long)a);
}
static inline asteri_block asteri_fill(int byte) { return _mm_set1_epi8((char)byte); }
static inline asteri_block asteri_and(asteri_block a, asteri_block b) { return _mm_and_si128(a, b); }
static inline asteri_block asteri_or(asteri_block a, asteri_block b) { return _mm_or_si128(a, b); }
/* `a` without what is in `b`. */
static inline asteri_block asteri_less(asteri_block a, asteri_block b) { return _mm_andnot_si128(b, a); }
static inline asteri_block asteri_equal(asteri_block a, int byte) { return _mm_cmpeq_epi8(a, asteri_fill(byte)); }

/* The bytes from `first` to `last`. */
static inline asteri_block
asteri_range(asteri_block a, int first, int last)
{
    asteri_block moved = _mm_sub_epi8(a, asteri_fill(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(moved, asteri_fill(last - first)), moved);
}

/* One bit, or a few (ASTERI_SCAN_BITS), for each byte that is set, the first byte lowest. */
static inline uint64_t asteri_bits(asteri_block set) { return (uint32_t)_mm_movemask_epi8(set); }
#define ASTERI_SCAN_BITS 1
#define ASTERI_SCAN_ALL 0xffffu

#else

typedef uint8x16_t asteri_block;

static inline asteri_block asteri_load(const char *data) { return vld1q_u8((const uint8_t *)data); }
static inline asteri_block asteri_join(uint64_t a, uint64_t b)
{
    return vcombine_u8(vcreate_u8(a), vcreate_u8(b));
}
static inline asteri_block asteri_fill(int byte) { return vdupq_n_u8((uint8_t)byte); }
static inline asteri_block asteri_and(asteri_block a, asteri_block b) { return vandq_u8(a, b); }
static inline asteri_block asteri_or(asteri_block a, asteri_block b) { return vorrq_u8(a, b); }
/* `a` without what is in `b`. */
static inline asteri_block asteri_less(asteri_block a, asteri_block b) { return vbicq_u8(a, b); }
static inline asteri_block asteri_equal(asteri_block a, int byte) { return vceqq_u8(a, asteri_fill(byte)); }

/* The bytes from `first` to `last`. */
static inline asteri_block
asteri_range(asteri_block a, int first, int last)
{
    return vcleq_u8(vsubq_u8(a, asteri_fill(first)), asteri_fill(last - first));
}

/* One bit, or a few (ASTERI_SCAN_BITS), for each byte that is set, the first byte lowest. */
static inline uint64_t
asteri_bits(asteri_block set)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(set), 4)), 0);
}
#define ASTERI_SCAN_BITS 4
#define ASTERI_SCAN_ALL 0xffffffffffffffffu

#endif

/* How many bytes are set. Few ever are, and a baseline x86-64 has no instruction for it. */
static inline Py_ssize_t
asteri_count(uint64_t bits)
{
    Py_ssize_t count = 0;
    for (; bits; bits &= bits - 1) {
        count++;
    }
    return count / ASTERI_SCAN_BITS;
}

/* The bytes of a block that are of the class. `allowed` is a constant wherever this is used. */
static inline asteri_block
asteri_of_class(asteri_block a, asteri_class allowed)
{
    if (allowed == ASTERI_VALUE) {
        asteri_block printable = asteri_less(asteri_range(a, 0x20, 0xff), asteri_equal(a, 0x7f));
        return asteri_or(printable, asteri_equal(a, '\t'));
    }
    asteri_block visible = asteri_range(a, 0x21, 0x7e);
    if (allowed == ASTERI_VISIBLE) {
        return visible;
    }
    if (allowed == ASTERI_URI) {
        return asteri_less(visible, asteri_or(asteri_equal(a, '#'), asteri_equal(a, '%')));
    }
    /* A token has the visible bytes without the delimiters "(),/:;<=>?@[\]{} and the quotation mark. */
    asteri_block braces = asteri_or(asteri_equal(a, '{'), asteri_equal(a, '}'));
    asteri_block marks = asteri_or(asteri_equal(a, '"'), asteri_or(asteri_equal(a, ','), asteri_equal(a, '/')));
    asteri_block ranges = asteri_or(asteri_range(a, '(', ')'), asteri_or(asteri_range(a, ':', '@'),
                                                                         asteri_range(a, '[', ']')));
    return asteri_less(visible, asteri_or(ranges, asteri_or(braces, marks)));
}

/* Whether all of a run that is shorter than a block, of 4 to 16 bytes, is of the class: its first and its last bytes
 * are looked at together, those in the middle perhaps twice. Names and values of fields mostly are so short. */
static inline int
asteri_short_is(const char *data, Py_ssize_t size, asteri_class allowed)
{
    uint64_t first, last;
    if (size >= 8) {
        memcpy(&first, data, 8);
        memcpy(&last, data + size - 8, 8);
    } else {
        uint32_t few, rest;
        memcpy(&few, data, 4);
        memcpy(&rest, data + size - 4, 4);
        first = last = (uint64_t)rest << 32 | few;
    }
    return asteri_bits(asteri_of_class(asteri_join(first, last), allowed)) == ASTERI_SCAN_ALL;
}

static inline uint64_t
asteri_refused(const char *data, asteri_class allowed)
{
    return asteri_bits(asteri_of_class(asteri_load(data), allowed)) ^ ASTERI_SCAN_ALL;
}

#endif

/* As asteri_scan_scalar. `allowed` is a constant. */
static inline Py_ssize_t
asteri_scan(const char *data, Py_ssize_t from, Py_ssize_t size, asteri_class allowed)
{
#ifdef ASTERI_SCAN_BLOCK
    while (size - from >= ASTERI_SCAN_BLOCK) {
        uint64_t refused = asteri_refused(data + from, allowed);
        if (refused) {
            return from + __builtin_ctzll(refused) / ASTERI_SCAN_BITS;
        }
        from += ASTERI_SCAN_BLOCK;
    }
    if (from < size && size >= ASTERI_SCAN_BLOCK) {
        /* The last block once more, without what lies before `from`. */
        Py_ssize_t last = size - ASTERI_SCAN_BLOCK;
        uint64_t refused = asteri_refused(data + last, allowed) >> ((from - last) * ASTERI_SCAN_BITS);
        return refused ? from + __builtin_ctzll(refused) / ASTERI_SCAN_BITS : size;
    }
    if (from == 0 && size >= 4 && size <= 16 && asteri_short_is(data, size, allowed)) {
        return size;
    }
#endif
    return asteri_scan_scalar(data, from, size, allowed);
}

/* The index behind the first CR LF CR LF, 0 when there is none. `*lines`: how many LF come before that index. */
static inline Py_ssize_t
asteri_scan_head_end(const char *data, Py_ssize_t size, Py_ssize_t *lines)
{
    Py_ssize_t at = 0, count = 0;
#ifdef ASTERI_SCAN_BLOCK
    while (size - at >= ASTERI_SCAN_BLOCK + 2) {
        /* Most blocks have no line end. One that has "LF CR" in it, or across its end, is looked at closely. */
        asteri_block feeds = asteri_equal(asteri_load(data + at), '\n');
        uint64_t bits = asteri_bits(feeds);
        if (bits) {
            asteri_block returns = asteri_equal(asteri_load(data + at + 1), '\r');
            uint64_t pairs = asteri_bits(asteri_and(feeds, returns));
            while (pairs) {
                int index = __builtin_ctzll(pairs) / ASTERI_SCAN_BITS;
                Py_ssize_t feed = at + index;
                if (feed > 0 && data[feed - 1] == '\r' && data[feed + 2] == '\n') {
                    uint64_t before = bits & (((uint64_t)1 << index * ASTERI_SCAN_BITS) - 1);
                    *lines = count + asteri_count(before) + 2;
                    return feed + 3;
                }
                pairs &= ~((((uint64_t)1 << ASTERI_SCAN_BITS) - 1) << index * ASTERI_SCAN_BITS);
            }
            count += asteri_count(bits);
        }
        at += ASTERI_SCAN_BLOCK;
    }
#endif
    for (; at < size; at++) {
        if (data[at] != '\n') {
            continue;
        }
        count++;
        if (at >= 3 && data[at - 1] == '\r' && data[at - 2] == '\n' && data[at - 3] == '\r') {
            *lines = count;
            return at + 1;
        }
    }
    *lines = count;
    return 0;
}

#endif
