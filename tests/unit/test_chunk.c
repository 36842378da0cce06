/*
 * The chunk scanner: what is forwarded of good bodies, and that bad ones are
 * refused, in whatever pieces they arrive.
 */
#include "harness.h"

#include "ballast/http/chunk.h"
#include "heads.h"

struct row {
	struct span in;
	const char *forwarded; /* FRAME and DATA runs; NULL: refused */
	size_t rest;           /* octets of the input left to the trailer section */
};

/* Everything a scanner said, in order. */
struct told {
	char forwarded[8192];
	size_t n;
	size_t data;
	enum chunk_run end; /* MORE, TRAILERS or BAD */
	size_t used;
};

static void
take(struct told *t, const char *p, size_t n)
{
	ck_assert_uint_le(t->n + n, sizeof(t->forwarded));
	memcpy(t->forwarded + t->n, p, n);
	t->n += n;
}

/* Shows one piece; true when more is wanted. */
static bool
show(struct told *t, struct chunk *c, const char *p, size_t n)
{
	size_t run;

	for (;;) {
		enum chunk_run kind = chunk_next(c, p, n, &run);

		t->end = kind;
		if (kind == CHUNK_MORE)
			ck_assert_uint_eq(n, 0);
		if (kind == CHUNK_MORE || kind == CHUNK_TRAILERS || kind == CHUNK_BAD) {
			ck_assert_uint_eq(run, 0);
			return kind == CHUNK_MORE;
		}
		ck_assert_uint_gt(run, 0);
		ck_assert_uint_le(run, n);
		if (kind != CHUNK_EXT)
			take(t, p, run);
		if (kind == CHUNK_DATA)
			t->data += run;
		t->used += run;
		p += run;
		n -= run;
	}
}

/* In pieces of `size` octets after a first one of `first`, each ending at a forbidden page. */
static void
tell(struct told *t, struct span in, size_t first, size_t size)
{
	struct chunk c;
	bool more = true;

	*t = (struct told){ .end = CHUNK_MORE };
	chunk_init(&c);
	for (size_t at = 0, n = first; at < in.n && more; at += n, n = size) {
		struct guarded g;

		if (n > in.n - at)
			n = in.n - at;
		g = guarded_copy(in.p + at, n);
		more = show(t, &c, g.p, n);
		guarded_free(&g);
	}
}

static void
assert_told_alike(struct span in, size_t first, size_t size, const struct told *whole)
{
	static struct told t;

	tell(&t, in, first, size);
	ck_assert_int_eq(t.end, whole->end);
	ck_assert_uint_eq(t.used, whole->used);
	ck_assert_uint_eq(t.data, whole->data);
	ck_assert_uint_eq(t.n, whole->n);
	ck_assert_int_eq(memcmp(t.forwarded, whole->forwarded, t.n), 0);
}

static void
tell_in_all_ways(struct told *whole, struct span in)
{
	tell(whole, in, in.n, in.n);
	for (size_t cut = 0; cut < in.n; cut++)
		assert_told_alike(in, cut, in.n, whole);
	for (size_t size = 1; size < 8 && size < in.n; size++)
		assert_told_alike(in, size, size, whole);
}

#define GOOD(in, forwarded, rest)                                                                  \
	{                                                                                          \
		OCTETS(in), forwarded, rest                                                        \
	}
#define SAME(in)                                                                                   \
	{                                                                                          \
		OCTETS(in "\r\n"), in, 2                                                           \
	}
#define BAD(in)                                                                                    \
	{                                                                                          \
		OCTETS(in), NULL, 0                                                                \
	}

