/*
 * Shared memory under threads, to be built with -fsanitize=thread: workers make exchanges, one more sums and sweeps all
 * the while, and when all workers of a round have stopped in the middle of something, their slots are folded
 * and claimed anew.  A data race is an error of the program; what was counted is compared with what was done.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "stress.h"

enum { ROUNDS = 12, LIFE = 2000 };

struct job {
	struct world *world;
	struct slot *slot;
	unsigned number;
	uint64_t seed;
};

static void *
work(void *arg)
{
	struct job *job = arg;
	struct actor a;

	actor_begin(&a, job->world, job->slot, job->number, job->seed);
	for (uint64_t left = LIFE / 2 + draw(&a.random, LIFE); left > 0; left--)
		exchange(&a);
	exchange_half(&a);
	actor_end(&a);
	return NULL;
}

static _Atomic bool is_over;

/* Sums while others count, claim and fold: never less than before, nor than was told, nor more than was begun. */
static void *
watch(void *arg)
{
	struct world *w = arg;
	uint64_t before = 0;

	while (!atomic_load(&is_over)) {
		uint64_t told = reports_sum(w).ended, requests = requests_total(w);
		uint64_t active = 0;

		for (unsigned row = 0; row < ROWS; row++)
			active += slots_active(&w->shm, row);
		claim(w, CLAIM_MONOTONIC, requests >= before && requests <= reports_sum(w).begun);
		claim(w, CLAIM_MONOTONIC, requests >= told);
		claim(w, CLAIM_GAUGES, active <= ROWS * (WORKERS + 1));
		rate_sweep(&w->shm, atomic_load(&w->clock_us));
		before = requests;
	}
	return NULL;
}

static void
start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg) != 0)
		exit(2);
}

static void
one_round(struct world *w, uint64_t *random)
{
	struct job job[WORKERS];
	pthread_t thread[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++) {
		job[i] = (struct job){ w, actor_hire(w, i), i, draw(random, UINT32_MAX) };
		start(&thread[i], work, &job[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(thread[i], NULL);
		bury(w, job[i].slot);
	}
	w->killed += WORKERS;
	world_check(w);
	world_let_time_pass(w);
}

int
main(void)
{
	struct world *w = world_begin();
	uint64_t random = w->seed;
	pthread_t watcher;

	start(&watcher, watch, w);
	for (unsigned round = 0; round < ROUNDS; round++)
		one_round(w, &random);
	atomic_store(&is_over, true);
	pthread_join(watcher, NULL);
	return world_end(w, "threads that count, limit, pick and sum at once");
}
