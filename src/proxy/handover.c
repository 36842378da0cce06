/*
 * Handing over: what lets a reload, or a worker too many, leave without closing a connection.  All workers of an
 * instance hold both ends of one queue, a pair of Unix sockets that lives as long as the master: whoever retires puts its
 * idle clients' descriptors in at one end, and at the other it is a second listener, heard under the same rules as
 * the first (accept.c).  Runs in workers.  Owns this process's copies of both ends, the queue's watch and the retry timer.
 * Invariants: a client goes only between two requests, with nothing of the next one read; its descriptor is closed here after
 * it is in the queue, so a process killed in between loses only its own copy, and what is in the queue is lost by nobody's death.
 * Nothing is taken out for which there is no descriptor.  When the service ends each worker first stops putting in and then takes what
 * is there, also one that had retired, and does so again until it leaves (worker.c): so the last one leaves nothing behind.
 */
#include "private.h"

#include <errno.h>
#include <string.h>

#include "ballast/base/control.h"
#include "ballast/base/log.h"

static bool
is_between_requests(const struct client *c)
{
	return c->exchange == NULL && c->phase == PHASE_OPEN && buffer_is_empty(c->in);
}

/* The queue is full, or the user has as many descriptors on their way as it may (unix(7), ETOOMANYREFS). */
static bool
error_passes(int rc)
{
	return rc == -EAGAIN || rc == -ENOBUFS || rc == -ENOMEM || rc == -ETOOMANYREFS;
}

/* Until the queue was read from the client stays here, and is served if it asks; for good when no queue takes it. */
static void
hand_over_failed(struct proxy *p, int rc)
{
	if (!error_passes(rc)) {
		log_warn("connections cannot be handed over", LOG_STR("error", strerror(-rc)));
		handover_stop(p);
		return;
	}
	if (p->queue_full_since_us == 0)
		p->queue_full_since_us = p->now_us;
	if (!timer_is_armed(&p->hand_over_again))
		timer_arm(p->timeouts, &p->hand_over_again, LIMIT_HANDOVER, p->now_us);
}

static bool
hand_over(struct client *c)
{
	struct proxy *p = c->proxy;
	enum control what = c->served ? CONTROL_CLIENT : CONTROL_NEWCOMER;
	int rc = control_send_fd_with(p->handover_out, what, c->watch.fd, c->idle_since_us);

	if (rc < 0) {
		hand_over_failed(p, rc);
		return false;
	}
	p->queue_full_since_us = 0;
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
hand_over_idle(struct proxy *p)
{
	if (handover_is_on(p))
		hand_over_ring(p, LIMIT_HANDED);
	if (handover_is_on(p))
		hand_over_ring(p, LIMIT_KEEP_ALIVE);
	if (handover_is_on(p))
		hand_over_ring(p, LIMIT_REQUEST_HEADER);
}

static void
hand_over_again(struct timer *t)
{
	hand_over_idle(OWNER(t, struct proxy, hand_over_again));
}

void
handover_start(struct proxy *p)
{
	if (!p->hands_over)
		p->hands_over_since_us = p->now_us;
	p->hands_over = true;
	hand_over_idle(p);
}

/* The drain time that is left is for being told to close: at its end a connection is cut. */
static bool
has_lasted(const struct proxy *p, uint64_t since_us)
{
	return p->now_us - since_us >= p->config->timeouts.drain_us / 2;
}

/* A client whose next request lies here whenever an answer ends is never between two: it can't go, however long it stays. */
bool
handover_keeps(const struct exchange *x)
{
	const struct proxy *p = x->proxy;
	const struct buffer *in = x->client->in;
	bool next_is_here = in != NULL && in->ready != in->end;

	if (!handover_is_on(p))
		return false;
	if (next_is_here && has_lasted(p, p->hands_over_since_us))
		return false;
	return p->queue_full_since_us == 0 || !has_lasted(p, p->queue_full_since_us);
}

bool
handover_client(struct client *c)
{
	return handover_is_on(c->proxy) && is_between_requests(c) && hand_over(c);
}

/* ---- the other end */

/* A message whose descriptor finds no place is lost with it (MSG_CTRUNC), and so would be the connection. */
static int
take_from_queue(struct proxy *p)
{
	struct addr peer;
	uint64_t idle_since_us;
	int fd = -1;
	enum control said;
	int rc = fd_one_more(p->handover_in);

	if (rc < 0)
		return rc;
	said = control_next_with(p->handover_in, &fd, &idle_since_us);
	if (fd < 0)
		return -EAGAIN;
	if (idle_since_us == 0) /* an older program does not say */
		idle_since_us = p->now_us;
	if (said != CONTROL_CLIENT && said != CONTROL_NEWCOMER)
		fd_close(&fd);
	else if (sock_peer(fd, &peer) < 0)
		fd_close(&fd); /* it has left meanwhile */
	else
		client_adopt(p, fd, &peer, said == CONTROL_CLIENT, idle_since_us);
	return 0;
}

int
handover_take_one(struct proxy *p)
{
	bool room = p->handover_in >= 0 && p->clients.in_use < p->clients_max;

	return room ? take_from_queue(p) : -EAGAIN;
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
	p->handover_in = s->handover[0];
	p->handover_out = s->handover[1];
	if (p->handover_in < 0)
		return 0;
	return poller_add(p->poller, &p->handed, p->handover_in, POLLER_IN);
}

void
handover_take_rest(struct proxy *p)
{
	while (handover_take_one(p) == 0)
		continue;
}

void
handover_end(struct proxy *p)
{
	poller_remove(p->poller, &p->handed);
}

void
handover_stop(struct proxy *p)
{
	timer_disarm(&p->hand_over_again);
	p->hands_over = false;
	fd_close(&p->handover_out);
}

void
handover_close(struct proxy *p)
{
	handover_end(p);
	handover_stop(p);
	fd_close(&p->handover_in);
}
