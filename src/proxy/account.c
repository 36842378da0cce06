/*
 * What is known of an exchange becomes counters when it is over, and what the access log wants to
 * know of its head is noted while the head is there.  Runs in workers.  Owns the exchange's note.
 * Nothing is noted when nobody reads it: without an access log only counters move.
 */
#include "private.h"

enum { STATUS_CLIENT_LEFT = 499 }; /* nothing was sent to it; the number is nginx's */

/* xorshift128+ (Vigna 2014), seeded by the kernel: unique, not secret. */
static uint64_t
random_next(uint64_t s[2])
{
	uint64_t a = s[0], b = s[1];

	s[0] = b;
	a ^= a << 23;
	s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return s[1] + b;
}

/* The eight hexadecimal digits of v, one in each octet, the lowest octet's last.  No table, no loop. */
static uint64_t
hex_digits(uint64_t v)
{
	uint64_t letters;

	v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
	v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
	v = (v | v << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	letters = (v + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
	return v + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
}

void
request_id_make(struct proxy *p, char out[32])
{
	for (int half = 0; half < 2; half++, out += 16) {
		uint64_t r = random_next(p->random);
		uint64_t digits[2] = { hex_digits(r >> 32), hex_digits(r & UINT32_MAX) };

		memcpy(out, digits, sizeof(digits));
	}
}

/*
 * memmove, since that is called: of lengths that it knows to be small the compiler makes a memcpy of `rep movs`,
 * whose start costs more than the whole copy.
 */
static uint16_t
copy_start(char *to, size_t room, struct span s)
{
	size_t n = s.n < room ? s.n : room;

	if (n > 0)
		memmove(to, s.p, n);
	return (uint16_t)n;
}

static void
note_text(struct note_text *n, struct span s)
{
	n->n = copy_start(n->text, sizeof(n->text), s);
}

static struct span
value_of(const struct head *h, enum name_id id)
{
	const struct field *f = head_first(h, id);

	return f != NULL ? f->value : (struct span){ NULL, 0 };
}

void
account_note(struct exchange *x, const struct head *h)
{
	struct proxy *p = x->proxy;
	struct note *n;

	if (p->log_fd < 0)
		return;
	n = x->note = slab_take(&p->notes);
	if (n == NULL)
		return;
	n->uri_n = copy_start(n->uri, sizeof(n->uri), h->target);
	note_text(&n->method, h->method_text);
	note_text(&n->host, h->host);
	note_text(&n->user_agent, value_of(h, NAME_USER_AGENT));
	note_text(&n->referer, value_of(h, NAME_REFERER));
	note_text(&n->request_id,
		x->trusted ? value_of(h, NAME_X_REQUEST_ID) : (struct span){ NULL, 0 });
}

void
account_note_line(struct exchange *x, struct span head)
{
	struct proxy *p = x->proxy;
	const char *end = memchr(head.p, '\n', head.n);
	struct span line = { head.p, end != NULL ? (size_t)(end - head.p) : head.n };
	const char *space = memchr(line.p, ' ', line.n);
	struct note *n = p->log_fd >= 0 ? slab_take(&p->notes) : NULL;

	/* A refused HEAD, too, is answered without content (RFC 9110 9.3.2). */
	if (space != NULL)
		x->method = (uint8_t)method_lookup(span_between(line.p, space));
	if (n == NULL)
		return;
	x->note = n;
	n->uri_n = n->method.n = n->host.n = n->user_agent.n = n->referer.n = n->request_id.n = 0;
	if (space == NULL)
		return;
	note_text(&n->method, span_between(line.p, space));
	line = span_trim(span_between(space, line.p + line.n));
	space = memchr(line.p, ' ', line.n);
	line.n = space != NULL ? (size_t)(space - line.p) : line.n;
	n->uri_n = copy_start(n->uri, sizeof(n->uri), line);
}

/* A connection that brought no octet of a request, or one more use of the metrics path, is nobody's exchange. */
static bool
is_worth_counting(const struct exchange *x)
{
	return !x->internal && (x->bytes_in > 0 || x->failure != FAIL_CLIENT_LEFT);
}

static enum counter
counter_of(const struct exchange *x)
{
	if (x->limited)
		return COUNTER_RATE_LIMITED;
	return x->failure == FAIL_QUARANTINED ? COUNTER_QUARANTINED : N_COUNTERS;
}

void
account_exchange(struct exchange *x)
{
	struct proxy *p = x->proxy;
	struct landing landing = {
		.counted = is_worth_counting(x),
		.answered = x->upstream_spoke,
		.row = x->attempts > 0 ? p->targets[x->target].row : BACKEND_NONE,
		.method = (enum method)x->method,
		.duration_us = p->now_us - x->t_start,
		.bytes_out = x->bytes_out,
		.also = counter_of(x),
	};

	if (x->status == 0 && landing.counted)
		x->status = x->failure == FAIL_DRAIN_CUT ? 503 : STATUS_CLIENT_LEFT;
	landing.status = (uint16_t)x->status;
	flight_land(x, &landing);
	if (x->failure == FAIL_DRAIN_CUT)
		metrics_count(p->shm, p->slot, COUNTER_DRAIN_CUTS, 1);
	if (landing.counted && p->log_fd >= 0)
		access_log_add(x);
}
