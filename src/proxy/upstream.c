/*
 * Connections to backends and the pool of idle ones, one stack per target: the
 * connection used last is used first, the old ones die of age.  An idle
 * connection holds no buffer and is watched: whatever a backend sends unasked,
 * or its end, removes it before the next pick.
 */
#include "private.h"

#include <errno.h>

#include "ballast/base/log.h"

static void upstream_wake(struct watch *);
static void upstream_expired(struct timer *);

static void
gauge(struct proxy *p, const struct upstream *u, enum upstream_state state, int by)
{
	uint16_t row = p->targets[u->target].row;

	if (row != BACKEND_NONE)
		gauge_add(&p->upstream_gauges[state][row], by);
}

static void
pool_push(struct proxy *p, struct upstream *u)
{
	struct target *t = &p->targets[u->target];

	u->newer = NULL;
	u->older = t->newest;
	if (u->older != NULL)
		u->older->newer = u;
	t->newest = u;
}

static void
pool_remove(struct proxy *p, struct upstream *u)
{
	struct target *t = &p->targets[u->target];

	if (u->newer != NULL)
		u->newer->older = u->older;
	else
		t->newest = u->older;
	if (u->older != NULL)
		u->older->newer = u->newer;
	u->newer = u->older = NULL;
}

static bool
is_silent(const struct upstream *u)
{
	return !(u->watch.ready & (POLLER_IN | POLLER_FAIL | POLLER_EOF));
}

/*
 * What the kernel had reported by this turn is in `ready`.  What has come since would be taken for the
 * answer to the next request, so we look once more, at the price of a system call.
 */
static bool
is_usable(const struct upstream *u)
{
	if (!is_silent(u))
		return false;
	return poller_refresh(u->proxy->poller) ? is_silent(u) : sock_is_quiet(u->watch.fd);
}

static void
attach(struct exchange *x, struct upstream *u)
{
	u->exchange = x;
	x->upstream = u;
	gauge(x->proxy, u, UPSTREAM_ACTIVE, 1);
}

struct upstream *
upstream_take_idle(struct exchange *x)
{
	struct proxy *p = x->proxy;
	struct upstream *u;

	while ((u = p->targets[x->target].newest) != NULL) {
		if (!is_usable(u)) {
			upstream_close(u);
			continue;
		}
		pool_remove(p, u);
		gauge(p, u, UPSTREAM_IDLE, -1);
		timer_disarm(&u->timer);
		u->reused = true;
		attach(x, u);
		return u;
	}
	return NULL;
}

static enum failure
failure_of_errno(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return FAIL_CONNECT_TIMEOUT;
	case -ECONNREFUSED:
		return FAIL_CONNECT_REFUSED;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS:
	case -ENOSPC:
	case -EADDRNOTAVAIL:
		return FAIL_OVERLOADED; /* our own shortage: not to be held against the backend */
	default:
		return FAIL_CONNECT_OTHER;
	}
}

static struct upstream *
oldest_idle(const struct proxy *p)
{
	const struct timer *head = &p->timeouts->queue[LIMIT_UPSTREAM_IDLE];

	return head->next != head ? OWNER(head->next, struct upstream, timer) : NULL;
}

bool
upstream_evict_idle(struct proxy *p)
{
	struct upstream *u = oldest_idle(p);

	if (u != NULL)
		upstream_close(u);
	return u != NULL;
}

/* Connects to the current address.  0 or -errno. */
static int
dial(struct proxy *p, struct upstream *u)
{
	const struct target *t = &p->targets[u->target];
	int fd = sock_connect(&t->addrs[u->address], &u->connecting);
	int rc;

	if (fd == -EMFILE && (upstream_evict_idle(p) || client_evict(p)))
		fd = sock_connect(&t->addrs[u->address], &u->connecting);
	if (fd < 0)
		return fd;
	u->watch.ready = u->connecting ? 0 : POLLER_OUT;
	rc = poller_add(p->poller, &u->watch, fd, POLLER_OUT);
	if (rc < 0) {
		fd_close(&fd);
		return rc;
	}
	if (u->connecting)
		timer_arm(p->timeouts, &u->timer, LIMIT_CONNECT, p->now_us);
	return 0;
}

static void
hang_up(struct proxy *p, struct upstream *u)
{
	int fd = u->watch.fd;

	if (fd < 0)
		return;
	poller_remove(p->poller, &u->watch);
	timer_disarm(&u->timer);
	fd_close(&fd);
}

/* The address did not work: the next ones, each once.  0 when one is being tried, else the last error. */
static int
dial_next(struct proxy *p, struct upstream *u, int error)
{
	const struct target *t = &p->targets[u->target];

	hang_up(p, u);
	while (error < 0 && ++u->failures < t->n_addrs) {
		u->address = (uint8_t)((u->address + 1) % t->n_addrs);
		error = dial(p, u);
	}
	return error;
}

static void
bury(struct proxy *p, struct upstream *u)
{
	u->closed = true;
	u->newer = p->dead_upstreams;
	p->dead_upstreams = u;
}

/*
 * Room for one more connection: an idle one to any backend goes for it.  Its row may be used at once,
 * although the turn is not over: idle, it is in no exchange, and removing its watch took it out of every queue.
 */
static struct upstream *
new_upstream(struct proxy *p)
{
	struct upstream *u = slab_take(&p->upstreams);

	if (u != NULL)
		return u;
	u = oldest_idle(p);
	if (u == NULL)
		return NULL;
	upstream_close(u);
	p->dead_upstreams = u->newer;
	return u;
}

