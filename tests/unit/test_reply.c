/*
 * Our own answers: valid, with a true length, and never half of one.
 */
#include "harness.h"

#include "ballast/base/clock.h"
#include "ballast/http/framing.h"
#include "ballast/http/reply.h"
#include "heads.h"

static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";

struct row {
	struct reply reply;
	const char *want;
};

static const struct row rows[] = {
	{ { .status = 400, .close = true, .date = date, .extra = "" },
		"HTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		"Content-Type: text/plain\r\nContent-Length: 16\r\nConnection: close\r\n\r\n400 "
		"Bad Request\n" },
	{ { .status = 429, .date = date, .extra = "Retry-After: 1\r\nRateLimit-Limit: 10\r\n" },
		"HTTP/1.1 429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		"Content-Type: text/plain\r\nContent-Length: 22\r\nRetry-After: 1\r\n"
		"RateLimit-Limit: 10\r\n\r\n429 Too Many Requests\n" },
	{ { .status = 503, .head_only = true, .date = date },
		"HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		"Content-Type: text/plain\r\nContent-Length: 24\r\n\r\n" },
	{ { .status = 200, .body = "{}", .content_type = "application/json" },
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
		"2\r\n\r\n{}" },
	{ { .status = 200, .body = "" },
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n" },
	{ { .status = 204, .date = date },
		"HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n" },
	{ { .status = 304, .body = "x" }, "HTTP/1.1 304 Not Modified\r\n\r\n" },
	{ { .status = 100 }, "HTTP/1.1 100 Continue\r\n\r\n" },
	{ { .status = 599 }, "HTTP/1.1 599 Unknown\r\nContent-Type: text/plain\r\nContent-Length: "
			     "12\r\n\r\n599 Unknown\n" },
};

START_TEST(answers_are_written_as_they_should_be)
{
	const struct row *r = &rows[_i];
	char out[REPLY_MAX + 1];
	size_t n = reply_write(out, REPLY_MAX, &r->reply);

	ck_assert_uint_eq(n, strlen(r->want));
	out[n] = '\0';
	ck_assert_str_eq(out, r->want);
}
END_TEST

START_TEST(an_answer_fits_whole_or_not_at_all)
{
	const struct row *r = &rows[_i];
	size_t n = strlen(r->want);

	for (size_t cap = 0; cap <= n + 1; cap++) {
		struct guarded g = guarded_copy(r->want, cap <= n ? cap : n);
		size_t room = cap <= n ? cap : n;

		ck_assert_uint_eq(reply_write(g.p, room, &r->reply), room == n ? n : 0);
		guarded_free(&g);
	}
}
END_TEST

START_TEST(answers_are_understood_by_our_own_parser)
{
	const struct row *r = &rows[_i];
	struct head *h = head_new();
	char out[REPLY_MAX];
	size_t n = reply_write(out, sizeof(out), &r->reply), scanned = 0;
	size_t head = parse_end_of_head(out, n, &scanned);
	enum method method = r->reply.head_only ? METHOD_HEAD : METHOD_GET;
	struct framing f;

	ck_assert_int_eq(parse_response(h, out, head, 100), 0);
	ck_assert_int_eq(h->status, r->reply.status);
	ck_assert_int_eq(framing_response(h, method, &f), 0);
	if (f.kind == BODY_NONE)
		ck_assert_uint_eq(n, head);
	else
		ck_assert_uint_eq(f.length, n - head);
	free(h);
}
END_TEST

START_TEST(every_status_fits_with_half_a_kib_of_fields)
{
	char extra[512], out[REPLY_MAX];

	ck_assert_uint_eq(strlen(date), CLOCK_DATE_LEN);
	memset(extra, 'x', sizeof(extra));
	memcpy(extra + sizeof(extra) - 3, "\r\n", 3);
	for (int status = 100; status < 600; status++) {
		struct reply r = { .status = status, .close = true, .date = date, .extra = extra };

		ck_assert_uint_gt(reply_write(out, sizeof(out), &r), 0);
	}
}
END_TEST

START_TEST(reasons_are_known_or_unknown)
{
	ck_assert_str_eq(reply_reason(200), "OK");
	ck_assert_str_eq(reply_reason(414), "URI Too Long");
	ck_assert_str_eq(reply_reason(431), "Request Header Fields Too Large");
	ck_assert_str_eq(reply_reason(505), "HTTP Version Not Supported");
	ck_assert_str_eq(reply_reason(0), "Unknown");
	ck_assert_str_eq(reply_reason(418), "Unknown");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reply");
	TCase *tc = tcase_create("reply");
	int n = sizeof(rows) / sizeof(*rows);

	tcase_add_loop_test(tc, answers_are_written_as_they_should_be, 0, n);
	tcase_add_loop_test(tc, an_answer_fits_whole_or_not_at_all, 0, n);
	tcase_add_loop_test(tc, answers_are_understood_by_our_own_parser, 0, n);
	tcase_add_test(tc, every_status_fits_with_half_a_kib_of_fields);
	tcase_add_test(tc, reasons_are_known_or_unknown);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
