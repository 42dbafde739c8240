/* A bounded table of what was made of a text: the twin of the dictionaries in `asteri_wsgi.head` and
 * `asteri_wsgi.environ`. It only grows, and is full at WSGI_TABLE_ENTRIES, since who chooses the texts may choose many.
 *
 * An entry is never changed or taken out, so what is borrowed from it stays as long as the table. Reading takes no
 * lock, also without a GIL: a slot is filled once, with an entry that is whole. */
#ifndef WSGI_TABLE_H
#define WSGI_TABLE_H

#include "asteri/slice.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define WSGI_TABLE_ENTRIES 512
#define WSGI_TABLE_SLOTS 1024 /* a power of two */
#define WSGI_TABLE_STEPS 16   /* slots a text may be away from its own: names chosen to collide cost no more */
#define WSGI_TABLE_RECENT 64  /* a power of two */

typedef struct {
    uint64_t hash;
    PyObject *text;   /* owned: an exact str; in a table of slices bytes */
    PyObject *result; /* owned; may be NULL */
    int number;       /* what else there is to say */
} wsgi_entry;

typedef struct {
    _Atomic(wsgi_entry *) slots[WSGI_TABLE_SLOTS]; /* owned; NULL when free */
    atomic_int count;
    _Atomic(wsgi_entry *) recent[WSGI_TABLE_RECENT]; /* borrowed from the slots, by the address of the text */
} wsgi_table;

/* Adds an entry unless the table is full. `text` and `result` (may be NULL) are borrowed. The entry; NULL when there is
 * no room for it, without an exception: the caller does without. */
const wsgi_entry *wsgi_table_add(wsgi_table *table, uint64_t hash, PyObject *text, PyObject *result, int number);
/* Releases all entries. */
void wsgi_table_free(wsgi_table *table);

static inline wsgi_entry *
wsgi_table_at(const wsgi_table *table, uint64_t place)
{
    return atomic_load_explicit(&table->slots[place & (WSGI_TABLE_SLOTS - 1)], memory_order_acquire);
}

/* The hash of an exact str, which keeps it. */
static inline uint64_t
wsgi_hash_text(PyObject *text)
{
    return (uint64_t)PyObject_Hash(text);
}

/* The entry of an exact str, or NULL. */
static inline const wsgi_entry *
wsgi_table_find(wsgi_table *table, PyObject *text)
{
    /* Mostly it is the same object: the constant in the application. The entry keeps it, so its address says it all. */
    _Atomic(wsgi_entry *) *recent = &table->recent[(uintptr_t)text / 16 & (WSGI_TABLE_RECENT - 1)];
    wsgi_entry *last = atomic_load_explicit(recent, memory_order_acquire);
    if (last != NULL && last->text == text) {
        return last;
    }
    uint64_t hash = wsgi_hash_text(text);
    for (uint64_t step = 0; step < WSGI_TABLE_STEPS; step++) {
        wsgi_entry *entry = wsgi_table_at(table, hash + step);
        if (entry == NULL) {
            return NULL;
        }
        if (entry->text == text) {
            atomic_store_explicit(recent, entry, memory_order_release);
            return entry;
        }
        if (entry->hash == hash && PyUnicode_Compare(entry->text, text) == 0) {
            return entry;
        }
    }
    return NULL;
}

static inline uint64_t
wsgi_load(const char *data, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, data, size);
    return word;
}

/* A hash of the length and of the first and the last bytes: names that are alike in these share a slot, and are told
 * apart there. */
static inline uint64_t
wsgi_hash_slice(asteri_slice slice)
{
    uint64_t first = 0, last = 0;
    if (slice.size >= 8) {
        first = wsgi_load(slice.data, 8);
        last = wsgi_load(slice.data + slice.size - 8, 8);
    } else if (slice.size >= 4) {
        first = wsgi_load(slice.data, 4);
        last = wsgi_load(slice.data + slice.size - 4, 4);
    } else if (slice.size > 0) {
        first = (unsigned char)slice.data[0] | (uint64_t)(unsigned char)slice.data[slice.size - 1] << 8 |
                (uint64_t)(unsigned char)slice.data[slice.size / 2] << 16;
    }
    uint64_t hash = (first ^ (uint64_t)slice.size) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 32;
    hash = (hash ^ last) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ (hash >> 32);
}

/* The entry of bytes in a table of slices, or NULL. */
static inline const wsgi_entry *
wsgi_table_find_slice(const wsgi_table *table, asteri_slice slice)
{
    uint64_t hash = wsgi_hash_slice(slice);
    for (uint64_t step = 0; step < WSGI_TABLE_STEPS; step++) {
        const wsgi_entry *entry = wsgi_table_at(table, hash + step);
        if (entry == NULL) {
            return NULL;
        }
        if (entry->hash == hash && PyBytes_GET_SIZE(entry->text) == slice.size &&
            (slice.size == 0 || memcmp(PyBytes_AS_STRING(entry->text), slice.data, (size_t)slice.size) == 0)) {
            return entry;
        }
    }
    return NULL;
}

#endif
