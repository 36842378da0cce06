/*
 * Time limits, on made-up time: order, re-arming, and callbacks that arm and
 * disarm whatever they like while others are due.
 */
#include "ballast/base/timeout.h"

#include <limits.h>
#include <string.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { SHORT, LONG, NEVER };

/* A timer, and what its expiry does. */
struct alarm {
	struct timer timer; /* first: a timer of ours is an alarm */
	int rings;
	void (*then)(struct alarm *);
	struct alarm *other;
};

static struct timeouts limits;
static uint64_t now_us;
static char order[32];

static void
ring(struct timer *t)
{
	struct alarm *a = (struct alarm *)t;

	a->rings++;
	if (a->then != NULL)
		a->then(a);
}

static void
set_up(void)
{
	timeouts_init(&limits);
	timeouts_set(&limits, SHORT, 1000);
	timeouts_set(&limits, LONG, 5000);
	now_us = 1000000;
	memset(order, 0, sizeof(order));
}

static struct alarm
new_alarm(void)
{
	return (struct alarm){ .timer = { .expired = ring } };
}

START_TEST(a_timer_expires_at_its_deadline_and_once)
{
	struct alarm a = new_alarm();

	timer_arm(&limits, &a.timer, SHORT, now_us);
	ck_assert(timer_is_armed(&a.timer));
	timeouts_expire(&limits, now_us + 999);
	ck_assert_int_eq(a.rings, 0);
	timeouts_expire(&limits, now_us + 1000);
	ck_assert_int_eq(a.rings, 1);
	ck_assert(!timer_is_armed(&a.timer));
	timeouts_expire(&limits, now_us + 99000);
	ck_assert_int_eq(a.rings, 1);
}
END_TEST

START_TEST(arming_again_moves_the_deadline_and_the_limit)
{
	struct alarm a = new_alarm();

	timer_arm(&limits, &a.timer, SHORT, now_us);
	timer_arm(&limits, &a.timer, SHORT, now_us + 600);
	timeouts_expire(&limits, now_us + 1500);
	ck_assert_int_eq(a.rings, 0);
	timer_arm(&limits, &a.timer, LONG, now_us);
	timeouts_expire(&limits, now_us + 4999);
	ck_assert_int_eq(a.rings, 0);
	timeouts_expire(&limits, now_us + 5000);
	ck_assert_int_eq(a.rings, 1);
}
END_TEST

START_TEST(disarming_is_quiet_and_may_be_repeated)
{
	struct alarm a = new_alarm(), b = new_alarm(), c = new_alarm();

	timer_disarm(&a.timer);
	timer_arm(&limits, &a.timer, SHORT, now_us);
	timer_arm(&limits, &b.timer, SHORT, now_us);
	timer_arm(&limits, &c.timer, SHORT, now_us);
	timer_disarm(&b.timer);
	timer_disarm(&b.timer);
	timeouts_expire(&limits, now_us + 1000);
	ck_assert_int_eq(a.rings, 1);
	ck_assert_int_eq(b.rings, 0);
	ck_assert_int_eq(c.rings, 1);
}
END_TEST

START_TEST(a_limit_of_zero_never_expires_and_disarms)
{
	struct alarm a = new_alarm();

	timer_arm(&limits, &a.timer, SHORT, now_us);
	timer_arm(&limits, &a.timer, NEVER, now_us);
	ck_assert(!timer_is_armed(&a.timer));
	ck_assert_int_eq(timeouts_next_ms(&limits, now_us, -1), -1);
	timeouts_expire(&limits, UINT64_MAX);
	ck_assert_int_eq(a.rings, 0);
}
END_TEST

START_TEST(an_older_now_waits_with_its_neighbour)
{
	struct alarm late = new_alarm(), early = new_alarm();

	timer_arm(&limits, &late.timer, SHORT, now_us + 500);
	timer_arm(&limits, &early.timer, SHORT, now_us);
	ck_assert_uint_eq(early.timer.deadline_us, late.timer.deadline_us);
	timeouts_expire(&limits, now_us + 1499);
	ck_assert_int_eq(late.rings + early.rings, 0);
	timeouts_expire(&limits, now_us + 1500);
	ck_assert_int_eq(late.rings, 1);
	ck_assert_int_eq(early.rings, 1);
}
END_TEST

