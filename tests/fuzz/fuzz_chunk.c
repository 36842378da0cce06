/*
 * The chunk scanner: any octets, as the body of a message whose head said
 * chunked; as a client sends them, and with the padding that backends may use.
 * It says the same of them whole, cut as the input says, and octet by octet;
 * what it lets through is the same body to a plain decoder; and what is
 * forwarded (without extensions) is scanned as the same again.
 */
#include "fuzz.h"

#include "ballast/http/chunk.h"

typedef void scan_begin(struct chunk *);

/* Everything the scanner said, in order.  All blocks have room for the whole input. */
struct told {
	char *kinds;     /* what each octet used is: F, E or D */
	char *forwarded; /* FRAME and DATA */
	char *body;      /* DATA */
	size_t used, n_forwarded, n_body;
	enum chunk_run end; /* MORE, TRAILERS or BAD */
};

static void
told_init(struct told *t, size_t size)
{
	*t = (struct told){ exact_block(size), exact_block(size), exact_block(size), 0, 0, 0,
		CHUNK_MORE };
}

static void
told_free(struct told *t)
{
	free(t->kinds);
	free(t->forwarded);
	free(t->body);
}

static void
note_run(struct told *t, enum chunk_run kind, const char *p, size_t run)
{
	memset(t->kinds + t->used, kind == CHUNK_FRAME ? 'F' : kind == CHUNK_EXT ? 'E' : 'D', run);
	t->used += run;
	if (kind != CHUNK_EXT) {
		memcpy(t->forwarded + t->n_forwarded, p, run);
		t->n_forwarded += run;
	}
	if (kind == CHUNK_DATA) {
		memcpy(t->body + t->n_body, p, run);
		t->n_body += run;
	}
}

/* One piece; true when more is wanted. */
static bool
show(struct told *t, struct chunk *c, const char *p, size_t n)
{
	for (;;) {
		size_t run = n + 1;

		t->end = chunk_next(c, p, n, &run);
		if (t->end == CHUNK_MORE)
			HOLDS(n == 0);
		if (t->end == CHUNK_MORE || t->end == CHUNK_TRAILERS || t->end == CHUNK_BAD) {
			HOLDS(run == 0);
			return t->end == CHUNK_MORE;
		}
		HOLDS(t->end == CHUNK_FRAME || t->end == CHUNK_EXT || t->end == CHUNK_DATA);
		HOLDS(run > 0 && run <= n);
		note_run(t, t->end, p, run);
		p += run;
		n -= run;
	}
}

static void
check_final(struct chunk *c, enum chunk_run end)
{
	size_t run = 1;

	if (end == CHUNK_MORE)
		return;
	HOLDS(chunk_next(c, "5\r\n", 3, &run) == end && run == 0);
	HOLDS(chunk_next(c, NULL, 0, &run) == end && run == 0);
}

/* In pieces as the cuts say; without cuts of `step` octets. */
static void
tell(struct told *t, scan_begin *begin, struct span in, struct cuts *cuts, size_t step)
{
	struct chunk c;
	bool more = true;

	told_init(t, in.n);
	begin(&c);
	for (size_t at = 0; at < in.n && more;) {
		size_t n = cuts != NULL ? cuts_next(cuts) : step;
		char *p;

		if (n > in.n - at)
			n = in.n - at;
		p = exact_copy(in.p + at, n);
		more = show(t, &c, p, n);
		free(p);
		at += n;
	}
	check_final(&c, t->end);
}

static void
check_same(const struct told *a, const struct told *b)
{
	HOLDS(a->end == b->end && a->used == b->used);
	HOLDS(memcmp(a->kinds, b->kinds, a->used) == 0);
	HOLDS(a->n_forwarded == b->n_forwarded && a->n_body == b->n_body);
	HOLDS(memcmp(a->forwarded, b->forwarded, a->n_forwarded) == 0);
	HOLDS(memcmp(a->body, b->body, a->n_body) == 0);
}

/* The forwarded octets as a careless recipient reads them: size, line up to LF, data. */
static void
check_plain_decoder(const struct told *t)
{
	const char *p = t->forwarded, *end = p + t->n_forwarded;
	size_t body = 0;

	for (;;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		char digits[32] = { 0 };
		size_t size;

		HOLDS(lf != NULL && lf > p && lf[-1] == '\r' && lf - p < 32);
		memcpy(digits, p, (size_t)(lf - 1 - p));
		HOLDS(strspn(digits, "0123456789abcdefABCDEF") == (size_t)(lf - 1 - p));
		size = strtoull(digits, NULL, 16);
		p = lf + 1;
		if (size == 0)
			break;
		HOLDS((size_t)(end - p) >= size + 2);
		HOLDS(memcmp(p, t->body + body, size) == 0);
		HOLDS(memcmp(p + size, "\r\n", 2) == 0);
		body += size;
		p += size + 2;
	}
	HOLDS(p == end && body == t->n_body);
}

static void
check_forwarded(const struct told *t)
{
	struct told again;

	tell(&again, chunk_init, (struct span){ t->forwarded, t->n_forwarded }, NULL,
		t->n_forwarded);
	HOLDS(again.end == t->end && again.used == t->n_forwarded);
	HOLDS(again.n_forwarded == t->n_forwarded);
	HOLDS(again.n_body == t->n_body);
	HOLDS(memcmp(again.body, t->body, t->n_body) == 0);
	told_free(&again);
}

/* What was told of the whole: to be freed. */
static struct told
check_scan(scan_begin *begin, const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct cuts cuts = { data, size, 0 };
	struct told whole, cut, octets;

	tell(&whole, begin, in, NULL, size);
	tell(&cut, begin, in, &cuts, 0);
	tell(&octets, begin, in, NULL, 1);
	check_same(&whole, &cut);
	check_same(&whole, &octets);
	if (whole.end == CHUNK_TRAILERS)
		check_plain_decoder(&whole);
	if (whole.end != CHUNK_BAD)
		check_forwarded(&whole);
	told_free(&cut);
	told_free(&octets);
	return whole;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told strict = check_scan(chunk_init, data, size);
	struct told padded = check_scan(chunk_init_padded, data, size);

	if (strict.end != CHUNK_BAD)
		check_same(&strict, &padded);
	told_free(&strict);
	told_free(&padded);
	return 0;
}
