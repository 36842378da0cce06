/*
 * The engine for many descriptors: epoll, edge-triggered.  Each descriptor is
 * registered once and for good, so a change of `want` costs no system call; only
 * output joins when it is first wanted, because every new socket is writable and
 * would cut the next wait short to say so, and few ever have to wait for it.
 * Runs in workers and wherever the configuration asks for it.
 *
 * An event names its watch by pointer.  That is safe because the events of a
 * batch are all marked before the first wake, so that no watch can go away in
 * between, and because every removal unregisters before its descriptor is
 * closed: a duplicate in another process would keep a forgotten one alive.
 *
 * A shared watch is level-triggered, and of the processes that sleep on it one is
 * woken (EPOLLEXCLUSIVE), the one that joined first, again and again: it is the owner's
 * business to leave when it has had its share.  Wanting nothing is leaving, so that a
 * process which does not accept is not woken, and wanting again is joining anew, last.
 */
#include "poller_engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
		       EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP,
	"engine_bits reads the events of both engines");

enum { BATCH = 512 };

struct epoll_engine {
	int fd;
	struct epoll_event events[BATCH];
};

static void *
epoll_new(uint32_t capacity)
{
	struct epoll_engine *e = calloc(1, sizeof(*e));

	(void)capacity; /* the kernel keeps the registrations */
	if (e == NULL)
		return NULL;
	e->fd = epoll_create1(EPOLL_CLOEXEC);
	if (e->fd < 0) {
		int saved = errno;

		free(e);
		errno = saved;
		return NULL;
	}
	return e;
}

static size_t
epoll_bytes(uint32_t capacity)
{
	(void)capacity;
	return sizeof(struct epoll_engine);
}

static void
epoll_destroy(void *engine)
{
	struct epoll_engine *e = engine;

	close(e->fd);
	free(e);
}

static int
control(const struct epoll_engine *e, int operation, struct watch *w, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = w };

	return epoll_ctl(e->fd, operation, w->fd, &event) < 0 ? -errno : 0;
}

/* Fails only when the owner closed the descriptor first, and then later events would go astray. */
static void
leave(const struct epoll_engine *e, const struct watch *w)
{
	int rc = epoll_ctl(e->fd, EPOLL_CTL_DEL, w->fd, NULL);

	assert(rc == 0);
	(void)rc;
}

static int
join_shared(const struct epoll_engine *e, struct watch *w)
{
	uint32_t events = 0;
	int rc;

	if (w->want & POLLER_IN)
		events |= EPOLLIN;
	if (w->want & POLLER_OUT)
		events |= EPOLLOUT;
	w->marks |= MARK_OFF;
	if (w->want == 0)
		return 0;
	rc = control(e, EPOLL_CTL_ADD, w, events | EPOLLEXCLUSIVE);
	if (rc == 0)
		w->marks &= (uint8_t)~MARK_OFF;
	return rc;
}

static int
join_own(const struct epoll_engine *e, int operation, struct watch *w)
{
	uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET;
	int rc;

	w->marks &= (uint8_t)~MARK_OUT;
	if (w->want & POLLER_OUT)
		events |= EPOLLOUT;
	rc = control(e, operation, w, events);
	if (rc == 0 && (w->want & POLLER_OUT))
		w->marks |= MARK_OUT;
	return rc;
}

static int
epoll_add(void *engine, struct watch *w)
{
	if (w->shared)
		return join_shared(engine, w);
	return join_own(engine, EPOLL_CTL_ADD, w);
}

static void
epoll_remove(void *engine, struct watch *w)
{
	if (!(w->marks & MARK_OFF))
		leave(engine, w);
}

static int
epoll_want(void *engine, struct watch *w)
{
	if (w->shared) {
		epoll_remove(engine, w);
		return join_shared(engine, w);
	}
	if (!(w->want & POLLER_OUT) || (w->marks & MARK_OUT))
		return 0;
	return join_own(engine, EPOLL_CTL_MOD, w);
}

/* How many events there were, or -errno. */
static int
collect(struct epoll_engine *e, int timeout_ms, struct watch *queue)
{
	int n = epoll_wait(e->fd, e->events, BATCH, timeout_ms);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		engine_report(queue, e->events[i].data.ptr, e->events[i].events);
	return n;
}

static int
epoll_turn(void *engine, int timeout_ms, struct watch *queue)
{
	int n = collect(engine, timeout_ms, queue);

	return n < 0 ? n : 0;
}

static bool
epoll_refresh(void *engine, struct watch *queue)
{
	int n = collect(engine, 0, queue);

	return n >= 0 && n < BATCH;
}

static const struct engine table = {
	.create = epoll_new,
	.bytes = epoll_bytes,
	.destroy = epoll_destroy,
	.add = epoll_add,
	.want = epoll_want,
	.remove = epoll_remove,
	.wait = epoll_turn,
	.refresh = epoll_refresh,
};

const struct engine *
engine_epoll(void)
{
	return &table;
}
