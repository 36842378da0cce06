/*
 * Counters: nothing that was counted is missing in the sum, however full the
 * table, however many processes, whoever died; and a backend that is forgotten
 * takes only its own with it.
 */
#include "ballast/shm/metrics.h"

#include <string.h>

#include "ballast/shm/backend.h"
#include "harness.h"
#include "shm_world.h"

static uint64_t
total(const struct request_sum *sums, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += sums[i].count;
	return sum;
}

static uint64_t
count_of(const struct request_sum *sums, size_t n, struct request_sum key)
{
	for (size_t i = 0; i < n; i++)
		if (sums[i].row == key.row && sums[i].method == key.method &&
			sums[i].status == key.status)
			return sums[i].count;
	return 0;
}

#define KEY(row, method, status) ((struct request_sum){ row, method, status, 0 })

static void
check_sorted_without_doubles(const struct request_sum *sums, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct request_sum *a = &sums[i - 1], *b = &sums[i];

		ck_assert(a->row < b->row ||
			  (a->row == b->row &&
				  (a->method < b->method ||
					  (a->method == b->method && a->status < b->status))));
	}
}

START_TEST(every_counter_has_a_name_and_help)
{
	for (int c = 0; c < N_COUNTERS; c++) {
		const struct counter_info *info = metrics_counter_info((enum counter)c);

		ck_assert_int_eq(strncmp(info->name, "lb_", 3), 0);
		ck_assert_uint_gt(strlen(info->name), strlen("lb__total"));
		ck_assert_str_eq(info->name + strlen(info->name) - 6, "_total");
		ck_assert_uint_gt(strlen(info->help), 10);
		for (int other = 0; other < c; other++)
			ck_assert_str_ne(
				info->name, metrics_counter_info((enum counter)other)->name);
	}
}
END_TEST

START_TEST(every_backend_error_has_a_name)
{
	for (int e = 0; e < N_BACKEND_ERRORS; e++)
		for (int other = 0; other < e; other++)
			ck_assert_str_ne(backend_error_name((enum backend_error)e),
				backend_error_name((enum backend_error)other));
	ck_assert_str_eq(backend_error_name(ERROR_CONNECT_REFUSED), "connect_refused");
}
END_TEST

START_TEST(each_counter_is_summed_over_its_slots_alone)
{
	struct slot *a, *b;
	struct shm s;

	world_open(&s, 2, 3, 8);
	a = slot_claim(&s, ROLE_WORKER, 1, 1);
	b = slot_claim(&s, ROLE_WORKER, 1, 2);
	for (int c = 0; c < N_COUNTERS; c++) {
		metrics_count(&s, a, (enum counter)c, UINT64_C(1) << (32 + c));
		metrics_count(&s, b, (enum counter)c, 1);
		metrics_count(&s, b, (enum counter)c, 2);
	}
	for (int c = 0; c < N_COUNTERS; c++)
		ck_assert_uint_eq(metrics_sum(&s, (enum counter)c), (UINT64_C(1) << (32 + c)) + 3);
	shm_detach(&s);
}
END_TEST

START_TEST(errors_and_checks_are_counted_where_they_belong)
{
	struct slot *slot;
	struct shm s;

	world_open(&s, 3, 1, 8);
	slot = slot_claim(&s, ROLE_CHECKER, 1, 1);
	for (unsigned row = 0; row < 3; row++) {
		for (unsigned e = 0; e < N_BACKEND_ERRORS; e++)
			for (unsigned i = 0; i <= row * N_BACKEND_ERRORS + e; i++)
				metrics_backend_error(&s, slot, row, (enum backend_error)e);
		for (unsigned i = 0; i < 10 + row; i++)
			metrics_health_check(&s, slot, row, true);
		metrics_health_check(&s, slot, row, false);
	}
	for (unsigned row = 0; row < 3; row++) {
		for (unsigned e = 0; e < N_BACKEND_ERRORS; e++)
			ck_assert_uint_eq(metrics_sum_backend_error(&s, row, (enum backend_error)e),
				row * N_BACKEND_ERRORS + e + 1);
		ck_assert_uint_eq(metrics_sum_health_checks(&s, row, true), 10 + row);
		ck_assert_uint_eq(metrics_sum_health_checks(&s, row, false), 1);
	}
	shm_detach(&s);
}
END_TEST

