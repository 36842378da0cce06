/*
 * PICK, CONNECT, SEND: the request finds its backend and goes out, head and
 * what is there of the body in one gathered send.  Until the first octet has
 * been handed to the kernel nothing is lost by going back to PICK.
 */
#include "private.h"

#include <errno.h>

static enum verdict
pick_backend(struct exchange *x)
{
	struct proxy *p = x->proxy;
	int i = balance_pick(p->balance, &x->tried);

	if (i < 0)
		return fail(x, x->last_failure != FAIL_NONE ? (enum failure)x->last_failure
							    : FAIL_NONE_UP);
	x->target = (uint16_t)i;
	lease_take(p->shm, p->slot, p->targets[i].row);
	x->leased = true;
	x->flight->row = p->targets[i].row;
	return NEXT;
}

enum verdict
pick(struct exchange *x)
{
	struct proxy *p = x->proxy;
	enum verdict v = NEXT;

	if (x->leased)
		return NEXT; /* once more, on a fresh connection */
	if (x->internal)
		x->target = p->n_targets;
	else
		v = pick_backend(x);
	if (v != NEXT)
		return v;
	if (x->attempts++ > 0 && !x->internal)
		metrics_count(p->shm, p->slot, COUNTER_RETRIES, 1);
	x->t_picked = p->now_us;
	return NEXT;
}

static enum verdict
connect_waits(struct exchange *x)
{
	poller_want(x->proxy->poller, &x->client->watch, 0); /* only its death is of interest */
	return WAIT;
}

static enum verdict
connect_begin(struct exchange *x)
{
	enum failure f;

	if (!x->fresh_only && upstream_take_idle(x) != NULL)
		return NEXT;
	if (upstream_open(x, &f) == NULL)
		return retry_or_fail(x, f);
	return x->upstream->connecting ? connect_waits(x) : NEXT;
}

static enum verdict
connect_goes_on(struct exchange *x)
{
	enum failure f;
	enum verdict v;

	if (!(x->upstream->watch.ready & (POLLER_OUT | POLLER_FAIL)))
		return WAIT;
	v = upstream_connected(x, &f);
	return v == FAIL ? retry_or_fail(x, f) : v;
}

enum verdict
connect_upstream(struct exchange *x)
{
	enum verdict v = NEXT;

	if (x->upstream == NULL)
		v = connect_begin(x);
	else if (x->upstream->connecting)
		v = connect_goes_on(x);
	if (v == NEXT)
		x->t_connected = x->proxy->now_us;
	return v;
}

/* From here on only a request that lies here whole, and may be done twice, is kept. */
static void
stop_keeping(struct exchange *x)
{
	struct buffer *b = x->client->in;

	if (method_is_idempotent((enum method)x->method) && x->up.state == FLOW_END)
		return;
	x->kept = false;
	b->start = b->sent;
}

enum verdict
send_request(struct exchange *x)
{
	struct proxy *p = x->proxy;
	struct upstream *u = x->upstream;
	struct client *c = x->client;
	const struct head *h = exchange_head(x);
	struct forward_request fr = {
		.client_ip = { c->ip_text, c->ip_text_n },
		.request_id = { x->request_id, sizeof(x->request_id) },
		.trusted = x->trusted,
		.upgrade = x->upgrade,
	};
	uint64_t sent = 0;
	int rc;

	slices_reset(p->slices);
	head_write_request(p->slices, h, &fr);
	x->flight->facts |= FLIGHT_SENT;
	rc = flow_send_head(&x->up, p, c->in, &u->watch, &sent);
	if (rc == -ENOBUFS)
		return fail(x, FAIL_OVERLOADED);
	if (rc < 0)
		return retry_or_fail(x, FAIL_UPSTREAM_CUT);
	x->head_sent = true;
	stop_keeping(x);
	return NEXT;
}
