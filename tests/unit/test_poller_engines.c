/*
 * What is particular to one engine of the poller, and the move from poll to
 * epoll: nothing is lost, nothing is told twice, and a refusal only delays it.
 */
#include "ballast/base/poller.h"

#include <errno.h>
#include <sys/resource.h>

#include "poller_probe.h"

START_TEST(a_listener_the_kernel_refuses_is_tried_again)
{
	struct probe l;
	struct addr a;
	int number, kept, c;

	open_poller(POLLER_EPOLL);
	a = watch_listener(&l, 0);
	c = connect_to(&a);
	number = l.fd;
	kept = fcntl(number, F_DUPFD_CLOEXEC, number + 10);
	close(number); /* the refusal at hand: EBADF */
	poller_want(p, &l.w, POLLER_IN);
	ck_assert_int_eq(turn(0), 0);
	ck_assert_int_eq(turn(FOREVER), 0); /* not for ever: it wakes up to try */
	ck_assert_int_eq(dup3(kept, number, O_CLOEXEC), number);
	ck_assert_int_eq(turn(FOREVER), 1);
	fd_close(&kept);
	fd_close(&c);
	end(&l);
	poller_destroy(p);
}
END_TEST

START_TEST(epoll_refuses_a_file_and_forgets_it)
{
	struct probe f = { .w = { .wake = on_wake }, .far = -1 };

	open_poller(POLLER_EPOLL);
	f.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(poller_add(p, &f.w, f.fd, POLLER_IN), -EPERM);
	ck_assert_int_eq(f.w.fd, -1);
	ck_assert_uint_eq(poller_watched(p), 0);
	end(&f);
	poller_destroy(p);
}
END_TEST

START_TEST(auto_moves_to_epoll_above_the_crossover_for_good)
{
	struct probe probes[POLLER_CROSSOVER + 1];
	const int n = POLLER_CROSSOVER + 1;

	open_poller(POLLER_AUTO);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(poller_engine(p), POLLER_POLL);
		watch_pair(&probes[i], i % 2 == 0 ? POLLER_IN : 0);
		if (i < n / 2)
			feed(&probes[i]); /* it came before the move */
	}
	ck_assert_int_eq(poller_engine(p), POLLER_EPOLL);
	ck_assert_uint_eq(poller_watched(p), (unsigned)n);
	for (int i = n / 2; i < n; i++)
		feed(&probes[i]);
	ck_assert_int_eq(turn(FOREVER), n - n / 2);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(probes[i].calls, i % 2 == 0);
		end(&probes[i]);
	}
	ck_assert_int_eq(poller_engine(p), POLLER_EPOLL);
	poller_destroy(p);
}
END_TEST

static struct probe late[POLLER_CROSSOVER];

static void
add_many(struct probe *probe)
{
	drain(probe);
	for (int i = 0; i < POLLER_CROSSOVER; i++) {
		watch_pair(&late[i], POLLER_IN);
		feed(&late[i]);
	}
}

START_TEST(the_move_can_happen_within_a_turn)
{
	struct probe a, l, cut;
	struct addr addr;
	int c;

	open_poller(POLLER_AUTO);
	addr = watch_listener(&l, POLLER_IN);
	watch_pair(&cut, 0);
	watch_pair(&a, POLLER_IN);
	fd_close(&cut.far);
	ck_assert_int_eq(
		turn(FOREVER), 1); /* told: it must not be told again by the other engine */
	a.then = add_many;
	feed(&a);
	ck_assert_int_eq(turn(FOREVER), 1);
	ck_assert_int_eq(poller_engine(p), POLLER_EPOLL);
	c = connect_to(&addr);
	ck_assert_int_eq(turn(FOREVER), POLLER_CROSSOVER + 1);
	ck_assert_int_eq(l.calls, 1);
	ck_assert_int_eq(cut.calls, 1);
	for (int i = 0; i < POLLER_CROSSOVER; i++)
		end(&late[i]);
	fd_close(&c);
	end(&a);
	end(&l);
	end(&cut);
	poller_destroy(p);
}
END_TEST

static void
limit_descriptors(rlim_t soft)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(where_epoll_is_refused_poll_goes_on_and_tries_again)
{
	static struct probe probes[2 * POLLER_CROSSOVER + 1];
	const int n = (int)N(probes);

	open_poller(POLLER_AUTO);
	for (int i = 0; i < n; i++)
		probes[i] =
			(struct probe){ .w = { .wake = on_wake }, .fd = count_to(1), .far = -1 };
	limit_descriptors(3); /* no descriptor for an epoll */
	for (int i = 0; i < n - 1; i++) {
		ck_assert_int_eq(poller_add(p, &probes[i].w, probes[i].fd, POLLER_IN), 0);
		ck_assert_int_eq(poller_engine(p), POLLER_POLL);
		if (i == POLLER_CROSSOVER) /* refused once: not asked again with every add */
			limit_descriptors(1024);
	}
	ck_assert_int_eq(turn(FOREVER), n - 1);
	ck_assert_int_eq(poller_add(p, &probes[n - 1].w, probes[n - 1].fd, POLLER_IN), 0);
	ck_assert_int_eq(poller_engine(p), POLLER_EPOLL);
	ck_assert_int_eq(turn(FOREVER), n);
	for (int i = 0; i < n; i++)
		end(&probes[i]);
	poller_destroy(p);
}
END_TEST

START_TEST(engines_have_names)
{
	enum poller_engine engine = POLLER_AUTO;

	for (int i = POLLER_AUTO; i <= POLLER_EPOLL; i++) {
		ck_assert(poller_engine_parse(&engine, poller_engine_name((enum poller_engine)i)));
		ck_assert_int_eq((int)engine, i);
	}
	ck_assert(!poller_engine_parse(&engine, "kqueue"));
	ck_assert_int_eq(engine, POLLER_EPOLL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("poller engines");
	TCase *t = tcase_create("each and the move");

	tcase_add_test(t, a_listener_the_kernel_refuses_is_tried_again);
	tcase_add_test(t, epoll_refuses_a_file_and_forgets_it);
	tcase_add_test(t, auto_moves_to_epoll_above_the_crossover_for_good);
	tcase_add_test(t, the_move_can_happen_within_a_turn);
	tcase_add_test(t, where_epoll_is_refused_poll_goes_on_and_tries_again);
	tcase_add_test(t, engines_have_names);
	suite_add_tcase(s, t);
	return unit_main(s);
}
