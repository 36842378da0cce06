/*
 * The checker as a whole: the real process over a real segment, with this
 * process as its master and as all backends.  What is waited for is an event (a
 * connection, a word in shared memory, the end of the process), never a time.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "ballast/base/control.h"
#include "ballast/base/sock.h"
#include "ballast/health/checker.h"
#include "ballast/shm/metrics.h"
#include "harness.h"
#include "shm_world.h"

enum { BACKENDS = 3, HOUR_MS = 3600 * 1000, PATIENCE_MS = 20000, LOOK_MS = 1 };

#define OK_ANSWER  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define BAD_ANSWER "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"

static struct shm shm;
static struct config config;
static struct config_backend backends[BACKENDS];
static uint16_t rows[BACKENDS];
static char urls[BACKENDS][64];
static int listeners[BACKENDS];
static struct slot *slot;
static int control[2];
static pid_t checker;

static void
expect_statuses(int from, int to)
{
	memset(config.health.expect, 0, sizeof(config.health.expect));
	for (int s = from; s <= to; s++)
		config.health.expect[(s - EXPECT_FIRST) / 8] |=
			(uint8_t)(1u << ((s - EXPECT_FIRST) % 8));
}

static void
listen_anew(unsigned i)
{
	struct addr *a = &backends[i].addrs[0];

	listeners[i] = sock_listen(a, 64, 0);
	ck_assert_int_ge(listeners[i], 0);
	ck_assert_int_eq(sock_name(listeners[i], a), 0);
}

static void
make_backend(unsigned i)
{
	static char host[] = "127.0.0.1", path[] = "/";
	struct config_backend *b = &backends[i];
	int row;

	ck_assert_ptr_null(addr_parse_listen(&b->addrs[0], "127.0.0.1:0"));
	listen_anew(i);
	snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%u", addr_port(&b->addrs[0]));
	b->url = urls[i];
	b->host = host;
	b->port = addr_port(&b->addrs[0]);
	b->path = path;
	b->n_addrs = 1;
	row = backend_assign(&shm, b->url, 1, 1);
	ck_assert_int_ge(row, 0);
	rows[i] = (uint16_t)row;
}

static void
set_up(void)
{
	world_open(&shm, 8, 4, 0);
	for (unsigned i = 0; i < BACKENDS; i++)
		make_backend(i);
	config.backends = backends;
	config.n_backends = BACKENDS;
	config.health = (struct config_health){ .on = true,
		.interval_us = (uint64_t)HOUR_MS * 1000,
		.timeout_us = (uint64_t)HOUR_MS * 1000,
		.rise = 1,
		.fall = 2 };
	expect_statuses(200, 399);
	log_set_level(LEVEL_FATAL);
}

static void
begin_with(unsigned n)
{
	struct checker_setup setup = { .config = &config, .shm = &shm, .rows = rows };

	config.n_backends = n;
	slot = slot_claim(&shm, ROLE_CHECKER, 1, 1);
	ck_assert_ptr_nonnull(slot);
	ck_assert_int_eq(control_pair(control), 0);
	checker = fork();
	ck_assert_int_ge(checker, 0);
	if (checker > 0) {
		fd_close(&control[1]);
		return;
	}
	fd_close(&control[0]);
	for (unsigned i = 0; i < BACKENDS; i++)
		fd_close(&listeners[i]);
	setup.slot = slot;
	setup.control = control[1];
	_exit(checker_run(&setup));
}

/* Waits a little between two looks; false when it has waited too long for all of them. */
static bool
patience(unsigned *looks)
{
	poll(NULL, 0, LOOK_MS);
	return ++*looks < PATIENCE_MS / LOOK_MS;
}

#define wait_until(condition)                                                                      \
	for (unsigned looks_ = 0; !(condition);)                                                   \
	ck_assert_msg(patience(&looks_), "waited in vain for: %s", #condition)

static void
wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
}

