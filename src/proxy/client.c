/*
 * Connections of clients: their beginning, the idle state between exchanges, lingering
 * close.  An idle client is one row of a slab, a timer and a watch: no buffer.
 * What a client asks for is the exchange's business, not this file's.
 */
#include "private.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

enum { LINGER_BYTES_MAX = 8 << 20 }; /* thrown away at most from a client that talks on */

void
client_count(struct client *c, enum client_state state)
{
	_Atomic uint32_t *gauges = c->proxy->slot->clients;

	if (c->counted == (uint8_t)state)
		return;
	gauge_add(&gauges[c->counted], -1);
	gauge_add(&gauges[state], 1);
	c->counted = (uint8_t)state;
}

static void
client_identify(struct client *c, const struct addr *peer)
{
	const struct config *cfg = c->proxy->config;
	struct ip network;

	c->ip = ip_of_addr(peer);
	c->port = addr_is_local_socket(peer) ? 0 : addr_port(peer);
	c->ip_text_n = (uint8_t)ip_text(&c->ip, c->ip_text);
	c->trusted = cidr_any_contains(cfg->trusted_proxies, cfg->n_trusted_proxies, &c->ip);
	if (!cfg->rate_limit.on)
		return;
	c->exempt = cidr_any_contains(cfg->rate_limit.exempt, cfg->rate_limit.n_exempt, &c->ip);
	network = ip_network(&c->ip, cfg->rate_limit.ipv6_prefix);
	c->rate_hash = rate_hash(c->proxy->shm, &network);
}

/* NULL: it cannot be watched, and is closed. */
static struct client *
welcome(struct proxy *p, int fd, const struct addr *peer)
{
	struct client *c = slab_take(&p->clients);

	assert(c != NULL);
	memset(c, 0, sizeof(*c));
	c->proxy = p;
	c->counted = CLIENT_IDLE;
	c->watch = (struct watch){ .wake = client_wake, .fd = -1, .ready = POLLER_OUT };
	c->timer.expired = client_expired;
	if (poller_add(p->poller, &c->watch, fd, POLLER_IN) < 0) {
		c->phase = PHASE_CLOSED;
		slab_give(&p->clients, c);
		fd_close(&fd);
		return NULL;
	}
	client_identify(c, peer);
	gauge_add(&p->slot->clients[CLIENT_IDLE], 1);
	return c;
}

void
client_open(struct proxy *p, int fd, const struct addr *peer)
{
	struct client *c = welcome(p, fd, peer);

	if (c == NULL)
		return;
	c->idle_since_us = p->now_us;
	counter_add(&p->slot->accepted, 1);
	timer_arm(p->timeouts, &c->timer, LIMIT_REQUEST_HEADER, p->now_us);
}

/* Its time is not over yet. */
static bool
may_stay_idle(const struct client *c)
{
	const struct proxy *p = c->proxy;
	enum limit limit = c->served ? LIMIT_KEEP_ALIVE : LIMIT_REQUEST_HEADER;

	return c->timer.limit == LIMIT_HANDED &&
	       p->now_us - c->idle_since_us < p->timeouts->duration_us[limit];
}

/*
 * It has been idle for longer than those who became so here, and does not fit into their ring, which is in order: in one of its
 * own it is looked at now and then.  The other worker's turn may have begun later than ours.
 */
void
client_adopt(struct proxy *p, int fd, const struct addr *peer, bool served, uint64_t idle_since_us)
{
	struct client *c = welcome(p, fd, peer);

	if (c == NULL)
		return;
	c->served = served;
	c->idle_since_us = idle_since_us < p->now_us ? idle_since_us : p->now_us;
	timer_arm(p->timeouts, &c->timer, LIMIT_HANDED, p->now_us);
	if (!may_stay_idle(c) && sock_is_quiet(fd))
		client_close(c);
}

ssize_t
client_fill(struct client *c)
{
	struct proxy *p = c->proxy;
	size_t room;
	ssize_t n;

	if (c->in == NULL)
		c->in = buffer_take(p);
	room = c->in != NULL ? buffer_room(p, c->in) : 0;
	if (room == 0)
		return -ENOBUFS;
	n = sock_recv(c->watch.fd, c->in->data + c->in->end, room);
	if (n > 0) {
		buffer_received(c->in, (size_t)n);
		metrics_count(p->shm, p->slot, COUNTER_BYTES_IN, (uint64_t)n);
	}
	if (n <= 0 && c->in->start == c->in->end)
		buffer_give(p, &c->in);
	if (n == 0)
		c->input_ended = true;
	if (n <= 0)
		watch_clear(&c->watch, POLLER_IN);
	else if ((size_t)n < room)
		watch_read_short(&c->watch);
	return n;
}

/* Throws away what a client still sends after our last word, so that it can read that word (RFC 9112 9.6). */
static void
linger_read(struct client *c)
{
	struct buffer *sink = buffer_take(c->proxy);
	ssize_t n = sink != NULL ? sock_recv(c->watch.fd, sink->data, c->proxy->buffer_bytes)
				 : -ENOBUFS;

	buffer_give(c->proxy, &sink);
	if (n > 0)
		c->lingered += (uint32_t)n;
	if (n == -EAGAIN)
		watch_clear(&c->watch, POLLER_IN);
	else if (n <= 0 || c->lingered > LINGER_BYTES_MAX)
		client_close(c);
	else
		poller_want(c->proxy->poller, &c->watch, POLLER_IN);
}

