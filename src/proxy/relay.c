/*
 * RELAY: both directions at once.  The rest of the request goes to the backend
 * as it comes, the response comes back: interim heads, the final head rewritten,
 * the body through its flow.  Back-pressure is the absence of reading: a side is
 * read only when all that came before was sent on.  After 101 both directions are a tunnel.
 */
#include "private.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	RELAY_ROUNDS =
		16, /* reads per direction and turn: one fast client must not starve the others */
	INTERIMS_MAX = 32, /* 1xx responses to one request */
};

/* ---- the request, towards the backend */

static enum verdict
send_up(struct exchange *x)
{
	struct client *c = x->client;
	struct watch *w = &x->upstream->watch;
	uint64_t moved = 0;
	int rc;

	if (!flow_is_unsent(&x->up, c->in))
		return NEXT;
	if (!(w->ready & POLLER_OUT))
		return WAIT;
	rc = flow_send(&x->up, x->proxy, c->in, w, &moved);
	x->progress_up |= moved > 0;
	if (c->in != NULL && !x->kept)
		c->in->start = c->in->sent;
	if (rc < 0) {
		x->request_broken =
			true; /* it may have answered already: that is still worth reading */
		x->upstream_reset = rc == -ECONNRESET;
		return WAIT;
	}
	return rc == 0 ? WAIT : NEXT;
}

static enum verdict
client_input_over(struct exchange *x, ssize_t n)
{
	if (n == 0 && flow_input_ended(&x->up, x->client->in) == FLOW_END)
		return NEXT;
	return fail(x, FAIL_CLIENT_LEFT);
}

static ssize_t
fill_up(struct exchange *x)
{
	struct client *c = x->client;
	ssize_t n = x->kept ? FLOW_BY_BUFFER : flow_fill_pipe(&x->up, x->proxy, &c->in, &c->watch);

	if (n == FLOW_BY_BUFFER)
		return client_fill(c);
	if (n > 0)
		metrics_count(x->proxy->shm, x->proxy->slot, COUNTER_BYTES_IN, (uint64_t)n);
	if (n == 0)
		c->input_ended = true;
	return n;
}

static enum verdict
read_up(struct exchange *x)
{
	struct client *c = x->client;
	uint64_t limit = x->proxy->config->limits.body_bytes;
	ssize_t n;

	if (x->up.state == FLOW_END || !(c->watch.ready & POLLER_IN))
		return WAIT;
	n = fill_up(x);
	if (n == -EAGAIN)
		return WAIT;
	if (n == -ENOBUFS)
		return fail(x, FAIL_OVERLOADED);
	if (n <= 0)
		return client_input_over(x, n);
	x->progress_up = true;
	x->waits_continue = false;
	if (flow_judge(&x->up, x->proxy, c->in) == FLOW_BAD)
		return refuse_with(x, x->response_begun ? x->status : 400);
	if (limit != 0 && !x->tunnel && x->up.bytes > limit)
		return fail(x, FAIL_BODY_TOO_LARGE);
	return NEXT;
}

/* Half-close: the end of one side's input is told to the other. */
static void
pass_end_on(struct exchange *x)
{
	if (x->up.state == FLOW_END && !x->up_shut && !flow_is_unsent(&x->up, x->client->in)) {
		shutdown(x->upstream->watch.fd, SHUT_WR);
		x->up_shut = true;
	}
	if (x->down.state == FLOW_END && !x->down_shut &&
		!flow_is_unsent(&x->down, x->upstream->in)) {
		shutdown(x->client->watch.fd, SHUT_WR);
		x->down_shut = true;
	}
}

static enum verdict
relay_up(struct exchange *x)
{
	for (int i = 0; i < RELAY_ROUNDS && !x->request_broken; i++) {
		enum verdict v = send_up(x);

		if (v == NEXT)
			v = read_up(x);
		if (v != NEXT)
			return v;
	}
	return x->request_broken && x->tunnel ? fail_upstream(x, FAIL_UPSTREAM_CUT) : WAIT;
}

/* ---- the response, towards the client */

static enum verdict
send_down(struct exchange *x)
{
	struct watch *w = &x->client->watch;
	struct buffer *b = x->upstream->in;
	uint64_t moved = 0;
	int rc;

	if (!flow_is_unsent(&x->down, b))
		return NEXT;
	if (!(w->ready & POLLER_OUT))
		return WAIT;
	rc = flow_send(&x->down, x->proxy, b, w, &moved);
	x->progress_down |= moved > 0;
	x->bytes_out += moved;
	if (b != NULL)
		b->start = b->sent;
	if (rc < 0)
		return fail(x, FAIL_CLIENT_LEFT);
	return rc == 0 ? WAIT : NEXT;
}

