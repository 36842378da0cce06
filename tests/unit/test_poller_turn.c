/*
 * What watches may do to each other within one turn of the poller: all is known
 * before the first wake, and whoever is taken away is not called.  Each test on
 * both engines (the loop index says which).
 */
#include "ballast/base/poller.h"

#include "poller_probe.h"

enum { BOTH_FROM = POLLER_POLL, BOTH_TO = POLLER_EPOLL + 1 };

static void
look_at_other(struct probe *probe)
{
	probe->other_ready = probe->other->w.ready & POLLER_IN;
}

START_TEST(all_are_marked_before_the_first_is_woken)
{
	struct probe a, b;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	watch_pair(&b, POLLER_IN);
	a.other = &b;
	b.other = &a;
	a.then = b.then = look_at_other;
	feed(&a);
	feed(&b);
	ck_assert_int_eq(turn(FOREVER), 2);
	ck_assert_int_eq(a.other_ready, POLLER_IN);
	ck_assert_int_eq(b.other_ready, POLLER_IN);
	end(&a);
	end(&b);
	poller_destroy(p);
}
END_TEST

static bool refreshed;

static void
feed_other_and_refresh(struct probe *probe)
{
	feed(probe->other);
	refreshed = poller_refresh(p);
	look_at_other(probe);
}

/* What came after the wait is known before the turn is over, where the engine can tell cheaply; woken it is in the next one. */
START_TEST(a_refresh_tells_what_came_within_the_turn)
{
	bool epoll = _i == POLLER_EPOLL;
	struct probe a, b;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	watch_pair(&b, POLLER_IN);
	a.other = &b;
	a.then = feed_other_and_refresh;
	feed(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(refreshed, epoll);
	ck_assert_int_eq(a.other_ready, epoll ? POLLER_IN : 0);
	ck_assert_int_eq(b.calls, 0);
	a.then = NULL;
	ck_assert_int_ge(turn(FOREVER), 1);
	ck_assert_int_eq(b.calls, 1);
	end(&a);
	end(&b);
	poller_destroy(p);
}
END_TEST

static void
end_itself_after_refresh(struct probe *probe)
{
	feed(probe);
	refreshed = poller_refresh(p);
	end(probe);
}

START_TEST(a_watch_that_ends_after_a_refresh_is_not_woken_again)
{
	struct probe a, b;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	watch_pair(&b, POLLER_IN);
	a.then = end_itself_after_refresh;
	feed(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	feed(&b);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(a.calls, 1);
	ck_assert_int_eq(b.calls, 1);
	end(&b);
	poller_destroy(p);
}
END_TEST

static void
end_other(struct probe *probe)
{
	end(probe->other);
}

START_TEST(a_watch_removed_within_the_turn_is_not_woken)
{
	struct probe a, b;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	watch_pair(&b, POLLER_IN);
	a.other = &b;
	b.other = &a;
	a.then = b.then = end_other;
	feed(&a);
	feed(&b);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(a.calls + b.calls, 1);
	ck_assert_uint_eq(poller_watched(p), 1);
	end(&a);
	end(&b);
	poller_destroy(p);
}
END_TEST

/* The number of the closed descriptor is the lowest free one: the new one gets it. */
static void
replace_other(struct probe *probe)
{
	struct probe *other = probe->other;
	int old = other->fd;

	other->then = NULL;
	end(other);
	other->w.ready = 0;
	pair(other);
	ck_assert(other->fd == old || other->far == old);
	ck_assert_int_eq(poller_add(p, &other->w, other->fd, POLLER_IN), 0);
}

START_TEST(a_descriptor_reused_within_the_turn_does_not_hear_of_the_old_one)
{
	struct probe a, b;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	watch_pair(&b, POLLER_IN);
	a.other = &b;
	b.other = &a;
	a.then = b.then = replace_other;
	feed(&a);
	feed(&b);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(a.calls + b.calls, 1);
	drain(&a);
	drain(&b);
	a.then = b.then = NULL;
	ck_assert_int_eq(turn(0), 0);
	feed(&a);
	feed(&b);
	ck_assert_int_eq(turn(FOREVER), 2);
	end(&a);
	end(&b);
	poller_destroy(p);
}
END_TEST

START_TEST(a_watch_can_end_itself_in_its_wake)
{
	struct probe a;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	a.then = end_self;
	feed(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_uint_eq(poller_watched(p), 0);
	ck_assert_int_eq(turn(0), 0);
	poller_destroy(p);
}
END_TEST

static void
drain_other(struct probe *probe)
{
	drain(probe);
	drain(probe->other);
}

START_TEST(a_watch_whose_input_another_took_is_left_asleep)
{
	struct probe a, b;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	watch_pair(&b, POLLER_IN);
	a.other = &b;
	b.other = &a;
	a.then = b.then = drain_other;
	feed(&a);
	feed(&b);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(turn(0), 0);
	end(&a);
	end(&b);
	poller_destroy(p);
}
END_TEST

static void
make_other_ready(struct probe *probe)
{
	drain(probe);
	probe->other->w.ready |= POLLER_IN;
	poller_want(p, &probe->other->w, POLLER_IN);
}

START_TEST(what_a_wake_makes_ready_waits_for_the_next_turn)
{
	struct probe a, b;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	watch_pair(&b, 0);
	a.other = &b;
	a.then = make_other_ready;
	feed(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(b.calls, 0);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(b.calls, 1);
	end(&a);
	end(&b); /* it is still queued */
	ck_assert_int_eq(turn(0), 0);
	poller_destroy(p);
}
END_TEST

START_TEST(a_duplicate_kept_elsewhere_does_not_keep_the_watch_alive)
{
	struct probe a;
	int copy;

	open_poller(_i);
	watch_pair(&a, POLLER_IN);
	copy = fcntl(a.fd, F_DUPFD_CLOEXEC, 0);
	poller_remove(p, &a.w);
	fd_close(&a.fd);
	feed(&a);
	ck_assert_int_eq(turn(0), 0);
	ck_assert_int_eq(a.calls, 0);
	a.fd = copy;
	ck_assert_int_eq(poller_add(p, &a.w, a.fd, POLLER_IN), 0);
	ck_assert_int_eq(turn(FOREVER), 1);
	poller_remove(p, &a.w);
	ck_assert_int_eq(poller_add(p, &a.w, a.fd, POLLER_IN), 0); /* the same number again */
	ck_assert_int_eq(turn(FOREVER), 1);
	end(&a);
	poller_destroy(p);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		all_are_marked_before_the_first_is_woken,
		a_refresh_tells_what_came_within_the_turn,
		a_watch_that_ends_after_a_refresh_is_not_woken_again,
		a_watch_removed_within_the_turn_is_not_woken,
		a_descriptor_reused_within_the_turn_does_not_hear_of_the_old_one,
		a_watch_can_end_itself_in_its_wake,
		a_watch_whose_input_another_took_is_left_asleep,
		what_a_wake_makes_ready_waits_for_the_next_turn,
		a_duplicate_kept_elsewhere_does_not_keep_the_watch_alive,
	};
	Suite *s = suite_create("poller turn");
	TCase *t = tcase_create("poll and epoll");

	for (size_t i = 0; i < N(tests); i++)
		tcase_add_loop_test(t, tests[i], BOTH_FROM, BOTH_TO);
	suite_add_tcase(s, t);
	return unit_main(s);
}
