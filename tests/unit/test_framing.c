/*
 * The judge of framing: what is one length, what is chunked, and that all that
 * could be read in two ways is refused.
 */
#include "harness.h"

#include <stdio.h>

#include "ballast/http/framing.h"
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

struct row {
	const char *fields;
	int request, response; /* 0, or the status of the refusal */
	enum body_kind kind;
	uint64_t length;
};

#define CL "Content-Length: "
#define TE "Transfer-Encoding: "

static const struct row rows[] = {
	{ "", 0, 0, BODY_NONE, 0 },
	{ CL "0\r\n", 0, 0, BODY_LENGTH, 0 },
	{ CL "5\r\n", 0, 0, BODY_LENGTH, 5 },
	{ CL "\t 5 \t\r\n", 0, 0, BODY_LENGTH, 5 },
	{ CL "010\r\n", 0, 0, BODY_LENGTH, 10 },
	{ "content-length:999999999999999999\r\n", 0, 0, BODY_LENGTH, 999999999999999999 },
	{ TE "chunked\r\n", 0, 0, BODY_CHUNKED, 0 },
	{ "tRaNsFeR-eNcOdInG:cHuNkEd\r\n", 0, 0, BODY_CHUNKED, 0 },
	{ "Transfer-Encoding:\tchunked \t\r\n", 0, 0, BODY_CHUNKED, 0 },
	{ "Connection: Transfer-Encoding\r\n" TE "chunked\r\n", 0, 0, BODY_CHUNKED, 0 },
	{ "X-Content-Length: 5\r\n", 0, 0, BODY_NONE, 0 },
	/* lengths */
	{ CL "\r\n", 400, 502, 0, 0 },
	{ CL "5\r\n" CL "5\r\n", 400, 502, 0, 0 },
	{ CL "0\r\n" CL "5\r\n", 400, 502, 0, 0 },
	{ CL "5\r\nX: y\r\ncontent-LENGTH: 0\r\n", 400, 502, 0, 0 },
	{ CL "5, 5\r\n", 400, 502, 0, 0 },
	{ CL "0, 5\r\n", 400, 502, 0, 0 },
	{ CL "5,\r\n", 400, 502, 0, 0 },
	{ CL ",5\r\n", 400, 502, 0, 0 },
	{ CL "+5\r\n", 400, 502, 0, 0 },
	{ CL "-1\r\n", 400, 502, 0, 0 },
	{ CL "0x5\r\n", 400, 502, 0, 0 },
	{ CL "5e0\r\n", 400, 502, 0, 0 },
	{ CL "5.0\r\n", 400, 502, 0, 0 },
	{ CL "5 5\r\n", 400, 502, 0, 0 },
	{ CL "5a\r\n", 400, 502, 0, 0 },
	{ CL "5;a=b\r\n", 400, 502, 0, 0 },
	{ CL "\"5\"\r\n", 400, 502, 0, 0 },
	{ CL "five\r\n", 400, 502, 0, 0 },
	{ CL "1_000\r\n", 400, 502, 0, 0 },
	{ CL "\xb2\r\n", 400, 502, 0, 0 },
	{ CL "5\xa0\r\n", 400, 502, 0, 0 },
	{ CL "1000000000000000000\r\n", 400, 502, 0, 0 },
	{ CL "0000000000000000005\r\n", 400, 502, 0, 0 },
	{ CL "18446744073709551621\r\n", 400, 502, 0, 0 },
	{ CL "99999999999999999999999999999999999999999999999999\r\n", 400, 502, 0, 0 },
	/* codings */
	{ TE "gzip, chunked\r\n", 501, 502, 0, 0 },
	{ TE "gzip,chunked\r\n", 501, 502, 0, 0 },
	{ TE "gzip;q=1 , chunked\r\n", 501, 502, 0, 0 },
	{ TE "cow\r\n" TE "chunked\r\n", 501, 502, 0, 0 },
	{ TE "identity, chunked\r\n", 501, 502, 0, 0 },
	{ "Transfer-Encoding:\r\n", 400, 502, 0, 0 },
	{ TE ",\r\n", 400, 502, 0, 0 },
	{ TE "xchunked\r\n", 400, 502, 0, 0 },
	{ TE "chunkedx\r\n", 400, 502, 0, 0 },
	{ TE "chunk\r\n", 400, 502, 0, 0 },
	{ TE "cow\r\n", 400, 502, 0, 0 },
	{ TE "identity\r\n", 400, 502, 0, 0 },
	{ TE "\"chunked\"\r\n", 400, 502, 0, 0 },
	{ TE "'chunked'\r\n", 400, 502, 0, 0 },
	{ TE "chunked, identity\r\n", 400, 502, 0, 0 },
	{ TE "chunked, gzip\r\n", 400, 502, 0, 0 },
	{ TE "chunked, chunked\r\n", 400, 502, 0, 0 },
	{ TE "gzip, chunked, chunked\r\n", 400, 502, 0, 0 },
	{ TE "chunked\r\n" TE "chunked\r\n", 400, 502, 0, 0 },
	{ TE "chunked\r\n" TE "cow\r\n", 400, 502, 0, 0 },
	{ TE "chunked\r\n" TE "\r\n", 400, 502, 0, 0 },
	{ TE ", chunked\r\n", 400, 502, 0, 0 },
	{ TE "chunked,\r\n", 400, 502, 0, 0 },
	{ TE "chunked;q=1\r\n", 400, 502, 0, 0 },
	{ TE "chunked chunked\r\n", 400, 502, 0, 0 },
	{ TE "gzip chunked\r\n", 400, 502, 0, 0 },
	{ TE "gzip;a=\"x,y\", chunked\r\n", 400, 502, 0, 0 },
	{ TE "g/zip, chunked\r\n", 400, 502, 0, 0 },
	{ TE "\xa0"
	     "chunked\r\n",
		400, 502, 0, 0 },
	{ TE "chunked\xa0\r\n", 400, 502, 0, 0 },
	/* both */
	{ CL "5\r\n" TE "chunked\r\n", 400, 502, 0, 0 },
	{ TE "chunked\r\n" CL "5\r\n", 400, 502, 0, 0 },
	{ CL "0\r\n" TE "identity\r\n", 400, 502, 0, 0 },
	{ CL "5\r\n" TE "gzip, chunked\r\n", 400, 502, 0, 0 },
	{ "Content-Length:\r\n" TE "chunked\r\n", 400, 502, 0, 0 },
	{ CL "5\r\n"
	     "Transfer-Encoding:\r\n",
		400, 502, 0, 0 },
};

