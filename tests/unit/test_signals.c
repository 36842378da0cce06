/*
 * Signals as a descriptor: they wait there instead of interrupting, and a child
 * gets rid of all of it.  Signals are raised in the test's own process, or in a
 * child it forks and reaps.
 */
#include "ballast/base/signals.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static const int ours[] = { SIGHUP, SIGTERM, SIGUSR1, SIGCHLD };

static int
open_ours(void)
{
	int fd = signals_open(ours, N(ours));

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(a_raised_signal_waits_to_be_read)
{
	int fd = open_ours(), sender = 0;

	ck_assert_int_eq(signals_next(fd, &sender), 0);
	raise(SIGTERM); /* it would end us were it not blocked */
	ck_assert_int_eq(signals_next(fd, &sender), SIGTERM);
	ck_assert_int_eq(sender, getpid());
	ck_assert_int_eq(signals_next(fd, NULL), 0);
	close(fd);
}
END_TEST

START_TEST(different_signals_are_all_read)
{
	int fd = open_ours();
	bool seen[NSIG] = { false };

	for (size_t i = 0; i < N(ours); i++)
		raise(ours[i]);
	raise(SIGHUP); /* already pending: they merge */
	for (size_t i = 0; i < N(ours); i++)
		seen[signals_next(fd, NULL)] = true;
	for (size_t i = 0; i < N(ours); i++)
		ck_assert(seen[ours[i]]);
	ck_assert_int_eq(signals_next(fd, NULL), 0);
	close(fd);
}
END_TEST

START_TEST(the_descriptor_is_nonblocking_and_does_not_survive_exec)
{
	int fd = open_ours();

	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
}
END_TEST

START_TEST(writing_to_nobody_is_an_error_and_not_a_death)
{
	int fd = open_ours(), ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	ck_assert_int_eq(write(ends[1], "x", 1), -1);
	close(ends[1]);
	close(fd);
}
END_TEST

START_TEST(a_number_that_is_no_signal_is_refused)
{
	static const int none[] = { 100000 };

	ck_assert_int_lt(signals_open(none, 1), 0);
}
END_TEST

/* In the child: exits 0 when it has the defaults, and after opening its own signals nothing else is blocked. */
static void
check_reset(void)
{
	struct sigaction act;
	sigset_t blocked;
	int bad = 0;

	signals_reset();
	for (size_t i = 0; i < N(ours); i++) {
		sigaction(ours[i], NULL, &act);
		bad += act.sa_handler != SIG_DFL;
	}
	bad += signals_open_in_child() < 0;
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	bad += !sigismember(&blocked, SIGTERM) || sigismember(&blocked, SIGCHLD);
	sigaction(SIGPIPE, NULL, &act);
	bad += act.sa_handler != SIG_IGN;
	_exit(bad);
}

static int
status_of(pid_t child)
{
	int status = -1;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

START_TEST(a_child_that_resets_has_defaults_and_its_own_signals_blocked)
{
	int fd, status;
	pid_t child;

	signal(SIGUSR1, SIG_IGN);
	fd = open_ours();
	child = fork();
	if (child == 0)
		check_reset();
	status = status_of(child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(fd);
}
END_TEST

START_TEST(a_signal_pending_at_the_reset_is_read_by_the_child)
{
	int fd = open_ours(), status;
	pid_t child = fork();

	if (child == 0) {
		raise(SIGTERM);
		signals_reset();
		_exit(signals_next(signals_open_in_child(), NULL) == SIGTERM ? 0 : 1);
	}
	status = status_of(child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(fd);
}
END_TEST

START_TEST(a_signal_that_was_ignored_is_delivered_all_the_same)
{
	int fd, child;

	signal(SIGCHLD, SIG_IGN);
	fd = signals_open((const int[]){ SIGCHLD }, 1);
	ck_assert_int_ge(fd, 0);
	child = fork();
	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(signals_next(fd, NULL), SIGCHLD);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	close(fd);
}
END_TEST

START_TEST(signals_have_names)
{
	ck_assert_str_eq(signals_name(SIGHUP), "HUP");
	ck_assert_str_eq(signals_name(SIGTERM), "TERM");
	ck_assert_str_eq(signals_name(SIGCHLD), "CHLD");
	ck_assert_str_eq(signals_name(4242), "signal 4242");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("signals");
	TCase *t = tcase_create("signals");

	tcase_add_test(t, a_raised_signal_waits_to_be_read);
	tcase_add_test(t, different_signals_are_all_read);
	tcase_add_test(t, the_descriptor_is_nonblocking_and_does_not_survive_exec);
	tcase_add_test(t, writing_to_nobody_is_an_error_and_not_a_death);
	tcase_add_test(t, a_number_that_is_no_signal_is_refused);
	tcase_add_test(t, a_child_that_resets_has_defaults_and_its_own_signals_blocked);
	tcase_add_test(t, a_signal_pending_at_the_reset_is_read_by_the_child);
	tcase_add_test(t, a_signal_that_was_ignored_is_delivered_all_the_same);
	tcase_add_test(t, signals_have_names);
	suite_add_tcase(s, t);
	return unit_main(s);
}
