/*
 * How long a child's replacement waits: the table of delays, what resets them,
 * and that serving workers come back soon.
 */
#include "../../src/master/backoff.h"

#include <signal.h>

#include "harness.h"

enum { MS = 1000, CROWD = 4 };

START_TEST(stillborn_children_wait_ever_longer_up_to_five_seconds)
{
	static const uint64_t delays_ms[] = { 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000 };
	struct backoff b = { 0 };
	uint64_t now_us = 7 * MS;

	for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		backoff_stillborn(&b, now_us);
		if (delays_ms[i] > 0)
			ck_assert(!backoff_is_due(&b, now_us + delays_ms[i] * MS - 1));
		ck_assert(backoff_is_due(&b, now_us + delays_ms[i] * MS));
		now_us += delays_ms[i] * MS;
	}
}
END_TEST

START_TEST(five_stillborn_children_in_a_row_are_hopeless)
{
	struct backoff b = { 0 };

	for (unsigned i = 1; i <= BACKOFF_HOPELESS; i++) {
		ck_assert(!backoff_is_hopeless(&b));
		backoff_stillborn(&b, 0);
	}
	ck_assert(backoff_is_hopeless(&b));
}
END_TEST

START_TEST(one_that_becomes_ready_gives_hope_again)
{
	struct backoff b = { 0 };

	for (unsigned i = 0; i < BACKOFF_HOPELESS; i++)
		backoff_stillborn(&b, 0);
	backoff_ready(&b);
	ck_assert(!backoff_is_hopeless(&b));
	backoff_stillborn(&b, 60000 * MS);
	ck_assert(backoff_is_due(&b, 60000 * MS));
}
END_TEST

START_TEST(a_serving_worker_is_replaced_within_a_fifth_of_a_second)
{
	struct backoff b = { 0 };
	uint64_t now_us = 0;

	for (unsigned i = 0; i < 50; i++) {
		backoff_died(&b, SIGSEGV, 10 * MS, now_us);
		ck_assert(backoff_is_due(&b, now_us + 200 * MS));
		now_us += 200 * MS;
	}
	ck_assert(!backoff_is_hopeless(&b));
	backoff_died(&b, SIGSEGV, 10 * MS, now_us);
	ck_assert(!backoff_is_due(&b, now_us + 199 * MS));
}
END_TEST

START_TEST(a_long_life_is_replaced_at_once)
{
	struct backoff b = { 0 };

	for (unsigned i = 0; i < 5; i++)
		backoff_died(&b, SIGSEGV, 10 * MS, 0);
	backoff_died(&b, SIGSEGV, 3600 * UINT64_C(1000) * MS, 5000 * MS);
	ck_assert(backoff_is_due(&b, 5000 * MS));
}
END_TEST

/* All of them at once, and ten more, and twenty in a second for as long as it likes. */
START_TEST(one_that_was_killed_is_replaced_at_once)
{
	struct backoff b = { .crowd = CROWD };
	uint64_t now_us = 0;

	for (unsigned i = 0; i < CROWD + 10; i++) {
		ck_assert(!backoff_died(&b, SIGKILL, 10 * MS, 0));
		ck_assert(backoff_is_due(&b, 0));
	}
	for (unsigned i = 0; i < 1000; i++) {
		now_us += 50 * MS;
		ck_assert(!backoff_died(&b, SIGKILL, 10 * MS, now_us));
		ck_assert(backoff_is_due(&b, now_us));
	}
	backoff_died(&b, SIGSEGV, 10 * MS, now_us);
	ck_assert(backoff_is_due(&b, now_us));
}
END_TEST

static void
kill_all_that_are_free(struct backoff *b, uint64_t now_us)
{
	for (unsigned i = 0; i < b->crowd + 10; i++)
		ck_assert(!backoff_died(b, SIGKILL, 10 * MS, now_us));
}

