/*
 * The first two steps.  HEAD waits for a whole request head and parses it.
 * ADMIT decides whether it may pass: framing, sizes, the metrics path, who the
 * client is, the rate limit.  Nothing of a request that is refused here ever
 * reaches a backend.
 */
#include "private.h"

#include <errno.h>
#include <string.h>

static struct span
unread(const struct buffer *b)
{
	return (struct span){ b->data + b->start, b->end - b->start };
}

/* One empty line in front of a request is skipped (RFC 9112 2.2); more is not HTTP. */
static void
skip_empty_line(struct exchange *x, struct buffer *b)
{
	struct span s = unread(b);
	size_t n = x->skipped ? 0 : parse_skip_empty_line(s.p, s.n);

	if (n == 0)
		return;
	x->skipped = true;
	x->scanned = 0;
	b->start += (uint32_t)n;
	b->sent = b->ready = b->start;
}

/* The length of the head, 0 when more is needed, or -status. */
static int
find_head(struct exchange *x)
{
	struct buffer *b = x->client->in;
	size_t limit = x->proxy->config->limits.header_bytes;
	size_t seen, scanned, length;
	struct span s;

	if (buffer_is_empty(b))
		return 0;
	skip_empty_line(x, b);
	s = unread(b);
	seen = scanned = x->scanned;
	length = parse_end_of_head(s.p, s.n, &scanned);
	x->scanned = (uint32_t)scanned;
	if (length > limit || (length == 0 && s.n >= limit))
		return -parse_too_large(s.p, s.n < limit ? s.n : limit);
	if (length == 0 && parse_request_is_hopeless(s.p, s.n, seen))
		return -400;
	return (int)length;
}

/* What has come of a head that will never be parsed. */
void
note_unparsed(struct exchange *x)
{
	const struct buffer *b = x->client->in;

	if (buffer_is_empty(b) || x->note != NULL)
		return;
	x->bytes_in = b->end - b->start;
	account_note_line(x, unread(b));
}

/* More of the head.  NEXT when something came. */
static enum verdict
more_head(struct exchange *x)
{
	struct client *c = x->client;
	ssize_t n;

	if (!(c->watch.ready & POLLER_IN)) {
		poller_want(x->proxy->poller, &c->watch, POLLER_IN);
		return WAIT;
	}
	n = client_fill(c);
	if (n > 0)
		return NEXT;
	if (n == -EAGAIN) {
		poller_want(x->proxy->poller, &c->watch, POLLER_IN);
		return WAIT;
	}
	if (n == 0 && !buffer_is_empty(c->in)) {
		note_unparsed(x);
		return refuse_with(x, 400); /* it ended inside its head, but may still read */
	}
	return fail(x, FAIL_CLIENT_LEFT);
}

enum verdict
read_head(struct exchange *x)
{
	struct proxy *p = x->proxy;
	struct buffer *b;
	int length, status;

	while ((length = find_head(x)) == 0) {
		enum verdict v = more_head(x);

		if (v != NEXT)
			return v;
	}
	if (length < 0) {
		note_unparsed(x);
		return refuse_with(x, -length);
	}
	b = x->client->in;
	x->head_bytes = (uint32_t)length;
	x->scanned = 0;
	p->head_of = NULL;
	status = parse_request(
		p->head, b->data + b->start, (size_t)length, p->config->limits.headers);
	x->bytes_in = (uint64_t)length;
	if (status != 0) {
		account_note_line(x, (struct span){ b->data + b->start, (size_t)length });
		return refuse_with(x, status);
	}
	p->head_of = x;
	x->kept = true;
	x->method = (uint8_t)p->head->method;
	x->minor = (uint8_t)p->head->minor;
	timer_disarm(&x->client->timer);
	return NEXT;
}

const struct head *
exchange_head(struct exchange *x)
{
	struct proxy *p = x->proxy;
	const struct buffer *b = x->client->in;

	if (p->head_of != x) {
		parse_request(
			p->head, b->data + b->start, x->head_bytes, p->config->limits.headers);
		p->head_of = x;
	}
	return p->head;
}

/*
 * The client as a chain of trusted proxies tells it: from the right, the first address that is not
 * itself one of them.  What cannot be read as an address ends the trust.
 */
