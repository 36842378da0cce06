/*
 * Field lines and what surrounds them: the end of a head, limits, links between
 * lines of one name, names that mimic others, trailers.
 */
#include "harness.h"

#include <stdio.h>

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

START_TEST(fields_are_counted)
{
	static char in[64 + 12 * 2000];
	struct guarded g;
	static const struct {
		unsigned fields, max;
		int status;
	} table[] = { { 100, 100, 0 }, { 101, 100, 431 }, { 1, 0, 431 },
		{ HEAD_FIELDS_MAX, 5000, 0 }, { HEAD_FIELDS_MAX + 1, 5000, 431 } };

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		size_t n = (size_t)sprintf(in, "GET / HTTP/1.1\r\nHost: a.test\r\n");

		for (unsigned k = 1; k < table[i].fields; k++)
			n += (size_t)sprintf(in + n, "X-%u: v\r\n", k);
		n += (size_t)sprintf(in + n, "\r\n");
		ck_assert_int_eq(parse((struct span){ in, n }, &g, table[i].max), table[i].status);
		guarded_free(&g);
	}
}
END_TEST

/* A head, but for its end, that names so many. */
static void
check_members(char *in, size_t n, int members)
{
	struct guarded g;

	n += (size_t)sprintf(in + n, "\r\n\r\n");
	ck_assert_int_eq(parse((struct span){ in, n }, &g, MAX_FIELDS),
		members > CONNECTION_MEMBERS_MAX ? 400 : 0);
	guarded_free(&g);
}

