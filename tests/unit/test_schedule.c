/*
 * The schedule of probes, with a clock of the test's own: everyone once in each
 * interval, evenly spread, no drift, and no burst after a long pause.
 */
#include "../../src/health/schedule.h"

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { BEGIN = 1000000007, MEMBERS_MAX = 1000 };

static const struct {
	uint32_t n;
	uint64_t interval_us;
} shapes[] = { { 1, 5000000 }, { 2, 5000000 }, { 3, 100000 }, { 7, 1000003 }, { 1000, 100000 },
	{ 3, 86400000000 } };

START_TEST(members_are_due_in_order_and_evenly_spread)
{
	struct schedule s;
	uint32_t n = shapes[_i].n;

	schedule_init(&s, n, shapes[_i].interval_us, BEGIN);
	for (uint64_t k = 0; k < 5 * (uint64_t)n; k++) {
		uint64_t round = k / n * shapes[_i].interval_us;
		uint64_t due = BEGIN + round + shapes[_i].interval_us * (k % n + 1) / n;

		ck_assert_uint_eq(schedule_due_us(&s), due);
		ck_assert_int_eq(schedule_take(&s, due - 1), -1);
		ck_assert_int_eq(schedule_take(&s, due), (int)(k % n));
	}
}
END_TEST

START_TEST(who_comes_a_little_late_each_time_does_not_drift)
{
	struct schedule s;
	uint64_t interval = 1000000;

	schedule_init(&s, 4, interval, BEGIN);
	for (int k = 0; k < 4000; k++)
		ck_assert_int_eq(schedule_take(&s, schedule_due_us(&s) + 999), k % 4);
	ck_assert_uint_eq(schedule_due_us(&s), BEGIN + 1000 * interval + interval / 4);
}
END_TEST

START_TEST(a_long_pause_is_not_made_up_for_all_at_once)
{
	struct schedule s;
	uint64_t late = BEGIN + 3600000000;
	int taken = 0;

	schedule_init(&s, 100, 5000000, BEGIN);
	while (schedule_take(&s, late) >= 0)
		taken++;
	ck_assert_int_eq(taken, 1);
	ck_assert_uint_eq(schedule_due_us(&s), late + 50000);
}
END_TEST

START_TEST(after_a_pause_everyone_still_has_a_turn_in_each_interval)
{
	struct schedule s;
	int turns[MEMBERS_MAX] = { 0 };
	uint64_t now = BEGIN + 7777777;

	schedule_init(&s, 100, 1000000, BEGIN);
	schedule_take(&s, now);
	for (int k = 0; k < 300; k++)
		turns[schedule_take(&s, schedule_due_us(&s))]++;
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(turns[i], 3);
	ck_assert_uint_le(schedule_due_us(&s), now + 3010000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("schedule");
	TCase *tc = tcase_create("schedule");

	tcase_add_loop_test(tc, members_are_due_in_order_and_evenly_spread, 0, N(shapes));
	tcase_add_test(tc, who_comes_a_little_late_each_time_does_not_drift);
	tcase_add_test(tc, a_long_pause_is_not_made_up_for_all_at_once);
	tcase_add_test(tc, after_a_pause_everyone_still_has_a_turn_in_each_interval);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
