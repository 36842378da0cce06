/*
 * The lines of the access log: each is what printf would write, at the edges of
 * every number and of every length.
 */
#include "access_log_world.h"

#include <stdio.h>
#include <time.h>

#include "../../src/proxy/decimal.h"
#include "ballast/base/log.h"
#include "harness.h"

static double
seconds_between(uint64_t from, uint64_t to)
{
	return from != 0 && to > from ? (double)(to - from) / 1e6 : 0.0;
}

static const char *
escaped(const char *text, size_t n)
{
	static char out[8][6 * NOTE_URI + 1];
	static unsigned next;
	char *at = out[next++ % N(out)];

	at[log_escape_json(at, 6 * NOTE_URI, text, n)] = '\0';
	return at;
}

static const char *
expected_json(void)
{
	static char line[LOG_LINE_MAX];
	const struct exchange *x = &exchange;
	static const struct note none;
	const struct note *n = x->note != NULL ? x->note : &none;
	uint64_t wall = proxy_wall_us(&proxy);
	char ip[IP_TEXT];

	ip_text(&x->ip, ip);
	snprintf(line, sizeof(line),
		"{\"ts\":%llu.%06llu,\"request_id\":\"%s\",\"client_ip\":\"%s\",\"client_port\":%u,"
		"\"method\":\"%s\",\"host\":\"%s\",\"uri\":\"%s\",\"proto\":\"HTTP/"
		"1.%u\",\"status\":%d,"
		"\"bytes_in\":%llu,\"bytes_out\":%llu,\"backend\":\"%s\",\"attempts\":%u,"
		"\"t_total\":%.6f,\"t_connect\":%.6f,\"t_first_byte\":%.6f,\"flags\":\"%s\","
		"\"worker\":%u,\"user_agent\":\"%s\",\"referer\":\"%s\"}\n",
		(unsigned long long)(wall / 1000000), (unsigned long long)(wall % 1000000),
		n->request_id.n > 0 ? escaped(n->request_id.text, n->request_id.n)
				    : escaped(x->request_id, sizeof(x->request_id)),
		ip, client.port, escaped(n->method.text, n->method.n),
		escaped(n->host.text, n->host.n), escaped(n->uri, n->uri_n), x->minor, x->status,
		(unsigned long long)(x->bytes_in + x->up.bytes), (unsigned long long)x->bytes_out,
		x->attempts > 0 ? targets[x->target].url : "none", x->attempts,
		seconds_between(x->t_start, proxy.now_us),
		seconds_between(x->t_picked, x->t_connected),
		seconds_between(x->t_start, x->t_first_byte),
		failure_row((enum failure)x->failure)->flag, atomic_load(&slot.number),
		escaped(n->user_agent.text, n->user_agent.n),
		escaped(n->referer.text, n->referer.n));
	return line;
}

START_TEST(a_json_line_is_what_printf_would_write)
{
	static const uint64_t edges[] = { 1, 9, 10, 99, 100, 999, 1000, 999999, 1000000, 1000001,
		59999999, UINT64_C(3600000000), UINT64_C(123456789012) };

	for (size_t i = 0; i < N(edges); i++) {
		exchange.t_picked = exchange.t_start = edges[i % 3];
		exchange.t_connected = edges[i % 3] + edges[i];
		exchange.t_first_byte = edges[i % 3] + edges[N(edges) - 1 - i];
		exchange.bytes_in = edges[i];
		exchange.up.bytes = edges[i] + 1;
		exchange.bytes_out = UINT64_MAX / edges[i];
		exchange.attempts = (uint16_t)(UINT16_MAX / edges[i]);
		exchange.target = i % 2;
		exchange.status = 100 + (int)i * 40;
		exchange.failure = (uint8_t)(i % N_FAILURES);
		exchange.minor = i % 2;
		client.port = (uint16_t)(UINT16_MAX / edges[i]);
		proxy.now_us = START_US + edges[i];
		ck_assert_str_eq(made(access_log_json), expected_json());
	}
}
END_TEST

START_TEST(a_json_line_of_what_was_never_a_request)
{
	exchange.note = NULL;
	exchange.attempts = 0;
	exchange.t_start = 0;
	exchange.failure = FAIL_CLIENT_LEFT;
	ck_assert_str_eq(made(access_log_json), expected_json());
	ck_assert_ptr_nonnull(strstr(made(access_log_json), "\"request_id\":\"0123456789abcdef"));
}
END_TEST

START_TEST(a_json_line_tells_what_a_trusted_proxy_told)
{
	note_set(&note.request_id, "its \"own\"", 9);
	note_set(&note.referer, "http://r/", 9);
	exchange.ip = ip_of("2001:db8::7");
	ck_assert_str_eq(made(access_log_json), expected_json());
	ck_assert_ptr_nonnull(strstr(made(access_log_json), "\"client_ip\":\"2001:db8::7\""));
	ck_assert_ptr_nonnull(strstr(made(access_log_json), "\"request_id\":\"its \\\"own\\\"\""));
}
END_TEST