START_TEST(connection_members_are_bounded)
{
	char in[1024];

	for (int members = CONNECTION_MEMBERS_MAX; members <= CONNECTION_MEMBERS_MAX + 1;
		members++) {
		size_t n = (size_t)sprintf(in, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: ,,");

		for (int k = 0; k < members; k++)
			n += (size_t)sprintf(in + n, k % 20 == 19 ? "x\r\nConnection:" : "x, ,");
		check_members(in, n, members);
	}
}
END_TEST

/* The shortest line with so many members is as long as this. */
START_TEST(connection_members_are_bounded_in_one_line)
{
	char in[1024];

	for (int members = CONNECTION_MEMBERS_MAX; members <= CONNECTION_MEMBERS_MAX + 1;
		members++) {
		size_t n = (size_t)sprintf(in, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x");

		for (int k = 1; k < members; k++)
			n += (size_t)sprintf(in + n, ",x");
		check_members(in, n, members);
	}
}
END_TEST

START_TEST(blanks_around_a_value_are_not_of_it)
{
	static const struct {
		struct span in;
		const char *value;
	} table[] = {
		{ REQUEST("X:\r\n"), "" },
		{ REQUEST("X: \r\n"), "" },
		{ REQUEST("X:\t\r\n"), "" },
		{ REQUEST("X: \t \r\n"), "" },
		{ REQUEST("X:a\r\n"), "a" },
		{ REQUEST("X: a\r\n"), "a" },
		{ REQUEST("X:\ta\r\n"), "a" },
		{ REQUEST("X:  a\r\n"), "a" },
		{ REQUEST("X: \ta\r\n"), "a" },
		{ REQUEST("X: a \r\n"), "a" },
		{ REQUEST("X:a\t\r\n"), "a" },
		{ REQUEST("X: a \t b\t \r\n"), "a \t b" },
		{ REQUEST("X: \x80 \xff\r\n"), "\x80 \xff" },
	};
	struct guarded g;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		ck_assert_int_eq(parse(table[i].in, &g, MAX_FIELDS), 0);
		assert_span(h->fields[2].value, table[i].value);
		guarded_free(&g);
	}
}
END_TEST

/* What is told of a head in one word is what its lists say. */
START_TEST(names_that_are_there_and_come_again_are_told)
{
	static const struct span in = REQUEST("Via: 1\r\nX-Other: a\r\nX-Other: b\r\nVIA: 2\r\n"
					      "Cookie: c\r\nX_Real_IP: 1\r\nVia: 3\r\n");
	const uint64_t there = NAME_BIT(NAME_HOST) | NAME_BIT(NAME_VIA) | NAME_BIT(NAME_COOKIE) |
			       NAME_BIT(NAME_MASKED);
	struct guarded g;

	ck_assert_int_eq(parse(in, &g, MAX_FIELDS), 0);
	ck_assert_uint_eq(h->names, there);
	ck_assert_uint_eq(h->repeated, NAME_BIT(NAME_VIA));
	guarded_free(&g);
}
END_TEST

START_TEST(lines_of_one_name_are_linked_in_order)
{
	static const struct span in =
		REQUEST("Via: 1\r\nX-Forwarded-For: a\r\nVIA: 2\r\nx-forwarded-for:b\r\n"
			"X-Forwarded-For: c\r\n");
	const struct field *f;
	struct guarded g;

	ck_assert_int_eq(parse(in, &g, MAX_FIELDS), 0);
	f = head_first(h, NAME_X_FORWARDED_FOR);
	assert_span(f->value, "a");
	assert_span(f->line, "X-Forwarded-For: a\r\n");
	f = head_next(h, f);
	assert_span(f->value, "b");
	assert_span(f->name, "x-forwarded-for");
	f = head_next(h, f);
	assert_span(f->value, "c");
	ck_assert_ptr_null(head_next(h, f));
	ck_assert_ptr_null(head_first(h, NAME_COOKIE));
	guarded_free(&g);
}
END_TEST

START_TEST(names_spelt_with_underscores_are_told_apart)
{
	static const struct {
		struct span in;
		enum name_id id;
	} table[] = {
		{ REQUEST("X_Forwarded_For: 1\r\n"), NAME_MASKED },
		{ REQUEST("x-forwarded_PROTO: 1\r\n"), NAME_MASKED },
		{ REQUEST("X_REAL_IP: 1\r\n"), NAME_MASKED },
		{ REQUEST("Proxy_Connection: 1\r\n"), NAME_MASKED },
		{ REQUEST("X-Forwarded-Proto_: 1\r\n"), NAME_OTHER },
		{ REQUEST("X-Forwarded_Proto: 1\r\n"), NAME_MASKED },
		{ REQUEST("x-request_id: 1\r\n"), NAME_MASKED },
		{ REQUEST("X_Y: 1\r\n"), NAME_OTHER },
		{ REQUEST("Set_Cookie: 1\r\n"), NAME_OTHER },
		{ REQUEST("X_Forwarded_For_An_Unusually_Long_Time_Indeed: 1\r\n"), NAME_OTHER },
		{ REQUEST("Content-Lengthy: 1\r\n"), NAME_OTHER },
		{ REQUEST("X-Content-Length: 1\r\n"), NAME_OTHER },
	};
	struct guarded g;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		ck_assert_int_eq(parse(table[i].in, &g, MAX_FIELDS), 0);
		ck_assert_msg(h->fields[2].id == table[i].id, "%s", table[i].in.p);
		guarded_free(&g);
	}
}
END_TEST

