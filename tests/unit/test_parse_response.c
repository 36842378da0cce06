/*
 * The response parser: good answers, unusual ones, and what a backend may send
 * that is none.
 */
#include "harness.h"

#include "heads.h"

enum { MAX_FIELDS = 100 };

static struct head *h;

static void
setup(void)
{
	h = head_new();
}

static void
teardown(void)
{
	free(h);
}

static int
parse(struct span in, struct guarded *g)
{
	*g = guarded_copy(in.p, in.n);
	return parse_response(h, g->p, g->n, MAX_FIELDS);
}

struct good {
	struct span in;
	int status;
	const char *reason;
	int minor;
	unsigned n_fields;
};

static const struct good goods[] = {
	{ OCTETS("HTTP/1.1 200 OK\r\n\r\n"), 200, "OK", 1, 0 },
	{ OCTETS("HTTP/1.1 200 \r\n\r\n"), 200, "", 1, 0 },
	{ OCTETS("HTTP/1.1 200\r\n\r\n"), 200, "", 1, 0 },
	{ OCTETS("HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n"), 404, "Not Found", 0, 1 },
	{ OCTETS("HTTP/1.2 200 OK\r\n\r\n"), 200, "OK", 1, 0 },
	{ OCTETS("HTTP/1.1 100 Continue\r\n\r\n"), 100, "Continue", 1, 0 },
	{ OCTETS("HTTP/1.1 599 x\r\n\r\n"), 599, "x", 1, 0 },
	{ OCTETS("HTTP/1.1 299 caf\xe9 \t(x)\r\n\r\n"), 299, "caf\xe9 \t(x)", 1, 0 },
	{ OCTETS("HTTP/1.1 200  OK\r\n\r\n"), 200, " OK", 1, 0 },
	{ RESPONSE("ETag: \"x\"\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nX-E:\r\n"), 200, "OK", 1, 4 },
	{ RESPONSE("Content_Length: 1\r\n"), 200, "OK", 1, 1 },
};

START_TEST(good_responses_are_understood)
{
	const struct good *r = &goods[_i];
	struct guarded g;

	ck_assert_uint_eq(end_of_head(r->in), r->in.n);
	ck_assert_msg(parse(r->in, &g) == 0, "refused: %s", r->in.p);
	ck_assert_int_eq(h->status, r->status);
	assert_span(h->reason, r->reason);
	ck_assert_int_eq(h->minor, r->minor);
	ck_assert_uint_eq(h->n_fields, r->n_fields);
	ck_assert_uint_eq(h->bytes, r->in.n);
	guarded_free(&g);
}
END_TEST

START_TEST(a_head_cut_anywhere_is_refused)
{
	const struct good *r = &goods[_i];
	struct guarded g;

	for (size_t n = 0; n < r->in.n; n++) {
		ck_assert_int_eq(parse((struct span){ r->in.p, n }, &g), 502);
		guarded_free(&g);
	}
}
END_TEST

#define LINE(line)  OCTETS(line "\r\nContent-Length: 2\r\n\r\n")
#define FIELD(line) RESPONSE(line "\r\n")

static const struct span bads[] = {
	OCTETS("hello, this is not http\r\n\r\n"),
	OCTETS("\r\n"),
	OCTETS("\r\n\r\n"),
	OCTETS("HTTP/1.1 200 OK\n\n"),
	OCTETS("HTTP/1.1 200 OK\nContent-Length: 2\n\n"),
	OCTETS("HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\n"),
	OCTETS("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\n"),
	LINE("HTTP/1.1 2000 OK"),
	LINE("HTTP/1.1 20 OK"),
	LINE("HTTP/1.1 abc OK"),
	LINE("HTTP/1.1 2x0 OK"),
	LINE("HTTP/1.1 099 OK"),
	LINE("HTTP/1.1 000 OK"),
	LINE("HTTP/1.1 600 OK"),
	LINE("HTTP/1.1 999 OK"),
	LINE("HTTP/1.1 -20 OK"),
	LINE("HTTP/1.1 +20 OK"),
	LINE("HTTP/1.1 200OK"),
	LINE("HTTP/1.1 200\tOK"),
	LINE("HTTP/1.1  200 OK"),
	LINE("HTTP/1.1\t200 OK"),
	LINE("HTTP/1.1 "),
	LINE("HTTP/1.1"),
	LINE("HTTP/1.10 200 OK"),
	LINE("HTTP/2.0 200 OK"),
	LINE("HTTP/0.9 200 OK"),
	LINE("HTTP/1 200 OK"),
	LINE("http/1.1 200 OK"),
	LINE(" HTTP/1.1 200 OK"),
	LINE("ICY 200 OK"),
	LINE("HTTP/1.1 200 O\0K"),
	LINE("HTTP/1.1 200 O\rK"),
	LINE("HTTP/1.1 200 OK\r"),
	LINE("HTTP/1.1 200\r"),
	LINE("HTTP/1.1 200 O\x01K"),
	LINE("HTTP/1.1 200 O\x7fK"),
	FIELD("X-F: a\r\n b"),
	FIELD("X-F: a\0b"),
	FIELD("X-F: a\rSet-Cookie: evil=1"),
	FIELD("X-F : a"),
	FIELD("X-F\t: a"),
	FIELD(" X-F: a"),
	FIELD(": a"),
	FIELD("X F: a"),
	FIELD("nonsense"),
	FIELD("Content-Length\0: 2"),
	FIELD("Connection: 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
	      "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"),
};

START_TEST(nonsense_is_a_bad_gateway)
{
	struct guarded g;
	size_t n = end_of_head(bads[_i]);

	ck_assert_uint_gt(n, 0);
	ck_assert_msg(parse((struct span){ bads[_i].p, n }, &g) == 502, "%s", bads[_i].p);
	guarded_free(&g);
}
END_TEST

START_TEST(too_many_fields_are_a_bad_gateway)
{
	static const struct span in = RESPONSE("A: 1\r\nB: 2\r\n");

	ck_assert_int_eq(parse_response(h, in.p, in.n, 2), 0);
	ck_assert_int_eq(parse_response(h, in.p, in.n, 1), 502);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("parse_response");
	TCase *tc = tcase_create("parse_response");
	int n_goods = sizeof(goods) / sizeof(*goods), n_bads = sizeof(bads) / sizeof(*bads);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, good_responses_are_understood, 0, n_goods);
	tcase_add_loop_test(tc, a_head_cut_anywhere_is_refused, 0, n_goods);
	tcase_add_loop_test(tc, nonsense_is_a_bad_gateway, 0, n_bads);
	tcase_add_test(tc, too_many_fields_are_a_bad_gateway);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
