/*
 * Outgoing heads of requests: octet for octet what leaves for what came in, that our own
 * parser understands it in the same way, and that no input is too much for the
 * slices.
 */
#include "harness.h"

#include <stdio.h>

#include "sent.h"

struct asked {
	const char *in;
	struct forward_request fr;
	const char *want; /* up to the lines that are always the same */
	const char *tail;
};

#define ALWAYS(host)                                                                               \
	"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: " host         \
	"\r\nX-Request-Id: id-1\r\nVia: 1.1 ballast\r\n\r\n"
#define IP .client_ip = OCTETS("192.0.2.1"), .request_id = OCTETS("id-1")
#define PLAIN                                                                                      \
	{                                                                                          \
		IP                                                                                 \
	}
#define TRUSTED                                                                                    \
	{                                                                                          \
		IP, .trusted = true                                                                \
	}
#define G "GET / HTTP/1.1\r\nHost: a.test\r\n"

static const struct asked requests[] = {
	{ G "\r\n", PLAIN, G, ALWAYS("a.test") },
	{ G "User-Agent: ua\r\nAccept: */*\r\n\r\n", PLAIN, G "User-Agent: ua\r\nAccept: */*\r\n",
		ALWAYS("a.test") },
	{ "GET / HTTP/1.1\r\nX-V: \t a  b \t \r\nhOST:a.test\r\nX-E:\r\n\r\n", PLAIN,
		"GET / HTTP/1.1\r\nX-V: \t a  b \t \r\nhOST:a.test\r\nX-E:\r\n", ALWAYS("a.test") },
	/* the request line and the host */
	{ "GET http://b.test/x?y HTTP/1.1\r\nHost: a.test\r\nA: b\r\n\r\n", PLAIN,
		"GET /x?y HTTP/1.1\r\nHost: b.test\r\nA: b\r\n", ALWAYS("b.test") },
	{ "GET http://a.test/x HTTP/1.1\r\nA: b\r\nHost: a.test\r\n\r\n", PLAIN,
		"GET /x HTTP/1.1\r\nA: b\r\nHost: a.test\r\n", ALWAYS("a.test") },
	{ "GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", PLAIN,
		"GET / HTTP/1.1\r\nHost: a.test\r\n", ALWAYS("a.test") },
	{ "GET http://a.test?q HTTP/1.1\r\nHost: a.test\r\n\r\n", PLAIN,
		"GET /?q HTTP/1.1\r\nHost: a.test\r\n", ALWAYS("a.test") },
	{ "OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", PLAIN,
		"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n", ALWAYS("a.test") },
	{ "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", PLAIN,
		"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n", ALWAYS("a.test") },
	{ "GET /x HTTP/1.7\r\nHost: a.test\r\n\r\n", PLAIN, "GET /x HTTP/1.1\r\nHost: a.test\r\n",
		ALWAYS("a.test") },
	{ "GET /x HTTP/1.0\r\nHost: a.test\r\n\r\n", PLAIN, "GET /x HTTP/1.1\r\nHost: a.test\r\n",
		"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: "
		"a.test\r\n"
		"X-Request-Id: id-1\r\nVia: 1.0 ballast\r\n\r\n" },
	{ "GET /x HTTP/1.0\r\nExpect: 100-continue\r\nA: b\r\n\r\n", PLAIN,
		"GET /x HTTP/1.1\r\nHost: \r\nA: b\r\n",
		"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Request-Id: id-1\r\n"
		"Via: 1.0 ballast\r\n\r\n" },
	{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", PLAIN, "GET / HTTP/1.1\r\nHost:\r\n",
		"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Request-Id: id-1\r\n"
		"Via: 1.1 ballast\r\n\r\n" },
	{ "GET /x HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n", PLAIN,
		"GET /x HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n", ALWAYS("a.test") },
	/* bodies */
	{ "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n", PLAIN,
		"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n", ALWAYS("a.test") },
	{ "POST / HTTP/1.1\r\nHost: a.test\r\ncontent-length:  0010 \r\n\r\n", PLAIN,
		"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10 \r\n", ALWAYS("a.test") },
	{ "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 000\r\n\r\n", PLAIN,
		"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n", ALWAYS("a.test") },
	{ "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n",
		PLAIN,
		"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n",
		ALWAYS("a.test") },
	/* hop by hop */
	{ G "Connection: X-Hop\r\nX-Hop: 1\r\nX-Keep: k\r\n\r\n", PLAIN, G "X-Keep: k\r\n",
		ALWAYS("a.test") },
	{ G "X-A: 1\r\nConnection: keep-alive,x-a ,, X-B\r\nX-B: 2\r\nConnection:x-c\r\nX-C: "
	    "3\r\nX-D: d\r\n\r\n",
		PLAIN, G "X-D: d\r\n", ALWAYS("a.test") },
	{ "POST / HTTP/1.1\r\nTE: x\r\nA: 1\r\nB: 2\r\nX-Hop: 1\r\nHost: a.test\r\n"
	  "Content-Length: 007\r\nKeep-Alive: 1\r\nProxy: 1\r\nC: 3\r\nConnection: x-hop\r\n"
	  "D: 4\r\nE: 5\r\nX-HOP:\r\n\r\n",
		PLAIN,
		"POST / HTTP/1.1\r\nA: 1\r\nB: 2\r\nHost: a.test\r\nContent-Length: 7\r\nC: 3\r\n"
		"D: 4\r\nE: 5\r\n",
		ALWAYS("a.test") },
	{ G "Connection: close\r\nClose: 1\r\nA: b\r\n\r\n", PLAIN, G "Close: 1\r\nA: b\r\n",
		ALWAYS("a.test") },
	{ G "Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nProxy-Authorization: Basic x\r\nTE: "
	    "trailers\r\n"
	    "Upgrade: websocket\r\nHTTP2-Settings: A\r\nProxy: http://evil\r\nA: b\r\n\r\n",
		PLAIN, G "A: b\r\n", ALWAYS("a.test") },
	{ G "Connection: TE, Trailer, Via, Cookie\r\nTE: gzip\r\nTrailer: x\r\nVia: 1.1 "
	    "x\r\nCookie: c\r\nA: b\r\n\r\n",
		PLAIN, G "A: b\r\n", ALWAYS("a.test") },
	{ "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Host, Content-Length\r\nContent-Length: "
	  "5\r\n\r\n",
		PLAIN, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n",
		ALWAYS("a.test") },
	{ "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: transfer-encoding\r\nTransfer-Encoding: "
	  "chunked\r\n\r\n",
		PLAIN, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n",
		ALWAYS("a.test") },
	{ G "Connection: \"X-A\", X A, @\r\nX-A: 1\r\n\r\n", PLAIN, G "X-A: 1\r\n",
		ALWAYS("a.test") },
	{ G "Connection:\r\nA: b\r\n\r\n", PLAIN, G "A: b\r\n", ALWAYS("a.test") },
	{ G "A: b\r\n\r\n", { IP, .close = true }, G "A: b\r\nConnection: close\r\n",
		ALWAYS("a.test") },
	{ G "Connection: Upgrade, X-A\r\nX-A: 1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: "
	    "k\r\n\r\n",
		{ IP, .upgrade = true },
		G "Upgrade: websocket\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\n",
		ALWAYS("a.test") },
	{ G "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		{ IP, .upgrade = true, .close = true },
		G "Upgrade: websocket\r\nConnection: close, Upgrade\r\n", ALWAYS("a.test") },
	/* the client's address and what else it says of itself */
	{ G "X-Forwarded-For: 203.0.113.9\r\n\r\n", PLAIN, G,
		"X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
		"X-Forwarded-Host: a.test\r\nX-Request-Id: id-1\r\nVia: 1.1 ballast\r\n\r\n" },
	{ G "X-Forwarded-For: 1, 2 \r\nA: b\r\nx-forwarded-for:\r\nx-forwarded-for: 3\r\n\r\n",
		TRUSTED, G "A: b\r\n",
		"X-Forwarded-For: 1, 2, 3, 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
		"X-Forwarded-Host: a.test\r\nX-Request-Id: id-1\r\nVia: 1.1 ballast\r\n\r\n" },
	{ G "X-Forwarded-For:\r\n\r\n", PLAIN, G, ALWAYS("a.test") },
	{ G "X-Forwarded-For: 1\r\nConnection: X-Forwarded-For, X-Request-Id\r\nX-Request-Id: "
	    "q\r\n\r\n",
		TRUSTED, G, ALWAYS("a.test") },
	{ G "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Request-Id: "
	    "theirs\r\nForwarded: for=x\r\n"
	    "X-Real-IP: 1\r\n\r\n",
		PLAIN, G, ALWAYS("a.test") },
	{ G "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Request-Id: theirs\r\nForwarded: "
	    "for=x\r\n"
	    "X-Real-IP: 1\r\n\r\n",
		TRUSTED,
		G "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Request-Id: "
		  "theirs\r\nForwarded: for=x\r\n"
		  "X-Real-IP: 1\r\n",
		"X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 ballast\r\n\r\n" },
	{ G "X_Forwarded_For: 1\r\nX_Real_IP: 1\r\nX_Y: 1\r\n\r\n", PLAIN, G "X_Y: 1\r\n",
		ALWAYS("a.test") },
	{ G "X-Forwarded-For: 1\r\n\r\n", { .request_id = OCTETS("") }, G,
		"X-Forwarded-For: 1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.test\r\n"
		"Via: 1.1 ballast\r\n\r\n" },
	{ G "\r\n", { .trusted = false }, G,
		"X-Forwarded-Proto: http\r\nX-Forwarded-Host: a.test\r\nVia: 1.1 ballast\r\n\r\n" },
	{ G "Via: 1.0 fred\r\n\r\n", PLAIN, G "Via: 1.0 fred\r\n", ALWAYS("a.test") },
	/* Max-Forwards */
	{ G "Max-Forwards: 3\r\n\r\n", PLAIN, G "Max-Forwards: 3\r\n", ALWAYS("a.test") },
	{ "TRACE / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 10\r\nA: b\r\n\r\n", PLAIN,
		"TRACE / HTTP/1.1\r\nHost: a.test\r\nA: b\r\nMax-Forwards: 9\r\n",
		ALWAYS("a.test") },
	{ "OPTIONS * HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 7\r\nMax-Forwards: 001\r\n\r\n",
		PLAIN, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n",
		ALWAYS("a.test") },
	{ "OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 99999999999999999999\r\n\r\n", PLAIN,
		"OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 999999998\r\n",
		ALWAYS("a.test") },
	{ "OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: -1\r\nMax-Forwards: x\r\n\r\n",
		PLAIN, "OPTIONS / HTTP/1.1\r\nHost: a.test\r\n", ALWAYS("a.test") },
};

