/*
 * What one segment knows, brought into another one by name: of another shape,
 * with other rows, and again when the first has counted on.
 */
#include "ballast/shm/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ballast/shm/backend.h"
#include "ballast/shm/metrics.h"

#include "harness.h"
#include "rate_world.h"

enum { CURSOR = 77, GENERATION = 9 };

struct world {
	struct shm old, next;
	struct slot *worker, *ledger;
	int one, two; /* rows in the old segment */
};

static void
second_segment(struct shm *s, uint32_t max_backends, uint32_t rate_rows)
{
	struct shm_shape shape = { max_backends, 4, rate_rows, 0 };
	char name[80];

	snprintf(name, sizeof(name), "%s.next", world_name());
	ck_assert_int_eq(shm_create(s, name, &shape, (gid_t)-1), 0);
	ck_assert_int_eq(shm_remove(name), 0);
}

static void
open_worlds(struct world *w, uint32_t max_backends, uint32_t rate_rows)
{
	world_open(&w->old, 8, 4, 64);
	second_segment(&w->next, max_backends, rate_rows);
	w->worker = slot_claim(&w->old, ROLE_WORKER, 1, 1);
	w->ledger = slot_claim(&w->next, ROLE_NONE, 0, 0);
	w->one = backend_assign(&w->old, "http://one", 1, 1);
	w->two = backend_assign(&w->old, "http://two", 1, 1);
	atomic_store(&w->old.shared->cursor, CURSOR);
	atomic_store(&w->old.shared->last_generation, GENERATION);
}

static void
close_worlds(struct world *w)
{
	shm_detach(&w->old);
	shm_detach(&w->next);
}

static void
count(struct world *w, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		metrics_request(&w->old, w->worker, (unsigned)w->one, METHOD_GET, 200, 3000);
		metrics_request(&w->old, w->worker, (unsigned)w->two, METHOD_POST, 502, 30);
		metrics_request(&w->old, w->worker, BACKEND_NONE, METHOD_OTHER, 429, 0);
		metrics_count(&w->old, w->worker, COUNTER_RETRIES, 2);
		metrics_backend_error(&w->old, w->worker, (unsigned)w->two, ERROR_CUT);
		metrics_health_check(&w->old, w->worker, (unsigned)w->one, true);
	}
}

static void
bring(struct world *w, bool state)
{
	size_t len;
	char *text = transfer_write(&w->old, SECOND, &len);

	ck_assert_ptr_nonnull(text);
	if (state)
		ck_assert_int_eq(transfer_state(&w->next, text, len, SECOND), 0);
	ck_assert_int_eq(transfer_counters(&w->next, w->ledger, text, len, SECOND), 0);
	free(text);
}

static uint64_t
requests_of(const struct shm *s, unsigned row, enum method method, unsigned status)
{
	size_t n;
	uint64_t count = 0;
	struct request_sum *sums = metrics_sum_requests(s, &n);

	for (size_t i = 0; i < n; i++) {
		if (sums[i].row == row && sums[i].method == method && sums[i].status == status)
			count = sums[i].count;
	}
	free(sums);
	return count;
}

static void
expect_counts(const struct shm *s, unsigned times)
{
	unsigned one = (unsigned)backend_find(s, "http://one");
	unsigned two = (unsigned)backend_find(s, "http://two");
	struct duration_sum d;

	ck_assert_uint_eq(requests_of(s, one, METHOD_GET, 200), times);
	ck_assert_uint_eq(requests_of(s, two, METHOD_POST, 502), times);
	ck_assert_uint_eq(requests_of(s, BACKEND_NONE, METHOD_OTHER, 429), times);
	ck_assert_uint_eq(metrics_sum(s, COUNTER_RETRIES), 2 * times);
	ck_assert_uint_eq(metrics_sum_backend_error(s, two, ERROR_CUT), times);
	ck_assert_uint_eq(metrics_sum_health_checks(s, one, true), times);
	metrics_sum_durations(s, one, &d);
	ck_assert_uint_eq(d.count, times);
	ck_assert_uint_eq(d.sum_us, 3000 * times);
	ck_assert_uint_eq(d.bucket[2], times);
}

START_TEST(counters_arrive_by_name_and_a_later_text_replaces_an_earlier_one)
{
	struct world w;

	open_worlds(&w, 16, 64);
	count(&w, 5);
	bring(&w, true);
	expect_counts(&w.next, 5);
	count(&w, 3);
	bring(&w, false);
	expect_counts(&w.next, 8);
	bring(&w, false);
	expect_counts(&w.next, 8);
	slot_fold(&w.next, w.ledger);
	expect_counts(&w.next, 8);
	close_worlds(&w);
}
END_TEST

