/* See running.h. Removal shifts back what stands behind (no tombstones), so the table does not age. */
#include "running.h"

#include <math.h>
#include <stdlib.h>

#define PLACES 64

static size_t
home_of(const running_table *table, const PyObject *exchange)
{
    /* Objects are 16 bytes apart at least; the multiplication spreads neighbours. */
    uint64_t address = (uint64_t)(uintptr_t)exchange >> 4;
    return (size_t)((address * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & table->mask;
}

int
running_init(running_table *table)
{
    table->entries = PyMem_Calloc(PLACES, sizeof(running_entry));
    table->mask = PLACES - 1;
    table->count = 0;
    table->next_number = 0;
    if (table->entries == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void
running_free(running_table *table)
{
    running_entry *entries = table->entries;
    if (entries == NULL) {
        return;
    }
    table->entries = NULL;
    table->count = 0;
    for (size_t place = 0; place <= table->mask; place++) {
        Py_XDECREF(entries[place].exchange);
    }
    PyMem_Free(entries);
}

static void
put(running_table *table, const running_entry *entry)
{
    size_t place = home_of(table, entry->exchange);
    while (table->entries[place].exchange != NULL) {
        place = (place + 1) & table->mask;
    }
    table->entries[place] = *entry;
}

static int
grow(running_table *table)
{
    running_entry *before = table->entries;
    size_t places = table->mask + 1;
    running_entry *after = PyMem_Calloc(places * 2, sizeof(running_entry));
    if (after == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    table->entries = after;
    table->mask = places * 2 - 1;
    for (size_t place = 0; place < places; place++) {
        if (before[place].exchange != NULL) {
            put(table, &before[place]);
        }
    }
    PyMem_Free(before);
    return 0;
}

int
running_add(running_table *table, PyObject *exchange, double since)
{
    if (table->count * 2 > table->mask && grow(table) < 0) {
        return -1;
    }
    running_entry entry = {Py_NewRef(exchange), table->next_number++, since, NAN};
    put(table, &entry);
    table->count++;
    return 0;
}

running_entry *
running_find(running_table *table, PyObject *exchange)
{
    size_t place = home_of(table, exchange);
    while (table->entries[place].exchange != NULL) {
        if (table->entries[place].exchange == exchange) {
            return &table->entries[place];
        }
        place = (place + 1) & table->mask;
    }
    return NULL;
}

void
running_remove(running_table *table, running_entry *entry, running_entry *taken)
{
    *taken = *entry;
    size_t hole = (size_t)(entry - table->entries);
    size_t place = hole;
    for (;;) {
        place = (place + 1) & table->mask;
        running_entry *next = &table->entries[place];
        if (next->exchange == NULL) {
            break;
        }
        /* It may move into the hole unless its home lies behind the hole. */
        size_t distance = (place - home_of(table, next->exchange)) & table->mask;
        if (distance >= ((place - hole) & table->mask)) {
            table->entries[hole] = *next;
            hole = place;
        }
    }
    table->entries[hole].exchange = NULL;
    table->count--;
}

static int
by_number(const void *first, const void *second)
{
    uint64_t one = ((const running_entry *)first)->number, other = ((const running_entry *)second)->number;
    return (one > other) - (one < other);
}

running_entry *
running_sorted(const running_table *table, int (*wanted)(const running_entry *, double), double now, size_t *count)
{
    running_entry *found = PyMem_Malloc((table->count + 1) * sizeof(running_entry));
    *count = 0;
    if (found == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t place = 0; place <= table->mask; place++) {
        const running_entry *entry = &table->entries[place];
        if (entry->exchange != NULL && (wanted == NULL || wanted(entry, now))) {
            Py_INCREF(entry->exchange);
            found[(*count)++] = *entry;
        }
    }
    qsort(found, *count, sizeof(running_entry), by_number);
    return found;
}
