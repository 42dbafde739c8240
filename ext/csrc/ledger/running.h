/* The running exchanges of a worker: a hash table by address, with open addressing. A request costs two probes of it.
 * It owns what is in it. */
#ifndef RUNNING_H
#define RUNNING_H

#include <stdint.h>

#include "asteri/slice.h"

typedef struct {
    PyObject *exchange; /* owned; NULL: the place is free */
    uint64_t number;    /* counts up, so that they can be put in the order of their start */
    double since;
    double due; /* when its time is over; NAN when nobody asks */
} running_entry;

typedef struct {
    running_entry *entries;
    size_t mask; /* places - 1 */
    size_t count;
    uint64_t next_number;
} running_table;

int running_init(running_table *table); /* 0, -1 with MemoryError */
void running_free(running_table *table);
/* 0, -1 with MemoryError. It is not in the table yet. */
int running_add(running_table *table, PyObject *exchange, double since);
/* Borrowed from the table until it changes; NULL when it is not in it (no exception). */
running_entry *running_find(running_table *table, PyObject *exchange);
/* Takes it out: the reference is the caller's. */
void running_remove(running_table *table, running_entry *entry, running_entry *taken);
/* Copies of the entries that `wanted` (NULL: all) accepts, first started first, with new references: what is made of
 * them may run the collector, and that anything. PyMem_Free them. NULL with MemoryError. */
running_entry *running_sorted(const running_table *table, int (*wanted)(const running_entry *, double), double now,
                              size_t *count);

#endif
