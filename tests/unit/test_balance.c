/*
 * Choosing a backend: the order is nginx's to the letter, the counts are exact
 * over all processes, and whoever is down or was tried is passed over evenly.
 */
#include "ballast/balance/balance.h"

#include <string.h>

#include "balance_world.h"
#include "harness.h"

/* nginx's ngx_http_upstream_get_peer, as it stands there. */
static unsigned
nginx_pick(int64_t *current, const uint16_t *weights, unsigned n)
{
	int64_t total = 0;
	unsigned best = 0;

	for (unsigned i = 0; i < n; i++) {
		current[i] += weights[i];
		total += weights[i];
		if (current[i] > current[best])
			best = i;
	}
	current[best] -= total;
	return best;
}

static void
compare_with_nginx(const uint16_t *weights, unsigned n)
{
	struct world *w = open_world("round-robin", n, weights);
	int64_t current[MANY] = { 0 };

	for (uint32_t i = 0; i < 2 * w->balance.sequence_len; i++)
		ck_assert_int_eq(pick(w), (int)nginx_pick(current, weights, n));
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(current[i], 0); /* a whole number of periods */
	close_world(w);
}

START_TEST(the_order_is_that_of_nginx)
{
	static const uint16_t weights[][6] = { { 1 }, { 1, 1, 1 }, { 5, 1, 1 }, { 1, 5, 1 },
		{ 1, 2, 3, 4, 5, 6 }, { 256, 1 }, { 3, 3, 1, 1 }, { 7, 5, 3, 2 }, { 256, 255, 254 },
		{ 2, 2, 2 }, { 100, 50 } };

	for (size_t i = 0; i < N(weights); i++) {
		unsigned n = 0;

		while (n < 6 && weights[i][n] > 0)
			n++;
		compare_with_nginx(weights[i], n);
	}
}
END_TEST

START_TEST(the_order_is_that_of_nginx_for_any_weights)
{
	uint64_t seed = 2026;

	for (unsigned round = 0; round < 60; round++) {
		uint16_t weights[40];
		unsigned n = 1 + random_below(&seed, N(weights));

		for (unsigned i = 0; i < n; i++)
			weights[i] = (uint16_t)(1 + random_below(&seed, round % 2 ? 256 : 5));
		compare_with_nginx(weights, n);
	}
}
END_TEST

START_TEST(the_period_is_no_longer_than_it_must_be)
{
	static const struct {
		uint16_t weights[4];
		unsigned n;
		uint32_t len;
	} cases[] = { { { 1 }, 1, 1 }, { { 7, 7, 7 }, 3, 3 }, { { 256, 256 }, 2, 2 },
		{ { 100, 50 }, 2, 3 }, { { 4, 6 }, 2, 5 }, { { 256, 1 }, 2, 257 } };

	for (size_t i = 0; i < N(cases); i++) {
		struct world *w = open_world("round-robin", cases[i].n, cases[i].weights);

		ck_assert_uint_eq(w->balance.sequence_len, cases[i].len);
		close_world(w);
	}
}
END_TEST

START_TEST(a_period_too_long_is_scaled_and_everybody_is_still_in_it)
{
	uint16_t weights[MANY];
	unsigned turns[MANY] = { 0 };
	struct world *w;

	for (unsigned i = 0; i < MANY; i++)
		weights[i] = i == 0 ? 1 : 200 + i % 57;
	w = open_world("round-robin", MANY, weights);
	ck_assert_uint_le(w->balance.sequence_len, SEQUENCE_MAX + MANY);
	ck_assert_uint_ge(w->balance.sequence_len, SEQUENCE_MAX / 2);
	for (uint32_t i = 0; i < w->balance.sequence_len; i++)
		turns[w->balance.sequence[i]]++;
	for (unsigned i = 0; i < MANY; i++) {
		uint64_t exact = (uint64_t)weights[i] * SEQUENCE_MAX / 227000; /* the mean is 228 */

		ck_assert_uint_ge(turns[i], 1);
		if (i > 0)
			ck_assert_uint_ge(turns[i] + 3, exact);
		ck_assert_uint_le(turns[i], exact + 3);
	}
	close_world(w);
}
END_TEST

START_TEST(strategies_are_found_by_name)
{
	const char *const *names = strategy_names();
	unsigned n = 0;

	for (; names[n] != NULL; n++)
		ck_assert_str_eq(strategy_find(names[n])->name, names[n]);
	ck_assert_uint_eq(n, 2);
	ck_assert_ptr_nonnull(strategy_find("round-robin"));
	ck_assert_ptr_nonnull(strategy_find("least-connection"));
	ck_assert_ptr_null(strategy_find("least-conn"));
	ck_assert_ptr_null(strategy_find(""));
}
END_TEST