START_TEST(the_wait_is_to_the_earliest_of_all_limits_rounded_up)
{
	static const struct {
		uint64_t after_us;
		int max_ms, want_ms;
	} rows[] = {
		{ 0, -1, 3 },
		{ 1, -1, 3 },
		{ 999, -1, 3 },
		{ 1000, -1, 2 },
		{ 2999, -1, 1 },
		{ 3000, -1, 0 },
		{ 9999, -1, 0 },
		{ 0, 2, 2 },
		{ 0, 0, 0 },
		{ 0, 100, 3 },
	};
	struct alarm a = new_alarm(), b = new_alarm();

	timer_arm(&limits, &a.timer, LONG, now_us - 2000);
	timer_arm(&limits, &b.timer, LONG, now_us);
	ck_assert_int_eq(timeouts_next_ms(&limits, now_us, -1), 3);
	for (size_t i = 0; i < N(rows); i++)
		ck_assert_int_eq(
			timeouts_next_ms(&limits, now_us + rows[i].after_us, rows[i].max_ms),
			rows[i].want_ms);
	timer_arm(&limits, &b.timer, SHORT, now_us);
	ck_assert_int_eq(timeouts_next_ms(&limits, now_us, -1), 1);
}
END_TEST

START_TEST(with_nothing_armed_the_wait_is_what_was_asked)
{
	ck_assert_int_eq(timeouts_next_ms(&limits, now_us, -1), -1);
	ck_assert_int_eq(timeouts_next_ms(&limits, now_us, 250), 250);
}
END_TEST

START_TEST(a_limit_of_years_does_not_overflow_the_wait)
{
	struct alarm a = new_alarm();

	timeouts_set(&limits, NEVER, UINT64_C(1) << 60);
	timer_arm(&limits, &a.timer, NEVER, now_us);
	ck_assert_int_eq(timeouts_next_ms(&limits, now_us, -1), INT_MAX);
}
END_TEST

static void
disarm_other(struct alarm *a)
{
	timer_disarm(&a->other->timer);
}

static void
arm_self(struct alarm *a)
{
	timer_arm(&limits, &a->timer, SHORT, now_us);
}

START_TEST(an_expiry_may_disarm_the_next_one_due)
{
	struct alarm a = new_alarm(), b = new_alarm(), c = new_alarm();

	a.then = disarm_other;
	a.other = &b;
	timer_arm(&limits, &a.timer, SHORT, now_us);
	timer_arm(&limits, &b.timer, SHORT, now_us);
	timer_arm(&limits, &c.timer, SHORT, now_us);
	timeouts_expire(&limits, now_us + 1000);
	ck_assert_int_eq(a.rings, 1);
	ck_assert_int_eq(b.rings, 0);
	ck_assert_int_eq(c.rings, 1);
}
END_TEST

START_TEST(an_expiry_may_arm_itself_again)
{
	struct alarm a = new_alarm();

	a.then = arm_self;
	timer_arm(&limits, &a.timer, SHORT, now_us);
	for (int i = 1; i <= 3; i++) {
		now_us += 1000;
		timeouts_expire(&limits, now_us);
		ck_assert_int_eq(a.rings, i);
		ck_assert(timer_is_armed(&a.timer));
	}
}
END_TEST

static void
note(struct alarm *a)
{
	order[strlen(order)] = (char)('a' + (a - a->other));
}

START_TEST(timers_of_a_limit_expire_in_the_order_of_arming)
{
	struct alarm alarms[5];

	for (int i = 0; i < 5; i++) {
		alarms[i] = new_alarm();
		alarms[i].then = note;
		alarms[i].other = alarms;
	}
	for (int i = 0; i < 5; i++)
		timer_arm(&limits, &alarms[i].timer, SHORT, now_us + (uint64_t)i);
	timer_arm(&limits, &alarms[1].timer, SHORT, now_us + 10);
	timeouts_expire(&limits, now_us + 5000);
	ck_assert_str_eq(order, "acdeb");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timeout");
	TCase *t = tcase_create("timeout");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, a_timer_expires_at_its_deadline_and_once);
	tcase_add_test(t, arming_again_moves_the_deadline_and_the_limit);
	tcase_add_test(t, disarming_is_quiet_and_may_be_repeated);
	tcase_add_test(t, a_limit_of_zero_never_expires_and_disarms);
	tcase_add_test(t, an_older_now_waits_with_its_neighbour);
	tcase_add_test(t, the_wait_is_to_the_earliest_of_all_limits_rounded_up);
	tcase_add_test(t, with_nothing_armed_the_wait_is_what_was_asked);
	tcase_add_test(t, a_limit_of_years_does_not_overflow_the_wait);
	tcase_add_test(t, an_expiry_may_disarm_the_next_one_due);
	tcase_add_test(t, an_expiry_may_arm_itself_again);
	tcase_add_test(t, timers_of_a_limit_expire_in_the_order_of_arming);
	suite_add_tcase(s, t);
	return unit_main(s);
}