struct upstream *
upstream_open(struct exchange *x, enum failure *failure)
{
	struct proxy *p = x->proxy;
	struct upstream *u = new_upstream(p);
	int rc;

	*failure = FAIL_OVERLOADED;
	if (u == NULL)
		return NULL;
	memset(u, 0, sizeof(*u));
	u->proxy = p;
	u->target = x->target;
	u->address = (uint8_t)p->targets[x->target].good;
	u->watch = (struct watch){ .wake = upstream_wake, .fd = -1 };
	u->timer.expired = upstream_expired;
	rc = dial(p, u);
	if (rc < 0)
		rc = dial_next(p, u, rc);
	if (rc < 0) {
		*failure = failure_of_errno(rc);
		slab_give(&p->upstreams, u); /* it was never watched: nobody knows it */
		return NULL;
	}
	attach(x, u);
	return u;
}

static enum verdict
connect_outcome(struct exchange *x, int rc, enum failure *failure)
{
	struct upstream *u = x->upstream;

	if (rc < 0)
		rc = dial_next(x->proxy, u, rc);
	if (rc < 0) {
		*failure = failure_of_errno(rc);
		return FAIL;
	}
	return u->connecting ? WAIT : NEXT;
}

enum verdict
upstream_connected(struct exchange *x, enum failure *failure)
{
	struct upstream *u = x->upstream;
	int rc = sock_connect_result(u->watch.fd);
	enum verdict v;

	if (rc == 0)
		u->connecting = false;
	v = connect_outcome(x, rc, failure);
	if (v == NEXT) {
		x->proxy->targets[u->target].good = u->address;
		timer_disarm(&u->timer);
	}
	return v;
}

/*
 * A head and a little.  With what ballast adds to the head it still leaves as one piece (flow_send_head), and a
 * body that is to go by a pipe is not copied twice before.
 */
enum { HEAD_READ = 3584 };

static size_t
room_for(const struct upstream *u)
{
	const struct proxy *p = u->proxy;
	bool begins = buffer_is_empty(u->in);
	size_t room = u->in != NULL ? buffer_room(p, u->in) : 0;

	return begins && p->targets[u->target].streams && room > HEAD_READ ? HEAD_READ : room;
}

ssize_t
upstream_fill(struct upstream *u)
{
	struct proxy *p = u->proxy;
	size_t room;
	ssize_t n;

	if (u->in == NULL)
		u->in = buffer_take(p);
	room = room_for(u);
	if (room == 0)
		return -ENOBUFS;
	n = sock_recv(u->watch.fd, u->in->data + u->in->end, room);
	if (n > 0)
		buffer_received(u->in, (size_t)n);
	if (n <= 0)
		watch_clear(&u->watch, POLLER_IN);
	else if ((size_t)n < room)
		watch_read_short(&u->watch);
	return n;
}

void
upstream_give_back(struct upstream *u)
{
	struct proxy *p = u->proxy;

	buffer_give(p, &u->in);
	if (u->watch.ready & POLLER_IN && sock_is_quiet(u->watch.fd))
		watch_clear(&u->watch, POLLER_IN); /* the last read had filled its buffer exactly */
	if (p->retiring || !is_silent(u)) {
		upstream_close(u);
		return;
	}
	gauge(p, u, UPSTREAM_ACTIVE, -1);
	gauge(p, u, UPSTREAM_IDLE, 1);
	u->exchange = NULL;
	pool_push(p, u);
	timer_arm(p->timeouts, &u->timer, LIMIT_UPSTREAM_IDLE, p->now_us);
	poller_want(p->poller, &u->watch, POLLER_IN);
}

void
upstream_close(struct upstream *u)
{
	struct proxy *p = u->proxy;

	if (u->closed)
		return;
	if (u->exchange == NULL)
		pool_remove(p, u);
	gauge(p, u, u->exchange == NULL ? UPSTREAM_IDLE : UPSTREAM_ACTIVE, -1);
	hang_up(p, u);
	timer_disarm(&u->timer);
	buffer_give(p, &u->in);
	u->exchange = NULL;
	bury(p, u);
}

static void
upstream_wake(struct watch *w)
{
	struct upstream *u = OWNER(w, struct upstream, watch);

	if (u->exchange == NULL)
		upstream_close(u); /* nothing that a backend says unasked is ever heard */
	else
		exchange_run(u->exchange);
}

static void
upstream_expired(struct timer *t)
{
	struct upstream *u = OWNER(t, struct upstream, timer);

	if (u->exchange == NULL)
		upstream_close(u);
	else
		exchange_upstream_expired(u->exchange, (enum limit)t->limit);
}

enum verdict
upstream_connect_timed_out(struct exchange *x, enum failure *failure)
{
	return connect_outcome(x, -ETIMEDOUT, failure);
}

static bool
another_is_up(const struct proxy *p, const struct target *t)
{
	for (unsigned i = 0; i < p->n_targets; i++)
		if (&p->targets[i] != t && backend_is_up(p->shm, p->targets[i].row))
			return true;
	return false;
}

/*
 * The checker is stopped, starved or dead: who is to say that this backend is gone, if not those who meet it?  The
 * last one that is up stays, since then there is nothing to be gained; of two workers that take the last two out
 * at the same moment one at least sees it afterwards, and takes its word back.
 */
void
target_refused(struct proxy *p, struct target *t)
{
	const struct config_health *health = &p->config->health;

	t->refusals++;
	if (!health->on || t->refusals < health->fall || slots_checker_beats(p->shm, p->now_us) ||
		!another_is_up(p, t) || !backend_eject(p->shm, t->row, proxy_wall_us(p)))
		return;
	if (!another_is_up(p, t)) {
		backend_set_up(p->shm, t->row, true, proxy_wall_us(p));
		return;
	}
	log_warn("backend marked down", LOG_STR("backend", t->url),
		LOG_STR("reason", "workers cannot connect, and no checker looks"),
		LOG_INT("status", 0), LOG_INT("fails", t->refusals));
}
