/*
 * The poller: where a process waits.  Runs in master, workers and checker; owns
 * its engine, not the watches.  A watch that has something to hear stands in
 * `queue`: put there by the engine when the kernel reported something new, by
 * poller_add and poller_want when it is ready for what it wants already, and
 * after its wake when it still is.  A turn moves the queue to `due` and wakes
 * from there, so what a wake queues is for the next turn.
 * Invariants: a watch stands in one queue at most, and only while it is
 * watched; work per turn grows with what happened, not with what is watched.
 */
#include "poller_engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ballast/base/clock.h"

enum { REARM_MS = 100 };

struct poller {
	const struct engine *engine;
	void *state;        /* the engine's */
	struct watch queue; /* head: to be woken in the next turn */
	struct watch due;   /* head: to be woken in this turn */
	uint32_t n, capacity;
	uint32_t move_above; /* watches beyond which epoll takes over */
};

static void
queue_init(struct watch *head)
{
	*head = (struct watch){ .fd = -1, .next = head, .prev = head };
}

struct poller *
poller_create(enum poller_engine engine, uint32_t capacity)
{
	struct poller *p = calloc(1, sizeof(*p));

	assert(capacity > 0);
	if (p == NULL)
		return NULL;
	p->engine = engine == POLLER_EPOLL ? engine_epoll() : engine_poll();
	p->move_above = engine == POLLER_AUTO ? POLLER_CROSSOVER : UINT32_MAX;
	p->capacity = capacity;
	queue_init(&p->queue);
	queue_init(&p->due);
	p->state = p->engine->create(capacity);
	if (p->state == NULL) {
		int saved = errno;

		free(p);
		errno = saved;
		return NULL;
	}
	return p;
}

/* The move from one engine to the other holds both for a moment. */
size_t
poller_bytes(enum poller_engine engine, uint32_t capacity)
{
	size_t bytes = sizeof(struct poller);

	if (engine != POLLER_EPOLL)
		bytes += engine_poll()->bytes(capacity);
	if (engine != POLLER_POLL)
		bytes += engine_epoll()->bytes(capacity);
	return bytes;
}

void
poller_destroy(struct poller *p)
{
	if (p == NULL)
		return;
	p->engine->destroy(p->state);
	free(p);
}

static int
add_all(struct poller *p, void *epoll)
{
	for (uint32_t i = 0; i < p->n; i++) {
		int rc = engine_epoll()->add(epoll, engine_poll_at(p->state, i));

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Where epoll is refused poll(2) goes on, only slower; another try when twice as much is watched. */
static void
move_to_epoll(struct poller *p)
{
	void *epoll = engine_epoll()->create(p->capacity);

	if (epoll == NULL || add_all(p, epoll) < 0) {
		if (epoll != NULL)
			engine_epoll()->destroy(epoll);
		p->move_above *= 2;
		return;
	}
	engine_poll()->destroy(p->state);
	p->engine = engine_epoll();
	p->state = epoll;
	p->move_above = UINT32_MAX;
}

static void
queue_if_ready(struct poller *p, struct watch *w)
{
	if (w->next == NULL && watch_is_ready(w))
		queue_append(&p->queue, w);
}

int
poller_add(struct poller *p, struct watch *w, int fd, unsigned want)
{
	int rc;

	if (p->n == p->capacity)
		return -ENOSPC;
	w->fd = fd;
	w->want = (uint8_t)want;
	w->marks = 0;
	w->next = NULL;
	w->prev = NULL;
	rc = p->engine->add(p->state, w);
	if (rc < 0) {
		w->fd = -1;
		return rc;
	}
	if (++p->n > p->move_above)
		move_to_epoll(p);
	queue_if_ready(p, w);
	return 0;
}

/* A listener the kernel would not take back must not stay deaf: it queues for another try. */
static void
follow_want(struct poller *p, struct watch *w)
{
	w->marks &= (uint8_t)~MARK_REARM;
	if (p->engine->want(p->state, w) == 0)
		return;
	w->marks |= MARK_REARM;
	if (w->next == NULL)
		queue_append(&p->queue, w);
}

void
poller_want(struct poller *p, struct watch *w, unsigned want)
{
	if (w->fd < 0)
		return;
	if (w->want != want) {
		w->want = (uint8_t)want;
		follow_want(p, w);
	}
	queue_if_ready(p, w);
}

void
poller_remove(struct poller *p, struct watch *w)
{
	if (w->fd < 0)
		return;
	p->engine->remove(p->state, w);
	p->n--;
	if (w->next != NULL)
		queue_take(w);
	w->fd = -1;
}

/* How long to wait, given who is queued already; drops those for whom nothing is left to hear. */
static int
wait_ms(struct poller *p, int timeout_ms)
{
	struct watch *next;

	for (struct watch *w = p->queue.next; w != &p->queue; w = next) {
		next = w->next;
		if (w->marks & MARK_REARM)
			follow_want(p, w);
		if (watch_is_ready(w) || (w->marks & MARK_FAIL_UNTOLD))
			timeout_ms = 0;
		else if (!(w->marks & MARK_REARM))
			queue_take(w);
		else if (timeout_ms < 0 || timeout_ms > REARM_MS)
			timeout_ms = REARM_MS;
	}
	return timeout_ms;
}

static void
move_queue(struct watch *from, struct watch *to)
{
	if (from->next == from)
		return;
	to->next = from->next;
	to->prev = from->prev;
	to->next->prev = to;
	to->prev->next = to;
	from->next = from;
	from->prev = from;
}

/* Whether it was woken: what it had to hear may have been dealt with by another's wake. */
static bool
wake(struct poller *p, struct watch *w)
{
	bool due = watch_is_ready(w) || (w->marks & MARK_FAIL_UNTOLD);

	w->marks &= (uint8_t)~MARK_FAIL_UNTOLD;
	if (due)
		w->wake(w);
	if (w->fd < 0)
		return due;
	if (w->shared)
		watch_clear(w, POLLER_IN | POLLER_OUT);
	queue_if_ready(p, w);
	if ((w->marks & MARK_REARM) && w->next == NULL)
		queue_append(&p->queue, w);
	return due;
}

static int
wake_all(struct poller *p)
{
	int woken = 0;

	move_queue(&p->queue, &p->due);
	while (p->due.next != &p->due) {
		struct watch *w = p->due.next;

		queue_take(w);
		woken += wake(p, w);
	}
	return woken;
}

int
poller_turn(struct poller *p, int timeout_ms, uint64_t *now_us)
{
	int rc = p->engine->wait(p->state, wait_ms(p, timeout_ms), &p->queue);

	*now_us = clock_now_us();
	if (rc < 0 && rc != -EINTR)
		return rc;
	return wake_all(p);
}

bool
poller_refresh(struct poller *p)
{
	return p->engine->refresh != NULL && p->engine->refresh(p->state, &p->queue);
}

enum poller_engine
poller_engine(const struct poller *p)
{
	return p->engine == engine_epoll() ? POLLER_EPOLL : POLLER_POLL;
}

uint32_t
poller_watched(const struct poller *p)
{
	return p->n;
}

static const char *const engine_names[] = { "auto", "poll", "epoll" };

enum { N_ENGINES = sizeof(engine_names) / sizeof(engine_names[0]) };

const char *
poller_engine_name(enum poller_engine engine)
{
	return engine_names[engine];
}

bool
poller_engine_parse(enum poller_engine *engine, const char *name)
{
	for (int i = 0; i < N_ENGINES; i++) {
		if (strcmp(engine_names[i], name) == 0) {
			*engine = (enum poller_engine)i;
			return true;
		}
	}
	return false;
}
