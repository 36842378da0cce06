/*
 * The head of a request as it goes to a backend: the client's lines, as slices,
 * without those that end here, and behind them the lines that are ours.  Pure;
 * nothing is allocated and no line that stays is copied.  Invariant: whatever
 * parse_request and framing_request accept comes out as one HTTP/1.1 request
 * that they accept again, with the same method, path, host and body.
 */
#include "hop.h"

#include "scan.h"

/* Longer pieces go out from where they are; shorter ones are cheaper copied to their neighbours. */
enum { COPY_MAX = 128 };

static void
put(struct slices *s, struct span text)
{
	if (text.n > COPY_MAX)
		slices_add(s, text.p, text.n);
	else if (text.n > 0)
		slices_text(s, text);
}

/* Inline, so that the name's copy is a few stores. */
static inline void
put_field(struct slices *s, struct span name_and_colon, struct span value)
{
	slices_text(s, name_and_colon);
	put(s, value);
	slices_text(s, SPAN("\r\n"));
}

/* Unchanged when it is in origin-form (or an asterisk) and says HTTP/1.1 already. */
static void
write_request_line(struct slices *s, const struct head *h)
{
	char minor = h->start_line.p[h->start_line.n - 3];

	if (minor == '1' && h->path.p == h->target.p) {
		slices_add(s, h->start_line.p, h->start_line.n);
		return;
	}
	slices_add(s, h->method_text.p, h->method_text.n);
	slices_text(s, SPAN(" "));
	if (h->path.p[0] == '?')
		slices_text(s, SPAN("/"));
	put(s, h->path);
	slices_text(s, SPAN(" HTTP/1.1\r\n"));
}

/* RFC 9112 3.2.2: the authority of the target is the host, whatever the Host field said. */
static void
write_host(struct slices *s, struct hop *hop, const struct head *h)
{
	const struct field *f = head_first(h, NAME_HOST);

	if (f != NULL && (f->value.p == h->host.p || span_eq(f->value, h->host)))
		return;
	hop->dropped |= NAME_BIT(NAME_HOST);
	put_field(s, SPAN("Host: "), h->host);
}

static bool
uses_max_forwards(const struct head *h)
{
	return h->method == METHOD_OPTIONS || h->method == METHOD_TRACE;
}

enum { MAX_FORWARDS_DIGITS = 9 };

/* False when it is not a number; one too large for us is as many as we can count. */
static bool
number_parse(struct span text, uint32_t *value)
{
	*value = 0;
	if (text.n == 0 || scan_class(text.p, text.p + text.n, OCTET_DIGIT) != text.p + text.n)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (*value > 99999999)
			*value = 99999999;
		*value = *value * 10 + (uint32_t)(text.p[i] - '0');
	}
	return true;
}

/* The smallest of all lines; what is not a number is no limit.  False: no limit. */
static bool
max_forwards(const struct head *h, uint32_t *least)
{
	const struct field *f;
	bool found = false;
	uint32_t value;

	if (!uses_max_forwards(h))
		return false;
	for (f = head_first(h, NAME_MAX_FORWARDS); f != NULL; f = head_next(h, f)) {
		if (!number_parse(f->value, &value))
			continue;
		if (!found || value < *least)
			*least = value;
		found = true;
	}
	return found;
}

bool
head_ends_here(const struct head *h)
{
	uint32_t left;

	return max_forwards(h, &left) && left == 0;
}

