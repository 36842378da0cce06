/*
 * FINISH: the only end of an exchange.  What failed before a response began is
 * answered here, by the row of its reason; then the upstream goes back to the
 * pool or is closed, the lease is returned, the facts become counters and a log
 * line, and the client goes on, lingers or is cut.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static bool
nobody_listens(const struct exchange *x)
{
	switch (x->failure) {
	case FAIL_CLIENT_LEFT:
	case FAIL_CLIENT_STALLED:
	case FAIL_TUNNEL_IDLE:
	case FAIL_DRAIN_CUT:
		return true;
	default:
		return false;
	}
}

static uint64_t
seconds_up(uint64_t us)
{
	return (us + 999999) / 1000000;
}

static void
extra_fields(const struct exchange *x, char *out, size_t cap)
{
	const struct config_rate_limit *r = &x->proxy->config->rate_limit;

	out[0] = '\0';
	if (x->failure == FAIL_RATE_LIMITED)
		snprintf(out, cap,
			"Retry-After: %llu\r\nRateLimit-Limit: %u\r\nRateLimit-Remaining: %u\r\n"
			"RateLimit-Reset: %llu\r\n",
			(unsigned long long)seconds_up(x->rate.retry_us), r->burst,
			x->rate.remaining, (unsigned long long)seconds_up(x->rate.reset_us));
	else if (x->status == 405 || x->failure == FAIL_FINAL_RECIPIENT)
		snprintf(out, cap, "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n");
}

/* Our own answer goes behind whatever of an interim head is still unsent. */
static void
make_reply(struct exchange *x)
{
	struct proxy *p = x->proxy;
	const struct failure_row *row = failure_row((enum failure)x->failure);
	struct buffer *b = x->down.rest;
	char extra[256];
	struct reply reply;

	x->reply_made = true;
	if (x->failure != FAIL_BAD_REQUEST)
		x->status = row->status;
	/* An HTTP/1.0 client would have to be told that its connection lives: it is simpler to end it. */
	x->keep_alive = x->keep_alive && x->minor == 1 && row->client_lives &&
			x->up.state == FLOW_END && !exchange_parts_with_client(x);
	if (b == NULL)
		b = x->down.rest = buffer_take(p);
	if (b == NULL || p->buffer_bytes - b->end < REPLY_MAX) {
		x->keep_alive = false;
		return;
	}
	x->flight->status = (uint16_t)x->status;
	extra_fields(x, extra, sizeof(extra));
	reply = (struct reply){
		.status = x->status,
		.close = !x->keep_alive,
		.head_only = x->method == METHOD_HEAD,
		.date = clock_http_date(proxy_wall_us(p)),
		.extra = extra,
	};
	b->end += (uint32_t)reply_write(b->data + b->end, REPLY_MAX, &reply);
}

static void
release_upstream(struct exchange *x)
{
	struct upstream *u = x->upstream;
	bool spent;

	if (u == NULL)
		return;
	spent = x->failure != FAIL_NONE || !x->upstream_lives || x->upstream_ended ||
		x->request_broken || x->up.state != FLOW_END ||
		flow_is_unsent(&x->up, x->client->in) || !buffer_is_empty(u->in);
	x->upstream = NULL;
	if (spent)
		upstream_close(u);
	else
		upstream_give_back(u);
}

/* The answer of our own: WAIT until the client has taken it. */
static enum verdict
send_reply(struct exchange *x)
{
	struct client *c = x->client;
	uint64_t moved = 0;
	int rc;

	if (!x->reply_made) {
		release_upstream(x);
		make_reply(x);
	}
	if (x->down.rest != NULL && !(c->watch.ready & POLLER_OUT))
		rc = 0;
	else
		rc = flow_send(&x->down, x->proxy, NULL, &c->watch, &moved);
	x->bytes_out += moved;
	if (rc < 0)
		x->failure = FAIL_CLIENT_LEFT;
	if (rc != 0)
		return NEXT;
	poller_want(x->proxy->poller, &c->watch, POLLER_OUT);
	client_limit_write(c, moved > 0);
	return WAIT;
}

/* The message is over: what lies behind it is the next request. */
static void
consume_request(struct exchange *x)
{
	struct buffer *b = x->client->in;

	if (b != NULL)
		b->start = b->sent = b->ready;
}

static void
cut_client(struct exchange *x)
{
	struct client *c = x->client;

	/* Without a length or chunks a plain end would look like the end of the body. */
	if (x->response_begun &&
		(x->down.kind == BODY_UNTIL_CLOSE || x->down.coding == FLOW_DECHUNK))
		sock_reset_on_close(c->watch.fd);
	client_close(c);
}

/* What was sent with its end still to come leaves first: a close resets a client that has gone on talking. */
static void
end_client(struct exchange *x)
{
	struct client *c = x->client;

	if (x->down.ends)
		shutdown(c->watch.fd, SHUT_WR);
	client_close(c);
}

static void
part_with_client(struct exchange *x)
{
	struct client *c = x->client;
	bool cut = x->failure != FAIL_NONE && !x->reply_made;

	c->exchange = NULL;
	if (nobody_listens(x) || cut || x->tunnel) {
		cut_client(x);
		return;
	}
	consume_request(x);
	if (x->keep_alive)
		client_rest(c);
	else if (x->client_closes && x->up.state == FLOW_END && buffer_is_empty(c->in) &&
		 !x->reply_made)
		end_client(x);
	else
		client_linger(c);
}

enum verdict
finish(struct exchange *x)
{
	struct proxy *p = x->proxy;

	if (x->failure != FAIL_NONE && !x->response_begun && !nobody_listens(x)) {
		enum verdict v = send_reply(x);

		if (v == WAIT)
			return WAIT;
	}
	if (x->failure == FAIL_NONE || x->reply_made)
		x->flight->facts |= FLIGHT_ANSWERED;
	release_upstream(x);
	lease_return(x);
	account_exchange(x);
	if (x->note != NULL)
		slab_give(&p->notes, x->note);
	buffer_give(p, &x->up.rest);
	buffer_give(p, &x->down.rest);
	pipe_give(p, &x->up.pipe);
	pipe_give(p, &x->down.pipe);
	if (p->head_of == x)
		p->head_of = NULL;
	part_with_client(x);
	slab_give(&p->exchanges, x);
	return DONE;
}