START_TEST(a_duration_falls_into_the_first_bucket_that_is_not_less)
{
	static const uint32_t bounds[DURATION_BUCKETS] = { 1000, 2500, 5000, 10000, 25000, 50000,
		100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000 };

	for (unsigned b = 0; b < DURATION_BUCKETS; b++) {
		uint64_t below = b == 0 ? 0 : bounds[b - 1] + 1;
		struct duration_sum sum;
		struct slot *slot;
		struct shm s;

		ck_assert_uint_eq(duration_bound_us(b), bounds[b]);
		world_open(&s, 2, 1, 8);
		slot = slot_claim(&s, ROLE_WORKER, 1, 1);
		metrics_request(&s, slot, 1, METHOD_GET, 200, below);
		metrics_request(&s, slot, 1, METHOD_GET, 200, bounds[b]);
		metrics_request(&s, slot, 1, METHOD_GET, 200, bounds[b] + 1);
		metrics_request(&s, slot, 1, METHOD_GET, 200, UINT32_MAX);
		metrics_sum_durations(&s, 1, &sum);
		ck_assert_uint_eq(sum.bucket[b], 2);
		ck_assert_uint_eq(sum.bucket[b + 1], b + 1 == DURATION_BUCKETS ? 2 : 1);
		ck_assert_uint_eq(sum.bucket[DURATION_BUCKETS], b + 1 == DURATION_BUCKETS ? 2 : 1);
		ck_assert_uint_eq(sum.count, 4);
		ck_assert_uint_eq(sum.sum_us, below + 2 * (uint64_t)bounds[b] + 1 + UINT32_MAX);
		metrics_sum_durations(&s, 0, &sum);
		ck_assert_uint_eq(sum.count, 0);
		shm_detach(&s);
	}
}
END_TEST

