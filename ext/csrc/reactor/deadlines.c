/* See deadlines.h. */
#include "deadlines.h"

#include <math.h>
#include <string.h>

#define MASK (BUCKETS - 1)

static int64_t
tick_at(double now)
{
    int64_t tick = (int64_t)(now / TICK);
    /* The division rounds; what counts is the product, as in `deadlines_due`. */
    while ((double)(tick + 1) * TICK <= now) {
        tick++;
    }
    while ((double)tick * TICK > now) {
        tick--;
    }
    return tick > 1 ? tick : 1;
}

void
deadlines_init(deadlines *self, double now)
{
    memset(self, 0, sizeof(*self));
    self->base = tick_at(now);
}

static void
unlink_member(due_link *member)
{
    *member->at = member->next;
    if (member->next != NULL) {
        member->next->at = member->at;
    }
    member->next = NULL;
    member->at = NULL;
}

/* The first tick that has members. There are some. */
static int64_t
first_tick(deadlines *self)
{
    int64_t tick = self->first;
    for (;;) {
        int place = (int)(tick & 63);
        uint64_t word = self->filled[(tick & MASK) >> 6] >> place;
        if (word != 0) {
            return self->first = tick + __builtin_ctzll(word);
        }
        tick += 64 - place;
    }
}

/* The wheel may be looked at from `now` on, but no member may fall out of it. */
static void
turn_to(deadlines *self, double now)
{
    int64_t tick = tick_at(now);
    if (self->count > 0) {
        int64_t first = first_tick(self);
        tick = tick < first ? tick : first;
    }
    if (tick > self->base) {
        self->base = tick;
    }
}

int
deadlines_set(deadlines *self, due_link *member, double when, double now)
{
    turn_to(self, now);
    int64_t last = self->base + BUCKETS - 1;
    int64_t tick = last;
    if (when < (double)(last - 1) * TICK) {
        tick = when > 0 ? (int64_t)(when / TICK) + 1 : 0;
        tick = tick > self->base ? tick : self->base;
    }
    if (member->tick != 0 && member->tick <= tick) {
        return 0;
    }
    deadlines_discard(self, member);
    due_link **bucket = &self->buckets[tick & MASK];
    member->tick = tick;
    member->next = *bucket;
    member->at = bucket;
    if (*bucket != NULL) {
        (*bucket)->at = &member->next;
    }
    *bucket = member;
    int earliest = self->count == 0 || tick < first_tick(self);
    self->filled[(tick & MASK) >> 6] |= UINT64_C(1) << (tick & 63);
    self->count++;
    if (earliest) {
        self->first = tick;
    }
    return earliest;
}

void
deadlines_discard(deadlines *self, due_link *member)
{
    if (member->at == NULL) {
        return;
    }
    unlink_member(member);
    if (member->tick != 0) {
        int64_t tick = member->tick;
        member->tick = 0;
        self->count--;
        if (self->buckets[tick & MASK] == NULL) {
            self->filled[(tick & MASK) >> 6] &= ~(UINT64_C(1) << (tick & 63));
        }
    }
}

void
deadlines_due(deadlines *self, double now, due_link **list)
{
    while (*list != NULL) {
        list = &(*list)->next;
    }
    while (self->count > 0) {
        int64_t tick = first_tick(self);
        if ((double)tick * TICK > now) {
            return;
        }
        due_link *member;
        while ((member = self->buckets[tick & MASK]) != NULL) {
            deadlines_discard(self, member);
            member->at = list;
            *list = member;
            list = &member->next;
        }
    }
}

due_link *
due_take(due_link **list)
{
    due_link *member = *list;
    if (member != NULL) {
        unlink_member(member);
    }
    return member;
}

double
deadlines_next(deadlines *self)
{
    return self->count > 0 ? (double)first_tick(self) * TICK : INFINITY;
}
