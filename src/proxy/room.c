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

/* A request may be on its way to a connection that is so young; afterwards it may also lie in the socket. */
static bool
may_make_room(const struct client *c)
{
	const struct timer *t = &c->timer;
	const struct proxy *p = c->proxy;
	uint64_t age_us = p->now_us + p->timeouts->duration_us[t->limit] - t->deadline_us;

	if (c->watch.ready & POLLER_IN)
		return false;
	if (t->limit == LIMIT_REQUEST_HEADER && age_us < GRACE_US)
		return false;
	return sock_is_quiet(c->watch.fd);
}

static bool
is_idle(const struct client *c)
{
	if (c->phase == PHASE_LINGER)
		return true;
	return c->exchange == NULL && buffer_is_empty(c->in) && may_make_room(c);
}

static bool
is_half_head(const struct client *c)
{
	return c->exchange != NULL && c->exchange->at == AT_HEAD && may_make_room(c);
}

static uint64_t
octets_taken(const struct client *c)
{
	uint64_t sent = c->exchange->bytes_out;

	return sent > c->unsent ? sent - c->unsent : 0;
}

static bool
is_slow(const struct client *c, uint64_t since_us, uint64_t octets)
{
	const struct proxy *p = c->proxy;
	uint64_t age_us = p->now_us - since_us;

	return age_us >= p->timeouts->duration_us[c->timer.limit] &&
	       octets < age_us / 1000000 * CRAWL_BYTES_S;
}

/*
 * Progress extends the limits of a body and of an answer for ever.  While others wait, who has had one of
 * them whole and still moves next to nothing has had its share.
 */
static bool
body_crawls(const struct client *c)
{
	const struct exchange *x = c->exchange;

	return x != NULL && is_slow(c, x->t_start, x->up.bytes) && may_make_room(c);
}

static bool
reader_crawls(const struct client *c)
{
	const struct exchange *x = c->exchange;

	if (x == NULL)
		return false;
	return is_slow(c, x->t_first_byte != 0 ? x->t_first_byte : x->t_start, octets_taken(c));
}

/* The rings of the limits are sorted by age. */
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
	struct exchange *x = c->exchange;

	if (x != NULL && x->at == AT_HEAD)
		note_unparsed(x);
	if (x != NULL)
		exchange_fail(x, f);
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
		{ LIMIT_KEEP_ALIVE, is_idle, FAIL_NONE },
		{ LIMIT_REQUEST_HEADER, is_idle, FAIL_NONE },
		{ LIMIT_REQUEST_HEADER, is_half_head, FAIL_REQUEST_TIMEOUT },
		{ LIMIT_REQUEST_BODY, body_crawls, FAIL_REQUEST_TIMEOUT },
		{ LIMIT_CLIENT_WRITE, reader_crawls, FAIL_CLIENT_STALLED },
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
