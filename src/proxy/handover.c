/*
 * Handing over: what lets a reload, or a worker too many, leave without closing a connection.  All workers of an
 * instance hold both ends of one queue, a pair of Unix sockets that lives as long as the master: whoever retires puts its
 * idle clients' descriptors in at one end, and at the other it is a second listener, heard under the same rules as
 * the first (accept.c).  Runs in workers.  Owns the queue's watch and the retry timer.
 * Invariants: a client goes only between two requests, with nothing of the next one read; its descriptor is closed here after
 * it is in the queue, so a process killed in between loses only its own copy, and what is in the queue is lost by nobody's death.
 */
#include "private.h"

#include <errno.h>
#include <unistd.h>

#include "ballast/base/control.h"

static bool
is_between_requests(const struct client *c)
{
	return c->exchange == NULL && c->phase == PHASE_OPEN && buffer_is_empty(c->in);
}

/*
 * The queue holds as many as a socket's buffer lets it; until it was read from the client stays here, and is served
 * if it asks.
 */
static bool
hand_over(struct client *c)
{
	struct proxy *p = c->proxy;
	enum control what = c->served ? CONTROL_CLIENT : CONTROL_NEWCOMER;

	if (control_send_fd(p->handover_out, what, c->watch.fd) < 0) {
		if (!timer_is_armed(&p->hand_over_again))
			timer_arm(p->timeouts, &p->hand_over_again, LIMIT_HANDOVER, p->now_us);
		return false;
	}
	metrics_count(p->shm, p->slot, COUNTER_HANDOVERS, 1);
	client_close(c);
	return true;
}

static void
hand_over_ring(struct proxy *p, enum limit limit)
{
	struct timer *head = &p->timeouts->queue[limit];
	struct timer *next;

	for (struct timer *t = head->next; t != head; t = next) {
		struct client *c = OWNER(t, struct client, timer);

		next = t->next;
		if (is_between_requests(c) && !hand_over(c))
			return;
	}
}

static void
hand_over_again(struct timer *t)
{
	handover_idle(OWNER(t, struct proxy, hand_over_again));
}

void
handover_idle(struct proxy *p)
{
	if (!handover_is_on(p))
		return;
	hand_over_ring(p, LIMIT_KEEP_ALIVE);
	hand_over_ring(p, LIMIT_REQUEST_HEADER);
}

bool
handover_client(struct client *c)
{
	return handover_is_on(c->proxy) && is_between_requests(c) && hand_over(c);
}

/* ---- the other end */

static int
take_from_queue(struct proxy *p)
{
	struct addr peer;
	int fd = -1;
	enum control said = control_next(p->handed.fd, &fd);

	if (fd < 0)
		return -EAGAIN;
	if (said != CONTROL_CLIENT && said != CONTROL_NEWCOMER)
		fd_close(&fd);
	else if (sock_peer(fd, &peer) < 0)
		fd_close(&fd); /* it has left meanwhile */
	else
		client_adopt(p, fd, &peer, said == CONTROL_CLIENT);
	return 0;
}

bool
handover_take_one(struct proxy *p)
{
	return p->handed.fd >= 0 && p->clients.in_use < p->clients_max && take_from_queue(p) == 0;
}

bool
handover_waits(const struct proxy *p)
{
	return p->handed.fd >= 0 && sock_is_readable(p->handed.fd);
}

int
handover_begin(struct proxy *p, const struct proxy_setup *s, void (*wake)(struct watch *))
{
	p->hand_over_again.expired = hand_over_again;
	p->handed = (struct watch){ .wake = wake, .fd = -1, .shared = true };
	p->handover_out = s->handover[1];
	return s->handover[0] >= 0 ? poller_add(p->poller, &p->handed, s->handover[0], POLLER_IN)
				   : 0;
}

void
handover_take_rest(struct proxy *p)
{
	while (handover_take_one(p))
		continue;
}

void
handover_end(struct proxy *p)
{
	int fd = p->handed.fd;

	if (fd < 0)
		return;
	poller_remove(p->poller, &p->handed);
	fd_close(&fd);
}

void
handover_stop(struct proxy *p)
{
	timer_disarm(&p->hand_over_again);
	fd_close(&p->handover_out);
}
