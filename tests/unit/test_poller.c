/*
 * The poller's contract, each test on both engines (the loop index says which).
 * A turn that must not wait is asked to wait for ever: were it to, Check's own
 * time limit ends the test.
 */
#include "ballast/base/poller.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "ballast/base/clock.h"
#include "poller_probe.h"

enum { BOTH_FROM = POLLER_POLL, BOTH_TO = POLLER_EPOLL + 1 };

START_TEST(a_quiet_turn_waits_its_time_and_reads_the_clock)
{
	uint64_t before;
	struct probe a;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	before = clock_now_us();
	ck_assert_int_eq(turn(20), 0);
	ck_assert_uint_ge(now_us - before, 19000);
	ck_assert_uint_le(now_us, clock_now_us());
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(input_wakes_until_it_is_cleared_and_again_when_more_comes)
{
	struct probe a;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	ck_assert_int_eq(turn(0), 0);
	feed(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_uint_eq(a.w.ready & (POLLER_IN | POLLER_FAIL | POLLER_EOF), POLLER_IN);
	ck_assert_int_eq(turn(FOREVER), 1); /* nothing was read: an edge must not get lost */
	ck_assert_int_eq(turn(FOREVER), 1);
	drain(&a);
	ck_assert_int_eq(turn(0), 0);
	feed(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(a.calls, 4);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(what_is_not_wanted_is_kept_until_it_is)
{
	struct probe a;

	open_poller(_i);
	watch_pair(&a, 0);
	feed(&a);
	ck_assert_int_eq(turn(0), 0);
	ck_assert_int_eq(turn(0), 0);
	poller_want(p, &a.w, POLLER_IN);
	ck_assert_int_eq(turn(FOREVER), 1);
	poller_want(p, &a.w, 0); /* back-pressure: it is ready and stays so */
	ck_assert_int_eq(turn(0), 0);
	poller_want(p, &a.w, POLLER_IN);
	ck_assert_int_eq(turn(FOREVER), 1);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(output_wakes_when_there_is_room)
{
	static char much[65536];
	struct probe a;

	open_poller(_i);
	watch_pair(&a, POLLER_OUT);
	ck_assert_int_eq(turn(FOREVER), 1);
	while (write(a.fd, much, sizeof(much)) > 0)
		continue;
	watch_clear(&a.w, POLLER_OUT);
	ck_assert_int_eq(turn(0), 0);
	while (read(a.far, much, sizeof(much)) > 0)
		continue;
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_uint_ne(a.w.ready & POLLER_OUT, 0);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(room_is_told_however_late_it_is_first_wanted)
{
	struct probe a;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(turn(0), 0);
		poller_want(p, &a.w, POLLER_IN | POLLER_OUT);
		ck_assert_int_eq(turn(FOREVER), 1);
		ck_assert_uint_eq(a.w.ready, POLLER_OUT);
		poller_want(p, &a.w, POLLER_IN);
	}
	feed(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_uint_ne(a.w.ready & POLLER_IN, 0);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(an_owner_can_make_itself_ready)
{
	struct probe a;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	a.w.ready |= POLLER_IN;
	poller_want(p, &a.w, POLLER_IN);
	ck_assert_int_eq(turn(FOREVER), 1);
	watch_clear(&a.w, POLLER_IN);
	ck_assert_int_eq(turn(0), 0);
	a.w.ready |= POLLER_IN;
	poller_want(p, &a.w, POLLER_IN);
	watch_clear(&a.w, POLLER_IN); /* thought better of it: nothing is left to hear */
	ck_assert_int_eq(turn(0), 0);
	ck_assert_int_eq(a.calls, 1);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(a_watch_added_ready_is_woken_in_the_next_turn)
{
	struct probe a = { .w = { .wake = on_wake, .ready = POLLER_IN } };

	open_poller(_i);
	pair(&a);
	ck_assert_int_eq(poller_add(p, &a.w, a.fd, POLLER_IN), 0);
	ck_assert_int_eq(turn(FOREVER), 1);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(end_of_input_alone_is_eof_and_no_failure)
{
	struct probe a;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	feed(&a);
	shutdown(a.far, SHUT_WR);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_uint_eq(
		a.w.ready & (POLLER_IN | POLLER_EOF | POLLER_FAIL), POLLER_IN | POLLER_EOF);
	watch_read_short(&a.w);
	ck_assert_int_eq(turn(FOREVER), 1); /* the end itself is still to be read */
	poller_want(p, &a.w, 0);
	ck_assert_int_eq(turn(0), 0);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(a_cut_is_told_once_to_a_watch_that_wants_nothing)
{
	uint64_t before;
	struct probe a;

	open_poller(_i);
	watch_pair(&a, 0);
	ck_assert_int_eq(turn(0), 0);
	fd_close(&a.far);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_uint_ne(a.w.ready & POLLER_FAIL, 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(turn(0), 0);
	before = clock_now_us();
	ck_assert_int_eq(turn(20), 0); /* it sleeps: what lasts does not make the loop spin */
	ck_assert_uint_ge(now_us - before, 19000);
	poller_want(p, &a.w, POLLER_IN);
	ck_assert_int_eq(turn(FOREVER), 1);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(a_cut_while_waiting_for_input_does_not_spin_after_want_is_dropped)
{
	uint64_t before;
	struct probe a;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	fd_close(&a.far);
	ck_assert_int_eq(turn(FOREVER), 1);
	poller_want(p, &a.w, 0);
	before = clock_now_us();
	ck_assert_int_eq(turn(20), 0);
	ck_assert_uint_ge(now_us - before, 19000);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(a_pipe_that_hangs_up_behind_its_last_octet_is_read_to_the_end)
{
	struct probe a = { .w = { .wake = on_wake } };
	int fds[2];
	char buf[8];

	open_poller(_i);
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	a.fd = fds[0];
	a.far = fds[1];
	ck_assert_int_eq(poller_add(p, &a.w, a.fd, POLLER_IN), 0);
	feed(&a);
	fd_close(&a.far);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(read(a.fd, buf, sizeof(buf)), 1);
	watch_read_short(&a.w);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(read(a.fd, buf, sizeof(buf)), 0);
	end(&a);
	poller_destroy(p);
}
END_TEST

START_TEST(removing_in_any_order_leaves_the_others_right)
{
	static const int orders[][5] = { { 0, 1, 2, 3, 4 }, { 4, 3, 2, 1, 0 }, { 2, 0, 4, 1, 3 } };
	struct probe probes[5];

	open_poller(_i);
	for (size_t k = 0; k < N(orders); k++) {
		for (int i = 0; i < 5; i++)
			watch_pair(&probes[i], 0);
		for (int gone = 0; gone < 5; gone++) {
			end(&probes[orders[k][gone]]);
			for (int i = gone + 1; i < 5; i++) {
				struct probe *left = &probes[orders[k][i]];
				int before = left->calls;

				feed(left);
				ck_assert_int_eq(turn(0), 0);
				poller_want(p, &left->w, POLLER_IN);
				ck_assert_int_eq(turn(FOREVER), 1);
				poller_want(p, &left->w, 0);
				ck_assert_int_eq(left->calls, before + 1);
				drain(left);
			}
		}
		ck_assert_uint_eq(poller_watched(p), 0);
	}
	poller_destroy(p);
}
END_TEST

START_TEST(capacity_is_a_limit_and_comes_back)
{
	struct probe a, b, c = { .w = { .wake = on_wake } };

	p = poller_create((enum poller_engine)_i, 2);
	watch_pair(&a, POLLER_IN);
	watch_pair(&b, POLLER_IN);
	pair(&c);
	ck_assert_int_eq(poller_add(p, &c.w, c.fd, POLLER_IN), -ENOSPC);
	end(&a);
	ck_assert_int_eq(poller_add(p, &c.w, c.fd, POLLER_IN), 0);
	end(&b);
	end(&c);
	poller_destroy(p);
}
END_TEST

START_TEST(a_watch_that_is_not_watched_can_be_removed_and_wanted)
{
	struct watch w = { .wake = on_wake, .fd = -1, .ready = POLLER_IN };

	open_poller(_i);
	poller_remove(p, &w);
	poller_want(p, &w, POLLER_IN);
	ck_assert_uint_eq(poller_watched(p), 0);
	ck_assert_int_eq(turn(0), 0);
	poller_destroy(p);
}
END_TEST

static void
ignore_signal(int number)
{
	(void)number;
}

START_TEST(a_signal_is_an_empty_turn)
{
	struct sigaction act = { .sa_handler = ignore_signal };
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };

	open_poller(_i);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	ck_assert_int_eq(turn(FOREVER), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	poller_destroy(p);
}
END_TEST

START_TEST(many_at_once_are_all_woken)
{
	static struct probe probes[600]; /* more than one batch of epoll */
	int woken = 0;

	open_poller(_i);
	for (size_t i = 0; i < N(probes); i++) {
		probes[i] =
			(struct probe){ .w = { .wake = on_wake }, .fd = count_to(1), .far = -1 };
		probes[i].then = end_self;
		ck_assert_int_eq(poller_add(p, &probes[i].w, probes[i].fd, POLLER_IN), 0);
	}
	for (int i = 0; i < 2 && woken < (int)N(probes); i++)
		woken += turn(FOREVER);
	ck_assert_int_eq(woken, (int)N(probes));
	for (size_t i = 0; i < N(probes); i++)
		ck_assert_int_eq(probes[i].calls, 1);
	poller_destroy(p);
}
END_TEST

START_TEST(a_shared_listener_is_told_as_long_as_somebody_waits)
{
	struct probe l;
	struct addr a, peer;
	int c1, c2, s;

	open_poller(_i);
	a = watch_listener(&l, POLLER_IN);
	c1 = connect_to(&a);
	c2 = connect_to(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_uint_eq(
		l.w.ready & POLLER_IN, 0); /* by the next turn another may have been faster */
	ck_assert_int_eq(turn(FOREVER), 1);
	while ((s = sock_accept(l.fd, &peer)) >= 0)
		fd_close(&s);
	ck_assert_int_eq(s, -EAGAIN);
	ck_assert_int_eq(turn(0), 0);
	fd_close(&c1);
	fd_close(&c2);
	end(&l);
	poller_destroy(p);
}
END_TEST

START_TEST(a_shared_listener_can_be_switched_off_and_on)
{
	struct probe l;
	struct addr a;
	int c;

	open_poller(_i);
	a = watch_listener(&l, 0);
	c = connect_to(&a);
	ck_assert_int_eq(turn(0), 0);
	for (int i = 0; i < 3; i++) {
		poller_want(p, &l.w, POLLER_IN);
		ck_assert_int_eq(turn(FOREVER), 1);
		poller_want(p, &l.w, 0);
		ck_assert_int_eq(turn(0), 0);
	}
	fd_close(&c);
	end(&l); /* while off */
	a = watch_listener(&l, POLLER_IN);
	c = connect_to(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	fd_close(&c);
	end(&l); /* while on */
	poller_destroy(p);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_quiet_turn_waits_its_time_and_reads_the_clock,
		input_wakes_until_it_is_cleared_and_again_when_more_comes,
		what_is_not_wanted_is_kept_until_it_is,
		output_wakes_when_there_is_room,
		room_is_told_however_late_it_is_first_wanted,
		an_owner_can_make_itself_ready,
		a_watch_added_ready_is_woken_in_the_next_turn,
		end_of_input_alone_is_eof_and_no_failure,
		a_cut_is_told_once_to_a_watch_that_wants_nothing,
		a_cut_while_waiting_for_input_does_not_spin_after_want_is_dropped,
		a_pipe_that_hangs_up_behind_its_last_octet_is_read_to_the_end,
		removing_in_any_order_leaves_the_others_right,
		capacity_is_a_limit_and_comes_back,
		a_watch_that_is_not_watched_can_be_removed_and_wanted,
		a_signal_is_an_empty_turn,
		many_at_once_are_all_woken,
		a_shared_listener_is_told_as_long_as_somebody_waits,
		a_shared_listener_can_be_switched_off_and_on,
	};
	Suite *s = suite_create("poller");
	TCase *t = tcase_create("poll and epoll");

	for (size_t i = 0; i < N(tests); i++)
		tcase_add_loop_test(t, tests[i], BOTH_FROM, BOTH_TO);
	suite_add_tcase(s, t);
	return unit_main(s);
}