START_TEST(numbers_verdicts_and_histories_arrive)
{
	struct world w;
	struct backend *b;
	int row;

	open_worlds(&w, 8, 64);
	backend_set_up(&w.old, (unsigned)w.two, false, 12345);
	b = &w.old.backends[w.two];
	atomic_store(&b->successes, 3);
	atomic_store(&b->fails, 4);
	atomic_store(&b->last_status, 503);
	bring(&w, true);
	ck_assert_uint_eq(atomic_load(&w.next.shared->cursor), CURSOR);
	ck_assert_uint_eq(atomic_load(&w.next.shared->last_generation), GENERATION);
	ck_assert_mem_eq(w.next.head->rate_key, w.old.head->rate_key, 16);
	row = backend_assign(&w.next, "http://two", GENERATION + 1, GENERATION + 1);
	ck_assert(!backend_is_up(&w.next, (unsigned)row));
	ck_assert(backend_is_up(&w.next, (unsigned)backend_find(&w.next, "http://one")));
	b = &w.next.backends[row];
	ck_assert_uint_eq(atomic_load(&b->since_us), 12345);
	ck_assert_uint_eq(atomic_load(&b->successes), 3);
	ck_assert_uint_eq(atomic_load(&b->fails), 4);
	ck_assert_uint_eq(atomic_load(&b->last_status), 503);
	close_worlds(&w);
}
END_TEST

/* One that is not configured keeps its counters, and comes back up as it would have done before. */
START_TEST(a_backend_that_is_not_configured_is_not_so_afterwards)
{
	struct world w;
	int row;

	open_worlds(&w, 8, 64);
	count(&w, 1);
	backend_set_up(&w.old, (unsigned)w.two, false, 1);
	backend_assign(&w.old, "http://one", 2, 2);
	backend_retire_others(&w.old, 2);
	bring(&w, true);
	expect_counts(&w.next, 1);
	row = backend_find(&w.next, "http://two");
	ck_assert_uint_eq(atomic_load(&w.next.backends[row].configured), 0);
	ck_assert_int_eq(backend_assign(&w.next, "http://two", 10, 10), row);
	ck_assert(backend_is_up(&w.next, (unsigned)row));
	close_worlds(&w);
}
END_TEST

START_TEST(with_fewer_rows_the_configured_ones_have_theirs)
{
	struct world w;

	open_worlds(&w, 1, 64);
	backend_assign(&w.old, "http://two", 2, 2);
	backend_retire_others(&w.old, 2);
	count(&w, 4);
	bring(&w, true);
	ck_assert_int_eq(backend_find(&w.next, "http://two"), 0);
	ck_assert_int_eq(backend_find(&w.next, "http://one"), -1);
	ck_assert_uint_eq(requests_of(&w.next, 0, METHOD_POST, 502), 4);
	close_worlds(&w);
}
END_TEST

/* Every client's bucket is as empty as it was, with half, as many, and four times as many sets. */
START_TEST(buckets_arrive_in_tables_of_any_size)
{
	static const uint32_t rows[] = { 32, 64, 256 };
	struct rate_limit limit = limit_of(1, 10);

	for (size_t r = 0; r < N(rows); r++) {
		struct world w;

		open_worlds(&w, 8, rows[r]);
		for (uint64_t i = 0; i < 3; i++) {
			for (unsigned k = 0; k < 10; k++)
				ck_assert(rate_take(&w.old, &limit, HASH(i + 40 * i, i + 1), SECOND)
						  .allowed);
		}
		bring(&w, true);
		for (uint64_t i = 0; i < 3; i++)
			ck_assert(!rate_take(&w.next, &limit, HASH(i + 40 * i, i + 1), SECOND)
					   .allowed);
		ck_assert(rate_take(&w.next, &limit, HASH(1, 9), SECOND).allowed);
		close_worlds(&w);
	}
}
END_TEST

