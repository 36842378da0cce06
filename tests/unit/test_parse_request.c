/*
 * The request parser: what it makes of good requests, and that hostile ones are
 * refused with the right status.  Every input is found at every split point and
 * parsed where the memory ends.
 */
#include "harness.h"

#include "ballast/http/head.h"
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
parse(struct span in, struct guarded *g, unsigned max_fields)
{
	*g = guarded_copy(in.p, in.n);
	return parse_request(h, g->p, g->n, max_fields);
}

struct good {
	struct span in;
	const char *method, *path, *host;
	int minor;
	unsigned n_fields;
};

#define H "Host: a.test\r\n"

static const struct good goods[] = {
	{ OCTETS("GET / HTTP/1.1\r\n" H "\r\n"), "GET", "/", "a.test", 1, 1 },
	{ OCTETS("GET /a%2Fb%2e/c?x=%26&y=a+b%3D HTTP/1.1\r\n" H "\r\n"), "GET",
		"/a%2Fb%2e/c?x=%26&y=a+b%3D", "a.test", 1, 1 },
	{ OCTETS("GET //a//b HTTP/1.1\r\n" H "\r\n"), "GET", "//a//b", "a.test", 1, 1 },
	{ OCTETS("GET /a/../b HTTP/1.1\r\n" H "\r\n"), "GET", "/a/../b", "a.test", 1, 1 },
	{ OCTETS("GET /a? HTTP/1.1\r\n" H "\r\n"), "GET", "/a?", "a.test", 1, 1 },
	{ OCTETS("GET /a?b?c/d HTTP/1.1\r\n" H "\r\n"), "GET", "/a?b?c/d", "a.test", 1, 1 },
	{ OCTETS("GET /%0d%0aX:%201 HTTP/1.1\r\n" H "\r\n"), "GET", "/%0d%0aX:%201", "a.test", 1,
		1 },
	{ OCTETS("GET /\"<>\\^`{|} HTTP/1.1\r\n" H "\r\n"), "GET", "/\"<>\\^`{|}", "a.test", 1, 1 },
	{ OCTETS("GET /x HTTP/1.0\r\n\r\n"), "GET", "/x", "", 0, 0 },
	{ OCTETS("GET /x HTTP/1.0\r\n" H "\r\n"), "GET", "/x", "a.test", 0, 1 },
	{ OCTETS("GET /x HTTP/1.2\r\n" H "\r\n"), "GET", "/x", "a.test", 1, 1 },
	{ OCTETS("GET /x HTTP/1.9\r\n" H "\r\n"), "GET", "/x", "a.test", 1, 1 },
	{ OCTETS("get /m HTTP/1.1\r\n" H "\r\n"), "get", "/m", "a.test", 1, 1 },
	{ OCTETS("M-SEARCH* /m HTTP/1.1\r\n" H "\r\n"), "M-SEARCH*", "/m", "a.test", 1, 1 },
	{ OCTETS("OPTIONS * HTTP/1.1\r\n" H "\r\n"), "OPTIONS", "*", "a.test", 1, 1 },
	{ OCTETS("OPTIONS http://b.test HTTP/1.1\r\n" H "\r\n"), "OPTIONS", "*", "b.test", 1, 1 },
	{ OCTETS("OPTIONS http://b.test/ HTTP/1.1\r\n" H "\r\n"), "OPTIONS", "/", "b.test", 1, 1 },
	{ OCTETS("GET http://b.test/abs?x=1 HTTP/1.1\r\n" H "\r\n"), "GET", "/abs?x=1", "b.test", 1,
		1 },
	{ OCTETS("GET HTTPS://b.test:443/abs HTTP/1.1\r\n" H "\r\n"), "GET", "/abs", "b.test:443",
		1, 1 },
	{ OCTETS("GET http://b.test HTTP/1.1\r\n" H "\r\n"), "GET", "/", "b.test", 1, 1 },
	{ OCTETS("GET http://b.test?q HTTP/1.1\r\n" H "\r\n"), "GET", "?q", "b.test", 1, 1 },
	{ OCTETS("GET http://[::1]:80/ HTTP/1.0\r\n\r\n"), "GET", "/", "[::1]:80", 0, 0 },
	{ OCTETS("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "GET", "/", "", 1, 1 },
	{ OCTETS("GET / HTTP/1.1\r\nhOsT:\t a.test:8080 \t\r\n\r\n"), "GET", "/", "a.test:8080", 1,
		1 },
	{ OCTETS("GET / HTTP/1.1\r\nHost: a.test:\r\n\r\n"), "GET", "/", "a.test:", 1, 1 },
	{ OCTETS("GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]\r\n\r\n"), "GET", "/",
		"[::ffff:1.2.3.4]", 1, 1 },
	{ OCTETS("GET / HTTP/1.1\r\nHost: 127.0.0.1:65535\r\n\r\n"), "GET", "/", "127.0.0.1:65535",
		1, 1 },
	{ OCTETS("GET / HTTP/1.1\r\nHost: a_b.x~%41!$&'()*+;=z\r\n\r\n"), "GET", "/",
		"a_b.x~%41!$&'()*+;=z", 1, 1 },
	{ REQUEST("X-Odd: !#$%&'*+-.^_`|~\"(),/:;<=>?@[]{}\r\n"), "GET", "/", "a.test", 1, 2 },
	{ REQUEST("!#$%&'*+-.^_`|~09azAZ: x\r\n"), "GET", "/", "a.test", 1, 2 },
	{ REQUEST("X-Empty:\r\nX-Blank: \t \r\nX-Tab: a\tb\r\n"), "GET", "/", "a.test", 1, 4 },
	{ REQUEST("X-Latin: caf\xe9 \x80\xff\r\n"), "GET", "/", "a.test", 1, 2 },
	{ REQUEST("X-Long: 0123456789abcdef0123456789abcdef0123456789abcdef\r\n"), "GET", "/",
		"a.test", 1, 2 },
};

START_TEST(good_requests_are_understood)
{
	const struct good *r = &goods[_i];
	struct guarded g;

	ck_assert_uint_eq(end_of_head(r->in), r->in.n);
	ck_assert_msg(parse(r->in, &g, MAX_FIELDS) == 0, "refused: %s", r->in.p);
	assert_span(h->method_text, r->method);
	assert_span(h->path, r->path);
	assert_span(h->host, r->host);
	ck_assert_int_eq(h->minor, r->minor);
	ck_assert_uint_eq(h->n_fields, r->n_fields);
	ck_assert_uint_eq(h->bytes, r->in.n);
	ck_assert_int_eq(h->method, method_lookup(span_of(r->method)));
	guarded_free(&g);
}
END_TEST

struct bad {
	struct span in;
	int status;
};

#define LINE(line, status)                                                                         \
	{                                                                                          \
		OCTETS(line "\r\n" H "\r\n"), status                                               \
	}
#define FIELD(line, status)                                                                        \
	{                                                                                          \
		REQUEST(line "\r\n"), status                                                       \
	}
#define HOST(value, status)                                                                        \
	{                                                                                          \
		OCTETS("GET / HTTP/1.1\r\nHost: " value "\r\n\r\n"), status                        \
	}

static const struct bad bads[] = {
	/* the request line */
	LINE("GET /v", 400),
	LINE("GET", 400),
	LINE("", 400),
	LINE(" / HTTP/1.1", 400),
	LINE(" GET / HTTP/1.1", 400),
	LINE("\tGET / HTTP/1.1", 400),
	LINE("GET  / HTTP/1.1", 400),
	LINE("GET /  HTTP/1.1", 400),
	LINE("GET\t/ HTTP/1.1", 400),
	LINE("GET /\tHTTP/1.1", 400),
	LINE("GET / HTTP/1.1 ", 400),
	LINE("GET / HTTP/1.1\t", 400),
	LINE("GET / HTTP/1.1x", 400),
	LINE("GET / HTTP/1.1\r", 400),
	LINE("GET / HTTP/1.1\rX", 400),
	LINE("GET /a b HTTP/1.1", 400),
	LINE("GET /a\x01"
	     "b HTTP/1.1",
		400),
	LINE("GET /a\tb HTTP/1.1", 400),
	LINE("GET /a\0b HTTP/1.1", 400),
	LINE("GET /a\x7f HTTP/1.1", 400),
	LINE("GET /a\rb HTTP/1.1", 400),
	LINE("GET /\xe9 HTTP/1.1", 400),
	LINE("GET /0123456789abcdef\xe9 HTTP/1.1", 400),
	LINE("GET /0123456789abcdef\x7f HTTP/1.1", 400),
	LINE("GET /a#frag HTTP/1.1", 400),
	LINE("GET /0123456789abcdef0123456789#frag HTTP/1.1", 400),
	LINE("GET # HTTP/1.1", 400),
	LINE("GE(T / HTTP/1.1", 400),
	LINE("GE\0T / HTTP/1.1", 400),
	LINE("G\xc9T / HTTP/1.1", 400),
	LINE("GET: / HTTP/1.1", 400),
	LINE("\"GET\" / HTTP/1.1", 400),
	LINE("GET foo HTTP/1.1", 400),
	LINE("GET a.test:80 HTTP/1.1", 400),
	LINE("GET * HTTP/1.1", 400),
	LINE("OPTIONS ** HTTP/1.1", 400),
	LINE("OPTIONS *?x HTTP/1.1", 400),
	LINE("GET \\x HTTP/1.1", 400),
	LINE("GET ?x HTTP/1.1", 400),
	LINE("GET http:///x HTTP/1.1", 400),
	LINE("GET http:// HTTP/1.1", 400),
	LINE("GET http:/x HTTP/1.1", 400),
	LINE("GET http:a.test HTTP/1.1", 400),
	LINE("GET //a.test@ HTTP/0.9", 505),
	LINE("GET ftp://a.test/ HTTP/1.1", 400),
	LINE("GET ws://a.test/ HTTP/1.1", 400),
	LINE("GET javascript:alert(1) HTTP/1.1", 400),
	LINE("GET http://user@a.test/ HTTP/1.1", 400),
	LINE("GET http://user:pw@a.test/ HTTP/1.1", 400),
	LINE("GET http://a.test:80a/ HTTP/1.1", 400),
	LINE("GET http://a.test\\@b.test/ HTTP/1.1", 400),
	LINE("GET http://a.test,b.test/ HTTP/1.1", 400),
	LINE("GET http://[::1/ HTTP/1.1", 400),
	LINE("GET http://?x HTTP/1.1", 400),
	LINE("CONNECT a.test:80 HTTP/1.1", 405),
	LINE("CONNECT /x HTTP/1.1", 405),
	LINE("CONNECT a.test:80 HTTP/2.0", 505),
	/* versions */
	LINE("GET / HTTP/2.0", 505),
	LINE("GET / HTTP/0.9", 505),
	LINE("GET / HTTP/3.1", 505),
	LINE("PRI * HTTP/2.0", 505),
	LINE("GET / HTTP/1.10", 400),
	LINE("GET / HTTP/1.", 400),
	LINE("GET / HTTP/1", 400),
	LINE("GET / HTTP/2", 400),
	LINE("GET / HTTP/11.1", 400),
	LINE("GET / HTTP/1,1", 400),
	LINE("GET / HTTP/ 1.1", 400),
	LINE("GET / HTTP /1.1", 400),
	LINE("GET / HTTP/1.x", 400),
	LINE("GET / HTTP/-1.1", 400),
	LINE("GET / http/1.1", 400),
	LINE("GET / HTTPS/1.1", 400),
	LINE("GET / XHTTP/1.1", 400),
	LINE("GET / ICY", 400),
	/* line ends */
	{ OCTETS("GET / HTTP/1.1\nHost: a.test\n\n"), 400 },
	{ OCTETS("GET / HTTP/1.1\nHost: a.test\r\n\r\n"), 400 },
	{ OCTETS("GET / HTTP/1.1\r\nX-F: 1\nHost: a.test\r\n\r\n"), 400 },
	{ OCTETS("GET / HTTP/1.1\r\nHost: a.test\n\r\n"), 400 },
	{ OCTETS("GET / HTTP/1.1\r\nHost: a.test\r\n\n"), 400 },
	{ OCTETS("GET / HTTP/1.1\r\nHost: a.test\n\n"), 400 },
	{ OCTETS("GET / HTTP/1.0\n\n"), 400 },
	{ OCTETS("\r\n"), 400 },
	{ OCTETS("\n"), 400 },
	FIELD("X-F: a\rb", 400),
	FIELD("X-F: a\r", 400),
	FIELD("X-F: a\r\r", 400),
	FIELD("\rX-F: a", 400),
	FIELD("X-F: y\nTransfer-Encoding: chunked", 400),
	FIELD("X-F: y\rTransfer-Encoding: chunked", 400),
	/* field lines */
	FIELD("X-F: a\0b", 400),
	FIELD("X-F: a\x01", 400),
	FIELD("X-F: \x0b", 400),
	FIELD("X-F: a\x7f", 400),
	FIELD("X-F: a\x1b[31m", 400),
	FIELD("X-F: 0123456789abcdef0123456789abcde\x1f", 400),
	FIELD("X-F: a\r\n b", 400),
	FIELD("X-F: a\r\n\tb", 400),
	FIELD("X-F: a\r\n ", 400),
	FIELD("X-F:\r\n a", 400),
	{ OCTETS("GET / HTTP/1.1\r\n X-F: a\r\n" H "\r\n"), 400 },
	{ OCTETS("GET / HTTP/1.1\r\n\tX-F: a\r\n" H "\r\n"), 400 },
	{ OCTETS("GET / HTTP/1.1\r\n \r\n" H "\r\n"), 400 },
	FIELD("X-F : a", 400),
	FIELD("X-F\t: a", 400),
	FIELD("X F: a", 400),
	FIELD("nonsense", 400),
	FIELD(": value", 400),
	FIELD(":", 400),
	FIELD("X(F): a", 400),
	FIELD("X/F: a", 400),
	FIELD("\"X\": a", 400),
	FIELD("X@F: a", 400),
	FIELD("X-F\x85: a", 400),
	FIELD("X-F\0: a", 400),
	FIELD("Transfer-Encoding\0: chunked", 400),
	FIELD("Transfer-Encoding : chunked", 400),
	FIELD("Transfer-Encoding\t: chunked", 400),
	FIELD("Transfer Encoding: chunked", 400),
	FIELD("Transfer-Encoding:\r\n chunked", 400),
	FIELD("Transfer-Encoding: \x0b"
	      "chunked",
		400),
	FIELD("Transfer-Encoding: chunked\0", 400),
	FIELD("Transfer-Encoding: chunked\r", 400),
	FIELD("Content-Length : 5", 400),
	FIELD("Content-Length: \x0b"
	      "5",
		400),
	FIELD("Content-Length:\r\n 5", 400),
	/* spelt almost like framing */
	FIELD("Transfer_Encoding: chunked", 400),
	FIELD("transfer.encoding: chunked", 400),
	FIELD("TransferEncoding: chunked", 400),
	FIELD("Transfer--Encoding: chunked", 400),
	FIELD("Transfer-Encoding-: chunked", 400),
	FIELD("-Transfer-Encoding: chunked", 400),
	FIELD("Transfer-Encoding1: chunked", 400),
	FIELD("Content_Length: 5", 400),
	FIELD("CONTENTLENGTH: 5", 400),
	FIELD("_Content-Length: 5", 400),
	FIELD("Content-Length_: 5", 400),
	FIELD("Con-tent-Length: 5", 400),
	/* Host */
	{ OCTETS("GET / HTTP/1.1\r\n\r\n"), 400 },
	{ OCTETS("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"), 400 },
	{ OCTETS("GET http://a.test/ HTTP/1.1\r\n\r\n"), 400 },
	{ OCTETS("GET http://a.test/ HTTP/1.1\r\nHost: b b\r\n\r\n"), 400 },
	{ OCTETS("GET / HTTP/1.0\r\n" H H "\r\n"), 400 },
	FIELD("Host: a.test", 400),
	FIELD("host: evil.test", 400),
	FIELD("HOST:", 400),
	HOST("a test", 400),
	HOST("a.test, b.test", 400),
	HOST("a.test,b.test", 400),
	HOST("a.test/x", 400),
	HOST("a.test?x", 400),
	HOST("a.test#x", 400),
	HOST("a@b", 400),
	HOST("http://a.test", 400),
	HOST("a.test:80a", 400),
	HOST("a.test:-1", 400),
	HOST("a.test:65536", 400),
	HOST("a.test:000080", 400),
	HOST("a.test:80:80", 400),
	HOST(":80", 400),
	HOST("::1", 400),
	HOST("[::1", 400),
	HOST("::1]", 400),
	HOST("[]", 400),
	HOST("[::1]x", 400),
	HOST("[::1%25eth0]", 400),
	HOST("[v1.x]", 400),
	HOST("[1.2.3.4]", 400),
	HOST("[::1]:8x", 400),
	HOST("[0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0]", 400),
	HOST("a%", 400),
	HOST("a%4", 400),
	HOST("a%zz", 400),
	HOST("a\\b", 400),
	HOST("a\"b", 400),
	HOST("<a>", 400),
	HOST("caf\xe9", 400),
	HOST("a\tb", 400),
};

START_TEST(hostile_requests_are_refused)
{
	const struct bad *r = &bads[_i];
	struct guarded g;
	size_t n = end_of_head(r->in);
	int status;

	/* The parser sees what the caller would give it: as far as the first empty line. */
	ck_assert_uint_gt(n, 0);
	status = parse((struct span){ r->in.p, n }, &g, MAX_FIELDS);
	ck_assert_msg(status == r->status, "%d, not %d: %s", status, r->status, r->in.p);
	guarded_free(&g);
}
END_TEST

/* No caller hands such over, but it must not be taken for a whole one, nor read behind its end. */
START_TEST(a_head_cut_anywhere_is_refused)
{
	const struct good *r = &goods[_i];
	struct guarded g;

	for (size_t n = 0; n < r->in.n; n++) {
		ck_assert_int_ne(parse((struct span){ r->in.p, n }, &g, MAX_FIELDS), 0);
		guarded_free(&g);
	}
}
END_TEST

/* A NUL that comes early is answered with 400 before the end of the head is known. */
START_TEST(the_status_does_not_depend_on_how_much_has_come)
{
	static const struct span heads[] = {
		OCTETS("GET / HTTP/2.0\r\nX: \0\r\n\r\n"),
		OCTETS("CONNECT a:80 HTTP/1.1\r\nHost: a\0\r\n\r\n"),
		OCTETS("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\nE: \0\r\n\r\n"),
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		struct guarded g;

		ck_assert(parse_request_is_hopeless(heads[i].p, heads[i].n - 4, 0));
		ck_assert_int_eq(parse(heads[i], &g, 2), 400);
		guarded_free(&g);
	}
}
END_TEST

START_TEST(only_an_absolute_form_asks_for_https)
{
	static const struct {
		struct span in;
		bool https;
	} table[] = {
		{ OCTETS("GET https://a/ HTTP/1.1\r\n" H "\r\n"), true },
		{ OCTETS("GET http://a/ HTTP/1.1\r\n" H "\r\n"), false },
		{ OCTETS("GET HttpS://a HTTP/1.1\r\n" H "\r\n"), true },
		{ OCTETS("GET /https://a/ HTTP/1.1\r\n" H "\r\n"), false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct guarded g;

		ck_assert_int_eq(parse(table[i].in, &g, MAX_FIELDS), 0);
		ck_assert_msg(h->https == table[i].https, "row %zu", i);
		guarded_free(&g);
	}
}
END_TEST

START_TEST(octets_behind_the_head_are_refused)
{
	struct guarded g;

	ck_assert_int_eq(parse((struct span)REQUEST("\r\n"), &g, MAX_FIELDS), 400);
	guarded_free(&g);
	ck_assert_int_eq(parse((struct span)REQUEST("\r\nX: y\r\n"), &g, MAX_FIELDS), 400);
	guarded_free(&g);
}
END_TEST

START_TEST(any_control_octet_anywhere_is_refused_or_harmless)
{
	static const char good[] = "GET /path HTTP/1.1\r\nHost: a.test\r\nX-F: value of it\r\n\r\n";
	char in[sizeof(good)];
	struct guarded g;

	for (size_t at = 0; at < sizeof(good) - 1; at++) {
		for (int octet = 0; octet < 33; octet++) {
			bool blank = octet == ' ' || octet == '\t';

			memcpy(in, good, sizeof(good));
			in[at] = (char)octet;
			if (blank || in[at] == good[at])
				continue;
			ck_assert_int_eq(
				parse((struct span){ in, sizeof(good) - 1 }, &g, MAX_FIELDS), 400);
			guarded_free(&g);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("parse_request");
	TCase *tc = tcase_create("parse_request");
	int n_goods = sizeof(goods) / sizeof(*goods), n_bads = sizeof(bads) / sizeof(*bads);

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, good_requests_are_understood, 0, n_goods);
	tcase_add_loop_test(tc, a_head_cut_anywhere_is_refused, 0, n_goods);
	tcase_add_loop_test(tc, hostile_requests_are_refused, 0, n_bads);
	tcase_add_test(tc, the_status_does_not_depend_on_how_much_has_come);
	tcase_add_test(tc, only_an_absolute_form_asks_for_https);
	tcase_add_test(tc, octets_behind_the_head_are_refused);
	tcase_add_test(tc, any_control_octet_anywhere_is_refused_or_harmless);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