START_TEST(a_request_leaves_as_it_should)
{
	const struct asked *r = &requests[_i];
	char want[2048];

	ck_assert_msg(parse_request(h, r->in, strlen(r->in), 100) == 0, "refused: %s", r->in);
	head_write_request(s, h, &r->fr);
	gather();
	snprintf(want, sizeof(want), "%s%s", r->want, r->tail);
	ck_assert_str_eq(out, want);
}
END_TEST

START_TEST(a_forwarded_request_means_the_same)
{
	const struct asked *r = &requests[_i];
	struct framing f, f_again;
	size_t scanned = 0;

	ck_assert_int_eq(parse_request(h, r->in, strlen(r->in), 100), 0);
	head_write_request(s, h, &r->fr);
	gather();
	ck_assert_uint_eq(parse_end_of_head(out, out_n, &scanned), out_n);
	ck_assert_msg(parse_request(again, out, out_n, 100) == 0, "refused: %s", out);
	ck_assert(span_eq(again->method_text, h->method_text));
	ck_assert(span_eq(again->host, h->host));
	ck_assert_int_eq(again->minor, 1);
	if (h->path.p[0] != '?')
		ck_assert(span_eq(again->path, h->path));
	ck_assert_int_eq(framing_request(h, &f), 0);
	ck_assert_int_eq(framing_request(again, &f_again), 0);
	ck_assert_int_eq(f.kind, f_again.kind);
	ck_assert_uint_eq(f.length, f_again.length);
}
END_TEST

