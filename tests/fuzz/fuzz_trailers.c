/*
 * A trailer section, as it is read behind a chunked body and written on: never
 * longer, in order, without the fields that may not stand there, and read again
 * as what it is.
 */
#include "heads.h"

#include "ballast/http/head.h"

static const char *const barred[] = { "content-length", "transfer-encoding", "host", "connection",
	"te", "trailer", "upgrade", "authorization", "cookie", "set-cookie", "cache-control",
	"content-type", "content-encoding", "content-range", "max-forwards", "expect", "via",
	"proxy", "keep-alive", "x-forwarded-for", "forwarded", "x-real-ip" };

static void
check_allowed(struct span name)
{
	for (size_t i = 0; i < sizeof(barred) / sizeof(*barred); i++)
		HOLDS(!span_eq_nocase(name, span_of(barred[i])));
	HOLDS(!letters_spell(name, "contentlength") && !letters_spell(name, "transferencoding"));
}

/* What was written stands in what was read, in the same order. */
static void
check_order(const struct head *read, const struct head *written)
{
	uint32_t at = 1;

	for (uint32_t i = 1; i <= written->n_fields; i++) {
		check_allowed(written->fields[i].name);
		while (at <= read->n_fields &&
			!span_eq(read->fields[at].line, written->fields[i].line))
			at++;
		HOLDS(at <= read->n_fields);
		at++;
	}
}

static void
check_written(struct slices *s, const struct head *h)
{
	struct head *again = head_new(0x5a);
	char *out = exact_block(s->bytes);

	slices_copy(s, 0, out);
	HOLDS(end_of_head_plain(out, s->bytes) == s->bytes);
	HOLDS(parse_trailers(again, out, s->bytes, HEAD_FIELDS_MAX) == 0);
	check_order(h, again);
	free(out);
	free(again);
}

static void
check_trailers(struct head *h, const uint8_t *data, size_t size, size_t end)
{
	struct slices *s = malloc(sizeof(*s));
	char *p = exact_copy(data, end);
	int status = parse_trailers(h, p, end, HEAD_FIELDS_MAX);

	HOLDS(s != NULL);
	HOLDS(status == 0 || status == 400);
	if (status == 0) {
		check_fields(h, (struct span){ p, end }, p);
		slices_reset(s);
		head_write_trailers(s, h);
		HOLDS(s->bytes <= end);
		check_written(s, h);
		check_limit(parse_trailers, (struct span){ p, end }, h->n_fields, 400);
	}
	check_whole_only(parse_trailers, h, data, size, end);
	free(p);
	free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t end = end_of_head(data, size);
	struct head *h;

	if (end == 0)
		return 0;
	h = head_new(0xa5);
	check_trailers(h, data, size, end);
	free(h);
	return 0;
}
