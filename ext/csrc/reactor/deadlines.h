/* At most one coarse deadline for each stream: the twin of `asteri_core.reactor.timers.Deadlines`.
 *
 * A wheel of buckets of TICK seconds, the members linked within themselves, so setting, moving and forgetting allocate
 * nothing. The wheel goes round in BUCKETS ticks: who wants to be called later than that is called early, does nothing,
 * and is set anew. Nothing here reads a clock or knows what a member is. */
#ifndef REACTOR_DEADLINES_H
#define REACTOR_DEADLINES_H

#include <stdint.h>

#define TICK 0.1 /* seconds; a deadline is met at the end of its bucket */
#define BUCKETS 2048

/* Embedded in a member; all zero: it has no deadline. */
typedef struct due_link {
    struct due_link *next;
    struct due_link **at; /* what points to this link; NULL: it is in no list */
    int64_t tick;         /* the bucket it is in, 0: in none */
} due_link;

typedef struct {
    due_link *buckets[BUCKETS];
    uint64_t filled[BUCKETS / 64]; /* a bit for each bucket that is not empty */
    int64_t base;                  /* every member is in one of the BUCKETS ticks from here on */
    int64_t first;                 /* no member has an earlier tick; of no meaning without members */
    int64_t count;
} deadlines;

void deadlines_init(deadlines *self, double now);

/* Makes sure that the member comes out of `deadlines_due` at `when` or before. A later deadline than the one it has
 * changes nothing. 1: this is now the first deadline; 0. */
int deadlines_set(deadlines *self, due_link *member, double when, double now);

/* Takes the member out of whatever list it is in. */
void deadlines_discard(deadlines *self, due_link *member);

/* Moves every member whose bucket has ended to the end of `list`, in the order of the buckets. `list` is where a list
 * begins and stays in its place as long as anything is in it; `due_take` and `deadlines_discard` take out of it. */
void deadlines_due(deadlines *self, double now, due_link **list);

/* Takes the first member out of a list; NULL when there is none. */
due_link *due_take(due_link **list);

/* When `deadlines_due` may have something next; infinity if nothing is set. */
double deadlines_next(deadlines *self);

#endif