START_TEST(an_ordinary_request_is_two_slices)
{
	static const char in[] = G "User-Agent: ua\r\nAccept: */*\r\n\r\n";
	static const struct forward_request fr = PLAIN;

	ck_assert_int_eq(parse_request(h, in, sizeof(in) - 1, 100), 0);
	head_write_request(s, h, &fr);
	ck_assert_int_eq(s->n, 2);
	ck_assert_ptr_eq(s->v[0].iov_base, in);
}
END_TEST

START_TEST(persistence_follows_version_and_connection)
{
	static const struct {
		const char *version, *fields;
		bool keeps;
	} table[] = {
		{ "1.1", "", true },
		{ "1.0", "", false },
		{ "1.1", "Connection: close\r\n", false },
		{ "1.1", "Connection: x, CLOSE\r\n", false },
		{ "1.1", "Connection: keep-alive\r\nConnection: close\r\n", false },
		{ "1.1", "Connection: keep-alive\r\n", true },
		{ "1.1", "Connection: closed\r\n", true },
		{ "1.1", "Proxy-Connection: close\r\n", true },
		{ "1.0", "Connection: Keep-Alive\r\n", true },
		{ "1.0", "Connection: keep-alive, close\r\n", false },
		{ "1.0", "Proxy-Connection: keep-alive\r\n", false },
		{ "1.0", "Keep-Alive: 300\r\n", false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char in[256];
		int n = snprintf(in, sizeof(in), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n",
			table[i].version, table[i].fields);

		ck_assert_int_eq(parse_request(h, in, (size_t)n, 100), 0);
		ck_assert_msg(head_keeps_alive(h) == table[i].keeps, "row %zu", i);
	}
}
END_TEST

START_TEST(an_upgrade_is_asked_for_by_both_fields_and_is_not_http)
{
	static const struct {
		const char *version, *fields;
		bool wants;
	} table[] = {
		{ "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true },
		{ "1.1", "Connection: keep-alive, upgrade\r\nUpgrade: x/1, y\r\n", true },
		{ "1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", false },
		{ "1.1", "Upgrade: websocket\r\n", false },
		{ "1.1", "Connection: Upgrade\r\n", false },
		{ "1.1", "Connection: close\r\nUpgrade: websocket\r\n", false },
		{ "1.1", "Connection: Upgrade\r\nUpgrade:\r\n", false },
		{ "1.1", "Connection: Upgrade\r\nUpgrade: , ,\r\n", false },
		{ "1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", false },
		{ "1.1", "Connection: Upgrade\r\nUpgrade: H2C/2\r\n", false },
		{ "1.1", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", false },
		{ "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", false },
		{ "1.1", "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n", false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char in[256];
		int n = snprintf(in, sizeof(in), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n",
			table[i].version, table[i].fields);

		ck_assert_int_eq(parse_request(h, in, (size_t)n, 100), 0);
		ck_assert_msg(head_wants_upgrade(h) == table[i].wants, "row %zu", i);
	}
}
END_TEST

START_TEST(a_101_is_believed_when_it_names_a_protocol_that_is_not_http)
{
	static const struct {
		const char *fields;
		bool agrees;
	} table[] = {
		{ "Connection: Upgrade\r\nUpgrade: websocket\r\n", true },
		{ "Upgrade: x/1\r\n", true },
		{ "Connection: Upgrade\r\n", false },
		{ "Upgrade:\r\n", false },
		{ "Upgrade: h2c\r\n", false },
		{ "Upgrade: websocket\r\nUpgrade: HTTP/2.0\r\n", false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char in[256];
		int n = snprintf(in, sizeof(in), "HTTP/1.1 101 S\r\n%s\r\n", table[i].fields);

		ck_assert_int_eq(parse_response(h, in, (size_t)n, 100), 0);
		ck_assert_msg(head_agrees_upgrade(h) == table[i].agrees, "row %zu", i);
	}
}
END_TEST

START_TEST(names_in_connection_bar_trailers_unless_they_never_are_any)
{
	static const struct {
		const char *fields;
		bool bars;
	} table[] = {
		{ "", false },
		{ "Connection: close\r\n", false },
		{ "Connection: Close, keep-alive, TE, , Upgrade\r\n", false },
		{ "Connection: Host, Content-Length, Via\r\n", false },
		{ "Connection: X-Hop\r\n", true },
		{ "Connection: close, x\r\n", true },
		{ "Connection: close\r\nConnection: User-Agent\r\n", true },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char in[256];
		int n = snprintf(
			in, sizeof(in), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", table[i].fields);

		ck_assert_int_eq(parse_request(h, in, (size_t)n, 100), 0);
		ck_assert_msg(head_bars_trailers(h) == table[i].bars, "row %zu", i);
	}
}
END_TEST

START_TEST(max_forwards_0_ends_here_for_options_and_trace)
{
	static const struct {
		const char *method, *fields;
		bool ends;
	} table[] = {
		{ "OPTIONS", "Max-Forwards: 0\r\n", true },
		{ "TRACE", "Max-Forwards: 00\r\n", true },
		{ "OPTIONS", "Max-Forwards: 5\r\nMax-Forwards: 0\r\n", true },
		{ "OPTIONS", "Max-Forwards: 1\r\n", false },
		{ "OPTIONS", "", false },
		{ "OPTIONS", "Max-Forwards:\r\n", false },
		{ "OPTIONS", "Max-Forwards: -0\r\n", false },
		{ "GET", "Max-Forwards: 0\r\n", false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char in[256];
		int n = snprintf(in, sizeof(in), "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n",
			table[i].method, table[i].fields);

		ck_assert_int_eq(parse_request(h, in, (size_t)n, 100), 0);
		ck_assert_msg(head_ends_here(h) == table[i].ends, "row %zu", i);
	}
}
END_TEST

/* As many fields as there may be, each costing as many slices and as much scratch as it can. */
START_TEST(no_head_is_too_much_for_the_slices)
{
	static const char *const lines[][2] = {
		{ "X-Forwarded-For: 1\r\n", "X-A: 1\r\n" },
		{ "X-Forwarded-For: 1\r\n", "X-Forwarded-For: 2\r\n" },
		{ "Keep-Alive: 1\r\n", "X-A: 1\r\n" },
		{ "Max-Forwards: 1000\r\n", "Max-Forwards: 7\r\n" },
		{ "Content-Length: 01\r\n", "Connection: x\r\n" },
	};
	static const struct forward_request fr = { IP, .upgrade = true, .close = true };
	static const struct forward_response fr_back = {
		.close = true, .upgrade = true, .chunk_it = true
	};
	static char in[64 + 1000 * 24];

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		size_t n = (size_t)sprintf(in, "OPTIONS http://b.test/ HTTP/1.0\r\n"), line = n;

		for (int k = 0; k < HEAD_FIELDS_MAX; k++)
			n += (size_t)sprintf(
				in + n, "%s", k < 120 || i != 4 ? lines[i][k % 2] : lines[i][0]);
		n += (size_t)sprintf(in + n, "\r\n");
		ck_assert_int_eq(parse_request(h, in, n, HEAD_FIELDS_MAX), 0);
		slices_reset(s);
		head_write_request(s, h, &fr);
		gather();
		memcpy(in + line - 17, "HTTP/1.0 426 OK\r\n", 17);
		ck_assert_int_eq(
			parse_response(h, in + line - 17, n - line + 17, HEAD_FIELDS_MAX), 0);
		slices_reset(s);
		head_write_response(s, h, &fr_back);
		gather();
	}
}
END_TEST

START_TEST(large_hosts_and_paths_are_not_copied)
{
	static char in[3 * 8192];
	static const struct forward_request fr = PLAIN;
	size_t n =
		(size_t)sprintf(in, "GET http://%0300d/%08000d HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0);

	ck_assert_int_eq(parse_request(h, in, n, 100), 0);
	head_write_request(s, h, &fr);
	ck_assert_uint_lt(s->used, 512);
	gather();
	ck_assert_int_eq(parse_request(again, out, out_n, 100), 0);
	ck_assert_uint_eq(again->host.n, 300);
	ck_assert_uint_eq(again->path.n, 8001);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("head");
	TCase *tc = tcase_create("head");
	int n_requests = sizeof(requests) / sizeof(*requests);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_request_leaves_as_it_should, 0, n_requests);
	tcase_add_loop_test(tc, a_forwarded_request_means_the_same, 0, n_requests);
	tcase_add_test(tc, an_ordinary_request_is_two_slices);
	tcase_add_test(tc, persistence_follows_version_and_connection);
	tcase_add_test(tc, an_upgrade_is_asked_for_by_both_fields_and_is_not_http);
	tcase_add_test(tc, a_101_is_believed_when_it_names_a_protocol_that_is_not_http);
	tcase_add_test(tc, names_in_connection_bar_trailers_unless_they_never_are_any);
	tcase_add_test(tc, max_forwards_0_ends_here_for_options_and_trace);
	tcase_add_test(tc, no_head_is_too_much_for_the_slices);
	tcase_add_test(tc, large_hosts_and_paths_are_not_copied);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
