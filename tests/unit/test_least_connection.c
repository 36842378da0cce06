/*
 * least-connection: the counts are those of all processes, live ones only, and
 * leases that were taken are given back once.
 */
#include "ballast/balance/balance.h"

#include <string.h>

#include "balance_world.h"
#include "harness.h"

START_TEST(the_one_with_fewest_in_flight_is_chosen_over_all_slots)
{
	struct world *w = open_world("least-connection", 3, NULL);
	struct slot *other = slot_claim(&w->shm, ROLE_WORKER, 1, 2);

	lease_take(&w->shm, w->slot, 0);
	lease_take(&w->shm, other, 1);
	lease_take(&w->shm, other, 1);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(pick(w), 2);
	for (unsigned i = 0; i < 3; i++)
		lease_take(&w->shm, other, 2);
	ck_assert_int_eq(pick(w), 0);
	lease_give(&w->shm, other, 1);
	lease_give(&w->shm, other, 1);
	ck_assert_int_eq(pick(w), 1);
	for (unsigned i = 0; i < 4; i++)
		lease_take(&w->shm, w->slot, 1);
	lease_take(&w->shm, w->slot, 0);
	ck_assert_int_eq(pick(w), 0); /* 2, 4, 3 */
	slot_fold(&w->shm, other);
	ck_assert_int_eq(pick(w), 2); /* what the dead held is gone: 2, 4, 0 */
	close_world(w);
}
END_TEST

START_TEST(a_weight_counts_as_so_many_times_the_room)
{
	static const uint16_t weights[] = { 4, 2, 1 };
	struct world *w = open_world("least-connection", 3, weights);
	uint32_t held[3] = { 0 };

	for (unsigned i = 0; i < 70; i++) {
		int chosen = pick(w);

		lease_take(&w->shm, w->slot, (unsigned)chosen);
		held[chosen]++;
		for (unsigned k = 0; k < 3; k++) /* nobody else was emptier */
			ck_assert_uint_le(
				(held[chosen] - 1) * weights[k], held[k] * weights[chosen]);
	}
	ck_assert_uint_eq(held[0], 40);
	ck_assert_uint_eq(held[1], 20);
	ck_assert_uint_eq(held[2], 10);
	close_world(w);
}
END_TEST

START_TEST(ties_go_round)
{
	struct world *w = open_world("least-connection", 5, NULL);
	unsigned turns[5] = { 0 };

	for (unsigned i = 0; i < 50; i++)
		turns[pick(w)]++;
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(turns[i], 10);
	lease_take(&w->shm, w->slot, 1);
	lease_take(&w->shm, w->slot, 3);
	memset(turns, 0, sizeof(turns));
	for (unsigned i = 0; i < 30; i++)
		turns[pick(w)]++;
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(turns[i], i == 1 || i == 3 ? 0 : 10);
	close_world(w);
}
END_TEST

START_TEST(one_that_is_down_with_nothing_in_flight_does_not_win)
{
	struct world *w = open_world("least-connection", 3, NULL);

	lease_take(&w->shm, w->slot, 0);
	lease_take(&w->shm, w->slot, 1);
	backend_set_up(&w->shm, 2, false, 1);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_ne(pick(w), 2);
	close_world(w);
}
END_TEST

static int
lease_and_give(unsigned number, void *arg)
{
	struct picks *p = arg;
	struct world *w = p->world;
	struct slot *slot = slot_at(&w->shm, number);

	for (unsigned i = 0; i < p->each; i++) {
		int chosen = pick(w);

		if (chosen < 0)
			return 1;
		lease_take(&w->shm, slot, (unsigned)chosen);
		if (slots_active(&w->shm, (unsigned)chosen) > 4)
			return 2; /* no more than one of each process */
		lease_give(&w->shm, slot, (unsigned)chosen);
		atomic_fetch_add(&p->made, 1);
	}
	return 0;
}

START_TEST(leases_of_many_processes_come_out_even)
{
	struct picks *p = world_shared(sizeof(*p));

	p->world = open_world("least-connection", 3, NULL);
	p->each = 10000;
	for (unsigned i = 1; i < 4; i++)
		ck_assert_ptr_nonnull(slot_claim(&p->world->shm, ROLE_WORKER, 1, i));
	children_run(4, lease_and_give, p);
	for (unsigned row = 0; row < 3; row++)
		ck_assert_uint_eq(slots_active(&p->world->shm, row), 0);
	close_world(p->world);
}
END_TEST

START_TEST(rows_need_not_be_in_the_order_of_candidates)
{
	static const struct candidate candidates[] = { { 7, 1 }, { 2, 1 }, { 5, 1 } };
	struct world *w = open_world("least-connection", 8, NULL);
	struct balance b;

	ck_assert_int_eq(balance_init(&b, &w->shm, strategy_find("least-connection"), candidates,
				 N(candidates)),
		0);
	lease_take(&w->shm, w->slot, 7);
	lease_take(&w->shm, w->slot, 5);
	ck_assert_int_eq(balance_pick(&b, NULL), 1);
	lease_take(&w->shm, w->slot, 2);
	backend_set_up(&w->shm, 7, false, 1);
	backend_set_up(&w->shm, 2, false, 1);
	ck_assert_int_eq(balance_pick(&b, NULL), 2);
	balance_free(&b);
	close_world(w);
}
END_TEST

static void
give_what_was_not_taken(struct world *w)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(STDERR_FILENO); /* the assertion's line is expected */
		lease_give(&w->shm, w->slot, 0);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}

START_TEST(a_lease_given_back_twice_ends_the_process_and_not_the_count)
{
	struct world *w = open_world("least-connection", 1, NULL);

	give_what_was_not_taken(w);
	ck_assert_uint_eq(slots_active(&w->shm, 0), 0);
	close_world(w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("least-connection");
	TCase *t = tcase_create("least-connection");

	tcase_add_test(t, the_one_with_fewest_in_flight_is_chosen_over_all_slots);
	tcase_add_test(t, a_weight_counts_as_so_many_times_the_room);
	tcase_add_test(t, ties_go_round);
	tcase_add_test(t, one_that_is_down_with_nothing_in_flight_does_not_win);
	tcase_add_test(t, leases_of_many_processes_come_out_even);
	tcase_add_test(t, rows_need_not_be_in_the_order_of_candidates);
	tcase_add_test(t, a_lease_given_back_twice_ends_the_process_and_not_the_count);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
