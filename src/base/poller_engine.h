/*
 * What poller.c and its engines have between them: the table of an engine's
 * functions, and the one way in which an engine reports an event.  Private to
 * src/base/poller*.c.  An engine knows descriptors and the kernel; the queue of
 * watches to be woken, stickiness and the wake itself belong to poller.c.
 */
#ifndef BALLAST_SRC_BASE_POLLER_ENGINE_H
#define BALLAST_SRC_BASE_POLLER_ENGINE_H

#include <assert.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "ballast/base/poller.h"

enum {
	MARK_FAIL_UNTOLD = 1, /* POLLER_FAIL came and its owner has not been woken for it */
	MARK_OFF = 2,         /* epoll: a shared watch that the kernel does not hold now */
	MARK_OUT = 4,         /* epoll: registered for output too */
	MARK_REARM = 8,       /* the engine could not follow `want`: to be tried again every turn */
};

struct engine {
	void *(*create)(uint32_t capacity); /* NULL with errno */
	size_t (*bytes)(uint32_t capacity); /* what create takes, at most */
	void (*destroy)(void *);
	int (*add)(void *, struct watch *);  /* fd and want are set.  0 or -errno */
	int (*want)(void *, struct watch *); /* want has changed.  0 or -errno */
	void (*remove)(void *, struct watch *);
	/* Waits, reports each event with engine_report into the queue.  0 or -errno. */
	int (*wait)(void *, int timeout_ms, struct watch *queue);
	/* The same without waiting; false: not all that the kernel had to tell was told.  NULL: it would cost too much. */
	bool (*refresh)(void *, struct watch *queue);
};

const struct engine *engine_poll(void);
const struct engine *engine_epoll(void);

/* The watches of the poll engine, for the move to epoll. */
struct watch *engine_poll_at(const void *, uint32_t i);

/* A queue is a ring whose head is a watch that is never woken. */
static inline void
queue_append(struct watch *head, struct watch *w)
{
	w->prev = head->prev;
	w->next = head;
	head->prev->next = w;
	head->prev = w;
}

static inline void
queue_take(struct watch *w)
{
	assert(w->prev != NULL && w->next != NULL);
	w->prev->next = w->next;
	w->next->prev = w->prev;
	w->next = NULL;
	w->prev = NULL;
}

static inline bool
watch_is_ready(const struct watch *w)
{
	return (w->ready & w->want) != 0;
}

/*
 * POLLxxx, which on Linux are also the EPOLLxxx, as POLLER_xxx.  A hang-up is
 * also EOF: what can still be read is the last, and its end must not be missed.
 */
static inline unsigned
engine_bits(unsigned events)
{
	unsigned bits = 0;

	if (events & POLLIN)
		bits |= POLLER_IN;
	if (events & POLLOUT)
		bits |= POLLER_OUT;
	if (events & (POLLRDHUP | POLLHUP))
		bits |= POLLER_IN | POLLER_EOF;
	if (events & (POLLERR | POLLHUP | POLLNVAL))
		bits |= POLLER_FAIL | POLLER_IN | POLLER_OUT;
	return bits;
}

/* Only marks and queues: nobody is woken before every event of the turn is known. */
static inline void
engine_report(struct watch *queue, struct watch *w, unsigned events)
{
	unsigned bits = engine_bits(events);

	if (bits & ~(unsigned)w->ready & POLLER_FAIL)
		w->marks |= MARK_FAIL_UNTOLD;
	w->ready |= (uint8_t)bits;
	if (w->next == NULL && (watch_is_ready(w) || (w->marks & MARK_FAIL_UNTOLD)))
		queue_append(queue, w);
}

#endif
