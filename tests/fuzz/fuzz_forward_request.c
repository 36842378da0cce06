/*
 * The outgoing head of a request.  What parser and framing accept is written in
 * every way it can be forwarded, and read again: one request with the same
 * method, path, host, body and end-to-end fields in their order, the client's
 * word on itself only when it is trusted, and nothing else.
 */
#include "forward.h"

enum { FIELDS = 100, FORWARDED_MAX = 4096 };

static const struct span client_ip = { "2001:db8::1", 11 };
static const struct span request_id = { "id-1", 4 };

struct way {
	const struct head *h;
	struct forward_request fr;
	struct framing framing;
};

static bool
is_max_forwards(const struct way *w, struct span name)
{
	return is_called(name, "max-forwards") &&
	       (w->h->method == METHOD_OPTIONS || w->h->method == METHOD_TRACE);
}

static bool
passes(const struct way *w, const struct field *f)
{
	if (ends_here(w->h, f->name, w->fr.upgrade) || is_called(f->name, "x-forwarded-for"))
		return false;
	if (is_one_of(f->name, client_names) && !w->fr.trusted)
		return false;
	if (is_called(f->name, "expect") && w->h->minor == 0)
		return false;
	return !is_max_forwards(w, f->name);
}

static bool
passes_one(const struct way *w, const char *name)
{
	for (uint32_t i = 1; i <= w->h->n_fields; i++)
		if (is_called(w->h->fields[i].name, name) && passes(w, &w->h->fields[i]))
			return true;
	return false;
}

static const struct field *
find(const struct head *h, const char *name)
{
	for (uint32_t i = 1; i <= h->n_fields; i++)
		if (is_called(h->fields[i].name, name))
			return &h->fields[i];
	return NULL;
}

static void
want_arrived(struct wanted *want_list, const struct way *w)
{
	const struct field *host = find(w->h, "host");
	bool rewritten = host == NULL || !span_eq(host->value, w->h->host);

	if (rewritten)
		want(want_list, SPAN("Host"), w->h->host);
	for (uint32_t i = 1; i <= w->h->n_fields; i++) {
		const struct field *f = &w->h->fields[i];

		if (passes(w, f) && !(rewritten && is_called(f->name, "host")))
			want_field(want_list, f);
	}
}

/* Of nine digits at most; NO_NUMBER when it is none. */
#define NO_NUMBER ~0ul

static unsigned long
number(struct span text)
{
	unsigned long value = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return NO_NUMBER;
		value = value > 99999999 ? 99999999 : value;
		value = value * 10 + (unsigned long)(text.p[i] - '0');
	}
	return text.n > 0 ? value : NO_NUMBER;
}

/* The least of the numbers, less one. */
static void
want_max_forwards(struct wanted *want_list, const struct way *w)
{
	static char text[24];
	unsigned long least = NO_NUMBER;

	for (uint32_t i = 1; i <= w->h->n_fields; i++) {
		const struct field *f = &w->h->fields[i];
		unsigned long value = number(f->value);

		if (is_max_forwards(w, f->name) && value < least)
			least = value;
	}
	if (least == NO_NUMBER)
		return;
	snprintf(text, sizeof(text), "%lu", least - (least > 0));
	want_text(want_list, "Max-Forwards", text);
}

/* Old entries and the client's in one line. */
static void
want_forwarded_for(struct wanted *want_list, const struct way *w)
{
	static char text[FORWARDED_MAX];
	size_t n = 0;

	for (uint32_t i = 1; i <= w->h->n_fields; i++) {
		const struct field *f = &w->h->fields[i];

		if (!is_called(f->name, "x-forwarded-for") || is_listed(w->h, f->name))
			continue;
		if (f->value.n > 0)
			n += (size_t)snprintf(
				text + n, sizeof(text) - n, "%.*s, ", (int)f->value.n, f->value.p);
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", client_ip.p);
	HOLDS(n < sizeof(text));
	want(want_list, SPAN("X-Forwarded-For"), (struct span){ text, n });
}

static void
want_ours(struct wanted *want_list, const struct way *w)
{
	want_connection(want_list, w->fr.close, false, w->fr.upgrade);
	want_max_forwards(want_list, w);
	want_forwarded_for(want_list, w);
	if (!passes_one(w, "x-forwarded-proto"))
		want_text(want_list, "X-Forwarded-Proto", "http");
	if (!passes_one(w, "x-forwarded-host") && w->h->host.n > 0)
		want(want_list, SPAN("X-Forwarded-Host"), w->h->host);
	if (!passes_one(w, "x-request-id"))
		want(want_list, SPAN("X-Request-Id"), request_id);
	want_text(want_list, "Via", w->h->minor == 0 ? "1.0 ballast" : "1.1 ballast");
}

static void
check_path(const struct head *h, const struct head *again)
{
	struct span path = again->path;

	HOLDS(span_eq(again->path, again->target) && again->authority.n == 0);
	if (h->path.p[0] == '?') {
		HOLDS(path.p[0] == '/');
		path.p++;
		path.n--;
	}
	HOLDS(span_eq(path, h->path));
}

static void
check_again(const struct way *w, struct span out)
{
	static struct wanted want_list;
	struct head *again = head_new(0x5a);
	struct framing framing;

	HOLDS(parse_request(again, out.p, out.n, HEAD_FIELDS_MAX) == 0);
	HOLDS(framing_request(again, &framing) == 0);
	HOLDS(framing.kind == w->framing.kind && framing.length == w->framing.length);
	others_agree(out, &framing, 0);
	HOLDS(span_eq(again->method_text, w->h->method_text) && again->minor == 1);
	HOLDS(span_eq(again->host, w->h->host));
	check_path(w->h, again);
	check_fields(again, out, out.p + again->start_line.n);
	want_list.n = 0;
	want_arrived(&want_list, w);
	want_ours(&want_list, w);
	check_wanted(&want_list, again);
	free(again);
}

static void
check_way(const struct way *w)
{
	struct slices *s = slices_new();
	char *out;

	slices_reset(s);
	head_write_request(s, w->h, &w->fr);
	out = gather(s);
	check_again(w, (struct span){ out, s->bytes });
	free(out);
	free(s);
}

static void
check_ways(const struct head *h, const struct framing *framing)
{
	bool may_upgrade = head_wants_upgrade(h) && framing->kind == BODY_NONE;
	struct way w = { .h = h, .framing = *framing };

	for (unsigned bits = 0; bits < 8; bits++) {
		w.fr = (struct forward_request){ client_ip, request_id, (bits & 1) != 0,
			(bits & 2) != 0, (bits & 4) != 0 };
		if (!w.fr.upgrade || may_upgrade)
			check_way(&w);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t scanned = 0;
	size_t end = parse_end_of_head((const char *)data, size, &scanned);
	struct framing framing;
	struct head *h;
	char *p;

	if (end == 0 || end > FORWARDED_MAX / 2)
		return 0;
	h = head_new(0xa5);
	p = exact_copy(data, end);
	if (parse_request(h, p, end, FIELDS) == 0 && framing_request(h, &framing) == 0)
		check_ways(h, &framing);
	free(p);
	free(h);
	return 0;
}
