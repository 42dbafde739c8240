/* The reactor of one worker as its files see it: the twin of `asteri_core.reactor.loop`. Not to be confused with
 * "asteri/reactor.h", which is what others see of it.
 *
 * turn.c turns it, reactor.c holds it together, life.c begins and ends it, methods.c is its face in Python, accept.c
 * its listeners, foreign.c the descriptors of others; stream.c is one peer. Everything is done with the lock held but
 * sleeping, waking and posting. Functions that return int: 0, -1 with an exception, unless said otherwise.
 */
#ifndef REACTOR_REACTOR_H
#define REACTOR_REACTOR_H

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "adapter.h"
#include "address.h"
#include "asteri/connection.h"
#include "deadlines.h"
#include "lock.h"
#include "source.h"
#include "state.h"
#include "stream.h"
#include "timers.h"

#define ACCEPT_PAUSE 1.0    /* seconds without accepting after it has failed */
#define CORK_SECONDS 0.001  /* how long bytes stay in a cork */
#define CORKS_KEPT 32       /* free ones */
#define TOGETHER 16         /* answers to several peers that leave together: with more, caches would not hold them */
#define EVENTS 512          /* of one turn */
#define KNOWN_TYPES 4

/* What `reactor_wake` finds: nobody has to be woken; who turns the reactor looks before it sleeps; it sleeps, or
 * somebody sleeps for it. */
enum { PHASE_DISPATCHING, PHASE_BETWEEN, PHASE_SLEEPING, PHASE_WOKEN };

typedef struct listener listener;
typedef struct foreign foreign;
typedef struct slab slab;

/* A stream that is being pumped; on the stack of who does it. */
typedef struct pump_frame {
    stream *stream;
    struct pump_frame *below;
} pump_frame;

/* Callbacks from anywhere, in order. */
typedef struct {
    pthread_mutex_t mutex; /* never held while anything else is called */
    PyObject **items;      /* owned */
    Py_ssize_t first, capacity;
    atomic_llong count;
} posted;

typedef struct reactor {
    PyObject_HEAD
    reactor_state *state; /* the module's, which the type keeps alive */
    reactor_lock *lock;   /* owned */
    /* owned; NULL: nothing is called */
    PyObject *started, *finished, *failed, *on_dirty;
    PyObject *clock; /* owned */
    int monotonic;   /* the clock is time.monotonic, which C reads by itself */
    double now;
    /* Of `now`: late by a tick at most; when what has come was seen; exact. */
    enum { NOW_LATE, NOW_OF_TURN, NOW_EXACT } precision;
    double asked; /* the time when it was last looked at exactly, which `now` of a flush need not be */
    double write_timeout;
    Py_ssize_t max_connections, connections, accepted, accept_batch;

    int epoll; /* -1: closed, or never initialised */
    pid_t process; /* that has made it: a forked child shares it with its parent */
    source waker;
    atomic_int phase;
    atomic_int woken;      /* `reactor_wake` was called since the last sleep */
    int watched;           /* somebody may sleep for us between two turns: the descriptor was asked for */
    double sleeping_until; /* who sets an earlier deadline has to wake us; of no meaning while dispatching */
    int depth;             /* calls of ours on the stack */
    int remains;           /* something is to be let go of when nothing of ours is on the stack any more */
    int polls;             /* turns from before their sleep to their end: they may have the address of any stream */

    deadlines deadlines;
    timers timers;
    posted posted;

    stream *streams; /* the open ones */
    stream *closed;  /* closed, and not yet released */
    stream *retired; /* released, and perhaps known to a turn */
    stream *free;
    slab *slabs;
    stream *dirty, **dirty_end;
    stream *backlog, **backlog_end;
    pump_frame *pumps;
    cork *corked, **corked_end; /* kept for a moment */
    double corked_since;
    int together; /* of those, how many wait for answers to others */
    cork *free_corks;
    int free_cork_count;

    listener *listeners, *former_listeners;
    known_hosts hosts;
    int accepting;
    double pause_until; /* NEVER: accepting does not pause */

    foreign **foreigns; /* by descriptor */
    int foreigns_size;
    foreign *free_foreigns, *all_foreigns;

    struct {
        PyTypeObject *type; /* owned */
        const asteri_connection_v1 *functions; /* NULL: driven by its Python methods */
    } known[KNOWN_TYPES];
    int next_known;

    char *buffer;                /* READ_SIZE bytes */
    struct epoll_event *events;  /* EVENTS of them, of the outermost turn */
} reactor;

/* -- reactor.c ----------------------------------------------------------------------------------------------------- */

/* Around everything that touches streams: takes the lock, and lets go of what has been closed at the end. */
void reactor_enter(reactor *self);
void reactor_leave(reactor *self);
/* Lets go of what has been closed, now that nobody on the stack works with it. */
void reactor_bury(reactor *self);

/* The time by the reactor's clock. */
int reactor_time(reactor *self, double *now);
int reactor_update_now(reactor *self);
/* As the functions of the contract. */
int reactor_arrival(reactor *self, double *when);
int reactor_exact_time(reactor *self, double *now);