START_TEST(of_two_buckets_of_a_client_the_emptier_one_stays)
{
	struct rate_limit limit = limit_of(1, 10);
	struct world w;

	open_worlds(&w, 8, 64);
	for (unsigned k = 0; k < 4; k++)
		rate_take(&w.old, &limit, HASH(1, 1), SECOND);
	for (unsigned k = 0; k < 7; k++)
		rate_take(&w.next, &limit, HASH(1, 1), SECOND);
	bring(&w, false);
	ck_assert_uint_eq(rate_take(&w.next, &limit, HASH(1, 1), SECOND).remaining, 2);
	for (unsigned k = 0; k < 5; k++)
		rate_take(&w.old, &limit, HASH(1, 1), SECOND);
	bring(&w, false);
	ck_assert_uint_eq(rate_take(&w.next, &limit, HASH(1, 1), SECOND).remaining, 0);
	close_worlds(&w);
}
END_TEST

START_TEST(what_is_not_whole_changes_nothing)
{
	struct world w;
	size_t len;
	char *text;

	open_worlds(&w, 8, 64);
	count(&w, 2);
	text = transfer_write(&w.old, SECOND, &len);
	for (size_t n = 0; n < len; n++) {
		ck_assert_int_eq(transfer_state(&w.next, text, n, SECOND), -EPROTO);
		ck_assert_int_eq(transfer_counters(&w.next, w.ledger, text, n, SECOND), -EPROTO);
	}
	ck_assert_uint_eq(metrics_sum(&w.next, COUNTER_RETRIES), 0);
	ck_assert_int_eq(backend_find(&w.next, "http://one"), -1);
	free(text);
	close_worlds(&w);
}
END_TEST

/* Another version may say more, or less, or what was a number may be none. */
START_TEST(lines_that_are_not_understood_are_passed_over)
{
	static const char text[] =
		"ballast 1\nsince 5 days\n\ncounter lb_unheard_of_total 5\ncounter\n"
		"counter lb_retries_total 7\nkey short\nbackend\nverdict\n"
		"backend http://three\nverdict\nduration 1\nerror nothing 4\n"
		"error cut many\ncheck\nrequest\nrequest GET\nrequest GET 2000 1\n"
		"request BREW 200 6\nbucket\nbucket 0 0 0\nbucket 8 9 ff\nend\n";
	struct world w;

	open_worlds(&w, 8, 64);
	ck_assert_int_eq(transfer_state(&w.next, text, sizeof(text) - 1, SECOND), 0);
	ck_assert_int_eq(transfer_counters(&w.next, w.ledger, text, sizeof(text) - 1, SECOND), 0);
	ck_assert_uint_eq(metrics_sum(&w.next, COUNTER_RETRIES), 7);
	ck_assert_uint_eq(requests_of(&w.next, (unsigned)backend_find(&w.next, "http://three"),
				  METHOD_OTHER, 200),
		6);
	close_worlds(&w);
}
END_TEST

/* More kinds of requests than one slot's table has room for, gathered by several slots. */
START_TEST(no_request_is_lost_from_the_sum_when_the_table_is_full)
{
	uint64_t sum = 0, total = 0;
	struct world w;
	size_t n;
	struct request_sum *sums;

	open_worlds(&w, 1, 64);
	for (unsigned k = 0; k < 2; k++) {
		struct slot *slot = slot_claim(&w.old, ROLE_WORKER, 1, 2 + k);

		for (int status = 100; status < 1000; status++) {
			metrics_request(&w.old, slot, BACKEND_NONE,
				k == 0 ? METHOD_GET : METHOD_PUT, status, 0);
			total++;
		}
	}
	bring(&w, true);
	bring(&w, false);
	sums = metrics_sum_requests(&w.next, &n);
	for (size_t i = 0; i < n; i++)
		sum += sums[i].count;
	free(sums);
	ck_assert_uint_eq(sum, total);
	close_worlds(&w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("transfer");
	TCase *t = tcase_create("transfer");

	tcase_add_test(t, counters_arrive_by_name_and_a_later_text_replaces_an_earlier_one);
	tcase_add_test(t, numbers_verdicts_and_histories_arrive);
	tcase_add_test(t, a_backend_that_is_not_configured_is_not_so_afterwards);
	tcase_add_test(t, with_fewer_rows_the_configured_ones_have_theirs);
	tcase_add_test(t, buckets_arrive_in_tables_of_any_size);
	tcase_add_test(t, of_two_buckets_of_a_client_the_emptier_one_stays);
	tcase_add_test(t, what_is_not_whole_changes_nothing);
	tcase_add_test(t, lines_that_are_not_understood_are_passed_over);
	tcase_add_test(t, no_request_is_lost_from_the_sum_when_the_table_is_full);
	suite_add_tcase(s, t);
	return unit_main(s);
}