static const struct row rows[] = {
	SAME("0\r\n"),
	SAME("5\r\nhello\r\n0\r\n"),
	SAME("5\r\nhello\r\n5\r\nworld\r\n0\r\n"),
	SAME("1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n"),
	SAME("1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n"),
	SAME("005\r\nhello\r\n000\r\n"),
	SAME("0000000000000005\r\nhello\r\n0\r\n"),
	SAME("5\r\n0\r\n\r\n\r\n0\r\n"),
	GOOD("0\r\nX-T: 1\r\n\r\n", "0\r\n", 10),
	GOOD("5;name=value\r\nhello\r\n5;flag\r\nworld\r\n0;last\r\n\r\n",
		"5\r\nhello\r\n5\r\nworld\r\n0\r\n", 2),
	GOOD("5;a=\"q;\\\"x\";b\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", 2),
	GOOD("5 ; a = b ; c\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", 2),
	GOOD("5\t;\ta\t=\t\"\"\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", 2),
	GOOD("5;a=\"\xe9\t \"\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", 2),
	GOOD("5;a=\"\" ;b\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", 2),
	BAD("5 \r\nhello\r\n0\r\n\r\n"),
	BAD("5\t\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a \r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=b \r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\"b\"\t\r\nhello\r\n0\r\n\r\n"),
	BAD("5\r\nhello\r\n0 \r\n\r\n"),
	BAD("5;;a\r\n"),
	BAD("10000000000000005\r\nhello\r\n0\r\n\r\n"),
	BAD("00000000000000005\r\nhello\r\n0\r\n\r\n"),
	BAD("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
	BAD("8000000000000000\r\nhello"),
	BAD("4000000000000000\r\nhello"),
	BAD("0x5\r\nhello\r\n0\r\n\r\n"),
	BAD("+5\r\nhello\r\n0\r\n\r\n"),
	BAD("-5\r\nhello\r\n0\r\n\r\n"),
	BAD(" 5\r\nhello\r\n0\r\n\r\n"),
	BAD("\t5\r\nhello\r\n0\r\n\r\n"),
	BAD("\r\nhello\r\n0\r\n\r\n"),
	BAD("\n5\r\nhello\r\n0\r\n\r\n"),
	BAD(";a\r\nhello\r\n0\r\n\r\n"),
	BAD("G\r\nhello\r\n0\r\n\r\n"),
	BAD("5g\r\nhello\r\n0\r\n\r\n"),
	BAD("0_5\r\nhello\r\n0\r\n\r\n"),
	BAD("5,5\r\nhello\r\n0\r\n\r\n"),
	BAD("5.\r\nhello\r\n0\r\n\r\n"),
	BAD("\xb2\r\nhe\r\n0\r\n\r\n"),
	BAD("5\0\r\nhello\r\n0\r\n\r\n"),
	BAD("5 5\r\nhello\r\n0\r\n\r\n"),
	BAD("5\nhello\r\n0\r\n\r\n"),
	BAD("5\rhello\r\n0\r\n\r\n"),
	BAD("5\r\r\nhello\r\n0\r\n\r\n"),
	BAD("5\x0b\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a\nx\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a\rx\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\0b\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\"\0\"\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\"b\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\"b\nc\"\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\"\\\n\"\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\"\\\r\n\"\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=\r\nhello\r\n0\r\n\r\n"),
	BAD("5;=b\r\nhello\r\n0\r\n\r\n"),
	BAD("5;\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a b\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a=b c\r\nhello\r\n0\r\n\r\n"),
	BAD("5;a==b\r\nhello\r\n0\r\n\r\n"),
	BAD("5;\x7f\r\nhello\r\n0\r\n\r\n"),
	BAD("5;\xe9\r\nhello\r\n0\r\n\r\n"),
	BAD("5 \nhello\r\n0\r\n\r\n"),
	BAD("5\r\nhello\n0\r\n\r\n"),
	BAD("5\r\nhello!\r\n0\r\n\r\n"),
	BAD("5\r\nhelloXX0\r\n\r\n"),
	BAD("5\r\nhello0\r\n\r\n"),
	BAD("5\r\nhello\r0\r\n\r\n"),
	BAD("5\r\nhello\r\n\r\n0\r\n\r\n"),
	BAD("5\r\nhello\rX0\r\n\r\n"),
	BAD("5\r\nhelloX\n0\r\n\r\n"),
	BAD("5\r\nhello\r\n 0\r\n\r\n"),
	BAD("0\n\n"),
	BAD("0\r\r\n"),
	BAD("0;a\n\r\n"),
	BAD("xyz\r\nhello\r\n0\r\n\r\n"),
};

START_TEST(runs_are_the_same_however_the_body_is_cut)
{
	static struct told whole;
	const struct row *r = &rows[_i];

	tell_in_all_ways(&whole, r->in);
	if (r->forwarded == NULL) {
		ck_assert_msg(whole.end == CHUNK_BAD, "accepted: %s", r->in.p);
		return;
	}
	ck_assert_msg(whole.end == CHUNK_TRAILERS, "refused: %s", r->in.p);
	ck_assert_uint_eq(r->in.n - whole.used, r->rest);
	ck_assert_uint_eq(whole.n, strlen(r->forwarded));
	ck_assert_int_eq(memcmp(whole.forwarded, r->forwarded, whole.n), 0);
}
END_TEST

START_TEST(what_is_forwarded_is_scanned_as_the_same_body)
{
	static struct told first, again;
	const struct row *r = &rows[_i];

	if (r->forwarded == NULL)
		return;
	tell(&first, r->in, r->in.n, r->in.n);
	tell(&again, (struct span){ first.forwarded, first.n }, first.n, first.n);
	ck_assert_uint_eq(again.used, first.n);
	ck_assert_uint_eq(again.data, first.data);
	ck_assert_uint_eq(again.n, first.n);
}
END_TEST

START_TEST(octets_of_any_value_are_data)
{
	static struct told t;
	char body[5 + 256 + 2 + 3];
	size_t n = 0;

	memcpy(body, "100\r\n", 5);
	for (n = 0; n < 256; n++)
		body[5 + n] = (char)n;
	memcpy(body + 5 + 256, "\r\n0\r\n", 5);
	tell_in_all_ways(&t, (struct span){ body, sizeof(body) });
	ck_assert_int_eq(t.end, CHUNK_TRAILERS);
	ck_assert_uint_eq(t.data, 256);
}
END_TEST

START_TEST(an_open_body_wants_more)
{
	static const struct span open[] = { OCTETS("5"), OCTETS("5;"), OCTETS("5\r"),
		OCTETS("5\r\n"), OCTETS("5\r\nhell"), OCTETS("5\r\nhello\r"),
		OCTETS("5\r\nhello\r\n"), OCTETS("0"), OCTETS("0\r"),
		OCTETS("3fffffffffffffff\r\nx") };
	static struct told t;

	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++) {
		tell_in_all_ways(&t, open[i]);
		ck_assert_msg(t.end == CHUNK_MORE, "%s", open[i].p);
	}
}
END_TEST