START_TEST(the_end_of_a_head_is_the_first_empty_line)
{
	static const struct {
		struct span in;
		size_t n;
	} table[] = {
		{ OCTETS(""), 0 },
		{ OCTETS("\r"), 0 },
		{ OCTETS("\r\n"), 2 },
		{ OCTETS("\n"), 1 },
		{ OCTETS("a"), 0 },
		{ OCTETS("a\r\n"), 0 },
		{ OCTETS("a\r\n\r"), 0 },
		{ OCTETS("a\r\n\r\n"), 5 },
		{ OCTETS("a\r\n\r\nb\r\n\r\n"), 5 },
		{ OCTETS("a\n\n"), 3 },
		{ OCTETS("a\n\r\n"), 4 },
		{ OCTETS("a\r\n\n"), 4 },
		{ OCTETS("a\r\r\n"), 0 },
		{ OCTETS("a\n\r\r\n\r\n"), 7 },
		{ OCTETS("a\r\rb\r\r"), 0 },
		{ OCTETS("\r\r\n\n"), 4 },
		{ OCTETS("a\r\nb\r\nc\r\n\r\nd"), 11 },
		{ OCTETS("a\0\r\n\r\n"), 6 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		ck_assert_msg(end_of_head(table[i].in) == table[i].n, "row %zu", i);
}
END_TEST

START_TEST(one_empty_line_in_front_is_skipped)
{
	ck_assert_uint_eq(parse_skip_empty_line("\r\nGET", 5), 2);
	ck_assert_uint_eq(parse_skip_empty_line("\r\n\r\n", 4), 2);
	ck_assert_uint_eq(parse_skip_empty_line("\r", 1), 0);
	ck_assert_uint_eq(parse_skip_empty_line("\n", 1), 0);
	ck_assert_uint_eq(parse_skip_empty_line("", 0), 0);
	ck_assert_uint_eq(parse_skip_empty_line("GET", 3), 0);
}
END_TEST

START_TEST(too_large_is_told_by_the_request_line)
{
	ck_assert_int_eq(parse_too_large("GET /aaaaaaaa", 13), 414);
	ck_assert_int_eq(parse_too_large("", 0), 414);
	ck_assert_int_eq(parse_too_large("GET / HTTP/1.1\r\nX: aaaa", 23), 431);
	ck_assert_int_eq(parse_too_large("GET / HTTP/1.1\r\nX: aa\0a", 23), 400);
}
END_TEST

START_TEST(tokens_are_found_in_all_lines)
{
	static const struct span in =
		REQUEST("Connection: a , B,,keep-alive\r\nConnection:close\r\n");
	struct guarded g;

	ck_assert_int_eq(parse(in, &g, MAX_FIELDS), 0);
	ck_assert(head_has_token(h, NAME_CONNECTION, SPAN("A")));
	ck_assert(head_has_token(h, NAME_CONNECTION, SPAN("b")));
	ck_assert(head_has_token(h, NAME_CONNECTION, SPAN("Keep-Alive")));
	ck_assert(head_has_token(h, NAME_CONNECTION, SPAN("close")));
	ck_assert(!head_has_token(h, NAME_CONNECTION, SPAN("keep")));
	ck_assert(!head_has_token(h, NAME_CONNECTION, SPAN("alive")));
	ck_assert(!head_has_token(h, NAME_UPGRADE, SPAN("a")));
	guarded_free(&g);
}
END_TEST

START_TEST(trailers_are_parsed_as_strictly)
{
	static const struct {
		struct span in;
		int status;
		unsigned n;
	} table[] = {
		{ OCTETS("\r\n"), 0, 0 },
		{ OCTETS("X-T: 1\r\n\r\n"), 0, 1 },
		{ OCTETS("X-T: 1\r\nCookie: a\r\n\r\n"), 0, 2 },
		{ OCTETS("\n"), 400, 0 },
		{ OCTETS("X-T: 1\n\r\n"), 400, 0 },
		{ OCTETS("X-T: 1\r\n 2\r\n\r\n"), 400, 0 },
		{ OCTETS(" X-T: 1\r\n\r\n"), 400, 0 },
		{ OCTETS("nonsense\r\n\r\n"), 400, 0 },
		{ OCTETS("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 400, 0 },
		{ OCTETS("X-T : 1\r\n\r\n"), 400, 0 },
		{ OCTETS(": 1\r\n\r\n"), 400, 0 },
		{ OCTETS("X-T: \0\r\n\r\n"), 400, 0 },
		{ OCTETS("Content_Length: 1\r\n\r\n"), 400, 0 },
		{ OCTETS("X: 1\r\nX: 1\r\nX: 1\r\n\r\n"), 400, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct guarded g = guarded_copy(table[i].in.p, table[i].in.n);

		ck_assert_uint_eq(end_of_head(table[i].in), table[i].in.n);
		ck_assert_msg(parse_trailers(h, g.p, g.n, 2) == table[i].status, "row %zu", i);
		if (table[i].status == 0)
			ck_assert_uint_eq(h->n_fields, table[i].n);
		ck_assert_uint_eq(h->bytes, table[i].in.n);
		guarded_free(&g);
	}
}
END_TEST

/* Told from the first octet on that nothing can follow to make it good, and never before. */
START_TEST(hopeless_heads_are_told_as_soon_as_they_are)
{
	static const struct {
		struct span in;
		size_t from; /* octets with which it is hopeless; 0: never */
		bool response;
	} table[] = {
		{ OCTETS("GET / HTTP/1.1\r\nHost: a\r\nX: \x80\t y\r\n"), 0, false },
		{ OCTETS("\r"), 0, false },
		{ OCTETS("GE\x01T"), 3, false },
		{ OCTETS("{\"a\": 1}"), 1, false },
		{ OCTETS("\x16\x03\x01"), 1, false },
		{ OCTETS("SSH-2.0-x\r\n"), 10, false },
		{ OCTETS("GET / HTTP/1.1\nHost"), 15, false },
		{ OCTETS("GET / HTTP/1.1\r\r\nHost"), 16, false },
		{ OCTETS("GET / HTTP/1.1\r\nX: a\rb"), 22, false },
		{ OCTETS("GET / HTTP/1.1\r\nX: a\0b"), 21, false },
		{ OCTETS("GET / HTTP/1.1\r\nX: a\x7f"), 21, false },
		{ OCTETS("HTTP/1.1 200 OK\r\nX: y\r\n"), 0, true },
		{ OCTETS("HTTX"), 4, true },
		{ OCTETS("HTTP/2"), 6, true },
		{ OCTETS("HTTP/1.1 200 OK\r\nX: \0"), 21, true },
		{ OCTETS("HTTP/1.1 200 OK\n"), 16, true },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct span in = table[i].in;
		size_t first = 0;

		for (size_t n = 1; n <= in.n && first == 0; n++) {
			struct guarded g = guarded_copy(in.p, n);
			bool hopeless = table[i].response
						? parse_response_is_hopeless(g.p, n, n - 1)
						: parse_request_is_hopeless(g.p, n, n - 1);

			ck_assert(hopeless ==
				  (table[i].response ? parse_response_is_hopeless(g.p, n, 0)
						     : parse_request_is_hopeless(g.p, n, 0)));
			first = hopeless ? n : 0;
			guarded_free(&g);
		}
		ck_assert_msg(first == table[i].from, "row %zu: told at %zu", i, first);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("parse_fields");
	TCase *tc = tcase_create("parse_fields");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, fields_are_counted);
	tcase_add_test(tc, connection_members_are_bounded);
	tcase_add_test(tc, connection_members_are_bounded_in_one_line);
	tcase_add_test(tc, blanks_around_a_value_are_not_of_it);
	tcase_add_test(tc, names_that_are_there_and_come_again_are_told);
	tcase_add_test(tc, lines_of_one_name_are_linked_in_order);
	tcase_add_test(tc, names_spelt_with_underscores_are_told_apart);
	tcase_add_test(tc, the_end_of_a_head_is_the_first_empty_line);
	tcase_add_test(tc, one_empty_line_in_front_is_skipped);
	tcase_add_test(tc, too_large_is_told_by_the_request_line);
	tcase_add_test(tc, tokens_are_found_in_all_lines);
	tcase_add_test(tc, trailers_are_parsed_as_strictly);
	tcase_add_test(tc, hopeless_heads_are_told_as_soon_as_they_are);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
