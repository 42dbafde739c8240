/* What an event of epoll points to. */
#ifndef REACTOR_SOURCE_H
#define REACTOR_SOURCE_H

#include <stddef.h>
#include <stdint.h>

enum { SOURCE_WAKER, SOURCE_LISTENER, SOURCE_FOREIGN, SOURCE_STREAM };

/* The first member of whatever is watched. Its memory is never given back, or used for another kind of source, while
 * the reactor lives: a descriptor that was closed behind our back may go on reporting events for as long as a forked
 * child has a copy of it. */
typedef struct {
    int fd;
    uint8_t kind;
    uint8_t state; /* the kind's own */
} source;

#endif