/* The backend's connection ended (n == 0) or broke. */
static enum verdict
upstream_over(struct exchange *x, ssize_t n)
{
	struct buffer *b = x->upstream->in;

	x->upstream_ended = true;
	if (x->status == 0)
		return retry_or_fail(x, FAIL_UPSTREAM_CUT);
	if (n < 0 && !(x->tunnel && n == -ECONNRESET))
		return fail_upstream(x, FAIL_UPSTREAM_CUT);
	if (x->down.coding == FLOW_CHUNK && b == NULL) {
		b = x->upstream->in = buffer_take(x->proxy);
		if (b == NULL)
			return fail(x, FAIL_OVERLOADED);
	}
	if (flow_input_ended(&x->down, b) == FLOW_END)
		return NEXT;
	return fail_upstream(x, FAIL_UPSTREAM_CUT);
}

static enum verdict
read_down(struct exchange *x)
{
	struct upstream *u = x->upstream;
	ssize_t n;

	if (!(u->watch.ready & (POLLER_IN | POLLER_FAIL)))
		return WAIT;
	n = x->status == 0 ? FLOW_BY_BUFFER : flow_fill_pipe(&x->down, x->proxy, &u->in, &u->watch);
	if (n == FLOW_BY_BUFFER)
		n = upstream_fill(u);
	if (n == -EAGAIN) {
		watch_clear(&u->watch, POLLER_FAIL);
		return WAIT;
	}
	if (n == -ENOBUFS)
		return fail(x, FAIL_OVERLOADED);
	if (n == 0 && x->upstream_reset)
		n = -ECONNRESET; /* told once, to the sender: what looks like an end is none */
	if (n <= 0)
		return upstream_over(x, n);
	if (!x->upstream_spoke)
		x->t_first_byte = x->proxy->now_us;
	x->upstream_spoke = true;
	x->progress_down = true;
	return NEXT;
}

/* The head is done with; what follows it in the buffer stays. */
static void
consume_head(struct exchange *x, size_t n)
{
	struct buffer *b = x->upstream->in;

	b->start += (uint32_t)n;
	b->sent = b->ready = b->start;
	x->scanned = 0;
}

/* Slices have been written from the response's head: sends them with what is ready of `body`. */
static enum verdict
send_response_head(struct exchange *x, struct buffer *body)
{
	uint64_t moved = 0;
	int rc = flow_send_head(&x->down, x->proxy, body, &x->client->watch, &moved);

	x->bytes_out += moved;
	if (rc == -ENOBUFS)
		return fail(x, FAIL_OVERLOADED);
	return rc < 0 ? fail(x, FAIL_CLIENT_LEFT) : NEXT;
}

static void
begin_tunnel(struct exchange *x)
{
	struct proxy *p = x->proxy;
	const struct framing tunnel = { .kind = BODY_TUNNEL };
	struct buffer *in = x->client->in;

	x->tunnel = true;
	x->kept = false;
	if (in != NULL)
		in->start = in->sent = in->ready;
	flow_begin(&x->up, &tunnel, FLOW_AS_IS);
	flow_judge(&x->up, p, in);
	client_count(x->client, CLIENT_TUNNEL);
}

/* 1xx (RFC 9110 15.2): passed on at once, but never to an HTTP/1.0 client. */
static enum verdict
interim_head(struct exchange *x)
{
	struct proxy *p = x->proxy;
	struct forward_response fr = { .framing = { .kind = BODY_NONE } };
	enum verdict v;

	if (++x->interims > INTERIMS_MAX)
		return fail_upstream(x, FAIL_UPSTREAM_PROTOCOL);
	x->waits_continue = false;
	if (x->minor == 1) {
		slices_reset(p->slices);
		head_write_response(p->slices, p->head, &fr);
		v = send_response_head(x, NULL);
		if (v != NEXT)
			return v;
	}
	consume_head(x, p->head->bytes);
	return NEXT;
}

