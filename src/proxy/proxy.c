/*
 * The proxy's memory and its beginning and end.  All of it is reserved here,
 * before the worker says that it is ready; slabs touch only what is used.
 */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

enum {
	SPARE_DESCRIPTORS = 64,
	OWN_DESCRIPTORS =
		24, /* logs, listener, control, signals, the poller, one being passed; and bells */
	POOL_SPARE = 256,
	BUFFERS_EACH = 4,    /* held by one client, at most */
	BUFFERS_PASSING = 4, /* taken and given within one call */
};

static rlim_t
own_descriptors(const struct config *cfg)
{
	return OWN_DESCRIPTORS + (rlim_t)cfg->process.workers;
}

uint32_t
proxy_descriptors(const struct config *cfg)
{
	return 2 * cfg->limits.connections + 2 * PIPES_MAX + POOL_SPARE + SPARE_DESCRIPTORS +
	       cfg->process.workers;
}

uint32_t
proxy_clients_max(const struct config *cfg)
{
	uint32_t n = cfg->limits.connections;
	rlim_t own = own_descriptors(cfg);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= 2 * (rlim_t)n + own)
		return n;
	return limit.rlim_cur > own + 2 ? (uint32_t)(limit.rlim_cur - own) / 2 : 1;
}

/* Pipes are a luxury: they get the descriptors that clients and backends leave. */
static uint32_t
pipes_affordable(const struct proxy *p)
{
	rlim_t needed = 2 * (rlim_t)p->clients_max + own_descriptors(p->config);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= needed)
		return 0;
	return (limit.rlim_cur - needed) / 2 < PIPES_MAX ? (uint32_t)((limit.rlim_cur - needed) / 2)
							 : PIPES_MAX;
}

static uint32_t
buffer_bytes(const struct config *cfg)
{
	uint32_t head = (cfg->limits.header_bytes + 4095u) & ~4095u;

	return head + SLICES_SCRATCH + BUFFER_FRONT + BUFFER_TAIL;
}

uint64_t *
proxy_now(struct proxy *p)
{
	return &p->now_us;
}

/* One reading of the wall clock per second; in between it moves with the monotonic one. */
uint64_t
proxy_wall_us(struct proxy *p)
{
	if (p->wall_offset_us == 0 || p->now_us - p->wall_checked_us > 1000000) {
		p->wall_checked_us = p->now_us;
		p->wall_offset_us = clock_wall_us() - p->now_us;
	}
	return p->wall_offset_us + p->now_us;
}

static uint64_t
shorter_us(uint64_t a_us, uint64_t b_us)
{
	return a_us < b_us ? a_us : b_us;
}

static void
set_limits(struct proxy *p)
{
	const struct config_timeouts *t = &p->config->timeouts;
	const uint64_t us[N_LIMITS] = {
		[LIMIT_REQUEST_HEADER] = t->request_header_us,
		[LIMIT_REQUEST_BODY] = t->request_body_us,
		[LIMIT_CLIENT_WRITE] = t->client_write_us,
		[LIMIT_KEEP_ALIVE] = t->keep_alive_us,
		[LIMIT_LINGER] = 2000000,
		[LIMIT_CONNECT] = t->connect_us,
		[LIMIT_RESPONSE_HEADER] = t->response_header_us,
		[LIMIT_RESPONSE_BODY] = t->response_body_us,
		[LIMIT_UPSTREAM_IDLE] = t->keep_alive_us,
		[LIMIT_TUNNEL] = t->tunnel_us,
		[LIMIT_ACCEPT_PAUSE] = 100000,
		[LIMIT_ROOM] = 5000,
		[LIMIT_ACCESS_LOG] = LOG_LATE_US,
		[LIMIT_HANDOVER] = 5000,
		[LIMIT_HANDED] = shorter_us(t->keep_alive_us, t->request_header_us) / 4,
	};

	for (unsigned i = 0; i < N_LIMITS; i++)
		timeouts_set(p->timeouts, i, us[i]);
}

/*
 * How many rows of what, at most.  This is all there is: proxy_create reserves it and
 * proxy_memory_bytes tells it.  Buffers of a client with an exchange: what it sends, what its
 * backend sends, and for each direction the rest of a head that the socket has not taken.
 * Others are held only within a call: for trailers, or as the sink of a linger.
 */
struct plan {
	uint32_t n;
	size_t bytes; /* of one row */
};