static void
write_max_forwards(struct slices *s, const struct head *h)
{
	char digits[MAX_FORWARDS_DIGITS];
	size_t n = sizeof(digits);
	uint32_t left;

	if (!max_forwards(h, &left))
		return;
	left -= left > 0;
	do {
		digits[--n] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	put_field(s, SPAN("Max-Forwards: "), (struct span){ digits + n, sizeof(digits) - n });
}

/*
 * All earlier entries and the client's in one line.  The lines may be large and many, so what
 * they hold is sent from where it is.
 */
static void
write_forwarded_for(struct slices *s, const struct head *h, bool keep_old, struct span client_ip)
{
	static const char name[] = "X-Forwarded-For: ", comma[] = ", ";
	const char *before = name;
	const struct field *f = keep_old ? head_first(h, NAME_X_FORWARDED_FOR) : NULL;

	for (; f != NULL; f = head_next(h, f)) {
		if (f->value.n == 0)
			continue;
		slices_add(s, before, strlen(before));
		slices_add(s, f->value.p, f->value.n);
		before = comma;
	}
	if (client_ip.n > 0 && before == name)
		put_field(s, SPAN("X-Forwarded-For: "), client_ip);
	else if (client_ip.n > 0)
		put_field(s, SPAN(", "), client_ip);
	else if (before == comma)
		slices_text(s, SPAN("\r\n"));
}

/* What the head tells of the client is ours to say, unless a trusted proxy said it. */
static void
write_origin(struct slices *s, const struct hop *hop, const struct head *h,
	const struct forward_request *fr)
{
	if (!hop_passes(hop, h, NAME_X_FORWARDED_PROTO))
		slices_text(s, SPAN("X-Forwarded-Proto: http\r\n"));
	if (!hop_passes(hop, h, NAME_X_FORWARDED_HOST) && h->host.n > 0)
		put_field(s, SPAN("X-Forwarded-Host: "), h->host);
	if (!hop_passes(hop, h, NAME_X_REQUEST_ID) && fr->request_id.n > 0)
		put_field(s, SPAN("X-Request-Id: "), fr->request_id);
}

void
head_write_request(struct slices *s, const struct head *h, const struct forward_request *fr)
{
	struct hop hop;
	bool keep_old;

	hop_init(&hop, h);
	keep_old = hop_passes(&hop, h, NAME_X_FORWARDED_FOR);
	hop.dropped |= names_with(NAME_REWRITTEN);
	if (!fr->trusted)
		hop.dropped |= names_with(NAME_UNTRUSTED);
	if (h->minor == 0)
		hop.dropped |= NAME_BIT(NAME_EXPECT);
	if (uses_max_forwards(h))
		hop.dropped |= NAME_BIT(NAME_MAX_FORWARDS);
	if (fr->upgrade)
		hop.dropped &= ~NAME_BIT(NAME_UPGRADE);
	write_request_line(s, h);
	write_host(s, &hop, h);
	slices_fields(s, &hop, h);
	slices_connection(s, (struct connection){ .close = fr->close, .upgrade = fr->upgrade });
	if (h->first[NAME_MAX_FORWARDS] != 0)
		write_max_forwards(s, h);
	write_forwarded_for(s, h, keep_old, fr->client_ip);
	write_origin(s, &hop, h, fr);
	slices_via(s, h);
	slices_text(s, SPAN("\r\n"));
	slices_close(s);
}

bool
head_keeps_alive(const struct head *h)
{
	if (h->first[NAME_CONNECTION] == 0)
		return h->minor > 0;
	if (head_has_token(h, NAME_CONNECTION, SPAN("close")))
		return false;
	return h->minor > 0 || head_has_token(h, NAME_CONNECTION, SPAN("keep-alive"));
}

/* In a tunnel nobody checks requests any more, so none that speaks HTTP may be opened. */
static bool
is_http(struct span protocol)
{
	const char *slash = memchr(protocol.p, '/', protocol.n);
	struct span name = slash != NULL ? span_between(protocol.p, slash) : protocol;

	return span_eq_nocase(name, SPAN("h2c")) || span_eq_nocase(name, SPAN("h2")) ||
	       span_eq_nocase(name, SPAN("http"));
}

/* Is there a protocol, and is none of them HTTP? */
static bool
upgrade_is_tunnel(const struct head *h)
{
	bool found = false;

	for (const struct field *f = head_first(h, NAME_UPGRADE); f != NULL; f = head_next(h, f)) {
		struct span list = f->value, member;

		while (span_next_member(&list, &member)) {
			if (member.n > 0 && is_http(member))
				return false;
			found |= member.n > 0;
		}
	}
	return found;
}

bool
head_wants_upgrade(const struct head *h)
{
	return h->first[NAME_UPGRADE] != 0 && h->minor > 0 &&
	       head_has_token(h, NAME_CONNECTION, SPAN("upgrade")) && upgrade_is_tunnel(h);
}

bool
head_agrees_upgrade(const struct head *h)
{
	return upgrade_is_tunnel(h);
}