static void
decide_response(struct exchange *x, const struct head *h, struct forward_response *fr)
{
	struct proxy *p = x->proxy;
	enum body_kind kind = fr->framing.kind;

	fr->chunk_it = kind == BODY_UNTIL_CLOSE && x->minor == 1;
	fr->dechunk = x->minor == 0; /* in a bodyless answer, too: it knows no such field */
	fr->upgrade = kind == BODY_TUNNEL;
	if ((kind == BODY_UNTIL_CLOSE || kind == BODY_CHUNKED) && x->minor == 0)
		x->keep_alive = false;
	if (x->up.state != FLOW_END || x->request_broken || exchange_parts_with_client(x))
		x->keep_alive = false;
	x->upstream_lives = head_keeps_alive(h) && kind != BODY_UNTIL_CLOSE && kind != BODY_TUNNEL;
	fr->close = !x->keep_alive && !fr->upgrade;
	fr->keep_alive_10 = x->keep_alive && x->minor == 0;
	fr->date = (struct span){ clock_http_date(proxy_wall_us(p)), CLOCK_DATE_LEN };
}

static enum flow_coding
coding_of(const struct forward_response *fr)
{
	if (fr->chunk_it)
		return FLOW_CHUNK;
	return fr->dechunk && fr->framing.kind == BODY_CHUNKED ? FLOW_DECHUNK : FLOW_AS_IS;
}

/* What has come of the body is judged first: nonsense there is still a 502, and head and body leave together. */
static enum flow_state
judge_first(struct exchange *x, const struct framing *framing, enum flow_coding coding)
{
	struct proxy *p = x->proxy;
	struct buffer *b = x->upstream->in;
	size_t head_bytes = p->head->bytes;

	b->sent = b->ready = b->start + (uint32_t)head_bytes;
	flow_begin_response(&x->down, framing, coding);
	x->down.no_trailers = framing->kind == BODY_CHUNKED && head_bars_trailers(p->head);
	if (coding == FLOW_CHUNK)
		return FLOW_MORE; /* its framing will be written where the head lies now */
	p->head_spoiled = false;
	flow_judge(&x->down, p, b);
	if (p->head_spoiled)
		parse_response(p->head, b->data + b->start, head_bytes, HEAD_FIELDS_MAX);
	return (enum flow_state)x->down.state;
}

/* All of the response is here, and FINISH sends the end behind it. */
static bool
ends_connection(const struct exchange *x)
{
	return !x->keep_alive && x->down.state == FLOW_END && x->up.state == FLOW_END;
}

/* With the first octets of a final response there is no way back. */
static enum verdict
final_head(struct exchange *x, const struct framing *framing)
{
	struct proxy *p = x->proxy;
	struct buffer *b = x->upstream->in;
	struct forward_response fr = { .framing = *framing };
	enum verdict v;

	decide_response(x, p->head, &fr);
	if (judge_first(x, framing, coding_of(&fr)) == FLOW_BAD)
		return fail_upstream(x, FAIL_UPSTREAM_PROTOCOL);
	x->status = p->head->status;
	x->flight->status = (uint16_t)x->status;
	x->response_begun = true;
	x->down.ends = ends_connection(x);
	p->targets[x->target].streams = flow_is_pipeable(&x->down);
	slices_reset(p->slices);
	head_write_response(p->slices, p->head, &fr);
	v = send_response_head(x, b);
	b->start = b->sent;
	if (v != NEXT)
		return v;
	if (fr.upgrade)
		begin_tunnel(x);
	flow_judge(&x->down, p, b);
	return NEXT;
}

static enum verdict
response_head(struct exchange *x, size_t length)
{
	struct proxy *p = x->proxy;
	struct buffer *b = x->upstream->in;
	struct framing framing;

	p->head_of = NULL;
	if (parse_response(p->head, b->data + b->start, length, HEAD_FIELDS_MAX) != 0 ||
		framing_response(p->head, (enum method)x->method, &framing) != 0)
		return fail_upstream(x, FAIL_UPSTREAM_PROTOCOL);
	if (p->head->status == 101 && !(x->upgrade && head_agrees_upgrade(p->head)))
		return fail_upstream(x, FAIL_UPSTREAM_PROTOCOL);
	if (p->head->status < 200 && p->head->status != 101)
		return interim_head(x);
	return final_head(x, &framing);
}

static enum verdict
read_response_head(struct exchange *x)
{
	struct buffer *b = x->upstream->in;
	size_t limit = x->proxy->config->limits.header_bytes;
	size_t n = buffer_is_empty(b) ? 0 : b->end - b->start;
	size_t seen = x->scanned;
	size_t scanned = seen;
	size_t length = n > 0 ? parse_end_of_head(b->data + b->start, n, &scanned) : 0;

	x->scanned = (uint32_t)scanned;
	if (length > limit || (length == 0 && n >= limit))
		return fail_upstream(x, FAIL_UPSTREAM_PROTOCOL);
	if (length == 0 && n > 0 && parse_response_is_hopeless(b->data + b->start, n, seen))
		return fail_upstream(x, FAIL_UPSTREAM_PROTOCOL);
	return length > 0 ? response_head(x, length) : read_down(x);
}

