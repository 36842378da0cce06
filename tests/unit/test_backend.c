/*
 * Backends' rows: one for one URL over every reload, taken over only when no
 * generation can use it any more, and a verdict all processes see.
 */
#include "ballast/shm/backend.h"

#include <string.h>

#include "ballast/base/clock.h"
#include "ballast/shm/metrics.h"
#include "harness.h"
#include "shm_world.h"

static bool
is_configured(const struct shm *s, int row)
{
	return atomic_load(&s->backends[row].configured) != 0;
}

/* What the master does at load: all URLs of a generation, then the others retire. */
static void
load(struct shm *s, const char *const *urls, uint32_t generation, uint32_t oldest)
{
	for (; *urls != NULL; urls++)
		ck_assert_int_ge(backend_assign(s, *urls, generation, oldest), 0);
	backend_retire_others(s, generation);
}

#define URLS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The same order of events with an index and without: the same rows. */
START_TEST(an_index_finds_what_a_look_at_all_rows_finds)
{
	struct shm plain, indexed;
	unsigned random = 7;

	world_open(&plain, 40, 3, 8);
	world_open(&indexed, 40, 3, 8);
	for (uint32_t generation = 1; generation < 60; generation++) {
		struct backend_index *ix = backend_index_new(&indexed);

		for (unsigned i = 0; i < 30; i++) {
			char url[32];

			random = random * 1103515245u + 12345u;
			snprintf(url, sizeof(url), "http://%u", random >> 16 & 127);
			ck_assert_int_eq(
				backend_assign_by(&indexed, ix, url, generation, generation),
				backend_assign(&plain, url, generation, generation));
		}
		backend_index_free(ix);
		backend_retire_others(&plain, generation);
		backend_retire_others(&indexed, generation);
	}
	for (unsigned row = 0; row < 40; row++)
		ck_assert_str_eq(plain.backends[row].url, indexed.backends[row].url);
	shm_detach(&plain);
	shm_detach(&indexed);
}
END_TEST

START_TEST(a_new_backend_begins_up_and_knows_since_when)
{
	uint64_t before = clock_wall_us();
	const struct backend *b;
	struct shm s;

	world_open(&s, 3, 1, 8);
	ck_assert(!backend_is_up(&s, 0));
	ck_assert_int_eq(backend_assign(&s, "http://a:1", 1, 1), 0);
	ck_assert_int_eq(backend_assign(&s, "http://b:1", 1, 1), 1);
	b = &s.backends[1];
	ck_assert_str_eq(b->url, "http://b:1");
	ck_assert(backend_is_up(&s, 1));
	ck_assert(is_configured(&s, 1));
	ck_assert_uint_ge(atomic_load(&b->since_us), before);
	ck_assert_uint_eq(atomic_load(&b->last_status), 0);
	ck_assert_uint_eq(backend_failures(&s, 1), 0);
	shm_detach(&s);
}
END_TEST

