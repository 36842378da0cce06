/*
 * A watch to test with: counts its wakes, does in them what a test wants, and
 * owns both ends of a socket pair (or one descriptor of another kind).  For the
 * programs that test the poller: one poller per test, in `p`.
 */
#ifndef BALLAST_TESTS_UNIT_POLLER_PROBE_H
#define BALLAST_TESTS_UNIT_POLLER_PROBE_H

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ballast/base/poller.h"
#include "ballast/base/sock.h"
#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { FOREVER = -1, CAPACITY = 700 };

/* A watch, how often it was woken, and what it does then. */
struct probe {
	struct watch w; /* first: a watch of ours is a probe */
	int calls;
	void (*then)(struct probe *);
	struct probe *other;
	int other_ready; /* as seen in our wake */
	int far;         /* the other end */
	int fd;
};

static struct poller *p;
static uint64_t now_us;

static inline void
on_wake(struct watch *w)
{
	struct probe *probe = (struct probe *)w;

	probe->calls++;
	if (probe->then != NULL)
		probe->then(probe);
}

static inline void
open_poller(int engine)
{
	p = poller_create((enum poller_engine)engine, CAPACITY);
	ck_assert_ptr_nonnull(p);
}

static inline void
pair(struct probe *probe)
{
	int fds[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	probe->fd = fds[0];
	probe->far = fds[1];
}

static inline void
watch_pair(struct probe *probe, unsigned want)
{
	memset(probe, 0, sizeof(*probe));
	probe->w.wake = on_wake;
	pair(probe);
	ck_assert_int_eq(poller_add(p, &probe->w, probe->fd, want), 0);
}

static inline void
feed(const struct probe *probe)
{
	ck_assert_int_eq(write(probe->far, "x", 1), 1);
}

static inline void
drain(struct probe *probe)
{
	char buf[16];

	while (read(probe->fd, buf, sizeof(buf)) > 0)
		continue;
	watch_clear(&probe->w, POLLER_IN);
}

static inline void
end(struct probe *probe)
{
	poller_remove(p, &probe->w);
	fd_close(&probe->fd);
	fd_close(&probe->far);
}

static inline int
turn(int timeout_ms)
{
	return poller_turn(p, timeout_ms, &now_us);
}

static inline void
end_self(struct probe *probe)
{
	end(probe);
}

static inline int
count_to(uint64_t first)
{
	int fd = eventfd((unsigned)first, EFD_NONBLOCK | EFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* A listener on a free port of the loopback. */
static inline struct addr
watch_listener(struct probe *l, unsigned want)
{
	struct addr a;

	*l = (struct probe){ .w = { .wake = on_wake, .shared = true }, .far = -1 };
	ck_assert_ptr_null(addr_parse_listen(&a, "127.0.0.1:0"));
	l->fd = sock_listen(&a, 16, 0);
	ck_assert_int_ge(l->fd, 0);
	ck_assert_int_eq(sock_name(l->fd, &a), 0);
	ck_assert_int_eq(poller_add(p, &l->w, l->fd, want), 0);
	return a;
}

static inline int
connect_to(const struct addr *a)
{
	bool in_progress;
	int fd = sock_connect(a, &in_progress);

	ck_assert_int_ge(fd, 0);
	return fd;
}

#endif
