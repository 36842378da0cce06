/*
 * Whether a process is still the one that it was, asked about real ones.
 */
#include "ballast/base/process.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "harness.h"

enum { SECOND_US = 1000000 };

/* Has it already, when it is there. */
static pid_t
child_named(const char *name)
{
	int said[2];
	char octet;
	pid_t pid;

	ck_assert_int_eq(pipe(said), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_NAME, name);
		if (write(said[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(said[0], &octet, 1), 1);
	close(said[0]);
	close(said[1]);
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* Far in the future, so that it does not matter whether this machine has ever slept. */
static enum fate
fate_after_its_begin(pid_t pid)
{
	return process_fate(pid, UINT64_MAX / 4);
}

START_TEST(one_that_was_there_lives)
{
	ck_assert_int_eq(fate_after_its_begin(getpid()), FATE_LIVES);
}
END_TEST

static const char *const names[] = { "plain", "a b", ") R 1 2 3 4", "((", "))", ")", " ", "" };

START_TEST(one_that_began_later_is_another_one_whatever_its_name)
{
	uint64_t before_us = clock_now_us() - SECOND_US;
	pid_t pid = child_named(names[_i]);

	ck_assert_int_eq(process_fate(pid, before_us), FATE_ENDED);
	ck_assert_int_eq(fate_after_its_begin(pid), FATE_LIVES);
	end(pid);
}
END_TEST

START_TEST(what_is_not_sure_is_not_said)
{
	pid_t pid = child_named("x");

	ck_assert_int_ne(
		process_fate(pid, clock_now_us()), FATE_ENDED); /* this machine may have slept */
	ck_assert_int_eq(process_fate(pid, 0), FATE_UNKNOWN);
	end(pid);
	ck_assert_int_eq(fate_after_its_begin(pid), FATE_UNKNOWN);
	ck_assert_int_eq(fate_after_its_begin(0), FATE_UNKNOWN);
	ck_assert_int_eq(fate_after_its_begin(-1), FATE_UNKNOWN);
}
END_TEST

START_TEST(a_zombie_has_ended)
{
	pid_t pid = child_named("x");
	siginfo_t info;

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(fate_after_its_begin(pid), FATE_ENDED);
	ck_assert_int_eq(process_fate(pid, 0), FATE_ENDED);
	end(pid);
}
END_TEST

START_TEST(fields_are_found_by_their_number_and_none_behind_the_last)
{
	ck_assert_str_eq(process_stat_field(" R 4 5", STAT_STATE), "R 4 5");
	ck_assert_str_eq(process_stat_field(" R 4 5", STAT_STATE + 2), "5");
	ck_assert_ptr_null(process_stat_field(" R 4 5", STAT_STATE + 3));
	ck_assert_ptr_null(process_stat_field("", STAT_STATE));
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("process");
	TCase *t = tcase_create("process");

	tcase_add_test(t, one_that_was_there_lives);
	tcase_add_loop_test(t, one_that_began_later_is_another_one_whatever_its_name, 0,
		sizeof(names) / sizeof(names[0]));
	tcase_add_test(t, what_is_not_sure_is_not_said);
	tcase_add_test(t, a_zombie_has_ended);
	tcase_add_test(t, fields_are_found_by_their_number_and_none_behind_the_last);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return unit_main(suite());
}
