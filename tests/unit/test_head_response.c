/*
 * Outgoing heads of responses, and trailers: octet for octet what leaves for
 * what came in, understood by our own parser; and the slices themselves.
 */
#include "harness.h"

#include "sent.h"

struct answered {
	const char *in;
	struct forward_response fr;
	const char *want;
};

#define OK   "HTTP/1.1 200 OK\r\n"
#define VIA  "Via: 1.1 ballast\r\n\r\n"
#define DATE .date = OCTETS("now")

static const struct answered responses[] = {
	{ OK "Content-Length: 2\r\n\r\n", { DATE }, OK "Content-Length: 2\r\nDate: now\r\n" VIA },
	{ OK "Date: then\r\nContent-Length: 2\r\n\r\n", { DATE },
		OK "Date: then\r\nContent-Length: 2\r\n" VIA },
	{ OK "Connection: Date\r\nDate: then\r\n\r\n", { DATE }, OK "Date: now\r\n" VIA },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", { .close = false },
		OK "Content-Length: 2\r\nVia: 1.0 ballast\r\n\r\n" },
	{ "HTTP/1.3 200 OK\r\n\r\n", { .close = true }, OK "Connection: close\r\n" VIA },
	{ "HTTP/1.1 200\r\nA: b\r\n\r\n", { .close = false }, "HTTP/1.1 200 \r\nA: b\r\n" VIA },
	{ "HTTP/1.0 404\r\n\r\n", { .close = false }, "HTTP/1.1 404 \r\nVia: 1.0 ballast\r\n\r\n" },
	{ "HTTP/1.1 200 \r\n\r\n", { .close = false }, "HTTP/1.1 200 \r\n" VIA },
	{ "HTTP/1.0 200 \r\n\r\n", { .close = false },
		"HTTP/1.1 200 \r\nVia: 1.0 ballast\r\n\r\n" },
	{ OK "Connection: X-Hop, close\r\nX-Hop: 1\r\nX-Keep: k\r\nKeep-Alive: timeout=77\r\n"
	     "Proxy-Connection: close\r\nUpgrade: x\r\n\r\n",
		{ .close = false }, OK "X-Keep: k\r\n" VIA },
	{ OK "Set-Cookie: a\r\nX: 1\r\nSet-Cookie: b\r\n\r\n", { .close = false },
		OK "Set-Cookie: a\r\nX: 1\r\nSet-Cookie: b\r\n" VIA },
	{ OK "X-Request-Id: 1\r\nX-Forwarded-For: 1\r\n\r\n", { .close = false },
		OK "X-Request-Id: 1\r\nX-Forwarded-For: 1\r\n" VIA },
	{ OK "A: b\r\n\r\n", { .chunk_it = true },
		OK "A: b\r\nTransfer-Encoding: chunked\r\n" VIA },
	{ OK "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n", { .close = false },
		OK "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n" VIA },
	{ OK "Transfer-Encoding: chunked\r\nTrailer: X-T\r\nA: b\r\n\r\n",
		{ .dechunk = true, .close = true }, OK "A: b\r\nConnection: close\r\n" VIA },
	{ OK "Content-Length: 2\r\n\r\n", { .keep_alive_10 = true },
		OK "Content-Length: 2\r\nConnection: keep-alive\r\n" VIA },
	{ OK "Content-Length: 0002\r\n\r\n", { .close = false }, OK "Content-Length: 2\r\n" VIA },
	{ OK "Connection: Content-Length\r\nContent-Length: 2\r\n\r\n", { .close = false },
		OK "Content-Length: 2\r\n" VIA },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nA: b\r\n\r\n", { .close = false },
		"HTTP/1.1 204 No Content\r\nA: b\r\n" VIA },
	{ "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", { .close = false },
		"HTTP/1.1 204 No Content\r\n" VIA },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", { .close = false },
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n" VIA },
	{ "HTTP/1.1 103 Early Hints\r\nContent-Length: 40\r\nLink: x\r\n\r\n", { .close = false },
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n" VIA },
	{ "HTTP/1.1 100 Continue\r\n\r\n", { .close = false }, "HTTP/1.1 100 Continue\r\n" VIA },
	{ "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: "
	  "3\r\n\r\n",
		{ .upgrade = true },
		"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" VIA },
	{ "HTTP/1.1 426 x\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n\r\n",
		{ .close = true },
		"HTTP/1.1 426 x\r\nUpgrade: websocket\r\nConnection: close, Upgrade\r\n" VIA },
	{ "HTTP/1.1 426 x\r\n\r\n", { .close = false }, "HTTP/1.1 426 x\r\n" VIA },
};

