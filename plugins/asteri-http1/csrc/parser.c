/* Finds where a head ends. One that comes whole is looked up among those read lately, or read at once; only one that
 * comes in pieces, or is wrong somewhere, goes through the scanner, which sees errors at the byte that makes them. */
#include "parser.h"

#include <string.h>

#include "asteri/scan.h"

#define FIRST_ROOM 512 /* for a head that comes in pieces */

/* -- heads read lately --------------------------------------------------------------------------------------------- */

void
h1_heads_clear(h1_heads *heads)
{
    for (int slot = 0; slot < H1_KEPT_HEADS; slot++) {
        h1_head *head = heads->slots[slot];
        heads->slots[slot] = NULL;
        h1_head_release(head);
    }
    h1_head *last = heads->last;
    heads->last = NULL;
    h1_head_release(last);
}

/* Puts it into a place of the table; what was there goes. */
static inline void
put(h1_head **place, h1_head *head)
{
    h1_head *before = *place;
    if (before != head) {
        *place = h1_head_retain(head);
        h1_head_release(before);
    }
}

static inline uint64_t
load(const char *data)
{
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

/* Both halves of the product, put together. */
static inline uint64_t
fold(uint64_t one, uint64_t other)
{
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 product = (unsigned __int128)one * other;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t low = (one & 0xffffffffu) * (other & 0xffffffffu), high = (one >> 32) * (other >> 32);
    uint64_t cross = (one >> 32) * (other & 0xffffffffu), across = (one & 0xffffffffu) * (other >> 32);
    uint64_t middle = (low >> 32) + (cross & 0xffffffffu) + (across & 0xffffffffu);
    return ((low & 0xffffffffu) | middle << 32) ^ (high + (cross >> 32) + (across >> 32) + (middle >> 32));
#endif
}

/* Of at least 16 bytes. Every word is mixed with what the peer does not know before it is multiplied. */
static uint64_t
hash_of(const uint64_t *seed, const char *data, Py_ssize_t size)
{
    uint64_t hash = seed[0] ^ (uint64_t)size;
    const char *last = data + size - 16;
    for (; data < last; data += 16) {
        hash = fold(load(data) ^ seed[1], load(data + 8) ^ hash);
    }
    return fold(load(last) ^ seed[1], load(last + 8) ^ hash);
}

/* -- a head that has come whole ------------------------------------------------------------------------------------ */

static inline Py_ssize_t
least(Py_ssize_t one, Py_ssize_t other)
{
    return one < other ? one : other;
}

/* Whether every line keeps its limit. */
static int
fits(const h1_limits *limits, const char *data, Py_ssize_t end, Py_ssize_t lines)
{
    if (lines - 2 > limits->limit_request_fields) {
        return 0;
    }
    if (end <= least(limits->limit_request_line, limits->limit_request_field_size)) {
        return 1;
    }
    Py_ssize_t most = limits->limit_request_line;
    for (Py_ssize_t at = 0; at < end; most = limits->limit_request_field_size) {
        const char *feed = memchr(data + at, '\n', (size_t)(end - at));
        Py_ssize_t next = feed - data + 1;
        if (next - at > most + 2) {
            return 0;
        }
        at = next;
    }
    return 1;
}

static int
asks_for_head(const char *data, Py_ssize_t size)
{
    return (size >= 5 && memcmp(data, "HEAD ", 5) == 0) || (size >= 7 && memcmp(data, "\r\nHEAD ", 7) == 0);
}

/* As h1_parser_feed; 0: the data is no whole head that is right as far as the grammar goes. */
static int
feed_whole(h1_state *state, h1_parser *parser, const char *data, Py_ssize_t size, h1_head **head, Py_ssize_t *used)
{
    h1_heads *heads = parser->heads;
    const h1_limits *limits = parser->limits;
    /* A client that repeats itself, as most keep-alive clients do. No head is the beginning of another one. */
    h1_head *last = heads->last;
    if (last != NULL && last->raw_size <= size && memcmp(last->raw, data, (size_t)last->raw_size) == 0) {
        *used = last->raw_size;
        *head = h1_head_retain(last);
        return 1;
    }
    Py_ssize_t lines;
    Py_ssize_t end = asteri_scan_head_end(data, least(size, limits->limit_request_head), &lines);
    if (end < 16) { /* the shortest has as many */
        return 0;
    }
    uint64_t hash = 0;
    h1_head **slot = NULL;
    if (end <= H1_KEPT_SIZE) {
        hash = hash_of(state->seed, data, end);
        slot = &heads->slots[hash & (H1_KEPT_HEADS - 1)];
        h1_head *kept = *slot;
        if (kept != NULL && kept->hash == hash && kept->raw_size == end && memcmp(kept->raw, data, (size_t)end) == 0) {
            put(&heads->last, kept);
            *used = end;
            *head = h1_head_retain(kept);
            return 1;
        }
    }
    if (!fits(limits, data, end, lines)) {
        return 0;
    }
    int outcome = h1_head_read(state, data, end, lines, slot != NULL, head);
    if (outcome < 0) {
        parser->refused = (unsigned char)asks_for_head(data, end);
    }
    if (outcome <= 0) {
        return outcome;
    }
    if (slot != NULL) {
        (*head)->hash = hash;
        put(slot, *head);
        put(&heads->last, *head);
    }
    *used = end;
    return 1;
}

/* -- a head that comes in pieces ----------------------------------------------------------------------------------- */

/* Keeps as many bytes as a head may have, and one that tells that there were more. 0; -1: MemoryError. */
static int
collect(h1_parser *parser, const char *data, Py_ssize_t size)
{
    Py_ssize_t most = parser->limits->limit_request_head + 1;
    size = least(size, most - parser->size);
    if (size <= 0) {
        return 0;
    }
    Py_ssize_t needed = parser->size + size;
    if (needed > parser->capacity) {
        Py_ssize_t capacity = parser->capacity == 0 ? FIRST_ROOM : 2 * parser->capacity;
        capacity = needed > capacity ? needed : least(capacity, most);
        char *partial = PyMem_Realloc(parser->partial, (size_t)capacity);
        if (partial == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        parser->partial = partial;
        parser->capacity = capacity;
    }
    memcpy(parser->partial + parser->size, data, (size_t)size);
    parser->size = needed;
    return 0;
}

static int
feed_part(h1_state *state, h1_parser *parser, const char *data, Py_ssize_t size, h1_head **head, Py_ssize_t *used)
{
    if (collect(parser, data, size) < 0) {
        return -1;
    }
    h1_scanner *scanner = &parser->scanner;
    Py_ssize_t end = h1_scanner_scan(state, scanner, parser->limits, data, size);
    if (end <= 0) {
        return (int)end;
    }
    Py_ssize_t skipped = parser->partial[0] == '\r' ? 2 : 0;
    int outcome = h1_head_read(state, parser->partial + skipped, scanner->position - skipped, scanner->fields + 2, 0,
                               head);
    if (outcome <= 0) {
        /* The scanner and the reader never differ on the grammar. */
        return outcome < 0 ? -1 : http_refuse(&state->errors, 400, "the head is not HTTP/1.1");
    }
    *used = end;
    h1_parser_clear(parser);
    return 1;
}

/* -- the parser ---------------------------------------------------------------------------------------------------- */

void
h1_parser_init(h1_parser *parser, const h1_limits *limits, h1_heads *heads)
{
    *parser = (h1_parser){.limits = limits, .heads = heads};
}

void
h1_parser_clear(h1_parser *parser)
{
    PyMem_Free(parser->partial);
    parser->partial = NULL;
    parser->size = parser->capacity = 0;
    parser->collecting = 0;
}

int
h1_parser_feed(h1_state *state, h1_parser *parser, const char *data, Py_ssize_t size, h1_head **head, Py_ssize_t *used)
{
    if (!parser->collecting) {
        int outcome = feed_whole(state, parser, data, size, head, used);
        if (outcome != 0) {
            return outcome;
        }
        h1_scanner_init(&parser->scanner, parser->limits, H1_AT_START);
        parser->collecting = 1;
    }
    return feed_part(state, parser, data, size, head, used);
}

int
h1_parser_begun(const h1_parser *parser)
{
    return parser->collecting && parser->scanner.state > H1_AT_LINE;
}

int
h1_parser_asks_for_head(const h1_parser *parser)
{
    return parser->refused || (parser->collecting && asks_for_head(parser->partial, parser->size));
}
