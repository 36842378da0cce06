/*
 * The quarantine: so many deaths within a time, then refused for a time; and the fingerprint by which a request is known.
 */
#include "ballast/shm/quarantine.h"

#include <string.h>

#include "ballast/http/fingerprint.h"
#include "harness.h"
#include "shm_world.h"

#define S UINT64_C(1000000)

static const struct quarantine_rules rules = { 3, 60 * S, 10 * S };

START_TEST(three_deaths_within_the_time_are_enough)
{
	struct shm s;

	world_open(&s, 1, 1, 8);
	ck_assert(!quarantine_accuse(&s, 7, &rules, 100 * S));
	ck_assert(!quarantine_accuse(&s, 7, &rules, 130 * S));
	ck_assert(!quarantine_refuses(&s, 7, 130 * S));
	ck_assert(quarantine_accuse(&s, 7, &rules, 160 * S));
	ck_assert(quarantine_refuses(&s, 7, 160 * S));
	ck_assert(quarantine_refuses(&s, 7, 170 * S - 1));
	ck_assert(!quarantine_refuses(&s, 7, 170 * S));
	ck_assert(!quarantine_refuses(&s, 8, 160 * S));
	ck_assert_uint_eq(quarantine_held(&s, 160 * S), 1);
	ck_assert_uint_eq(quarantine_held(&s, 170 * S), 0);
	shm_detach(&s);
}
END_TEST

START_TEST(deaths_that_lie_too_far_apart_are_not_added_up)
{
	struct shm s;

	world_open(&s, 1, 1, 8);
	for (uint64_t i = 0; i < 20; i++)
		ck_assert(!quarantine_accuse(&s, 7, &rules, (100 + 31 * i) * S));
	ck_assert(quarantine_accuse(&s, 7, &rules, (100 + 31 * 19 + 1) * S));
	shm_detach(&s);
}
END_TEST

START_TEST(who_was_there_before_needs_one_more_death)
{
	struct shm s;

	world_open(&s, 1, 1, 8);
	for (uint64_t i = 0; i < 3; i++)
		quarantine_accuse(&s, 7, &rules, (100 + i) * S);
	ck_assert(!quarantine_refuses(&s, 7, 1000 * S));
	ck_assert(quarantine_accuse(&s, 7, &rules, 1000 * S));
	ck_assert(quarantine_refuses(&s, 7, 1001 * S));
	shm_detach(&s);
}
END_TEST

START_TEST(a_full_table_gives_up_who_has_been_quiet_for_longest)
{
	struct shm s;

	world_open(&s, 1, 1, 8);
	for (uint64_t print = 1; print <= SUSPECTS + 1; print++)
		for (uint64_t i = 0; i < 3; i++)
			ck_assert_int_eq(
				quarantine_accuse(&s, print, &rules, 100 * S + print * 3 + i),
				i == 2);
	ck_assert(!quarantine_refuses(&s, 1, 101 * S));
	for (uint64_t print = 2; print <= SUSPECTS + 1; print++)
		ck_assert(quarantine_refuses(&s, print, 101 * S));
	shm_detach(&s);
}
END_TEST

static uint64_t
print_of(const char *text, uint64_t key)
{
	static struct head h;

	ck_assert_int_eq(parse_request(&h, text, strlen(text), 100), 0);
	return head_fingerprint(&h, head_path_alone(&h), key);
}

START_TEST(values_and_query_do_not_matter)
{
	static const char *const same[] = {
		"GET /a HTTP/1.1\r\nHost: one\r\nX-Some: 1\r\nAccept: a\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: two\r\nX-Some: 22\r\nAccept: */*\r\n\r\n",
		"GET /a?q=1 HTTP/1.0\r\nhost: two\r\nX-Some:\r\naccept: */*\r\n\r\n",
		"GET http://two/a HTTP/1.1\r\nHost: two\r\nX-Some: 3\r\nAccept: b\r\n\r\n",
	};

	for (size_t i = 1; i < N(same); i++)
		ck_assert_uint_eq(print_of(same[0], 5), print_of(same[i], 5));
}
END_TEST

START_TEST(method_path_names_their_order_and_the_key_matter)
{
	static const char *const different[] = {
		"GET /a HTTP/1.1\r\nHost: one\r\nX-Some: 1\r\nAccept: a\r\n\r\n",
		"PUT /a HTTP/1.1\r\nHost: one\r\nX-Some: 1\r\nAccept: a\r\n\r\n",
		"FOO /a HTTP/1.1\r\nHost: one\r\nX-Some: 1\r\nAccept: a\r\n\r\n",
		"FOP /a HTTP/1.1\r\nHost: one\r\nX-Some: 1\r\nAccept: a\r\n\r\n",
		"GET /b HTTP/1.1\r\nHost: one\r\nX-Some: 1\r\nAccept: a\r\n\r\n",
		"GET /abcdefgh HTTP/1.1\r\nHost: one\r\nX-Some: 1\r\nAccept: a\r\n\r\n",
		"GET /abcdefgi HTTP/1.1\r\nHost: one\r\nX-Some: 1\r\nAccept: a\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: one\r\nX-Same: 1\r\nAccept: a\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: one\r\nAccept: a\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: one\r\nAccept: a\r\nX-Some: 1\r\n\r\n",
	};
	uint64_t prints[N(different)];

	for (size_t i = 0; i < N(different); i++) {
		prints[i] = print_of(different[i], 5);
		ck_assert_uint_ne(prints[i], 0);
		ck_assert_uint_ne(prints[i], print_of(different[i], 6));
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(prints[i], prints[k]);
	}
}
END_TEST

/* At the end of a path octets that would make one factor of a product simple, if it were not for the key (FACTOR in fingerprint.c). */
START_TEST(no_octets_hide_the_key_or_what_came_before_them)
{
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	const uint64_t ends[] = { factor, factor ^ 1, ~factor, 0, UINT64_MAX };
	static struct head h;
	uint64_t prints[3][2];
	char path[33] = "/abcdefghijklmnopqrstuvw";

	for (size_t end = 0; end < sizeof(ends) / sizeof(*ends); end++) {
		memcpy(path + 24, &ends[end], sizeof(ends[end]));
		for (int i = 0; i < 3;
			i++) { /* nothing; an octet far before them, and one right before them */
			path[1] = i == 1 ? 'X' : 'a';
			path[23] = i == 2 ? 'X' : 'w';
			for (uint64_t key = 5; key <= 6; key++)
				prints[i][key - 5] =
					head_fingerprint(&h, (struct span){ path, 32 }, key);
			ck_assert_uint_ne(prints[i][0], prints[i][1]);
		}
		ck_assert_uint_ne(prints[0][0], prints[1][0]);
		ck_assert_uint_ne(prints[0][0], prints[2][0]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("quarantine");
	TCase *t = tcase_create("quarantine");

	tcase_add_test(t, three_deaths_within_the_time_are_enough);
	tcase_add_test(t, deaths_that_lie_too_far_apart_are_not_added_up);
	tcase_add_test(t, who_was_there_before_needs_one_more_death);
	tcase_add_test(t, a_full_table_gives_up_who_has_been_quiet_for_longest);
	tcase_add_test(t, values_and_query_do_not_matter);
	tcase_add_test(t, method_path_names_their_order_and_the_key_matter);
	tcase_add_test(t, no_octets_hide_the_key_or_what_came_before_them);
	suite_add_tcase(s, t);
	return unit_main(s);
}
