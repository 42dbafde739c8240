/* The table of table.h: how it grows and ends. */
#include "table.h"

static void
entry_free(wsgi_entry *entry)
{
    Py_XDECREF(entry->text);
    Py_XDECREF(entry->result);
    PyMem_Free(entry);
}

const wsgi_entry *
wsgi_table_add(wsgi_table *table, uint64_t hash, PyObject *text, PyObject *result, int number)
{
    if (atomic_load(&table->count) >= WSGI_TABLE_ENTRIES) {
        return NULL;
    }
    wsgi_entry *entry = PyMem_Malloc(sizeof *entry);
    if (entry == NULL) {
        return NULL;
    }
    Py_INCREF(text);
    Py_XINCREF(result);
    *entry = (wsgi_entry){.hash = hash, .text = text, .result = result, .number = number};
    for (uint64_t step = 0; step < WSGI_TABLE_STEPS; step++) {
        /* Two threads may add the same text: the second of the two entries is never found, and does no harm. */
        wsgi_entry *free_slot = NULL;
        if (atomic_compare_exchange_strong(&table->slots[(hash + step) & (WSGI_TABLE_SLOTS - 1)], &free_slot, entry)) {
            atomic_fetch_add(&table->count, 1);
            return entry;
        }
    }
    entry_free(entry);
    return NULL;
}

void
wsgi_table_free(wsgi_table *table)
{
    for (size_t place = 0; place < WSGI_TABLE_RECENT; place++) {
        atomic_store(&table->recent[place], NULL);
    }
    for (size_t slot = 0; slot < WSGI_TABLE_SLOTS; slot++) {
        wsgi_entry *entry = atomic_load(&table->slots[slot]);
        atomic_store(&table->slots[slot], NULL);
        if (entry != NULL) {
            entry_free(entry);
        }
    }
}