static enum verdict
read_response_body(struct exchange *x)
{
	enum verdict v = x->down.state == FLOW_END ? WAIT : read_down(x);

	if (v == NEXT && flow_judge(&x->down, x->proxy, x->upstream->in) == FLOW_BAD)
		return fail_upstream(x, FAIL_UPSTREAM_PROTOCOL);
	return v;
}

static enum verdict
relay_down(struct exchange *x)
{
	for (int i = 0; i < RELAY_ROUNDS; i++) {
		enum verdict v = send_down(x);

		if (v == NEXT)
			v = x->status == 0 ? read_response_head(x) : read_response_body(x);
		if (v != NEXT)
			return v;
	}
	return WAIT;
}

/* ---- both */

static bool
is_over(const struct exchange *x)
{
	if (x->status == 0 || x->down.state != FLOW_END ||
		flow_is_unsent(&x->down, x->upstream->in))
		return false;
	return !x->tunnel || (x->up.state == FLOW_END && !flow_is_unsent(&x->up, x->client->in));
}

/* It sent its end and then hung up: what the client still says has nowhere to go. */
static bool
backend_left_tunnel(const struct exchange *x)
{
	return x->tunnel && x->down.state == FLOW_END && !x->up_shut &&
	       (x->upstream->watch.ready & POLLER_FAIL) &&
	       !flow_is_unsent(&x->down, x->upstream->in);
}

struct waiting { /* what each side is waited for */
	unsigned client, upstream;
};

static struct waiting
what_is_waited_for(const struct exchange *x)
{
	struct waiting w = { 0, 0 };

	if (flow_is_unsent(&x->down, x->upstream->in))
		w.client |= POLLER_OUT;
	else if (x->down.state != FLOW_END || x->status == 0)
		w.upstream |= POLLER_IN;
	if (x->request_broken)
		return w;
	if (flow_is_unsent(&x->up, x->client->in))
		w.upstream |= POLLER_OUT;
	else if (x->up.state != FLOW_END)
		w.client |= POLLER_IN;
	return w;
}

static void
limit_body(struct exchange *x)
{
	struct timer *t = &x->client->timer;

	if (!timer_is_armed(t) || t->limit != LIMIT_REQUEST_BODY)
		client_waited_for(x->client, LIMIT_REQUEST_BODY);
	limit_wait(x->proxy, t, LIMIT_REQUEST_BODY, x->progress_up);
}

static void
limit_client(struct exchange *x, struct waiting w)
{
	struct proxy *p = x->proxy;
	struct timer *t = &x->client->timer;

	if (x->tunnel)
		limit_wait(p, t, LIMIT_TUNNEL, x->progress_up || x->progress_down);
	else if (w.client & POLLER_OUT)
		client_limit_write(x->client, x->progress_down);
	else if ((w.client & POLLER_IN) && !x->waits_continue)
		limit_body(x);
	else
		timer_disarm(t);
}

/* A backend's time runs only while it is the backend that is waited for. */
static void
limit_upstream(struct exchange *x, struct waiting w)
{
	struct proxy *p = x->proxy;
	struct timer *t = &x->upstream->timer;
	bool request_here = !(w.client & POLLER_IN) || x->waits_continue;

	if (x->tunnel || (w.client & POLLER_OUT))
		timer_disarm(t);
	else if (x->status != 0)
		limit_wait(p, t, LIMIT_RESPONSE_BODY, x->progress_down);
	else if (request_here)
		limit_wait(p, t, LIMIT_RESPONSE_HEADER, x->progress_up);
	else
		timer_disarm(t);
}

enum verdict
relay(struct exchange *x)
{
	struct proxy *p = x->proxy;
	struct waiting w;
	enum verdict v;

	x->progress_up = x->progress_down = false;
	v = relay_up(x);
	if (v == WAIT)
		v = relay_down(x);
	if (v != WAIT)
		return v;
	if (x->tunnel)
		pass_end_on(x);
	if (is_over(x) || backend_left_tunnel(x))
		return NEXT;
	w = what_is_waited_for(x);
	poller_want(p->poller, &x->client->watch, w.client);
	poller_want(p->poller, &x->upstream->watch, w.upstream);
	limit_client(x, w);
	limit_upstream(x, w);
	return WAIT;
}
