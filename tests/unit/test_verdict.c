/*
 * rise and fall as sequences: g is a good result, b a bad one.  What is expected
 * stands under each: U and D where the verdict turns, a dot where it stays.
 */
#include "../../src/health/verdict.h"

#include <string.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static const struct sequence {
	unsigned rise, fall;
	bool up;
	const char *results, *turns;
} sequences[] = {
	{ 1, 2, true, "gggg", "...." },
	{ 1, 2, true, "b", "." },
	{ 1, 2, true, "bb", ".D" },
	{ 1, 2, true, "bgbgb", "....." },
	{ 1, 2, true, "bgbbb", "...D." },
	{ 1, 2, true, "bbbbg", ".D..U" },
	{ 1, 2, true, "bbgbbg", ".DU.DU" },
	{ 1, 1, true, "bgbg", "DUDU" },
	{ 3, 1, true, "bggbggg", "D.....U" },
	{ 3, 2, false, "ggg", "..U" },
	{ 3, 2, false, "gg", ".." },
	{ 2, 3, true, "bbgbbbgbgg", ".....D...U" },
	{ 1, 2, false, "bbbb", "...." },
	{ 1, 2, false, "g", "U" },
};

static char
letter(enum verdict_change change)
{
	switch (change) {
	case VERDICT_DOWN:
		return 'D';
	case VERDICT_UP:
		return 'U';
	default:
		return '.';
	}
}

START_TEST(a_verdict_turns_exactly_at_its_threshold)
{
	const struct sequence *q = &sequences[_i];
	const struct verdict_rules rules = { q->rise, q->fall };
	struct history h = { .up = q->up };
	bool up = q->up;

	ck_assert_uint_eq(strlen(q->results), strlen(q->turns));
	for (size_t i = 0; q->results[i] != '\0'; i++) {
		char turn = letter(verdict_result(&h, &rules, q->results[i] == 'g'));

		ck_assert_msg(turn == q->turns[i], "%s, rise %u fall %u: %c at %zu, not %c",
			q->results, q->rise, q->fall, turn, i, q->turns[i]);
		up = turn == '.' ? up : turn == 'U';
		ck_assert(h.up == up);
	}
}
END_TEST

START_TEST(results_are_counted_in_a_row)
{
	const struct verdict_rules rules = { 1, 2 };
	struct history h = { .up = true };

	verdict_result(&h, &rules, true);
	verdict_result(&h, &rules, true);
	ck_assert_uint_eq(h.successes, 2);
	ck_assert_uint_eq(h.fails, 0);
	verdict_result(&h, &rules, false);
	ck_assert_uint_eq(h.successes, 0);
	ck_assert_uint_eq(h.fails, 1);
}
END_TEST

START_TEST(a_history_longer_than_the_new_threshold_turns_at_the_next_result)
{
	const struct verdict_rules rules = { 2, 2 };
	struct history failing = { .up = true, .fails = 5 };
	struct history recovering = { .up = false, .successes = 7 };

	ck_assert_int_eq(verdict_result(&failing, &rules, false), VERDICT_DOWN);
	ck_assert_int_eq(verdict_result(&recovering, &rules, true), VERDICT_UP);
}
END_TEST

START_TEST(counts_stop_at_their_largest_value)
{
	const struct verdict_rules rules = { 1, 2 };
	struct history down = { .up = false, .fails = UINT32_MAX };
	struct history up = { .up = true, .successes = UINT32_MAX };

	ck_assert_int_eq(verdict_result(&down, &rules, false), VERDICT_STAYS);
	ck_assert_uint_eq(down.fails, UINT32_MAX);
	ck_assert_int_eq(verdict_result(&up, &rules, true), VERDICT_STAYS);
	ck_assert_uint_eq(up.successes, UINT32_MAX);
}
END_TEST

static const struct {
	unsigned fall;
	bool up;
	uint32_t fails, then;
} suspicions[] = {
	{ 1, true, 0, 0 },
	{ 2, true, 0, 1 },
	{ 2, true, 1, 1 },
	{ 3, true, 1, 2 },
	{ 3, true, 2, 2 },
	{ 3, true, 7, 7 }, /* from a rule with a larger fall */
	{ 3, false, 1, 1 },
	{ 2, false, UINT32_MAX, UINT32_MAX },
};

START_TEST(a_suspicion_counts_as_a_failure_but_never_decides)
{
	const struct verdict_rules rules = { 1, suspicions[_i].fall };
	struct history h = { .up = suspicions[_i].up, .fails = suspicions[_i].fails };

	verdict_suspicion(&h, &rules);
	ck_assert_uint_eq(h.fails, suspicions[_i].then);
	ck_assert(h.up == suspicions[_i].up);
	if (!h.up)
		return;
	ck_assert_int_eq(verdict_result(&h, &rules, true), VERDICT_STAYS);
	ck_assert_uint_eq(h.fails, 0);
}
END_TEST

START_TEST(a_suspicion_and_one_failed_probe_are_two_failures)
{
	const struct verdict_rules rules = { 1, 2 };
	struct history h = { .up = true, .successes = 9 };

	verdict_suspicion(&h, &rules);
	ck_assert_uint_eq(h.successes, 0);
	ck_assert_int_eq(verdict_result(&h, &rules, false), VERDICT_DOWN);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("verdict");
	TCase *tc = tcase_create("verdict");

	tcase_add_loop_test(tc, a_verdict_turns_exactly_at_its_threshold, 0, N(sequences));
	tcase_add_test(tc, results_are_counted_in_a_row);
	tcase_add_test(tc, a_history_longer_than_the_new_threshold_turns_at_the_next_result);
	tcase_add_test(tc, counts_stop_at_their_largest_value);
	tcase_add_loop_test(
		tc, a_suspicion_counts_as_a_failure_but_never_decides, 0, N(suspicions));
	tcase_add_test(tc, a_suspicion_and_one_failed_probe_are_two_failures);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
