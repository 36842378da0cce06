/*
 * The outgoing head of a response.  What parser and framing accept is written
 * for clients of both versions, to GET and HEAD, kept open and closed, and read
 * again: one response with the same status and end-to-end fields in their
 * order, and a framing that agrees with the body that will follow.
 */
#include "forward.h"

static const struct span date = { "Sun, 06 Nov 1994 08:49:37 GMT", 29 };

/* As decide_response in proxy/relay.c would have it. */
struct way {
	const struct head *h;
	enum method method;
	struct forward_response fr;
	bool upgrade; /* the field stays: also in a 426 */
};

static bool
bars_framing(int status)
{
	return status < 200 || status == 204;
}

static bool
passes(const struct way *w, struct span name)
{
	bool coding = is_called(name, "transfer-encoding");

	if (ends_here(w->h, name, w->upgrade))
		return false;
	if (bars_framing(w->h->status) && (coding || is_called(name, "content-length")))
		return false;
	return !(w->fr.dechunk && (coding || is_called(name, "trailer")));
}

static void
want_all(struct wanted *list, const struct way *w)
{
	bool dated = false;

	for (uint32_t i = 1; i <= w->h->n_fields; i++) {
		const struct field *f = &w->h->fields[i];

		if (!passes(w, f->name))
			continue;
		want_field(list, f);
		dated |= is_called(f->name, "date");
	}
	if (w->fr.chunk_it)
		want_text(list, "Transfer-Encoding", "chunked");
	want_connection(list, w->fr.close, w->fr.keep_alive_10, w->upgrade);
	if (!dated && w->fr.date.n > 0)
		want(list, SPAN("Date"), w->fr.date);
	want_text(list, "Via", w->h->minor == 0 ? "1.0 ballast" : "1.1 ballast");
}

/* How the client has to find the end of what we send it. */
static enum body_kind
kind_sent(const struct way *w)
{
	enum body_kind kind = w->fr.framing.kind;

	if (w->fr.chunk_it)
		return BODY_CHUNKED;
	return w->fr.dechunk && kind == BODY_CHUNKED ? BODY_UNTIL_CLOSE : kind;
}

static void
check_framing(const struct way *w, const struct head *again, struct span out)
{
	struct framing framing;

	HOLDS(framing_response(again, w->method, &framing) == 0);
	HOLDS(framing.kind == kind_sent(w));
	if (framing.kind == BODY_LENGTH)
		HOLDS(framing.length == w->fr.framing.length);
	if (bars_framing(w->h->status) ||
		(w->method == METHOD_GET && w->h->status != 304 && w->h->status != 101))
		others_agree(out, &framing, 0);
}

static void
check_again(const struct way *w, struct span out)
{
	static struct wanted list;
	struct head *again = head_new(0x5a);

	HOLDS(parse_response(again, out.p, out.n, HEAD_FIELDS_MAX) == 0);
	HOLDS(again->status == w->h->status && again->minor == 1);
	HOLDS(span_eq(again->reason, w->h->reason));
	HOLDS(out.p[sizeof("HTTP/1.1 200") - 1] == ' ');
	check_framing(w, again, out);
	check_fields(again, out, out.p + again->start_line.n);
	list.n = 0;
	want_all(&list, w);
	check_wanted(&list, again);
	free(again);
}

static void
check_way(const struct way *w)
{
	struct slices *s = slices_new();
	char *out;

	slices_reset(s);
	head_write_response(s, w->h, &w->fr);
	out = gather(s);
	check_again(w, (struct span){ out, s->bytes });
	free(out);
	free(s);
}

static void
check_final(struct way *w, int client_minor)
{
	enum body_kind kind = w->fr.framing.kind;

	w->fr.chunk_it = kind == BODY_UNTIL_CLOSE && client_minor == 1;
	w->fr.dechunk = client_minor == 0;
	w->fr.upgrade = kind == BODY_TUNNEL;
	w->fr.date = date;
	w->upgrade = w->h->first[NAME_UPGRADE] != 0 && (w->fr.upgrade || w->h->status == 426);
	w->fr.close = true;
	w->fr.keep_alive_10 = false;
	check_way(w);
	w->fr.close = false;
	w->fr.keep_alive_10 = client_minor == 0;
	check_way(w);
}

static void
check_response(const struct head *h, enum method method)
{
	struct way w = { .h = h, .method = method };

	if (framing_response(h, method, &w.fr.framing) != 0)
		return;
	if (h->status < 200 && h->status != 101) {
		w.fr.framing.kind = BODY_NONE;
		check_way(&w);
		return;
	}
	check_final(&w, 1);
	if (h->status != 101) /* HTTP/1.0 cannot ask for it */
		check_final(&w, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t scanned = 0;
	size_t end = parse_end_of_head((const char *)data, size, &scanned);
	struct head *h;
	char *p;

	if (end == 0)
		return 0;
	h = head_new(0xa5);
	p = exact_copy(data, end);
	if (parse_response(h, p, end, HEAD_FIELDS_MAX) == 0) {
		check_response(h, METHOD_GET);
		check_response(h, METHOD_HEAD);
	}
	free(p);
	free(h);
	return 0;
}
