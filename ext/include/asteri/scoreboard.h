/* The layout of a worker's slot on the scoreboard; `asteri_core.scoreboard` says what the fields mean.
 * A slot has one writer. Every field is eight bytes wide and aligned, so a reader never sees half a number. */
#ifndef ASTERI_SCOREBOARD_H
#define ASTERI_SCOREBOARD_H

#include <assert.h>
#include <stdint.h>

#define ASTERI_BUCKETS 28
#define ASTERI_CURRENT_SIZE 168

typedef struct {
    int64_t pid;
    int64_t state;
    int64_t generation;
    double booted;
    double heartbeat;
    int64_t requests;
    int64_t active;
    int64_t connections;
    int64_t accepted;
    int64_t errors;
    int64_t sent;
    int64_t recycle;
    double busy;
    int64_t faults;
    int64_t latency[ASTERI_BUCKETS];
    int64_t current_size;
    char current[ASTERI_CURRENT_SIZE];
} asteri_slot;

static_assert(sizeof(asteri_slot) == 512, "a slot has 512 bytes");

#endif
