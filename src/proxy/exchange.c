/*
 * An exchange: one request and its response, as a table of steps in the order
 * in which it lives.  This file is the table, the driver, and the two ways off
 * the straight path: failing, and going back to PICK.  A step does what can be
 * done without blocking and says how it ended; ready data falls through all
 * steps in one call.  Nothing here counts, logs or replies: FINISH does.
 */
#include "private.h"

#include <string.h>

#include "fault.h"

struct step {
	const char *name;
	enum verdict (*run)(struct exchange *);
	enum limit client_limit; /* while it waits */
};

static const struct step steps[N_AT] = {
	[AT_HEAD] = { "head", read_head, LIMIT_REQUEST_HEADER },
	[AT_ADMIT] = { "admit", admit, NO_LIMIT },
	[AT_PICK] = { "pick", pick, NO_LIMIT }, /* RETRY comes back here, and nowhere else */
	[AT_CONNECT] = { "connect", connect_upstream,
		NO_LIMIT }, /* the connection's own limit runs */
	[AT_SEND] = { "send", send_request, NO_LIMIT },
	[AT_RELAY] = { "relay", relay, NO_LIMIT },    /* sets its own, by who is waited for */
	[AT_FINISH] = { "finish", finish, NO_LIMIT }, /* by how the client takes it */
};

void
limit_wait(struct proxy *p, struct timer *t, enum limit limit, bool progress)
{
	if (!progress && timer_is_armed(t) && t->limit == (uint8_t)limit)
		return;
	timer_arm(p->timeouts, t, limit, p->now_us);
}

/* True when it waits, false when it is no more. */
static bool
run_steps(struct exchange *x)
{
	for (;;) {
		const struct step *s = &steps[x->at];

		x->flight->step = x->at;
		fault_inject(x, s->name);
		switch (s->run(x)) {
		case NEXT:
			x->at++;
			break;
		case RETRY:
			x->at = AT_PICK;
			break;
		case FAIL:
			x->at = AT_FINISH;
			break;
		case WAIT:
			if (s->client_limit != NO_LIMIT)
				limit_wait(x->proxy, &x->client->timer, s->client_limit, false);
			return true;
		case DONE:
			return false;
		}
	}
}

/* One exchange may end another one, to make room: so what is in hand is a stack. */
void
exchange_run(struct exchange *x)
{
	struct proxy *p = x->proxy;
	uint32_t before = flight_pick_up(x);

	if (run_steps(x))
		flight_moved(x);
	flight_put_down(p, before);
}

const char *
proxy_step_name(unsigned step)
{
	return step < N_AT ? steps[step].name : "unknown";
}

void
exchange_begin(struct client *c)
{
	struct proxy *p = c->proxy;
	struct exchange *x = slab_take(&p->exchanges); /* as many as clients: never NULL */

	memset(x, 0, sizeof(*x));
	x->proxy = p;
	x->client = c;
	x->t_start = p->now_us;
	x->ip = c->ip;
	x->minor = 1; /* until its head says otherwise */
	request_id_make(p, x->request_id);
	flight_take(x);
	c->exchange = x;
	c->unsent = 0;
	client_count(c, CLIENT_ACTIVE);
	exchange_run(x);
}

enum verdict
fail(struct exchange *x, enum failure f)
{
	x->failure = (uint8_t)f;
	return FAIL;
}

enum verdict
refuse_with(struct exchange *x, int status)
{
	x->status = status;
	return fail(x, FAIL_BAD_REQUEST);
}

/* The client may have left while our own answer waited for it: then there is nobody to tell. */
void
exchange_fail(struct exchange *x, enum failure f)
{
	x->failure = (uint8_t)f;
	x->at = AT_FINISH;
	exchange_run(x);
}

void
lease_return(struct exchange *x)
{
	if (!x->leased)
		return;
	x->leased = false;
	lease_give(x->proxy->shm, x->proxy->slot, x->proxy->targets[x->target].row);
}

/* Is nothing of it done, or may it be done twice (RFC 9110 9.2.2)? */
static bool
may_send_again(const struct exchange *x)
{
	if (!x->kept || x->response_begun || x->upstream_spoke)
		return false;
	if (!x->head_sent)
		return true;
	return method_is_idempotent((enum method)x->method) && x->up.state == FLOW_END;
}

static void
rewind_request(struct exchange *x)
{
	struct buffer *b = x->client->in;

	buffer_give(x->proxy, &x->up.rest);
	if (x->kept)
		b->sent = b->start + x->head_bytes;
	x->head_sent = false;
	x->request_broken = x->upstream_reset = false;
	x->upstream_ended = false;
	x->scanned = 0;
}

static void
count_failure(struct exchange *x, enum failure f)
{
	struct proxy *p = x->proxy;
	uint16_t row = p->targets[x->target].row;

	if (row == BACKEND_NONE || failure_row(f)->error == N_BACKEND_ERRORS)
		return;
	metrics_backend_error(p->shm, p->slot, row, failure_row(f)->error);
	if (f != FAIL_CONNECT_REFUSED && f != FAIL_CONNECT_TIMEOUT && f != FAIL_CONNECT_OTHER)
		return;
	backend_blame(p->shm, row);
	target_refused(p, &p->targets[x->target]);
}

enum verdict
fail_upstream(struct exchange *x, enum failure f)
{
	count_failure(x, f);
	return fail(x, f);
}

/* A pooled connection that had died says nothing about its backend: one fresh connection is owed. */
static bool
was_stale(const struct exchange *x, enum failure f)
{
	return f == FAIL_UPSTREAM_CUT && x->upstream != NULL && x->upstream->reused &&
	       !x->upstream_spoke;
}

enum verdict
retry_or_fail(struct exchange *x, enum failure f)
{
	bool again = may_send_again(x);
	bool stale = was_stale(x, f);

	if (x->upstream != NULL)
		upstream_close(x->upstream);
	x->upstream = NULL;
	if (stale && again) { /* the same backend, by the same lease */
		x->fresh_only = true;
		rewind_request(x);
		return RETRY;
	}
	x->last_failure = (uint8_t)f;
	fail_upstream(x, f);
	if (!again || x->internal || x->tried.n >= x->proxy->config->retries)
		return FAIL;
	x->tried.index[x->tried.n++] = x->target;
	x->failure = FAIL_NONE;
	lease_return(x);
	rewind_request(x);
	return RETRY;
}

static void
upstream_was_too_slow(struct exchange *x, enum limit limit)
{
	enum failure f = FAIL_UPSTREAM_TIMEOUT;
	enum verdict v;

	if (limit != LIMIT_CONNECT) {
		fail_upstream(x, f);
		exchange_fail(x, f);
		return;
	}
	v = upstream_connect_timed_out(x, &f);
	if (v == WAIT)
		return;
	x->at = AT_CONNECT;
	if (v == FAIL)
		v = retry_or_fail(x, f);
	if (v != NEXT)
		x->at = v == RETRY ? AT_PICK : AT_FINISH;
	exchange_run(x);
}

/* The backend was too slow to do what was waited for. */
void
exchange_upstream_expired(struct exchange *x, enum limit limit)
{
	struct proxy *p = x->proxy;
	uint32_t before = flight_pick_up(x);

	fault_inject(x, "expired");
	upstream_was_too_slow(x, limit);
	flight_put_down(p, before);
}