START_TEST(a_url_keeps_its_row_its_verdict_and_its_counters_over_reloads)
{
	struct slot *slot;
	struct shm s;

	world_open(&s, 4, 1, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	load(&s, URLS("http://a", "http://b"), 1, 1);
	backend_set_up(&s, 1, false, 1234);
	backend_blame(&s, 1);
	metrics_backend_error(&s, slot, 1, ERROR_CUT);
	for (uint32_t generation = 2; generation < 6; generation++) {
		load(&s, URLS("http://new", "http://b", "http://a"), generation, generation);
		ck_assert_int_eq(backend_assign(&s, "http://b", generation, generation), 1);
		ck_assert(!backend_is_up(&s, 1));
		ck_assert_uint_eq(atomic_load(&s.backends[1].since_us), 1234);
		ck_assert_uint_eq(backend_failures(&s, 1), 1);
		ck_assert_uint_eq(metrics_sum_backend_error(&s, 1, ERROR_CUT), 1);
	}
	shm_detach(&s);
}
END_TEST

START_TEST(others_retire_but_keep_their_row_and_come_back_up)
{
	struct shm s;

	world_open(&s, 4, 1, 8);
	load(&s, URLS("http://a", "http://b"), 1, 1);
	backend_set_up(&s, 1, false, 1);
	load(&s, URLS("http://a"), 2, 1);
	ck_assert(is_configured(&s, 0));
	ck_assert(!is_configured(&s, 1));
	ck_assert(!backend_is_up(&s, 1)); /* generation 1 still runs and asks */
	load(&s, URLS("http://a", "http://b"), 3, 1);
	ck_assert(is_configured(&s, 1));
	ck_assert_str_eq(s.backends[1].url, "http://b");
	ck_assert(backend_is_up(&s, 1)); /* nobody probed it meanwhile */
	shm_detach(&s);
}
END_TEST

START_TEST(a_row_is_taken_over_only_when_no_generation_uses_it_the_longest_unused_first)
{
	struct shm s;

	world_open(&s, 3, 1, 8);
	load(&s, URLS("http://a", "http://b", "http://c"), 1, 1);
	load(&s, URLS("http://a", "http://c"), 2, 1);
	load(&s, URLS("http://a"), 3, 1);
	ck_assert_int_eq(backend_assign(&s, "http://d", 4, 1), -1); /* 1 still runs */
	ck_assert_int_eq(backend_assign(&s, "http://d", 4, 2), 1);  /* b went before c */
	ck_assert_int_eq(backend_assign(&s, "http://e", 4, 2), -1);
	ck_assert_int_eq(backend_assign(&s, "http://e", 4, 3), 2);
	ck_assert_int_eq(backend_assign(&s, "http://f", 4, 3), -1);
	ck_assert_int_eq(backend_assign(&s, "http://f", 4, 4), -1); /* a is configured */
	ck_assert_str_eq(s.backends[1].url, "http://d");
	ck_assert_str_eq(s.backends[2].url, "http://e");
	shm_detach(&s);
}
END_TEST

START_TEST(who_takes_a_row_over_begins_with_nothing)
{
	struct duration_sum sum;
	struct slot *slot;
	struct shm s;
	size_t n;

	world_open(&s, 1, 2, 8);
	load(&s, URLS("http://old-and-a-longer-name"), 1, 1);
	for (unsigned i = 0; i < 2; i++) {
		slot = slot_claim(&s, ROLE_WORKER, 1, i);
		metrics_request(&s, slot, 0, METHOD_GET, 200, 5);
		metrics_backend_error(&s, slot, 0, ERROR_CUT);
		metrics_health_check(&s, slot, 0, false);
	}
	backend_blame(&s, 0);
	backend_set_up(&s, 0, false, 99);
	atomic_store(&s.backends[0].fails, 7);
	atomic_store(&s.backends[0].last_status, 503);
	backend_retire_others(&s, 2);
	ck_assert_int_eq(backend_assign(&s, "http://new", 2, 2), 0);
	ck_assert_str_eq(s.backends[0].url, "http://new");
	ck_assert(backend_is_up(&s, 0));
	ck_assert_uint_eq(backend_failures(&s, 0), 0);
	ck_assert_uint_eq(atomic_load(&s.backends[0].fails), 0);
	ck_assert_uint_eq(atomic_load(&s.backends[0].last_status), 0);
	metrics_sum_durations(&s, 0, &sum);
	ck_assert_uint_eq(sum.count, 0);
	ck_assert_uint_eq(sum.sum_us, 0);
	ck_assert_uint_eq(metrics_sum_backend_error(&s, 0, ERROR_CUT), 0);
	ck_assert_uint_eq(metrics_sum_health_checks(&s, 0, false), 0);
	ck_assert_ptr_null(metrics_sum_requests(&s, &n));
	ck_assert_uint_eq(n, 0);
	shm_detach(&s);
}
END_TEST

START_TEST(a_reload_that_fails_leaves_everything_as_it_was)
{
	struct shm s;

	world_open(&s, 4, 1, 8);
	load(&s, URLS("http://a", "http://gone"), 1, 1);
	load(&s, URLS("http://a", "http://b"), 2, 1);
	backend_set_up(&s, 0, false, 5);
	for (uint32_t failed = 3; failed < 20; failed++) { /* more than there are rows */
		char url[32];

		snprintf(url, sizeof(url), "http://new-%u", failed);
		ck_assert_int_ge(backend_assign(&s, "http://a", failed, 1), 0);
		ck_assert_int_ge(backend_assign(&s, "http://gone", failed, 1), 0);
		ck_assert_int_ge(backend_assign(&s, url, failed, 1), 2);
		load(&s, URLS("http://a", "http://b"), 2, 1); /* what the master restores */
		backend_forget_failed(&s, 2);
		ck_assert(is_configured(&s, 0) && !backend_is_up(&s, 0));
		ck_assert(!is_configured(&s, 1)); /* gone, and generation 1 may still use it */
		ck_assert_uint_eq(atomic_load(&s.backends[1].last_generation), 1);
		ck_assert(is_configured(&s, 2) && backend_is_up(&s, 2));
		ck_assert(!is_configured(&s, 3));
	}
	shm_detach(&s);
}
END_TEST

/* Generation 2 fails when its workers were ready, and one of them goes on with what it has in flight. */
START_TEST(a_row_of_a_reload_that_failed_is_not_taken_over_while_its_workers_live)
{
	struct shm s;

	world_open(&s, 3, 1, 8);
	load(&s, URLS("http://a", "http://b"), 1, 1);
	ck_assert_int_eq(backend_assign(&s, "http://b", 2, 1), 1);
	ck_assert_int_eq(backend_assign(&s, "http://c", 2, 1), 2);
	load(&s, URLS("http://a", "http://b"), 1, 1);
	ck_assert(is_configured(&s, 1) && !is_configured(&s, 2));
	load(&s, URLS("http://a"), 3, 1);
	ck_assert_int_eq(backend_assign(&s, "http://d", 4, 2), -1); /* 2 still drains */
	ck_assert_str_eq(s.backends[1].url, "http://b");
	ck_assert_str_eq(s.backends[2].url, "http://c");
	ck_assert_int_eq(backend_assign(&s, "http://d", 4, 3), 1);
	ck_assert_int_eq(backend_assign(&s, "http://e", 4, 3), 2);
	shm_detach(&s);
}
END_TEST

START_TEST(a_row_that_only_failed_reloads_named_is_free_when_they_are_gone)
{
	struct shm s;

	world_open(&s, 2, 1, 8);
	load(&s, URLS("http://a"), 1, 1);
	ck_assert_int_eq(backend_assign(&s, "http://b", 2, 1), 1);
	load(&s, URLS("http://a"), 1, 1);
	ck_assert_int_eq(backend_assign(&s, "http://c", 3, 1), -1);
	load(&s, URLS("http://a"), 1, 1);
	backend_forget_failed(&s, 1);
	ck_assert_int_eq(backend_assign(&s, "http://c", 4, 1), 1);
	shm_detach(&s);
}
END_TEST

/* It is older than the current one by now, so nobody newer lives when a second failure is forgotten. */
START_TEST(a_row_waits_also_for_a_failed_generation_that_a_newer_one_has_outrun)
{
	struct shm s;

	world_open(&s, 2, 1, 8);
	load(&s, URLS("http://a"), 1, 1);
	ck_assert_int_eq(backend_assign(&s, "http://b", 2, 1), 1);
	load(&s, URLS("http://a"), 1, 1);
	load(&s, URLS("http://a"), 3, 1); /* a worker of 2 still drains */
	ck_assert_int_eq(backend_assign(&s, "http://b", 4, 2), 1);
	load(&s, URLS("http://a"), 3, 2);
	backend_forget_failed(&s, 3);
	ck_assert_int_eq(backend_assign(&s, "http://c", 5, 2), -1);
	ck_assert_int_eq(backend_assign(&s, "http://c", 6, 3), 1);
	shm_detach(&s);
}
END_TEST

START_TEST(an_empty_or_too_long_url_has_no_row)
{
	char url[BACKEND_URL_MAX + 1];
	struct shm s;

	world_open(&s, 2, 1, 8);
	memset(url, 'u', sizeof(url));
	url[BACKEND_URL_MAX] = '\0';
	ck_assert_int_eq(backend_assign(&s, url, 1, 1), -1);
	ck_assert_int_eq(backend_assign(&s, "", 1, 1), -1);
	url[BACKEND_URL_MAX - 1] = '\0';
	ck_assert_int_eq(backend_assign(&s, url, 1, 1), 0);
	ck_assert_str_eq(s.backends[0].url, url);
	url[BACKEND_URL_MAX - 2] = '\0';
	ck_assert_int_eq(backend_assign(&s, url, 1, 1), 1); /* not the same */
	shm_detach(&s);
}
END_TEST

START_TEST(only_a_flip_moves_since)
{
	static const struct {
		bool up;
		uint64_t at, since;
	} steps[] = { { false, 10, 10 }, { false, 20, 10 }, { true, 30, 30 }, { true, 40, 30 },
		{ false, 50, 50 } };
	struct shm s;

	world_open(&s, 1, 1, 8);
	backend_assign(&s, "http://a", 1, 1);
	for (size_t i = 0; i < N(steps); i++) {
		backend_set_up(&s, 0, steps[i].up, steps[i].at);
		ck_assert_int_eq(backend_is_up(&s, 0), steps[i].up);
		ck_assert_uint_eq(atomic_load(&s.backends[0].since_us), steps[i].since);
	}
	shm_detach(&s);
}
END_TEST

START_TEST(every_row_can_be_used)
{
	enum { ROWS = 2000 };
	char url[64];
	struct shm s;

	world_open(&s, ROWS, 1, 8);
	for (uint32_t generation = 1; generation < 3; generation++) {
		for (int i = 0; i < ROWS; i++) {
			snprintf(url, sizeof(url), "http://10.0.%d.%d:8080", i / 250, i % 250);
			ck_assert_int_eq(backend_assign(&s, url, generation, generation), i);
		}
		ck_assert_int_eq(backend_assign(&s, "http://more", generation, generation), -1);
	}
	shm_detach(&s);
}
END_TEST

enum { BLAMES = 20000, BLAMERS = 4 };

static int
blame(unsigned number, void *arg)
{
	struct shm *s = arg;

	for (unsigned i = 0; i < BLAMES; i++)
		backend_blame(s, (number + i) % 2);
	return 0;
}

START_TEST(no_blame_is_lost_between_processes)
{
	struct shm s;

	world_open(&s, 2, 1, 8);
	children_run(BLAMERS, blame, &s);
	ck_assert_uint_eq(backend_failures(&s, 0), BLAMERS * BLAMES / 2);
	ck_assert_uint_eq(backend_failures(&s, 1), BLAMERS * BLAMES / 2);
	ck_assert_uint_eq(atomic_load(&s.shared->evidence), BLAMERS * BLAMES);
	shm_detach(&s);
}
END_TEST

/* The writer's verdict number n comes with the time n; a reader never sees one with an older time. */
static int
write_or_read_verdicts(unsigned number, void *arg)
{
	struct shm *s = arg;
	uint64_t last = 0;

	for (uint64_t i = 1; i <= 20000; i++) {
		if (number == 0) {
			backend_set_up(s, 0, i % 2 == 0, i);
			continue;
		}
		if (!backend_is_up(s, 0))
			continue;
		if (atomic_load(&s->backends[0].since_us) < last)
			return 1;
		last = atomic_load(&s->backends[0].since_us);
	}
	return 0;
}

START_TEST(a_verdict_comes_with_its_time)
{
	struct shm s;

	world_open(&s, 1, 1, 8);
	backend_assign(&s, "http://a", 1, 1);
	atomic_store(&s.backends[0].since_us, 0);
	children_run(3, write_or_read_verdicts, &s);
	ck_assert(backend_is_up(&s, 0));
	ck_assert_uint_eq(atomic_load(&s.backends[0].since_us), 20000);
	shm_detach(&s);
}
END_TEST

START_TEST(an_ejection_turns_a_verdict_once_and_leaves_the_others)
{
	struct shm s;

	world_open(&s, 3, 1, 8);
	for (unsigned i = 0; i < 3; i++)
		backend_assign(&s, (const char *[]){ "http://a", "http://b", "http://c" }[i], 1, 1);
	ck_assert(backend_eject(&s, 1, 77));
	ck_assert(!backend_is_up(&s, 1));
	ck_assert_uint_eq(atomic_load(&s.backends[1].since_us), 77);
	ck_assert(!backend_eject(&s, 1, 78));
	ck_assert_uint_eq(atomic_load(&s.backends[1].since_us), 77);
	ck_assert(backend_is_up(&s, 0) && backend_is_up(&s, 2));
	backend_set_up(&s, 1, true, 79);
	ck_assert(backend_is_up(&s, 1));
	shm_detach(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backend");
	TCase *t = tcase_create("backend");

	tcase_add_test(t, an_index_finds_what_a_look_at_all_rows_finds);
	tcase_add_test(t, a_new_backend_begins_up_and_knows_since_when);
	tcase_add_test(t, a_url_keeps_its_row_its_verdict_and_its_counters_over_reloads);
	tcase_add_test(t, others_retire_but_keep_their_row_and_come_back_up);
	tcase_add_test(
		t, a_row_is_taken_over_only_when_no_generation_uses_it_the_longest_unused_first);
	tcase_add_test(t, who_takes_a_row_over_begins_with_nothing);
	tcase_add_test(t, a_reload_that_fails_leaves_everything_as_it_was);
	tcase_add_test(t, a_row_of_a_reload_that_failed_is_not_taken_over_while_its_workers_live);
	tcase_add_test(t, a_row_that_only_failed_reloads_named_is_free_when_they_are_gone);
	tcase_add_test(t, a_row_waits_also_for_a_failed_generation_that_a_newer_one_has_outrun);
	tcase_add_test(t, an_empty_or_too_long_url_has_no_row);
	tcase_add_test(t, only_a_flip_moves_since);
	tcase_add_test(t, every_row_can_be_used);
	tcase_add_test(t, no_blame_is_lost_between_processes);
	tcase_add_test(t, a_verdict_comes_with_its_time);
	tcase_add_test(t, an_ejection_turns_a_verdict_once_and_leaves_the_others);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
