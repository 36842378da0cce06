/*
 * The reference engine: poll(2) over a dense array of pollfd, with the watches
 * in an array beside it.  Costs no system call to change, and time in
 * proportion to all descriptors to wait.  Runs in every process.
 * Invariant: watches[i]->index == i for all i < n.
 *
 * poll(2) tells of a hang-up whatever was asked and as long as it lasts.  A
 * watch that wants nothing is told once and then muted (fd below 0, which the
 * kernel skips) until it wants something, or the loop would spin.
 */
#include "poller_engine.h"

#include <errno.h>
#include <stdlib.h>

struct poll_engine {
	struct pollfd *fds;
	struct watch **watches;
	uint32_t n;
};

static void
poll_destroy(void *engine)
{
	struct poll_engine *e = engine;

	free(e->fds);
	free(e->watches);
	free(e);
}

static void *
poll_create(uint32_t capacity)
{
	struct poll_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->fds = calloc(capacity, sizeof(*e->fds));
	e->watches = calloc(capacity, sizeof(struct watch *));
	if (e->fds == NULL || e->watches == NULL) {
		poll_destroy(e);
		return NULL;
	}
	return e;
}

static size_t
poll_bytes(uint32_t capacity)
{
	return sizeof(struct poll_engine) +
	       (size_t)capacity * (sizeof(struct pollfd) + sizeof(struct watch *));
}

static bool
must_be_mute(const struct watch *w)
{
	return w->want == 0 && (w->ready & POLLER_FAIL);
}

static int
poll_want(void *engine, struct watch *w)
{
	struct poll_engine *e = engine;
	short events = 0;

	if (w->want & POLLER_IN)
		events |= POLLIN | POLLRDHUP;
	if (w->want & POLLER_OUT)
		events |= POLLOUT;
	e->fds[w->index] =
		(struct pollfd){ .fd = must_be_mute(w) ? ~w->fd : w->fd, .events = events };
	return 0;
}

static int
poll_add(void *engine, struct watch *w)
{
	struct poll_engine *e = engine;

	w->index = e->n++;
	e->watches[w->index] = w;
	return poll_want(e, w);
}

static void
poll_remove(void *engine, struct watch *w)
{
	struct poll_engine *e = engine;
	struct watch *last = e->watches[--e->n];

	e->watches[w->index] = last;
	e->fds[w->index] = e->fds[e->n];
	last->index = w->index;
}

static int
poll_wait(void *engine, int timeout_ms, struct watch *queue)
{
	struct poll_engine *e = engine;
	int left = poll(e->fds, e->n, timeout_ms);

	if (left < 0)
		return -errno;
	for (uint32_t i = 0; left > 0 && i < e->n; i++) {
		struct pollfd *p = &e->fds[i];

		if (p->revents == 0)
			continue;
		left--;
		engine_report(queue, e->watches[i], (unsigned short)p->revents);
		if (must_be_mute(e->watches[i]))
			p->fd = ~e->watches[i]->fd;
	}
	return 0;
}

struct watch *
engine_poll_at(const void *engine, uint32_t i)
{
	const struct poll_engine *e = engine;

	return e->watches[i];
}

static const struct engine table = {
	.create = poll_create,
	.bytes = poll_bytes,
	.destroy = poll_destroy,
	.add = poll_add,
	.want = poll_want,
	.remove = poll_remove,
	.wait = poll_wait,
};

const struct engine *
engine_poll(void)
{
	return &table;
}