int reactor_post(reactor *self, PyObject *callback); /* borrowed */
PyObject *reactor_take_posted(reactor *self); /* the first of them, the caller's; NULL (no exception): there is none */
void reactor_wake(reactor *self);

/* -- reactor.c, for streams ---------------------------------------------------------------------------------------- */

void reactor_mark(reactor *self, stream *stream);           /* it has something to pump */
void reactor_queue(reactor *self, stream *stream);          /* the same, and nobody is told */
void reactor_list(reactor *self, stream *stream);           /* it goes on in the next turn */
void reactor_set_deadline(reactor *self, stream *stream, double when);
void reactor_sleeps_until(reactor *self, double when);      /* wakes it if it sleeps longer */
stream *reactor_new_stream(reactor *self);                  /* zeroed; NULL: MemoryError */
void reactor_forget(reactor *self, stream *stream);         /* it has closed its socket */
void reactor_free_streams(reactor *self);                   /* the memory of all; every one has been released */
/* The functions of a connection's type, NULL (no exception) when it is driven by its Python methods. */
const asteri_connection_v1 *reactor_functions(reactor *self, PyTypeObject *type);
/* Calls a callback with one or two arguments (borrowed); NULL is no callback. */
int reactor_call(reactor *self, PyObject *callback, PyObject *one, PyObject *other);
int reactor_watch(reactor *self, int operation, source *source, uint32_t events); /* 0; -1: errno says why */

static inline double
monotonic_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)((int64_t)now.tv_sec * 1000000000 + now.tv_nsec) / 1e9; /* as time.monotonic */
}

/* As `monotonic_time`, late by a tick of the system's timer at most: a look into memory instead of at a device. */
static inline double
coarse_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (double)((int64_t)now.tv_sec * 1000000000 + now.tv_nsec) / 1e9;
}

/* -- turn.c -------------------------------------------------------------------------------------------------------- */

/* One turn, which waits at most `timeout` seconds. `*dispatched`, unless NULL: whether anything has happened. The lock
 * is not held, or is held by the caller all the time. */
int reactor_turn(reactor *self, double timeout, int *dispatched);
/* Seconds until something has to be done, infinity for never. */
int reactor_timeout(reactor *self, double *timeout);
/* Sends and passes on what exchanges have left, as the functions of the contract. */
int reactor_flush(reactor *self);
int reactor_flush_later(reactor *self, double now, int all);

/* -- life.c -------------------------------------------------------------------------------------------------------- */

/* What costs nothing: for a reactor that is all zero. */
void reactor_blank(reactor *self);
/* Makes the descriptors and buffers. */
int reactor_open(reactor *self);
int reactor_drain(reactor *self, double until);
int reactor_abandon(reactor *self);
int reactor_close(reactor *self);
int reactor_traverse(reactor *self, visitproc visit, void *arg);
/* Gives everybody up without a word. It is of no use any more, but can still be called. */
int reactor_clear(reactor *self);
/* Frees what is left after that. */
void reactor_free(reactor *self);

/* -- accept.c ------------------------------------------------------------------------------------------------------ */

int reactor_listen(reactor *self, PyObject *socket, PyObject *factory);
void reactor_unlisten(reactor *self);
int reactor_accept_waiting(reactor *self);
int reactor_attach(reactor *self, PyObject *socket, PyObject *peer, PyObject *factory);
int listener_ready(reactor *self, source *source);
void reactor_resume_accepting(reactor *self); /* unless there is a reason not to */
int listeners_traverse(reactor *self, visitproc visit, void *arg);
void listeners_free(reactor *self);    /* those that are listened to no more */
void listeners_release(reactor *self); /* and their memory */

/* -- foreign.c ----------------------------------------------------------------------------------------------------- */

struct foreign {
    source source; /* source.state: whether it is watched */
    unsigned int events; /* those of the `selectors` module */
    PyObject *fileobj;   /* owned */
    PyObject *ready;     /* owned: called with the mask. NULL: `key` and the mask are appended to `list` */
    PyObject *key, *list; /* owned */
    foreign *next; /* of all */
    foreign *next_free;
};

/* The descriptor of a file object, as `selectors` finds it. */
int descriptor_of(PyObject *fileobj, int *fd);
foreign *foreign_find(reactor *self, int fd); /* NULL: it is not watched; no exception */
foreign *foreign_find_object(reactor *self, PyObject *fileobj); /* by descriptor, or the same object; NULL: KeyError */
/* Borrowed arguments. NULL: an exception. */
foreign *foreign_add(reactor *self, PyObject *fileobj, PyObject *events, PyObject *ready);
int foreign_change(reactor *self, foreign *one, PyObject *fileobj, PyObject *events);
void foreign_remove(reactor *self, foreign *one);
int foreign_ready(reactor *self, source *source, uint32_t events);
int foreigns_traverse(reactor *self, visitproc visit, void *arg);
void foreigns_free(reactor *self);    /* watches none of them any more */
void foreigns_release(reactor *self); /* and has no memory for them */

#endif
