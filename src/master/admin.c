/*
 * The master's own HTTP: listeners, the bound on connections, birth and death.
 * Runs in the master on its poller and timers; owns its connections, not the
 * listeners.  What a connection does is in admin_conn.c, what it is answered in
 * admin_answer.c.
 * Invariants: never more than ADMIN_CONNECTIONS_MAX open; nothing here waits,
 * and a turn does a bounded amount of work whatever clients do.
 */
#include "admin.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/log.h"
#include "ballast/base/owner.h"
#include "ballast/base/sock.h"

#include "admin_conn.h"

enum { ACCEPTS_PER_TURN = 16 };
#define LIMIT_US (UINT64_C(5) * 1000000)

struct admin *
admin_create(struct poller *poller, struct timeouts *timeouts, const struct admin_view *view)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->poller = poller;
	a->timeouts = timeouts;
	a->view = view;
	a->warned_of = (uid_t)-1;
	for (unsigned i = 0; i < ADMIN_LISTENERS_MAX; i++)
		a->doors[i].watch.fd = -1;
	timeouts_set(timeouts, ADMIN_LIMIT, LIMIT_US);
	return a;
}

/* Once per stranger: whoever may open the socket file could fill the log otherwise. */
static void
warn_of(struct admin *a, uid_t uid)
{
	if (a->warned_of == uid)
		return;
	a->warned_of = uid;
	log_warn("control socket refused a user", LOG_INT("uid", uid));
}

static bool
peer_may_ask(struct admin *a, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == a->view->worker_uid)
		return true;
	warn_of(a, peer.uid);
	return false;
}

/* The queue of connections would wake us for ever while there is nothing to take them with. */
static void
pause_door(struct door *d)
{
	watch_clear(&d->watch, POLLER_IN);
	poller_want(d->admin->poller, &d->watch, 0);
	timer_arm(d->admin->timeouts, &d->pause, ADMIN_LIMIT, clock_now_us());
}

static void
pause_over(struct timer *t)
{
	struct door *d = OWNER(t, struct door, pause);

	d->watch.ready |= POLLER_IN;
	poller_want(d->admin->poller, &d->watch, POLLER_IN);
}

static bool
accept_failed(struct door *d, int error)
{
	switch (error) {
	case EAGAIN:
		watch_clear(&d->watch, POLLER_IN);
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
		pause_door(d);
		return false;
	default: /* that one connection died before it was taken */
		return true;
	}
}

/* In whose place the next connection comes.  False: it has to wait. */
static bool
find_place(struct admin *a, struct conn **place, struct conn **victim)
{
	*place = conn_find_free(a);
	*victim = a->n_open == ADMIN_CONNECTIONS_MAX ? conn_find_least_missed(a) : NULL;
	return *place != NULL && (a->n_open < ADMIN_CONNECTIONS_MAX || *victim != NULL);
}

/* False: nothing more in this turn.  For lack of a place the door stays ready for the next. */
static bool
accept_one(struct door *d)
{
	struct conn *place, *victim;
	struct addr peer;
	int fd;

	if (!find_place(d->admin, &place, &victim))
		return false;
	fd = sock_accept(d->watch.fd, &peer);
	if (fd < 0)
		return accept_failed(d, -fd);
	if (d->local && !peer_may_ask(d->admin, fd)) {
		fd_close(&fd);
		return true;
	}
	if (victim != NULL)
		conn_cut(victim);
	conn_open(place, d->admin, fd);
	return true;
}

static void
door_wake(struct watch *w)
{
	struct door *d = (struct door *)w;

	for (int i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(d))
			return;
}

static struct door *
door_find_free(struct admin *a)
{
	for (unsigned i = 0; i < ADMIN_LISTENERS_MAX; i++)
		if (a->doors[i].watch.fd < 0 && !a->doors[i].left)
			return &a->doors[i];
	return NULL;
}

int
admin_serve(struct admin *a, int listener, bool local)
{
	struct door *d = door_find_free(a);

	if (d == NULL)
		return -ENOSPC;
	*d = (struct door){
		.watch = { .wake = door_wake, .fd = -1 },
		.pause = { .expired = pause_over },
		.admin = a,
		.local = local,
	};
	return poller_add(a->poller, &d->watch, listener, POLLER_IN);
}

static void
leave_door(struct door *d)
{
	poller_remove(d->admin->poller, &d->watch);
	timer_disarm(&d->pause);
	d->left = true;
}

void
admin_unserve(struct admin *a, int listener)
{
	for (unsigned i = 0; i < ADMIN_LISTENERS_MAX; i++)
		if (a->doors[i].watch.fd == listener && listener >= 0)
			leave_door(&a->doors[i]);
}

void
admin_leave(struct admin *a)
{
	for (unsigned i = 0; i < ADMIN_LISTENERS_MAX; i++)
		if (a->doors[i].watch.fd >= 0)
			leave_door(&a->doors[i]);
	a->leaving = true;
	conn_close_idle(a);
}

int
admin_return(struct admin *a, int local)
{
	a->leaving = false;
	return admin_serve(a, local, true);
}

bool
admin_is_quiet(const struct admin *a)
{
	return a->n_open == 0;
}

void
admin_turn_over(struct admin *a)
{
	conn_answer_next(a);
	for (unsigned i = 0; i < ADMIN_CONNS; i++)
		if (a->conns[i].state == CONN_GONE)
			a->conns[i].state = CONN_FREE;
	for (unsigned i = 0; i < ADMIN_LISTENERS_MAX; i++)
		a->doors[i].left = false;
}

void
admin_destroy(struct admin *a)
{
	if (a == NULL)
		return;
	while (a->first != NULL)
		conn_close(a->first);
	for (unsigned i = 0; i < ADMIN_LISTENERS_MAX; i++)
		if (a->doors[i].watch.fd >= 0)
			leave_door(&a->doors[i]);
	free(a);
}

/* An epoll set is shared over the fork: removing from it would deafen the master. */
void
admin_close_in_child(struct admin *a)
{
	if (a == NULL)
		return;
	for (struct conn *c = a->first; c != NULL; c = c->next) {
		fd_close(&c->watch.fd);
		timer_disarm(&c->timer);
		free(c->page);
	}
	for (unsigned i = 0; i < ADMIN_LISTENERS_MAX; i++)
		timer_disarm(&a->doors[i].pause);
	free(a);
}