START_TEST(without_candidates_there_is_none)
{
	const char *const *names = strategy_names();

	for (; *names != NULL; names++) {
		struct world *w = open_world(*names, 0, NULL);

		ck_assert_int_eq(pick(w), -1);
		close_world(w);
	}
}
END_TEST

START_TEST(who_is_down_is_never_chosen_and_when_all_are_there_is_none)
{
	const char *const *names = strategy_names();

	for (; *names != NULL; names++) {
		struct world *w = open_world(*names, 3, NULL);

		backend_set_up(&w->shm, 1, false, 1);
		for (unsigned i = 0; i < 30; i++)
			ck_assert_int_ne(pick(w), 1);
		backend_set_up(&w->shm, 0, false, 1);
		for (unsigned i = 0; i < 30; i++)
			ck_assert_int_eq(pick(w), 2);
		backend_set_up(&w->shm, 2, false, 1);
		ck_assert_int_eq(pick(w), -1);
		backend_set_up(&w->shm, 1, true, 2);
		ck_assert_int_eq(pick(w), 1); /* at the very next pick */
		close_world(w);
	}
}
END_TEST

START_TEST(who_was_tried_is_not_chosen_again)
{
	const char *const *names = strategy_names();

	for (; *names != NULL; names++) {
		struct world *w = open_world(*names, 4, NULL);

		for (unsigned round = 0; round < 10; round++) {
			struct tried tried = { .n = 0 };
			bool seen[4] = { false };

			for (unsigned i = 0; i < 4; i++) {
				int chosen = balance_pick(&w->balance, &tried);

				ck_assert_int_ge(chosen, 0);
				ck_assert(!seen[chosen]);
				seen[chosen] = true;
				tried.index[tried.n++] = (uint16_t)chosen;
			}
			ck_assert_int_eq(balance_pick(&w->balance, &tried), -1);
		}
		ck_assert_int_ge(balance_pick(&w->balance, NULL), 0);
		close_world(w);
	}
}
END_TEST

START_TEST(turns_of_one_that_is_down_fall_to_the_others_evenly)
{
	for (unsigned n = 2; n < 9; n++) {
		for (unsigned down = 0; down < n; down++) {
			struct world *w = open_world("round-robin", n, NULL);
			unsigned turns[9] = { 0 };

			backend_set_up(&w->shm, down, false, 1);
			for (unsigned i = 0; i < 10 * (n - 1); i++)
				turns[pick(w)]++;
			for (unsigned i = 0; i < n; i++)
				ck_assert_uint_eq(turns[i], i == down ? 0 : 10);
			close_world(w);
		}
	}
}
END_TEST

START_TEST(turns_of_one_that_is_down_fall_to_the_others_by_weight)
{
	static const uint16_t weights[] = { 5, 3, 2, 1 };
	struct world *w = open_world("round-robin", 4, weights);
	unsigned turns[4] = { 0 };

	backend_set_up(&w->shm, 0, false, 1);
	for (unsigned i = 0; i < 60; i++)
		turns[pick(w)]++;
	ck_assert_uint_eq(turns[1], 30);
	ck_assert_uint_eq(turns[2], 20);
	ck_assert_uint_eq(turns[3], 10);
	close_world(w);
}
END_TEST

START_TEST(the_only_light_one_in_a_long_period_is_found)
{
	uint16_t weights[300];
	struct world *w;

	for (unsigned i = 0; i < 300; i++)
		weights[i] = i == 150 ? 1 : 256 - i % 2;
	w = open_world("round-robin", 300, weights);
	for (unsigned i = 0; i < 300; i++)
		backend_set_up(&w->shm, i, i == 150, 1);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(pick(w), 150);
	backend_set_up(&w->shm, 150, false, 1);
	ck_assert_int_eq(pick(w), -1);
	close_world(w);
}
END_TEST

START_TEST(a_cursor_from_another_configuration_is_as_good_as_any)
{
	static const uint64_t cursors[] = { 0, 1, 2, 65537, UINT64_C(1) << 40, UINT64_MAX / 2 };

	for (size_t k = 0; k < N(cursors); k++) {
		struct world *w = open_world("round-robin", 3, NULL);
		unsigned turns[3] = { 0 };

		atomic_store(&w->shm.shared->cursor, cursors[k]);
		for (unsigned i = 0; i < 30; i++)
			turns[pick(w)]++;
		for (unsigned i = 0; i < 3; i++)
			ck_assert_uint_eq(turns[i], 10);
		close_world(w);
	}
}
END_TEST

