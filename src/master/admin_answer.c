/*
 * The routes of the master's own HTTP and the choice of the format (RFC 9110
 * 12.5.1), in the master.  Decides from a parsed head, owns nothing, touches no
 * descriptor.  Order of the checks: syntax, framing, method, body, path; what
 * leaves octets behind that nobody will read also closes the connection.
 */
#include "admin_answer.h"

#include <stdlib.h>

#include "ballast/base/clock.h"
#include "ballast/http/framing.h"
#include "ballast/http/head.h"
#include "ballast/http/reply.h"

#include "exposition.h"

enum { WEIGHT_NONE = -1, WEIGHT_FULL = 1000 };

static const struct {
	const char *content_type;
	void (*write)(const struct admin_view *, FILE *);
} pages[] = {
	[ADMIN_PAGE_TEXT] = { "text/plain; version=0.0.4; charset=utf-8", exposition_prometheus },
	[ADMIN_PAGE_OPENMETRICS] = { "application/openmetrics-text; version=1.0.0; charset=utf-8",
		exposition_openmetrics },
	[ADMIN_PAGE_STATUS] = { "application/json", exposition_status_json },
};

/* Cuts s at the first `separator`; what follows it stays in *rest (empty: nothing does). */
static struct span
cut(struct span s, char separator, struct span *rest)
{
	const char *at = s.n > 0 ? memchr(s.p, separator, s.n) : NULL;

	*rest = (struct span){ NULL, 0 };
	if (at == NULL)
		return span_trim(s);
	*rest = span_between(at + 1, s.p + s.n);
	return span_trim(span_between(s.p, at));
}

/* "0.75" as thousandths; nonsense counts as full (RFC 9110 12.4.2 has no word for it). */
static int
weight_of(struct span digits)
{
	int weight = 0, unit = WEIGHT_FULL;

	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] == '.' && i == 1)
			continue;
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return WEIGHT_FULL;
		weight += (digits.p[i] - '0') * unit;
		unit /= 10;
	}
	return weight < WEIGHT_FULL ? weight : WEIGHT_FULL;
}

static int
parameter_weight(struct span parameters)
{
	while (parameters.n > 0) {
		struct span rest, value;
		struct span name = cut(cut(parameters, ';', &rest), '=', &value);

		if (span_eq_nocase(name, SPAN("q")))
			return weight_of(span_trim(value));
		parameters = rest;
	}
	return WEIGHT_FULL;
}

static int
best_weight_in(struct span list, struct span type, int best)
{
	struct span member, parameters;

	while (span_next_member(&list, &member)) {
		struct span name = cut(member, ';', &parameters);
		int weight;

		if (!span_eq_nocase(name, type))
			continue;
		weight = parameter_weight(parameters);
		best = weight > best ? weight : best;
	}
	return best;
}

/* How much the client wants exactly this media type, over all its Accept lines. */
static int
accept_weight(const struct head *h, struct span type)
{
	int best = WEIGHT_NONE;

	for (unsigned i = 1; i <= h->n_fields; i++)
		if (span_eq_nocase(h->fields[i].name, SPAN("Accept")))
			best = best_weight_in(h->fields[i].value, type, best);
	return best;
}

static enum admin_page
metrics_page(const struct head *h)
{
	int openmetrics = accept_weight(h, SPAN("application/openmetrics-text"));
	int text = accept_weight(h, SPAN("text/plain"));

	return openmetrics > 0 && openmetrics >= text ? ADMIN_PAGE_OPENMETRICS : ADMIN_PAGE_TEXT;
}

static void
say_health(struct answer *a, bool well, const char *otherwise)
{
	a->status = well ? 200 : 503;
	a->body = well ? "ok\n" : otherwise;
}

static void
route(struct answer *a, const struct admin_view *v, const struct head *h)
{
	struct span query, path = cut(h->path, '?', &query);

	a->status = 200;
	if (span_eq(path, SPAN("/metrics")) || span_eq(path, span_of(v->config->metrics_path)))
		a->page = metrics_page(h);
	else if (span_eq(path, SPAN("/status")))
		a->page = ADMIN_PAGE_STATUS;
	else if (span_eq(path, SPAN("/livez")))
		say_health(a, exposition_is_live(v), "no worker lives\n");
	else if (span_eq(path, SPAN("/readyz")))
		say_health(a, exposition_is_ready(v),
			v->draining ? "draining\n" : "no worker is ready or no backend is up\n");
	else
		a->status = 404;
}

struct answer
answer_refusing(int status)
{
	return (struct answer){ .status = status, .close = true };
}

static bool
has_body(const struct framing *f)
{
	return f->kind != BODY_NONE && !(f->kind == BODY_LENGTH && f->length == 0);
}

struct answer
answer_to(const struct admin_view *v, const struct head *h, int parsed)
{
	struct answer a = { .status = parsed };
	struct framing framing;

	if (parsed == 0)
		parsed = framing_request(h, &framing);
	if (parsed != 0)
		return answer_refusing(parsed);
	/* HTTP/1.0 would have to be told that the connection stays; it is not worth a field. */
	a.close = h->minor == 0 || !head_keeps_alive(h) || has_body(&framing);
	a.head_only = h->method == METHOD_HEAD;
	if (h->method != METHOD_GET && h->method != METHOD_HEAD)
		a.status = 405;
	else if (has_body(&framing))
		a.status = 413;
	else
		route(&a, v, h);
	return a;
}

char *
answer_page(const struct admin_view *v, enum admin_page page)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	bool failed;

	if (out == NULL)
		return NULL;
	pages[page].write(v, out);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

size_t
answer_write(char *out, const struct answer *a, const char *page)
{
	struct reply r = {
		.status = a->status,
		.close = a->close,
		.head_only = a->head_only || page != NULL,
		.date = clock_http_date(clock_wall_us()),
		.extra = a->status == 405 ? "Allow: GET, HEAD\r\n" : "Cache-Control: no-store\r\n",
		.body = page != NULL ? page : a->body,
		.content_type = page != NULL ? pages[a->page].content_type : NULL,
	};

	return reply_write(out, REPLY_MAX, &r);
}
