/*
 * What a death leaves at each single instruction: a child goes through one
 * operation on shared memory step by step under ptrace, and after every step
 * what lies in the segment is looked at as its survivors would find it.
 * Where a process may not be traced (valgrind), nothing is looked at.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "ballast/balance/balance.h"
#include "ballast/shm/metrics.h"
#include "harness.h"
#include "rate_world.h"

enum { BURST = 5, STEPS_MAX = 200000 };

struct scene {
	struct shm s, copy;
	struct slot *slot;
	void (*act)(struct scene *);
	void (*look)(struct scene *, unsigned step);
	uint64_t first_word;
	unsigned most_admitted, least_admitted;
	uint64_t requests, durations;
	uint32_t most_active;
};

static void
scene_open(struct scene *scene, uint32_t max_backends)
{
	memset(scene, 0, sizeof(*scene));
	world_open(&scene->s, max_backends, 2, 8);
	world_open(&scene->copy, max_backends, 2, 8);
	scene->slot = slot_claim(&scene->s, ROLE_WORKER, 1, 1);
	scene->least_admitted = UINT32_MAX;
}

static void
scene_close(struct scene *scene)
{
	shm_detach(&scene->s);
	shm_detach(&scene->copy);
}

static pid_t
begin(struct scene *scene)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		_exit(0);
	raise(SIGSTOP);
	scene->act(scene);
	raise(SIGSTOP);
	_exit(1); /* the parent kills it where it stands */
}

/* Steps until the operation is over; false when the child has ended instead. */
static bool
step_through(struct scene *scene, pid_t pid, unsigned *steps)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status) && *steps < STEPS_MAX) {
		if (WSTOPSIG(status) == SIGSTOP && *steps > 0)
			return true;
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0)
			return true;
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		scene->look(scene, ++*steps);
	}
	return WIFSTOPPED(status);
}

static unsigned
act_out(struct scene *scene)
{
	pid_t pid = begin(scene);
	unsigned steps = 0;

	if (!step_through(scene, pid, &steps))
		return 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_uint_lt(steps, STEPS_MAX);
	return steps;
}

static void
take_one(struct scene *scene)
{
	struct rate_limit limit = limit_of(1000, BURST);

	rate_take(&scene->s, &limit, HASH(0, 5), HOUR);
}

static void
note_first_word(struct scene *scene, unsigned step)
{
	(void)step;
	if (scene->first_word == 0)
		scene->first_word = atomic_load(&scene->s.rate[0]);
}

START_TEST(a_word_put_in_does_not_come_again)
{
	uint64_t words[2];
	unsigned steps = 0;
	struct scene scene;

	scene_open(&scene, 1);
	scene.act = take_one;
	scene.look = note_first_word;
	for (unsigned i = 0; i < 2; i++) {
		scene.first_word = 0;
		atomic_store(&scene.s.rate[0], 0);
		steps = act_out(&scene);
		words[i] = scene.first_word;
	}
	if (steps > 0)
		ck_assert_uint_ne(words[0], words[1]);
	ck_assert_uint_eq(words[0] == 0, steps == 0);
	scene_close(&scene);
}
END_TEST

/* How much the client would be given by those who live on. */
static void
ask_for_the_rest(struct scene *scene, unsigned step)
{
	struct rate_limit limit = limit_of(1000, BURST);
	uint64_t at = scene->s.head->rate_at;
	unsigned admitted = 0;

	(void)step;
	memcpy(scene->copy.base + at, scene->s.base + at, RATE_WAYS * sizeof(uint64_t));
	while (rate_take(&scene->copy, &limit, HASH(0, 5), HOUR).allowed && admitted <= BURST)
		admitted++;
	scene->most_admitted = admitted > scene->most_admitted ? admitted : scene->most_admitted;
	scene->least_admitted = admitted < scene->least_admitted ? admitted : scene->least_admitted;
}

START_TEST(a_taker_that_dies_anywhere_costs_its_client_no_more_than_its_token)
{
	struct scene scene;

	scene_open(&scene, 1);
	scene.act = take_one;
	scene.look = ask_for_the_rest;
	if (act_out(&scene) > 0) {
		ck_assert_uint_eq(scene.most_admitted, BURST);
		ck_assert_uint_eq(scene.least_admitted, BURST - 1);
	}
	scene_close(&scene);
}
END_TEST

static void
serve_one(struct scene *scene)
{
	lease_take(&scene->s, scene->slot, 0);
	metrics_request(&scene->s, scene->slot, 0, METHOD_GET, 200, 1234);
	lease_give(&scene->s, scene->slot, 0);
}

static uint64_t
requests_in(const struct shm *s)
{
	size_t n;
	struct request_sum *sum = metrics_sum_requests(s, &n);
	uint64_t requests = 0;

	for (size_t i = 0; i < n; i++)
		requests += sum[i].count;
	free(sum);
	return requests;
}

/* What the master would find: it folds a copy, and the next scrape sums it. */
static void
fold_a_copy(struct scene *scene, unsigned step)
{
	struct duration_sum durations;
	uint32_t active = slots_active(&scene->s, 0);

	(void)step;
	memcpy(scene->copy.slots, scene->s.slots, scene->s.n_slots * scene->s.slot_bytes);
	slot_fold(&scene->copy, slot_at(&scene->copy, 0));
	ck_assert_uint_eq(slot_active(&scene->copy, slot_at(&scene->copy, 0))[0], 0);
	ck_assert_uint_le(active, 1);
	scene->most_active = active > scene->most_active ? active : scene->most_active;
	ck_assert_uint_ge(requests_in(&scene->copy), scene->requests);
	scene->requests = requests_in(&scene->copy);
	metrics_sum_durations(&scene->copy, 0, &durations);
	ck_assert_uint_ge(durations.count, scene->durations);
	scene->durations = durations.count;
	ck_assert_uint_le(scene->requests, scene->durations);
	ck_assert_uint_le(scene->durations, 1);
}

START_TEST(a_worker_that_dies_anywhere_leaves_no_gauge_and_no_torn_row)
{
	struct scene scene;

	scene_open(&scene, 1);
	scene.act = serve_one;
	scene.look = fold_a_copy;
	if (act_out(&scene) > 0) {
		ck_assert_uint_eq(scene.most_active, 1);
		ck_assert_uint_eq(scene.requests, 1);
		ck_assert_uint_eq(scene.durations, 1);
	}
	scene_close(&scene);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("steps");
	TCase *t = tcase_create("steps");

	tcase_add_test(t, a_word_put_in_does_not_come_again);
	tcase_add_test(t, a_taker_that_dies_anywhere_costs_its_client_no_more_than_its_token);
	tcase_add_test(t, a_worker_that_dies_anywhere_leaves_no_gauge_and_no_torn_row);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