static int
pick_many(unsigned number, void *arg)
{
	struct picks *p = arg;

	(void)number;
	for (unsigned i = 0; i < p->each; i++) {
		int chosen = pick(p->world);

		if (chosen < 0)
			return 1;
		atomic_fetch_add(&p->by_candidate[chosen], 1);
		atomic_fetch_add(&p->made, 1);
	}
	return 0;
}

START_TEST(any_number_of_processes_share_one_order_exactly)
{
	static const struct {
		uint16_t weights[4];
		unsigned n, down, workers, each;
	} cases[] = { { { 1, 1, 1 }, 3, 9, 4, 15000 }, { { 1, 1, 1 }, 3, 9, 3, 1 },
		{ { 5, 3, 2, 2 }, 4, 9, 4, 12000 }, { { 1, 1, 1, 1 }, 4, 2, 4, 15000 } };

	for (size_t k = 0; k < N(cases); k++) {
		struct picks *p = world_shared(sizeof(*p));
		uint64_t all = (uint64_t)cases[k].workers * cases[k].each, period = 0;

		p->world = open_world("round-robin", cases[k].n, cases[k].weights);
		p->each = cases[k].each;
		if (cases[k].down < cases[k].n)
			backend_set_up(&p->world->shm, cases[k].down, false, 1);
		for (unsigned i = 0; i < cases[k].n; i++)
			period += i == cases[k].down ? 0 : cases[k].weights[i];
		children_run(cases[k].workers, pick_many, p);
		for (unsigned i = 0; i < cases[k].n; i++)
			ck_assert_uint_eq(p->by_candidate[i],
				i == cases[k].down ? 0 : all / period * cases[k].weights[i]);
		close_world(p->world);
	}
}
END_TEST

START_TEST(a_picker_that_is_killed_leaves_the_order_whole)
{
	struct picks *p = world_shared(sizeof(*p));

	p->world = open_world("round-robin", 3, NULL);
	for (unsigned round = 0; round < 10; round++) {
		p->each = UINT32_MAX;
		child_run_and_kill(pick_many, p, &p->made, atomic_load(&p->made) + 1000);
		memset(p->by_candidate, 0, sizeof(p->by_candidate));
		p->each = 30;
		ck_assert_int_eq(pick_many(0, p), 0);
		for (unsigned i = 0; i < 3; i++)
			ck_assert_uint_eq(p->by_candidate[i], 10);
	}
	close_world(p->world);
}
END_TEST

START_TEST(a_thousand_backends_all_get_their_turn)
{
	const char *const *names = strategy_names();

	for (; *names != NULL; names++) {
		struct world *w = open_world(*names, MANY, NULL);
		unsigned turns[MANY] = { 0 };

		for (unsigned i = 0; i < 3 * MANY; i++)
			turns[pick(w)]++;
		for (unsigned i = 0; i < MANY; i++)
			ck_assert_uint_eq(turns[i], 3);
		close_world(w);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("balance");
	TCase *t = tcase_create("balance");

	tcase_add_test(t, the_order_is_that_of_nginx);
	tcase_add_test(t, the_order_is_that_of_nginx_for_any_weights);
	tcase_add_test(t, the_period_is_no_longer_than_it_must_be);
	tcase_add_test(t, a_period_too_long_is_scaled_and_everybody_is_still_in_it);
	tcase_add_test(t, strategies_are_found_by_name);
	tcase_add_test(t, without_candidates_there_is_none);
	tcase_add_test(t, who_is_down_is_never_chosen_and_when_all_are_there_is_none);
	tcase_add_test(t, who_was_tried_is_not_chosen_again);
	tcase_add_test(t, turns_of_one_that_is_down_fall_to_the_others_evenly);
	tcase_add_test(t, turns_of_one_that_is_down_fall_to_the_others_by_weight);
	tcase_add_test(t, the_only_light_one_in_a_long_period_is_found);
	tcase_add_test(t, a_cursor_from_another_configuration_is_as_good_as_any);
	tcase_add_test(t, any_number_of_processes_share_one_order_exactly);
	tcase_add_test(t, a_picker_that_is_killed_leaves_the_order_whole);
	tcase_add_test(t, a_thousand_backends_all_get_their_turn);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