START_TEST(where_kills_do_not_end_they_wait_like_any_other_death)
{
	struct backoff b = { .crowd = CROWD };

	kill_all_that_are_free(&b, 0);
	for (unsigned i = 0; i < 3; i++)
		backoff_died(&b, SIGKILL, 10 * MS, 0);
	ck_assert(!backoff_is_due(&b, 199 * MS));
	ck_assert(backoff_is_due(&b, 200 * MS));
}
END_TEST

/* As a master sees it that forks a whole crowd as soon as it may, each of which is killed at once. */
START_TEST(a_fork_loop_is_bounded)
{
	struct backoff b = { .crowd = CROWD };
	unsigned forks = 0;

	for (uint64_t now_us = 0; now_us < 10000 * MS; now_us += MS) {
		for (unsigned i = 0; i < CROWD && backoff_is_due(&b, now_us); i++, forks++)
			backoff_died(&b, SIGKILL, MS, now_us);
	}
	ck_assert_uint_ge(forks, 10 * 20);
	ck_assert_uint_le(forks, CROWD + 10 + 10 * (20 + CROWD * 5));
}
END_TEST

START_TEST(a_storm_is_told_once_until_it_is_over)
{
	struct backoff b = { .crowd = CROWD };
	uint64_t quiet_us = (CROWD + 10) * 50 * MS;

	kill_all_that_are_free(&b, 0);
	ck_assert(backoff_died(&b, SIGKILL, 10 * MS, 0));
	ck_assert(!backoff_died(&b, SIGKILL, 10 * MS, 0));
	ck_assert(!backoff_died(&b, SIGKILL, 10 * MS, 50 * MS)); /* one is free again */
	ck_assert(!backoff_died(&b, SIGKILL, 10 * MS, 50 * MS));
	ck_assert(!backoff_died(&b, SIGSEGV, 10 * MS, 50 * MS));
	kill_all_that_are_free(&b, 50 * MS + quiet_us);
	ck_assert(backoff_died(&b, SIGKILL, 10 * MS, 50 * MS + quiet_us));
}
END_TEST

START_TEST(a_fault_is_no_storm_of_kills)
{
	struct backoff b = { .crowd = CROWD };

	for (unsigned i = 0; i < 50; i++)
		ck_assert(!backoff_died(&b, SIGSEGV, 10 * MS, 0));
	kill_all_that_are_free(&b, 0);
}
END_TEST

START_TEST(a_death_without_delay_does_not_shorten_a_wait)
{
	struct backoff b = { 0 };

	for (unsigned i = 0; i < 4; i++)
		backoff_stillborn(&b, 0);
	backoff_died(&b, SIGSEGV, 10 * MS, 0);
	ck_assert(!backoff_is_due(&b, 399 * MS));
	ck_assert(backoff_is_due(&b, 400 * MS));
}
END_TEST

static Suite *
backoff_suite(void)
{
	Suite *s = suite_create("backoff");
	TCase *t = tcase_create("backoff");

	tcase_add_test(t, stillborn_children_wait_ever_longer_up_to_five_seconds);
	tcase_add_test(t, five_stillborn_children_in_a_row_are_hopeless);
	tcase_add_test(t, one_that_becomes_ready_gives_hope_again);
	tcase_add_test(t, a_serving_worker_is_replaced_within_a_fifth_of_a_second);
	tcase_add_test(t, a_long_life_is_replaced_at_once);
	tcase_add_test(t, one_that_was_killed_is_replaced_at_once);
	tcase_add_test(t, where_kills_do_not_end_they_wait_like_any_other_death);
	tcase_add_test(t, a_fork_loop_is_bounded);
	tcase_add_test(t, a_storm_is_told_once_until_it_is_over);
	tcase_add_test(t, a_fault_is_no_storm_of_kills);
	tcase_add_test(t, a_death_without_delay_does_not_shorten_a_wait);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return unit_main(backoff_suite());
}