/* A size line of `n` octets with its CRLF, then a last chunk. */
static size_t
long_line(char *out, size_t n)
{
	static const char rest[] = "\r\nhello\r\n0\r\n";

	memset(out, 'a', n);
	memcpy(out, "5;", 2);
	memcpy(out + n - 2, rest, sizeof(rest) - 1);
	return n - 2 + sizeof(rest) - 1;
}

START_TEST(a_size_line_is_bounded)
{
	static char in[CHUNK_LINE_MAX + 64];
	static struct told t;
	size_t n = long_line(in, CHUNK_LINE_MAX);

	tell(&t, (struct span){ in, n }, n, n);
	ck_assert_int_eq(t.end, CHUNK_TRAILERS);
	tell(&t, (struct span){ in, n }, 1, 1);
	ck_assert_int_eq(t.end, CHUNK_TRAILERS);
	n = long_line(in, CHUNK_LINE_MAX + 1);
	tell(&t, (struct span){ in, n }, n, n);
	ck_assert_int_eq(t.end, CHUNK_BAD);
	tell(&t, (struct span){ in, n }, 7, 7);
	ck_assert_int_eq(t.end, CHUNK_BAD);
}
END_TEST

START_TEST(the_padding_of_backends_is_dropped_like_an_extension)
{
	static const char *const padded[] = { "5 \r\nhello\r\n0  \r\n", "5\t\r\nhello\r\n0;a \r\n",
		"5;a=b \r\nhello\r\n0;a=\"b\"\t \r\n" };

	for (size_t i = 0; i < sizeof(padded) / sizeof(*padded); i++) {
		struct told t = { .end = CHUNK_MORE };
		struct chunk c;

		chunk_init_padded(&c);
		for (const char *p = padded[i]; *p != '\0'; p++)
			show(&t, &c, p, 1);
		ck_assert_int_eq(chunk_next(&c, "", 0, &t.n), CHUNK_TRAILERS);
		ck_assert_mem_eq(t.forwarded, "5\r\nhello\r\n0\r\n", 13);
	}
}
END_TEST

START_TEST(the_end_is_final)
{
	struct chunk c;
	size_t run;

	chunk_init(&c);
	ck_assert_int_eq(chunk_next(&c, "0\r\n", 3, &run), CHUNK_FRAME);
	ck_assert_int_eq(chunk_next(&c, "5\r\n", 3, &run), CHUNK_TRAILERS);
	ck_assert_int_eq(chunk_next(&c, "", 0, &run), CHUNK_TRAILERS);
	chunk_init(&c);
	ck_assert_int_eq(chunk_next(&c, "!", 1, &run), CHUNK_BAD);
	ck_assert_int_eq(chunk_next(&c, "5\r\n", 3, &run), CHUNK_BAD);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("chunk");
	TCase *tc = tcase_create("chunk");
	int n = sizeof(rows) / sizeof(*rows);

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, runs_are_the_same_however_the_body_is_cut, 0, n);
	tcase_add_loop_test(tc, what_is_forwarded_is_scanned_as_the_same_body, 0, n);
	tcase_add_test(tc, octets_of_any_value_are_data);
	tcase_add_test(tc, an_open_body_wants_more);
	tcase_add_test(tc, a_size_line_is_bounded);
	tcase_add_test(tc, the_padding_of_backends_is_dropped_like_an_extension);
	tcase_add_test(tc, the_end_is_final);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