void
client_linger(struct client *c)
{
	buffer_give(c->proxy, &c->in);
	if (c->input_ended || shutdown(c->watch.fd, SHUT_WR) < 0) {
		client_close(c);
		return;
	}
	c->phase = PHASE_LINGER;
	client_count(c, CLIENT_IDLE);
	timer_arm(c->proxy->timeouts, &c->timer, LIMIT_LINGER, c->proxy->now_us);
	poller_want(c->proxy->poller, &c->watch, POLLER_IN);
}

void
client_close(struct client *c)
{
	struct proxy *p = c->proxy;
	int fd = c->watch.fd;

	if (c->phase == PHASE_CLOSED)
		return;
	c->phase = PHASE_CLOSED;
	poller_remove(p->poller, &c->watch);
	timer_disarm(&c->timer);
	fd_close(&fd);
	buffer_give(p, &c->in);
	gauge_add(&p->slot->clients[c->counted], -1);
	c->next_dead = p->dead_clients;
	p->dead_clients = c;
}

/* The first octets of a request, or the end. */
static void
idle_wake(struct client *c)
{
	ssize_t n = buffer_is_empty(c->in) ? client_fill(c) : 1;

	if (n == -EAGAIN)
		return;
	if (n <= 0)
		client_close(c);
	else
		exchange_begin(c);
}

/* A hang-up is no death where both ends were passed on: reading and writing tell. */
static bool
tunnel_goes_on(const struct exchange *x)
{
	return x->tunnel && !(x->up.state == FLOW_END && !x->down_shut);
}

void
client_wake(struct watch *w)
{
	struct client *c = OWNER(w, struct client, watch);
	struct exchange *x = c->exchange;

	if (c->phase == PHASE_LINGER)
		linger_read(c);
	else if (x == NULL && (w->ready & POLLER_FAIL))
		client_close(c);
	else if (x == NULL)
		idle_wake(c);
	else if ((w->ready & POLLER_FAIL) && !tunnel_goes_on(x))
		exchange_fail(x, FAIL_CLIENT_LEFT);
	else
		exchange_run(x);
}

void
client_rest(struct client *c)
{
	struct proxy *p = c->proxy;

	c->served = true;
	c->idle_since_us = p->now_us;
	client_count(c, CLIENT_IDLE);
	if (buffer_is_empty(c->in)) {
		buffer_give(p, &c->in);
		if (c->input_ended || (p->draining && sock_is_quiet(c->watch.fd))) {
			client_close(c);
			return;
		}
	} else {
		c->watch.ready |=
			POLLER_IN; /* the next request lies here already: its turn is the next one */
	}
	if (handover_client(c))
		return;
	timer_arm(p->timeouts, &c->timer, LIMIT_KEEP_ALIVE, p->now_us);
	poller_want(p->poller, &c->watch, POLLER_IN);
}

static const enum failure failure_of_limit[N_LIMITS] = {
	[LIMIT_REQUEST_HEADER] = FAIL_REQUEST_TIMEOUT,
	[LIMIT_REQUEST_BODY] = FAIL_REQUEST_TIMEOUT,
	[LIMIT_CLIENT_WRITE] = FAIL_CLIENT_STALLED,
	[LIMIT_TUNNEL] = FAIL_TUNNEL_IDLE,
};

/* The socket is full. */
void
client_limit_write(struct client *c, bool progress)
{
	bool goes_on = timer_is_armed(&c->timer) && c->timer.limit == LIMIT_CLIENT_WRITE;

	if (goes_on && !progress)
		return;
	c->unsent = sock_unsent(c->watch.fd);
	if (!goes_on)
		client_waited_for(c, LIMIT_CLIENT_WRITE);
	timer_arm(c->proxy->timeouts, &c->timer, LIMIT_CLIENT_WRITE, c->proxy->now_us);
}

/* The kernel lets us write again only when much has gone: a slow reader may have taken less, and is no dead one. */
static bool
client_took_some(struct client *c)
{
	uint32_t before = c->unsent;

	c->unsent = sock_unsent(c->watch.fd);
	return c->unsent < before;
}

void
client_fail(struct client *c, enum failure f)
{
	struct exchange *x = c->exchange;

	if (x->at == AT_HEAD && buffer_is_empty(c->in))
		f = FAIL_CLIENT_LEFT; /* an empty line and no more */
	else if (x->at == AT_HEAD)
		note_unparsed(x);
	exchange_fail(x, f);
}

void
client_expired(struct timer *t)
{
	struct client *c = OWNER(t, struct client, timer);
	struct exchange *x = c->exchange;
	enum failure f = failure_of_limit[t->limit];

	if (x == NULL && may_stay_idle(c)) {
		timer_arm(c->proxy->timeouts, t, LIMIT_HANDED, c->proxy->now_us);
		return;
	}
	if (x == NULL) {
		client_close(c);
		return;
	}
	if (f == FAIL_CLIENT_STALLED && client_took_some(c)) {
		timer_arm(c->proxy->timeouts, t, LIMIT_CLIENT_WRITE, c->proxy->now_us);
		return;
	}
	client_fail(c, f);
}

/* Only what has truly nothing to say: a request may already lie in the socket. */
static void
drain_ring(struct proxy *p, enum limit limit)
{
	struct timer *head = &p->timeouts->queue[limit];
	struct timer *next;

	for (struct timer *t = head->next; t != head; t = next) {
		struct client *c = OWNER(t, struct client, timer);

		next = t->next;
		if (c->exchange == NULL && buffer_is_empty(c->in) && sock_is_quiet(c->watch.fd))
			client_close(c);
	}
}

void
client_drain_idle(struct proxy *p)
{
	drain_ring(p, LIMIT_HANDED);
	drain_ring(p, LIMIT_KEEP_ALIVE);
	drain_ring(p, LIMIT_REQUEST_HEADER);
}