enum { PLAN_CLIENTS, PLAN_EXCHANGES, PLAN_UPSTREAMS, PLAN_BUFFERS, PLAN_NOTES, N_PLANS };

static void
make_plans(struct plan plans[N_PLANS], const struct config *cfg)
{
	uint32_t n = cfg->limits.connections;
	size_t buffer = sizeof(struct buffer) + buffer_bytes(cfg);
	uint32_t notes = cfg->access_log.output != NULL ? n : 0;

	plans[PLAN_CLIENTS] = (struct plan){ n, sizeof(struct client) };
	plans[PLAN_EXCHANGES] = (struct plan){ n, sizeof(struct exchange) };
	plans[PLAN_UPSTREAMS] = (struct plan){ n + POOL_SPARE, sizeof(struct upstream) };
	plans[PLAN_BUFFERS] = (struct plan){ BUFFERS_EACH * n + BUFFERS_PASSING, buffer };
	plans[PLAN_NOTES] = (struct plan){ notes, sizeof(struct note) };
}

static int
reserve(struct proxy *p)
{
	struct slab *slabs[N_PLANS] = {
		[PLAN_CLIENTS] = &p->clients,
		[PLAN_EXCHANGES] = &p->exchanges,
		[PLAN_UPSTREAMS] = &p->upstreams,
		[PLAN_BUFFERS] = &p->buffers,
		[PLAN_NOTES] = &p->notes,
	};
	struct plan plans[N_PLANS];
	int rc = 0;

	p->buffer_bytes = buffer_bytes(p->config);
	make_plans(plans, p->config);
	for (unsigned i = 0; rc == 0 && i < N_PLANS; i++)
		if (plans[i].n > 0) /* an empty slab gives nothing */
			rc = slab_init(slabs[i], plans[i].n, plans[i].bytes);
	return rc;
}

size_t
proxy_memory_bytes(const struct config *cfg)
{
	size_t bytes = sizeof(struct proxy) + sizeof(struct head) + sizeof(struct slices) +
		       LOG_BATCH + cfg->limits.connections * sizeof(uint32_t) +
		       (cfg->n_backends + (size_t)1) * sizeof(struct target);
	struct plan plans[N_PLANS];

	make_plans(plans, cfg);
	for (unsigned i = 0; i < N_PLANS; i++)
		bytes += slab_bytes(plans[i].n, plans[i].bytes);
	return bytes;
}

size_t
proxy_connection_bytes(const struct config *cfg)
{
	struct plan plans[N_PLANS];
	size_t bytes = 0;

	make_plans(plans, cfg);
	for (unsigned i = 0; i < N_PLANS; i++)
		bytes += plans[i].n > 0 ? plans[i].bytes : 0;
	return bytes + (BUFFERS_EACH - 1) * plans[PLAN_BUFFERS].bytes;
}

static bool
make_targets(struct proxy *p, const struct addr *admin)
{
	const struct config *cfg = p->config;

	p->n_targets = (uint16_t)cfg->n_backends;
	p->targets = calloc((size_t)p->n_targets + 1, sizeof(*p->targets));
	if (p->targets == NULL)
		return false;
	for (unsigned i = 0; i < cfg->n_backends; i++)
		p->targets[i] = (struct target){
			.addrs = cfg->backends[i].addrs,
			.n_addrs = (uint16_t)cfg->backends[i].n_addrs,
			.row = p->balance->candidates[i].row,
			.url = cfg->backends[i].url,
		};
	p->targets[p->n_targets] = (struct target){
		.addrs = admin,
		.n_addrs = admin != NULL ? 1 : 0,
		.row = BACKEND_NONE,
		.url = "none",
	};
	p->metrics_public = admin != NULL && cfg->metrics_public;
	return true;
}

static bool
make_scratch(struct proxy *p)
{
	p->head = malloc(sizeof(*p->head));
	p->slices = malloc(sizeof(*p->slices));
	p->log = malloc(LOG_BATCH);
	return p->head != NULL && p->slices != NULL && p->log != NULL;
}