START_TEST(a_response_leaves_as_it_should)
{
	const struct answered *r = &responses[_i];
	struct framing f;

	ck_assert_msg(parse_response(h, r->in, strlen(r->in), 100) == 0, "refused: %s", r->in);
	head_write_response(s, h, &r->fr);
	gather();
	ck_assert_str_eq(out, r->want);
	ck_assert_int_eq(parse_response(again, out, out_n, 100), 0);
	ck_assert_int_eq(again->status, h->status);
	ck_assert(span_eq(again->reason, h->reason));
	ck_assert_int_eq(framing_response(again, METHOD_GET, &f), 0);
}
END_TEST

START_TEST(trailers_that_mean_something_before_the_body_are_dropped)
{
	static const struct {
		const char *in, *want;
	} table[] = {
		{ "\r\n", "\r\n" },
		{ "X-T: 1\r\n\r\n", "X-T: 1\r\n\r\n" },
		{ "X-A: 1\r\nCookie: a\r\nX-B: 2\r\n\r\n", "X-A: 1\r\nX-B: 2\r\n\r\n" },
		{ "Content-Length: 50\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n", "\r\n" },
		{ "X-Forwarded-For: 1\r\nX_Forwarded_For: 1\r\nX-Real-IP: 1\r\nConnection: "
		  "x\r\n\r\n",
			"\r\n" },
		{ "Set-Cookie: 1\r\nAuthorization: x\r\nTE: x\r\nTrailer: x\r\nServer-Timing: "
		  "1\r\n\r\n",
			"Server-Timing: 1\r\n\r\n" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		ck_assert_int_eq(parse_trailers(h, table[i].in, strlen(table[i].in), 100), 0);
		slices_reset(s);
		head_write_trailers(s, h);
		gather();
		ck_assert_str_eq(out, table[i].want);
		ck_assert_int_eq(parse_trailers(again, out, out_n, 100), 0);
	}
}
END_TEST

START_TEST(adjacent_slices_are_joined_and_copied_from_anywhere)
{
	static const char text[] = "abcdefgh";
	char copy[16];

	slices_add(s, text, 3);
	slices_add(s, text + 3, 2);
	slices_add(s, text, 0);
	ck_assert_int_eq(s->n, 1);
	slices_write(s, SPAN("12"));
	slices_write(s, SPAN(""));
	slices_write(s, SPAN("3"));
	ck_assert_int_eq(s->n, 2);
	slices_add(s, text + 6, 1);
	ck_assert_int_eq(s->n, 3);
	ck_assert_uint_eq(s->bytes, 9);
	for (size_t skip = 0; skip <= 9; skip++) {
		memset(copy, 0, sizeof(copy));
		slices_copy(s, skip, copy);
		ck_assert_str_eq(copy, &"abcde123g"[skip]);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("head_response");
	TCase *tc = tcase_create("head_response");
	int n = sizeof(responses) / sizeof(*responses);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_response_leaves_as_it_should, 0, n);
	tcase_add_test(tc, trailers_that_mean_something_before_the_body_are_dropped);
	tcase_add_test(tc, adjacent_slices_are_joined_and_copied_from_anywhere);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