START_TEST(requests_are_summed_by_key_over_slots_and_sorted)
{
	static const int statuses[] = { 200, 204, 301, 404, 499, 500, 503 };
	struct request_sum *sums;
	struct shm s;
	size_t n;

	world_open(&s, 5, 3, 8);
	for (unsigned k = 0; k < 3; k++) {
		struct slot *slot = slot_claim(&s, ROLE_WORKER, 1, k);

		for (unsigned i = 0; i < 5 * N_METHODS * N(statuses); i++)
			metrics_request(&s, slot, i % 5, (enum method)(i / 5 % N_METHODS),
				statuses[i / 5 / N_METHODS], i);
		metrics_request(&s, slot, BACKEND_NONE, METHOD_OTHER, 400, 1);
	}
	sums = metrics_sum_requests(&s, &n);
	ck_assert_uint_eq(n, 5 * N_METHODS * N(statuses) + 1);
	check_sorted_without_doubles(sums, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(sums[i].count, 3);
	ck_assert_uint_eq(sums[n - 1].row, BACKEND_NONE);
	ck_assert_uint_eq(count_of(sums, n, KEY(4, METHOD_PATCH, 499)), 3);
	free(sums);
	shm_detach(&s);
}
END_TEST

START_TEST(without_requests_there_is_no_sum)
{
	struct shm s;
	size_t n = 77;

	world_open(&s, 5, 3, 8);
	ck_assert_ptr_null(metrics_sum_requests(&s, &n));
	ck_assert_uint_eq(n, 0);
	shm_detach(&s);
}
END_TEST

START_TEST(a_request_without_backend_has_no_duration)
{
	struct duration_sum sum;
	struct request_sum *sums;
	struct slot *slot;
	struct shm s;
	size_t n;

	world_open(&s, 1, 1, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	metrics_request(&s, slot, BACKEND_NONE, METHOD_GET, 503, 100);
	sums = metrics_sum_requests(&s, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(count_of(sums, n, KEY(BACKEND_NONE, METHOD_GET, 503)), 1);
	free(sums);
	metrics_sum_durations(&s, 0, &sum);
	ck_assert_uint_eq(sum.count, 0);
	shm_detach(&s);
}
END_TEST

START_TEST(a_status_that_is_none_is_counted_as_zero)
{
	static const int statuses[] = { -1, 1000, INT32_MAX, INT32_MIN, 65736, 0 };
	struct request_sum *sums;
	struct slot *slot;
	struct shm s;
	size_t n;

	world_open(&s, 1, 1, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	for (size_t i = 0; i < N(statuses); i++)
		metrics_request(&s, slot, 0, METHOD_GET, statuses[i], 1);
	sums = metrics_sum_requests(&s, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(count_of(sums, n, KEY(0, METHOD_GET, 0)), N(statuses));
	free(sums);
	shm_detach(&s);
}
END_TEST

/* A backend that invents statuses: 10 methods x 1000 statuses x 3 rows in a table of 1024 rows. */
START_TEST(a_full_table_folds_statuses_but_loses_no_request)
{
	uint64_t counted = 0, per_row[4] = { 0 };
	struct duration_sum durations;
	struct request_sum *sums;
	struct slot *slot;
	struct shm s;
	size_t n;

	world_open(&s, 3, 1, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	metrics_request(&s, slot, 0, METHOD_GET, 201, 1);
	for (unsigned twice = 0; twice < 2; twice++)
		for (unsigned i = 0; i < 30000; i++, counted++)
			metrics_request(&s, slot, i % 3, (enum method)(i / 3 % N_METHODS),
				(int)(i / 30), 1);
	sums = metrics_sum_requests(&s, &n);
	check_sorted_without_doubles(sums, n);
	ck_assert_uint_eq(total(sums, n), counted + 1);
	ck_assert_uint_le(n, 1024 + 10);
	ck_assert_uint_ge(n, 900); /* it was nearly full before anything folded */
	ck_assert_uint_eq(count_of(sums, n, KEY(0, METHOD_GET, 201)), 3);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_lt(sums[i].method, N_METHODS);
		ck_assert_uint_lt(sums[i].status, 1000);
		ck_assert(sums[i].row < 3 || sums[i].row == BACKEND_NONE);
		per_row[sums[i].row < 3 ? sums[i].row : 3] += sums[i].count;
	}
	ck_assert_uint_gt(per_row[3], 0); /* (none, other, class) took what was too much */
	metrics_sum_durations(&s, 1, &durations);
	ck_assert_uint_eq(durations.count, counted / 3);
	free(sums);
	shm_detach(&s);
}
END_TEST

START_TEST(a_backend_that_is_forgotten_takes_only_its_own_with_it)
{
	struct request_sum *sums;
	struct slot *slot;
	struct shm s;
	size_t n;

	world_open(&s, 4, 2, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	for (unsigned i = 0; i < 400; i++) {
		metrics_request(&s, slot, i % 4, METHOD_GET, 200 + (int)(i / 4), 1);
		metrics_backend_error(&s, slot, i % 4, ERROR_TIMEOUT);
		metrics_health_check(&s, slot, i % 4, true);
	}
	metrics_request(&s, slot, BACKEND_NONE, METHOD_GET, 400, 1);
	metrics_forget_backend(&s, 2);
	sums = metrics_sum_requests(&s, &n);
	ck_assert_uint_eq(n, 301);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_ne(sums[i].row, 2);
	free(sums);
	for (unsigned row = 0; row < 4; row++) {
		struct duration_sum sum;

		metrics_sum_durations(&s, row, &sum);
		ck_assert_uint_eq(sum.count, row == 2 ? 0 : 100);
		ck_assert_uint_eq(
			metrics_sum_backend_error(&s, row, ERROR_TIMEOUT), row == 2 ? 0 : 100);
		ck_assert_uint_eq(metrics_sum_health_checks(&s, row, true), row == 2 ? 0 : 100);
	}
	for (unsigned i = 0; i < 400; i++) /* who stayed is found behind those who went */
		metrics_request(&s, slot, i % 4, METHOD_GET, 200 + (int)(i / 4), 1);
	sums = metrics_sum_requests(&s, &n);
	ck_assert_uint_eq(n, 401);
	check_sorted_without_doubles(sums, n);
	for (size_t i = 0; i + 1 < n; i++)
		ck_assert_uint_eq(sums[i].count, sums[i].row == 2 ? 1 : 2);
	free(sums);
	shm_detach(&s);
}
END_TEST

START_TEST(forgotten_rows_of_the_table_are_used_again)
{
	struct request_sum *sums;
	struct slot *slot;
	struct shm s;
	size_t n;

	world_open(&s, 1, 1, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	for (unsigned life = 0; life < 50; life++) {
		for (int status = 100; status < 600; status++)
			metrics_request(&s, slot, 0, (enum method)(life % N_METHODS), status, 1);
		sums = metrics_sum_requests(&s, &n);
		ck_assert_uint_eq(n, 500); /* nothing had to be folded */
		free(sums);
		metrics_forget_backend(&s, 0);
	}
	shm_detach(&s);
}
END_TEST

enum { WRITERS = 4, REQUESTS = 30000 };

static int
count_requests(unsigned number, void *arg)
{
	struct shm *s = arg;
	struct slot *slot = slot_at(s, number);

	for (unsigned i = 0; i < REQUESTS; i++) {
		metrics_request(s, slot, i % 10, METHOD_GET, 200 + (int)(i / 10 % 300), i % 4000);
		metrics_count(s, slot, COUNTER_BYTES_OUT, i);
	}
	return 0;
}

static int
count_or_scrape(unsigned number, void *arg)
{
	uint64_t before = 0;

	if (number < WRITERS)
		return count_requests(number, arg);
	while (before < (uint64_t)WRITERS * REQUESTS) {
		size_t n;
		struct request_sum *sums = metrics_sum_requests(arg, &n);
		uint64_t now = total(sums, n);

		free(sums);
		if (now < before || now > (uint64_t)WRITERS * REQUESTS)
			return 1; /* it fell */
		before = now;
		sched_yield();
	}
	return 0;
}

START_TEST(processes_count_at_once_and_a_scrape_never_sees_a_sum_fall)
{
	struct request_sum *sums;
	struct shm s;
	size_t n;

	world_open(&s, 10, WRITERS, 8);
	for (unsigned i = 0; i < WRITERS; i++)
		ck_assert_ptr_nonnull(slot_claim(&s, ROLE_WORKER, 1, i));
	children_run(WRITERS + 1, count_or_scrape, &s);
	sums = metrics_sum_requests(&s, &n);
	ck_assert_uint_eq(total(sums, n), WRITERS * REQUESTS);
	free(sums);
	ck_assert_uint_eq(metrics_sum(&s, COUNTER_BYTES_OUT),
		(uint64_t)WRITERS * REQUESTS * (REQUESTS - 1) / 2);
	for (unsigned row = 0; row < 10; row++) {
		struct duration_sum sum;

		metrics_sum_durations(&s, row, &sum);
		ck_assert_uint_eq(sum.count, WRITERS * REQUESTS / 10);
	}
	shm_detach(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("metrics");
	TCase *t = tcase_create("metrics");

	tcase_add_test(t, every_counter_has_a_name_and_help);
	tcase_add_test(t, every_backend_error_has_a_name);
	tcase_add_test(t, each_counter_is_summed_over_its_slots_alone);
	tcase_add_test(t, errors_and_checks_are_counted_where_they_belong);
	tcase_add_test(t, a_duration_falls_into_the_first_bucket_that_is_not_less);
	tcase_add_test(t, requests_are_summed_by_key_over_slots_and_sorted);
	tcase_add_test(t, without_requests_there_is_no_sum);
	tcase_add_test(t, a_request_without_backend_has_no_duration);
	tcase_add_test(t, a_status_that_is_none_is_counted_as_zero);
	tcase_add_test(t, a_full_table_folds_statuses_but_loses_no_request);
	tcase_add_test(t, a_backend_that_is_forgotten_takes_only_its_own_with_it);
	tcase_add_test(t, forgotten_rows_of_the_table_are_used_again);
	tcase_add_test(t, processes_count_at_once_and_a_scrape_never_sees_a_sum_fall);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
