/*
 * How long a child's replacement waits: the table of delays, what resets them,
 * and that serving workers come back soon.
 */
#include "../../src/master/backoff.h"

#include <signal.h>

#include "harness.h"

enum { MS = 1000 };

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

START_TEST(one_that_was_killed_is_replaced_at_once_however_often)
{
	struct backoff b = { 0 };

	for (unsigned i = 0; i < 50; i++) {
		backoff_died(&b, SIGKILL, 10 * MS, 0);
		ck_assert(backoff_is_due(&b, 0));
	}
	backoff_died(&b, SIGSEGV, 10 * MS, 0);
	ck_assert(backoff_is_due(&b, 0));
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
	tcase_add_test(t, one_that_was_killed_is_replaced_at_once_however_often);
	tcase_add_test(t, a_death_without_delay_does_not_shorten_a_wait);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return unit_main(backoff_suite());
}
