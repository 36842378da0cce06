/*
 * The one place in which a process blocks.  Two engines behind one interface:
 * poll(2), which needs no registration calls, and epoll, edge-triggered, each
 * descriptor registered once.
 * AUTO begins with poll and moves to epoll, for good, when more than
 * POLLER_CROSSOVER descriptors are watched.
 *
 * Readiness is sticky: `ready` collects POLLER_IN/OUT when the kernel reports
 * them; the owner clears a bit (watch_clear) when a call came back short or with EAGAIN. The owner
 * may always try first and wait afterwards.  Errors and hang-ups set POLLER_FAIL
 * and are reported whatever is wanted, once; IN and OUT are set with it, because any call will now
 * come back and say what is wrong.  End of input alone shows as POLLER_IN with POLLER_EOF.
 * OUT may stay unreported until it is wanted; with poll(2) also IN and EOF.
 * A shared watch is the exception: what it was told holds for one wake, since another process may
 * have taken it by then; the kernel tells again while there is more.
 *
 * A turn first marks `ready` on every reported watch and only then calls the first wake: whoever is
 * woken sees what is known about all others (a pooled connection that died is not picked).
 *
 * Within a turn a handler may remove any watch, also one that is still to be
 * reported in this turn: it will not be called.  The memory of a removed watch
 * must stay valid until the turn is over (deferred free).
 */
#ifndef BALLAST_BASE_POLLER_H
#define BALLAST_BASE_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	POLLER_IN = 1,
	POLLER_OUT = 2,
	POLLER_FAIL = 4, /* POLLERR or POLLHUP */
	/* The peer has finished sending (RDHUP): read on until 0, a short read is not the last one. */
	POLLER_EOF = 8,
};

enum poller_engine { POLLER_AUTO, POLLER_POLL, POLLER_EPOLL };

/*
 * What a worker watches before its first client.  Measured (docs/performance.md): per request epoll is the cheaper
 * one from the first connection on.
 */
enum { POLLER_CROSSOVER = 4 };

struct watch {
	void (*wake)(struct watch *); /* called once per turn with new readiness */
	int fd;                       /* -1: not watched */
	uint32_t index;               /* the engine's own */
	uint8_t want;                 /* POLLER_IN/OUT waited for */
	uint8_t ready;                /* sticky */
	bool shared; /* several processes wait on it (a listener); with epoll one of those that sleep is woken */
	uint8_t marks;             /* the poller's own, as is the rest; poller_add sets them all */
	struct watch *next, *prev; /* the queue of those to be woken; NULL when in none */
};

struct poller;

/* capacity: most descriptors ever watched at once; all memory is taken here.  NULL with errno. */
struct poller *poller_create(enum poller_engine, uint32_t capacity);
/* All the memory that such a poller may take. */
size_t poller_bytes(enum poller_engine, uint32_t capacity);
void poller_destroy(struct poller *);
/* 0 or -errno (-ENOSPC: capacity is used up).  The watch begins with want and ready as given. */
int poller_add(struct poller *, struct watch *, int fd, unsigned want);
/* Also how an owner that sets w->ready itself asks to be woken in the next turn. */
void poller_want(struct poller *, struct watch *, unsigned want);
/* Before the descriptor is closed.  Sets fd to -1 and does not close it. */
void poller_remove(struct poller *, struct watch *);
/*
 * Waits at most timeout_ms (-1: for ever), then calls wake for every watch that
 * has (ready & want) or POLLER_FAIL newly reported.  A watch which is already ready for what it
 * wants when the wait begins makes the wait return at once (with edge-triggered epoll its owner would
 * otherwise never hear again).  *now_us is set to the time after the wait, before any wake.
 * Returns the number of watches woken, or -errno (EINTR is 0).
 */
int poller_turn(struct poller *, int timeout_ms, uint64_t *now_us);
/*
 * Within a turn, for who has to know what the kernel knows of one watch now: brings `ready` of all watches up to
 * date; nobody is woken before the next turn.  False: it did not, and the owner has to ask otherwise.  A system call with
 * epoll, cheaper than any on the descriptor itself; not done with poll(2), which would look at every descriptor.
 */
bool poller_refresh(struct poller *);
/* Which engine is at work now: POLLER_POLL or POLLER_EPOLL. */
enum poller_engine poller_engine(const struct poller *);
uint32_t poller_watched(const struct poller *);
const char *poller_engine_name(enum poller_engine);
bool poller_engine_parse(enum poller_engine *, const char *name);

static inline void
watch_clear(struct watch *w, unsigned bits)
{
	w->ready &= (uint8_t)~bits;
}

/* After a read that returned less than asked: nothing more is there, unless the end is still to be read. */
static inline void
watch_read_short(struct watch *w)
{
	if (!(w->ready & POLLER_EOF))
		w->ready &= (uint8_t)~POLLER_IN;
}

#endif