static void
identify_client(struct exchange *x, const struct head *h)
{
	const struct config *cfg = x->proxy->config;
	struct ip chain[32];
	unsigned n = 0;

	for (const struct field *f = head_first(h, NAME_X_FORWARDED_FOR); f; f = head_next(h, f)) {
		struct span list = f->value;
		struct span one;

		while (span_next_member(&list, &one)) {
			if (n == 32)
				memmove(chain, chain + 1, --n * sizeof(*chain));
			if (ip_parse(&chain[n], one.p, one.n))
				n++;
			else
				n = 0; /* what stands to the left of nonsense is not known */
		}
	}
	while (n-- > 0) {
		x->ip = chain[n];
		if (!cidr_any_contains(cfg->trusted_proxies, cfg->n_trusted_proxies, &chain[n]))
			return;
	}
}

static bool
is_metrics_path(const struct proxy *p, const struct head *h)
{
	const char *metrics = p->config->metrics_path;
	size_t n;

	if (!p->metrics_public || (h->method != METHOD_GET && h->method != METHOD_HEAD))
		return false;
	n = strlen(metrics);
	return h->path.n >= n && memcmp(h->path.p, metrics, n) == 0 &&
	       (h->path.n == n || h->path.p[n] == '?');
}

static bool
rate_refuses(struct exchange *x)
{
	struct proxy *p = x->proxy;
	const struct client *c = x->client;
	const struct config_rate_limit *r = &p->config->rate_limit;
	uint64_t hash = c->rate_hash;
	bool exempt = c->exempt;

	if (!r->on)
		return false;
	if (x->trusted && memcmp(&x->ip, &c->ip, sizeof(x->ip)) != 0) {
		struct ip network = ip_network(&x->ip, r->ipv6_prefix);

		hash = rate_hash(p->shm, &network);
		exempt = cidr_any_contains(r->exempt, r->n_exempt, &x->ip);
	}
	if (exempt)
		return false;
	x->rate = rate_take(p->shm, &p->rate_limit, hash, p->now_us);
	if (x->rate.evicted)
		metrics_count(p->shm, p->slot, COUNTER_RATE_EVICTIONS, 1);
	x->limited = !x->rate.allowed;
	return x->limited;
}

static void
note_wishes(struct exchange *x, const struct head *h, const struct framing *framing)
{
	bool body = framing->kind != BODY_NONE &&
		    !(framing->kind == BODY_LENGTH && framing->length == 0);

	x->keep_alive = head_keeps_alive(h);
	x->client_closes = !x->keep_alive;
	x->upgrade = !body && head_wants_upgrade(h);
	x->waits_continue = body && x->minor == 1 && head_first(h, NAME_EXPECT) != NULL;
	x->internal = is_metrics_path(x->proxy, h);
	if (x->internal)
		x->flight->facts |= FLIGHT_INTERNAL;
	if (x->trusted)
		identify_client(x, h);
}

static bool
body_too_large(const struct exchange *x, const struct framing *framing)
{
	uint64_t limit = x->proxy->config->limits.body_bytes;

	if (limit == 0)
		return false;
	return x->up.bytes > limit || (framing->kind == BODY_LENGTH && framing->length > limit);
}

enum verdict
admit(struct exchange *x)
{
	struct proxy *p = x->proxy;
	struct buffer *b = x->client->in;
	const struct head *h = exchange_head(x);
	struct framing framing;
	int status = framing_request(h, &framing);

	x->trusted = x->client->trusted;
	account_note(x, h);
	flight_note(x, h);
	if (p->config->quarantine.duration_us > 0 &&
		quarantine_refuses(p->shm, x->flight->fingerprint, p->now_us))
		return fail(x, FAIL_QUARANTINED);
	if (status != 0)
		return refuse_with(x, status);
	/* Who asks for a secured resource must have secured the way, or be trusted to have (RFC 9110 7.4). */
	if (h->https && !x->trusted)
		return refuse_with(x, 421);
	note_wishes(x, h, &framing);
	b->sent = b->ready = b->start + x->head_bytes;
	flow_begin(&x->up, &framing, FLOW_AS_IS);
	x->up.no_trailers = framing.kind == BODY_CHUNKED && head_bars_trailers(h);
	if (head_ends_here(h))
		return fail(x, h->method == METHOD_OPTIONS ? FAIL_FINAL_RECIPIENT : FAIL_NO_TRACE);
	if (flow_judge(&x->up, p, b) == FLOW_BAD)
		return refuse_with(x, 400);
	if (body_too_large(x, &framing))
		return fail(x, FAIL_BODY_TOO_LARGE);
	if (!x->internal && rate_refuses(x))
		return fail(x, FAIL_RATE_LIMITED);
	return NEXT;
}