static void
request(const char *fields, const char *version)
{
	static char in[512];
	int n = snprintf(in, sizeof(in), "POST / HTTP/%s\r\nHost: a\r\n%s\r\n", version, fields);

	ck_assert_msg(parse_request(h, in, (size_t)n, MAX_FIELDS) == 0, "%s", fields);
}

static void
response(int status, const char *fields, const char *version)
{
	static char in[512];
	int n = snprintf(in, sizeof(in), "HTTP/%s %d x\r\n%s\r\n", version, status, fields);

	ck_assert_msg(parse_response(h, in, (size_t)n, MAX_FIELDS) == 0, "%s", fields);
}

START_TEST(a_request_has_one_framing_or_is_refused)
{
	const struct row *r = &rows[_i];
	struct framing f;

	request(r->fields, "1.1");
	ck_assert_msg(framing_request(h, &f) == r->request, "%s", r->fields);
	if (r->request != 0)
		return;
	ck_assert_int_eq(f.kind, r->kind);
	ck_assert_uint_eq(f.length, r->length);
}
END_TEST

START_TEST(a_response_has_one_framing_or_is_refused)
{
	const struct row *r = &rows[_i];
	struct framing f;

	response(200, r->fields, "1.1");
	ck_assert_msg(framing_response(h, METHOD_GET, &f) == r->response, "%s", r->fields);
	if (r->response != 0)
		return;
	ck_assert_int_eq(f.kind, r->kind == BODY_NONE ? BODY_UNTIL_CLOSE : r->kind);
	ck_assert_uint_eq(f.length, r->length);
}
END_TEST

START_TEST(bodyless_responses_are_judged_as_strictly)
{
	const struct row *r = &rows[_i];
	static const struct {
		int status;
		enum method method;
	} bodyless[] = { { 200, METHOD_HEAD }, { 204, METHOD_GET }, { 304, METHOD_GET },
		{ 103, METHOD_GET } };

	for (size_t i = 0; i < sizeof(bodyless) / sizeof(*bodyless); i++) {
		struct framing f;

		response(bodyless[i].status, r->fields, "1.1");
		ck_assert_int_eq(framing_response(h, bodyless[i].method, &f), r->response);
		if (r->response == 0)
			ck_assert_int_eq(f.kind, BODY_NONE);
	}
}
END_TEST

START_TEST(http_1_0_knows_no_transfer_coding)
{
	struct framing f;

	request(TE "chunked\r\n", "1.0");
	ck_assert_int_eq(framing_request(h, &f), 400);
	request(TE "gzip, chunked\r\n", "1.0");
	ck_assert_int_eq(framing_request(h, &f), 400);
	response(200, TE "chunked\r\n", "1.0");
	ck_assert_int_eq(framing_response(h, METHOD_GET, &f), 502);
	request(CL "5\r\n", "1.0");
	ck_assert_int_eq(framing_request(h, &f), 0);
	ck_assert_int_eq(f.kind, BODY_LENGTH);
}
END_TEST

START_TEST(a_trailer_section_frames_nothing)
{
	request("X: y\r\n", "1.1");
	ck_assert_int_eq(framing_trailers(h), 0);
	request(CL "5\r\n", "1.1");
	ck_assert_int_eq(framing_trailers(h), 400);
	request(TE "chunked\r\n", "1.1");
	ck_assert_int_eq(framing_trailers(h), 400);
}
END_TEST

START_TEST(switching_protocols_opens_a_tunnel)
{
	struct framing f;

	response(101, "Upgrade: websocket\r\n", "1.1");
	ck_assert_int_eq(framing_response(h, METHOD_GET, &f), 0);
	ck_assert_int_eq(f.kind, BODY_TUNNEL);
	response(101, CL "5\r\n", "1.1");
	ck_assert_int_eq(framing_response(h, METHOD_GET, &f), 0);
	ck_assert_int_eq(f.kind, BODY_TUNNEL);
	ck_assert_uint_eq(f.length, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("framing");
	TCase *tc = tcase_create("framing");
	int n = sizeof(rows) / sizeof(*rows);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_request_has_one_framing_or_is_refused, 0, n);
	tcase_add_loop_test(tc, a_response_has_one_framing_or_is_refused, 0, n);
	tcase_add_loop_test(tc, bodyless_responses_are_judged_as_strictly, 0, n);
	tcase_add_test(tc, http_1_0_knows_no_transfer_coding);
	tcase_add_test(tc, a_trailer_section_frames_nothing);
	tcase_add_test(tc, switching_protocols_opens_a_tunnel);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