START_TEST(the_longest_line_is_whole_and_fits)
{
	static char url[2 * LOG_LINE_MAX];
	const char *line;

	memset(url, 'u', sizeof(url) - 1);
	targets[0].url = url;
	note_fill();
	exchange.ip = ip_of("2001:db8:1111:2222:3333:4444:5555:6666");
	exchange.status = exchange.minor = exchange.attempts = UINT8_MAX;
	exchange.bytes_in = exchange.bytes_out = exchange.t_connected = exchange.t_first_byte =
		UINT64_MAX;
	exchange.t_picked = exchange.t_start = 1;
	exchange.failure = FAIL_RATE_LIMITED;
	client.port = UINT16_MAX;
	atomic_store(&slot.number, UINT32_MAX);
	line = made(access_log_json);
	ck_assert_uint_le(strlen(line), LOG_LINE_MAX);
	ck_assert_str_eq(line + strlen(line) - 9, "\\u00ff\"}\n");
	line = made(access_log_combined);
	ck_assert_uint_le(strlen(line), LOG_LINE_MAX);
	ck_assert_str_eq(line + strlen(line) - 6, "\\xFF\"\n");
}
END_TEST

START_TEST(a_combined_line_is_what_others_write)
{
	char when[64], line[512];
	struct tm tm;

	for (int i = 0; i < 3; i++, proxy.now_us += 900000) {
		time_t now = (time_t)(proxy_wall_us(&proxy) / 1000000);

		strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S %z", localtime_r(&now, &tm));
		snprintf(line, sizeof(line),
			"192.0.2.7 - - [%s] \"GET /a?b=\\x22c\\x22\\x5C\\x01\\xFF HTTP/1.1\" 200 "
			"1234 "
			"\"-\" \"Mozilla/5.0 (X11; \\xE2\\x82\\xAC)\"\n",
			when);
		ck_assert_str_eq(made(access_log_combined), line);
	}
	note.user_agent.n = 0;
	note_set(&note.referer, "http://a.example/", 17);
	ck_assert_ptr_nonnull(strstr(made(access_log_combined), " \"http://a.example/\" \"-\"\n"));
}
END_TEST

static void
check_number(uint64_t v)
{
	char want[32], have[32];

	snprintf(want, sizeof(want), "%llu", (unsigned long long)v);
	*decimal_put(have, v) = '\0';
	ck_assert_str_eq(have, want);
	if (v >= UINT64_C(1) << 52)
		return; /* seconds beyond are no longer exact in a double */
	snprintf(want, sizeof(want), "%.6f", (double)v / 1e6);
	*decimal_put_seconds(have, v) = '\0';
	ck_assert_str_eq(have, want);
}

START_TEST(numbers_are_what_printf_makes_of_them)
{
	uint64_t power = 1;

	for (int digits = 1; digits <= DECIMAL_MAX; digits++) {
		check_number(power - 1);
		check_number(power);
		check_number(power + 1);
		check_number(UINT64_MAX / power);
		power *= digits < DECIMAL_MAX ? 10 : 1;
	}
	for (uint64_t v = 0; v < 2100; v++)
		check_number(v);
	for (uint64_t v = 0; v < 3000000; v += 997)
		check_number(v);
}
END_TEST

START_TEST(request_ids_are_32_hexadecimal_digits_all_of_them_in_use)
{
	bool seen[32][16] = { { false } };
	char id[33] = "", last[33] = "";

	proxy.random[0] = 1;
	proxy.random[1] = 2;
	for (int i = 0; i < 1000; i++) {
		request_id_make(&proxy, id);
		ck_assert_str_ne(id, last);
		memcpy(last, id, sizeof(id));
		for (int at = 0; at < 32; at++) {
			const char *digits = "0123456789abcdef", *found = strchr(digits, id[at]);

			ck_assert_ptr_nonnull(found);
			seen[at][found - digits] = true;
		}
	}
	for (int at = 0; at < 32; at++)
		for (int digit = 0; digit < 16; digit++)
			ck_assert(seen[at][digit]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("access_log");
	TCase *t = tcase_create("access_log");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_json_line_is_what_printf_would_write);
	tcase_add_test(t, a_json_line_of_what_was_never_a_request);
	tcase_add_test(t, a_json_line_tells_what_a_trusted_proxy_told);
	tcase_add_test(t, the_longest_line_is_whole_and_fits);
	tcase_add_test(t, a_combined_line_is_what_others_write);
	tcase_add_test(t, numbers_are_what_printf_makes_of_them);
	tcase_add_test(t, request_ids_are_32_hexadecimal_digits_all_of_them_in_use);
	suite_add_tcase(s, t);
	return unit_main(s);
}
