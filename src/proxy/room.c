/*
 * Who makes room when somebody waits to be let in and every row, or every descriptor, is taken: an idle
 * connection, then a half head, then a body or a reader that crawls; of each kind the one that has been so
 * for longest.  Runs in workers, when the worker is full, and costs a bounded look at each ring of timers.
 * Owns nothing.  Invariants: an exchange that waits for its backend, or gets on, never makes room, nor does a
 * request that lies here already; a new connection is given a moment to bring one.
 */
#include "private.h"

enum {
	LOOK_MAX = 1024,      /* rows of a ring: a crowd of others costs each turn no more */
	GRACE_US = 250000,    /* so long a new connection may wait for its request in any case */
	CRAWL_BYTES_S = 1024, /* on average; who moves less may have to make room */
};

static bool
is_young(const struct client *c)
{
	const struct timer *t = &c->timer;
	const struct proxy *p = c->proxy;

	if (t->limit == LIMIT_HANDED)
		return !c->served && p->now_us - c->idle_since_us < GRACE_US;
	return t->limit == LIMIT_REQUEST_HEADER &&
	       p->now_us + p->timeouts->duration_us[t->limit] - t->deadline_us < GRACE_US;
}

/* A request may be on its way to a connection that is so young; afterwards it may also lie in the socket. */
static bool
may_make_room(const struct client *c)
{
	if ((c->watch.ready & POLLER_IN) || is_young(c))
		return false;
	return sock_is_quiet(c->watch.fd);
}

/* Between two requests, an empty line behind the last one included. */
static bool
is_idle(const struct client *c)
{
	const struct exchange *x = c->exchange;

	if (c->phase == PHASE_LINGER)
		return true;
	return (x == NULL || x->at == AT_HEAD) && buffer_is_empty(c->in) && may_make_room(c);
}

static bool
is_half_head(const struct client *c)
{
	return c->exchange != NULL && c->exchange->at == AT_HEAD && may_make_room(c);
}

/* Of the body that it sends, or of the answer that it takes. */
static uint64_t
octets_moved(const struct client *c, enum limit limit)
{
	const struct exchange *x = c->exchange;

	if (limit == LIMIT_REQUEST_BODY)
		return x->up.bytes;
	return x->bytes_out > c->unsent ? x->bytes_out - c->unsent : 0;
}

void
client_waited_for(struct client *c, enum limit limit)
{
	c->waited_us = c->proxy->now_us;
	c->waited_octets = octets_moved(c, limit);
}

/*
 * Progress extends the limits of a body and of an answer for ever.  While others wait, who has had one of
 * them whole and still moves next to nothing has had its share.
 */
static bool
crawls(const struct client *c)
{
	enum limit limit = (enum limit)c->timer.limit;
	uint64_t waited_us = c->proxy->now_us - c->waited_us;

	if (c->exchange == NULL || waited_us < c->proxy->timeouts->duration_us[limit])
		return false;
	return octets_moved(c, limit) - c->waited_octets < waited_us / 1000000 * CRAWL_BYTES_S;
}

static bool
body_crawls(const struct client *c)
{
	return crawls(c) && may_make_room(c);
}

/* The rings of the limits are sorted by age; that of those who were handed over roughly. */
static struct client *
oldest(struct proxy *p, enum limit limit, bool (*wanted)(const struct client *))
{
	struct timer *head = &p->timeouts->queue[limit];
	unsigned looked = 0;

	for (struct timer *t = head->next; t != head && looked < LOOK_MAX; t = t->next) {
		struct client *c = OWNER(t, struct client, timer);

		looked++;
		if (wanted(c))
			return c;
	}
	return NULL;
}

/* It is told why, if it can be told now. */
static void
evict(struct client *c, enum failure f)
{
	if (c->exchange != NULL)
		client_fail(c, f);
	if (c->exchange != NULL)
		exchange_fail(c->exchange, FAIL_CLIENT_STALLED);
	client_close(c);
}

bool
client_evict(struct proxy *p)
{
	static const struct {
		enum limit limit;
		bool (*wanted)(const struct client *);
		enum failure failure;
	} order[] = {
		{ LIMIT_LINGER, is_idle, FAIL_NONE },
		{ LIMIT_HANDED, is_idle, FAIL_NONE },
		{ LIMIT_KEEP_ALIVE, is_idle, FAIL_NONE },
		{ LIMIT_REQUEST_HEADER, is_idle, FAIL_NONE },
		{ LIMIT_REQUEST_HEADER, is_half_head, FAIL_REQUEST_TIMEOUT },
		{ LIMIT_REQUEST_BODY, body_crawls, FAIL_REQUEST_TIMEOUT },
		{ LIMIT_CLIENT_WRITE, crawls, FAIL_CLIENT_STALLED },
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		struct client *c = oldest(p, order[i].limit, order[i].wanted);

		if (c == NULL)
			continue;
		evict(c, order[i].failure);
		return true;
	}
	return false;
}

enum { CROWDED_US = 1000000, OTHERS_US = 100000 };

/*
 * Not yet: another worker may have room, and has been told.  Where a short while ago nobody else
 * had, there is no need to wait again.
 */
void
room_wanted(struct proxy *p)
{
	if (timer_is_armed(&p->room))
		return;
	p->room_since_us = p->now_us;
	if (p->now_us >= p->crowded_until_us)
		timer_arm(p->timeouts, &p->room, LIMIT_ROOM, p->now_us);
}

/* On a busy machine it may be a while before one that has room gets the processor: who is connected here should not pay for that. */
static bool
others_may_take(const struct proxy *p)
{
	const struct slot *idlest = slots_idlest_other(p->shm, p->slot, p->now_us);

	return idlest != NULL && slot_held(idlest) < p->clients_max &&
	       p->now_us - p->room_since_us < OTHERS_US;
}

static bool
is_full(const struct proxy *p)
{
	return p->accept_full && !p->retiring && p->dead_clients == NULL &&
	       p->clients.in_use >= p->clients_max;
}

/* Whoever may not be asked to go yet may be soon: another look then. */
static void
make_room(struct proxy *p)
{
	if (!is_full(p))
		return;
	if (!accept_waited_for(p)) { /* he was taken in elsewhere, or has left */
		accept_room(p);
		return;
	}
	if (others_may_take(p)) {
		timer_arm(p->timeouts, &p->room, LIMIT_ROOM, p->now_us);
		return;
	}
	p->crowded_until_us = p->now_us + CROWDED_US;
	if (!client_evict(p))
		timer_arm(p->timeouts, &p->room, LIMIT_ACCEPT_PAUSE, p->now_us);
}

void
room_expired(struct timer *t)
{
	make_room(OWNER(t, struct proxy, room));
}

void
room_look(struct proxy *p)
{
	if (p->accept_full && !timer_is_armed(&p->room))
		make_room(p);
}