static void
end_checker(void)
{
	int status;

	wait_readable(control[0]); /* the end of the control pipe: it has left */
	ck_assert_int_eq(waitpid(checker, &status, 0), checker);
	checker = 0;
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void
drain_checker(void)
{
	while (control_next(control[0], NULL) == CONTROL_READY)
		continue;
	ck_assert_int_eq(control_send(control[0], CONTROL_DRAIN), 0);
	end_checker();
}

static void
tear_down(void)
{
	if (checker > 0) {
		kill(checker, SIGKILL);
		waitpid(checker, NULL, 0);
	}
	fd_close(&control[0]);
	for (unsigned i = 0; i < BACKENDS; i++)
		fd_close(&listeners[i]);
	shm_detach(&shm);
}

/* The next probe of a backend, asked and not yet answered. */
static int
next_probe(unsigned i)
{
	struct addr peer;
	char request[4096];
	ssize_t n;
	int fd;

	wait_readable(listeners[i]);
	fd = sock_accept(listeners[i], &peer);
	ck_assert_int_ge(fd, 0);
	wait_readable(fd);
	n = sock_recv(fd, request, sizeof(request) - 1);
	ck_assert_int_gt(n, 0);
	request[n] = '\0';
	ck_assert_int_eq(strncmp(request, "GET / HTTP/1.1\r\n", 16), 0);
	return fd;
}

static void
answer(int fd, const char *text)
{
	ck_assert_int_eq(sock_send(fd, text, strlen(text)), (ssize_t)strlen(text));
	fd_close(&fd);
}

static uint64_t
checks(unsigned i, bool success)
{
	return metrics_sum_health_checks(&shm, rows[i], success);
}

static bool
is_up(unsigned i)
{
	return backend_is_up(&shm, rows[i]);
}

static uint32_t
fails(unsigned i)
{
	return atomic_load(&shm.backends[rows[i]].fails);
}

/* The first round, answered well by all. */
static void
pass_first_round(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		answer(next_probe(i), OK_ANSWER);
	for (unsigned i = 0; i < n; i++)
		wait_until(checks(i, true) == 1);
}

START_TEST(it_is_ready_before_any_backend_has_answered)
{
	begin_with(BACKENDS);
	wait_readable(control[0]);
	ck_assert_int_eq(control_next(control[0], NULL), CONTROL_READY);
	ck_assert_uint_eq(atomic_load(&slot->state), SLOT_READY);
	ck_assert_uint_gt(atomic_load(&slot->beat_us), 0);
	for (unsigned i = 0; i < BACKENDS; i++)
		ck_assert_uint_eq(checks(i, true) + checks(i, false), 0);
	drain_checker();
}
END_TEST

START_TEST(all_are_probed_at_once_whoever_is_silent)
{
	int held[BACKENDS];

	begin_with(BACKENDS);
	for (unsigned i = 0; i < BACKENDS; i++)
		held[i] = next_probe(i);
	answer(held[2], OK_ANSWER);
	wait_until(checks(2, true) == 1);
	answer(held[0], BAD_ANSWER);
	wait_until(checks(0, false) == 1);
	ck_assert_uint_eq(checks(1, true) + checks(1, false), 0);
	fd_close(&held[1]);
	wait_until(checks(1, false) == 1);
	drain_checker();
}
END_TEST

static const struct {
	enum control message; /* NONE: the signal; EOF: the master's death */
	int signal;
} ends[] = {
	{ CONTROL_DRAIN, 0 },
	{ CONTROL_RETIRE, 0 },
	{ CONTROL_EOF, 0 },
	{ CONTROL_NONE, SIGTERM },
};

START_TEST(it_leaves_at_once_in_the_middle_of_probes)
{
	enum control message = ends[_i].message;
	int held;

	begin_with(1);
	held = next_probe(0);
	ck_assert_int_eq(control_next(control[0], NULL), CONTROL_READY);
	if (message == CONTROL_NONE)
		kill(checker, ends[_i].signal);
	else if (message == CONTROL_EOF)
		shutdown(control[0], SHUT_WR);
	else
		ck_assert_int_eq(control_send(control[0], message), 0);
	end_checker();
	fd_close(&held);
	ck_assert_uint_eq(checks(0, false), 0);
}
END_TEST

START_TEST(other_signals_and_reopening_do_not_end_it)
{
	static const int harmless[] = { SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };
	uint64_t beat;

	begin_with(1);
	pass_first_round(1);
	for (size_t i = 0; i < N(harmless); i++)
		kill(checker, harmless[i]);
	ck_assert_int_eq(control_send_fd(control[0], CONTROL_LOG, STDERR_FILENO), 0);
	beat = atomic_load(&slot->beat_us);
	wait_until(atomic_load(&slot->beat_us) > beat + 200000); /* some turns later */
	drain_checker();
}
END_TEST

START_TEST(blame_without_reason_calls_a_probe_and_ejects_nobody)
{
	begin_with(2);
	pass_first_round(2);
	for (uint64_t round = 1; round <= 3; round++) {
		int probe;

		backend_blame(&shm, rows[0]);
		backend_blame(&shm, rows[0]);
		probe = next_probe(0);
		ck_assert(is_up(0));
		ck_assert_uint_eq(fails(0), 1); /* the evidence counts as one */
		answer(probe, OK_ANSWER);
		wait_until(checks(0, true) == 1 + round);
		ck_assert(is_up(0));
		wait_until(fails(0) == 0);
	}
	ck_assert_uint_eq(checks(0, false), 0);
	ck_assert_uint_eq(checks(1, true), 1); /* nobody blamed it */
	drain_checker();
}
END_TEST

START_TEST(blame_while_a_probe_runs_does_not_decide_without_it)
{
	uint64_t beat;
	int probe;

	begin_with(1);
	pass_first_round(1);
	backend_blame(&shm, rows[0]);
	probe = next_probe(0);
	for (unsigned i = 0; i < 3; i++) {
		backend_blame(&shm, rows[0]);
		beat = atomic_load(&slot->beat_us);
		wait_until(atomic_load(&slot->beat_us) > beat + 300000);
		ck_assert(is_up(0));
	}
	answer(probe, OK_ANSWER);
	wait_until(checks(0, true) == 2);
	ck_assert(is_up(0));
	drain_checker();
}
END_TEST

START_TEST(a_dead_backend_is_down_by_one_piece_of_evidence_and_one_probe)
{
	uint64_t failed;

	begin_with(2);
	pass_first_round(2);
	fd_close(&listeners[0]);
	backend_blame(&shm, rows[0]);
	wait_until(!is_up(0));
	failed = checks(0, false);
	ck_assert_uint_eq(failed, 1);
	ck_assert(is_up(1));
	ck_assert_uint_eq(atomic_load(&shm.backends[rows[0]].last_status), 1000 + ECONNREFUSED);
	ck_assert_uint_gt(atomic_load(&shm.backends[rows[0]].since_us), 0);
	drain_checker();
}
END_TEST

START_TEST(with_fall_1_the_probe_decides_too)
{
	int probe;

	config.health.fall = 1;
	begin_with(1);
	pass_first_round(1);
	backend_blame(&shm, rows[0]);
	probe = next_probe(0);
	ck_assert(is_up(0));
	answer(probe, BAD_ANSWER);
	wait_until(!is_up(0));
	ck_assert_uint_eq(atomic_load(&shm.backends[rows[0]].last_status), 500);
	drain_checker();
}
END_TEST

START_TEST(the_next_checker_goes_on_where_the_last_one_was)
{
	config.health.fall = 3;
	begin_with(1);
	answer(next_probe(0), BAD_ANSWER);
	wait_until(checks(0, false) == 1);
	drain_checker();
	fd_close(&control[0]);
	slot_fold(&shm, slot);
	begin_with(1);
	answer(next_probe(0), BAD_ANSWER);
	wait_until(checks(0, false) == 2);
	ck_assert(is_up(0));
	drain_checker();
	fd_close(&control[0]);
	slot_fold(&shm, slot);
	begin_with(1);
	answer(next_probe(0), BAD_ANSWER);
	wait_until(!is_up(0));
	ck_assert_uint_eq(checks(0, false), 3);
	drain_checker();
}
END_TEST

START_TEST(probes_come_again_on_their_interval_and_bring_a_backend_back)
{
	config.health.interval_us = 50000;
	begin_with(1);
	answer(next_probe(0), BAD_ANSWER);
	answer(next_probe(0), BAD_ANSWER);
	wait_until(!is_up(0));
	answer(next_probe(0), OK_ANSWER);
	wait_until(is_up(0));
	ck_assert_uint_eq(checks(0, false), 2);
	drain_checker();
}
END_TEST

START_TEST(a_time_limit_ends_a_probe_that_is_never_answered)
{
	int held;

	config.health.timeout_us = 100000;
	config.health.fall = 1;
	begin_with(1);
	held = next_probe(0);
	wait_until(!is_up(0));
	ck_assert_uint_eq(atomic_load(&shm.backends[rows[0]].last_status), 1000 + ETIMEDOUT);
	fd_close(&held);
	drain_checker();
}
END_TEST

/* Stopped for longer than the time limit with a probe in flight: it is made again, and decides. */
START_TEST(a_checker_that_was_stopped_asks_again)
{
	int held, status;

	config.health.timeout_us = 200000;
	config.health.fall = 1;
	begin_with(1);
	held = next_probe(0);
	kill(checker, SIGSTOP);
	ck_assert_int_eq(waitpid(checker, &status, WUNTRACED), checker);
	if (checks(0, false) == 0) { /* else this machine stalled us before we could stop it */
		poll(NULL, 0, 1000); /* the disturbance itself */
		kill(checker, SIGCONT);
		answer(next_probe(0), OK_ANSWER);
		wait_until(checks(0, true) == 1);
		ck_assert(is_up(0));
		ck_assert_uint_eq(checks(0, false), 0);
	}
	kill(checker, SIGCONT);
	fd_close(&held);
	drain_checker();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("checker");
	TCase *t = tcase_create("process");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, it_is_ready_before_any_backend_has_answered);
	tcase_add_test(t, all_are_probed_at_once_whoever_is_silent);
	tcase_add_loop_test(t, it_leaves_at_once_in_the_middle_of_probes, 0, N(ends));
	tcase_add_test(t, other_signals_and_reopening_do_not_end_it);
	tcase_add_test(t, blame_without_reason_calls_a_probe_and_ejects_nobody);
	tcase_add_test(t, blame_while_a_probe_runs_does_not_decide_without_it);
	tcase_add_test(t, a_dead_backend_is_down_by_one_piece_of_evidence_and_one_probe);
	tcase_add_test(t, with_fall_1_the_probe_decides_too);
	tcase_add_test(t, the_next_checker_goes_on_where_the_last_one_was);
	tcase_add_test(t, probes_come_again_on_their_interval_and_bring_a_backend_back);
	tcase_add_test(t, a_time_limit_ends_a_probe_that_is_never_answered);
	tcase_add_test(t, a_checker_that_was_stopped_asks_again);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return unit_main(suite());
}