static int
begin(struct proxy *p, const struct proxy_setup *s)
{
	const struct config_rate_limit *r = &p->config->rate_limit;

	p->upstream_gauges[UPSTREAM_IDLE] = slot_upstreams(p->shm, p->slot, UPSTREAM_IDLE);
	p->upstream_gauges[UPSTREAM_ACTIVE] = slot_upstreams(p->shm, p->slot, UPSTREAM_ACTIVE);
	if (r->on)
		rate_limit_set(&p->rate_limit, r->requests_per_second, r->burst);
	if (getrandom(p->random, sizeof(p->random), 0) != (ssize_t)sizeof(p->random))
		return -EIO;
	p->now_us = clock_now_us();
	p->clients_max = proxy_clients_max(p->config);
	pipes_init(p, pipes_affordable(p));
	p->room.expired = room_expired;
	return accept_begin(p, s);
}

struct proxy *
proxy_create(const struct proxy_setup *s)
{
	struct proxy *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return NULL;
	p->config = s->config;
	p->shm = s->shm;
	p->slot = s->slot;
	p->balance = s->balance;
	p->poller = s->poller;
	p->timeouts = s->timeouts;
	access_log_open(p, s->access_log);
	p->listener.fd = p->bell.fd = p->handed.fd = -1;
	p->handover_in = p->handover_out = -1;
	set_limits(p);
	rc = make_targets(p, s->admin) && make_scratch(p) ? reserve(p) : -ENOMEM;
	if (rc == 0)
		rc = flights_init(p);
	if (rc == 0)
		rc = begin(p, s);
	if (rc < 0) {
		proxy_destroy(p);
		errno = -rc;
		return NULL;
	}
	return p;
}

void
proxy_destroy(struct proxy *p)
{
	access_log_flush(p);
	proxy_retire(p);
	handover_close(p);
	/* The pool goes the same way as ever: counted down and closed. */
	while (upstream_evict_idle(p))
		continue;
	pipes_close(p);
	slab_free_all(&p->clients);
	slab_free_all(&p->exchanges);
	slab_free_all(&p->upstreams);
	slab_free_all(&p->buffers);
	slab_free_all(&p->notes);
	free(p->free_flights);
	free(p->targets);
	free(p->head);
	free(p->slices);
	free(p->log);
	free(p);
}

static void
bury_clients(struct proxy *p)
{
	struct client *c;

	while ((c = p->dead_clients) != NULL) {
		p->dead_clients = c->next_dead;
		slab_give(&p->clients, c);
	}
}

static void
bury_upstreams(struct proxy *p)
{
	struct upstream *u;

	while ((u = p->dead_upstreams) != NULL) {
		p->dead_upstreams = u->newer;
		slab_give(&p->upstreams, u);
	}
}

void
proxy_beat(struct proxy *p)
{
	struct slab *const slabs[] = { &p->buffers, &p->exchanges, &p->upstreams, &p->clients,
		&p->notes };

	for (size_t i = 0; i < sizeof(slabs) / sizeof(*slabs); i++) {
		if (slabs[i]->base != NULL)
			slab_trim(slabs[i]);
	}
	accept_missed(p);
}

void
proxy_turn_over(struct proxy *p)
{
	room_look(p);
	bury_clients(p);
	bury_upstreams(p);
	access_log_turn_over(p);
	accept_turn_over(p);
}

void
proxy_set_access_log(struct proxy *p, int fd)
{
	access_log_flush(p);
	access_log_open(p, fd);
}

void
proxy_retire(struct proxy *p)
{
	accept_end(p);
}

void
proxy_accept_rest(struct proxy *p)
{
	accept_rest(p);
}

void
proxy_take_handed(struct proxy *p)
{
	handover_stop(p);
	handover_take_rest(p);
}

void
proxy_hand_over(struct proxy *p)
{
	if (!p->draining)
		handover_start(p);
}

bool
proxy_queue_waits(const struct proxy *p)
{
	return p->handover_in >= 0 && sock_is_readable(p->handover_in);
}

void
proxy_drain(struct proxy *p)
{
	proxy_retire(p);
	handover_stop(p);
	p->draining = true;
	client_drain_idle(p);
}

bool
proxy_is_empty(const struct proxy *p)
{
	return p->clients.in_use == 0;
}

unsigned
proxy_cut(struct proxy *p)
{
	unsigned cut = 0;

	for (uint32_t i = 0; i < p->clients.n_used_ever; i++) {
		struct client *c = (struct client *)(p->clients.base + i * p->clients.object_bytes);

		if (c->phase == PHASE_CLOSED)
			continue;
		cut += c->exchange != NULL;
		if (c->exchange != NULL)
			exchange_fail(c->exchange, FAIL_DRAIN_CUT);
		else
			client_close(c);
	}
	proxy_turn_over(p);
	return cut;
}
