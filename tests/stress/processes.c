/*
 * Shared memory under processes that are killed: each round one worker is stopped wherever it is, the others must get
 * on without it, then it is killed, folded and replaced, while the parent sums and sweeps.  After some rounds all are
 * killed, and the segment is compared with what they told.
 *
 *	STRESS_SEED=n the same draws again (not the same schedule)	STRESS_KILLS=500 how many
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

enum { PER_EPOCH = 20, LONGEST = 300, PER_TURN = 50, LIMIT_S = 240 };

struct child {
	struct slot *slot;
	pid_t pid;
};

struct staff {
	struct world *world;
	struct child child[WORKERS];
	uint64_t random;
	uint64_t requests; /* when they were summed last */
};

static void
work(struct world *w, struct slot *slot, unsigned number, uint64_t seed)
{
	struct actor a;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	actor_begin(&a, w, slot, number, seed);
	for (;;) {
		exchange(&a);
		if (draw(&a.random, PER_TURN) == 0)
			sched_yield(); /* many share few CPUs, and each round waits for all */
	}
}

static void
hire(struct staff *s, unsigned number)
{
	struct child *c = &s->child[number];
	uint64_t seed = draw(&s->random, UINT32_MAX);

	c->slot = actor_hire(s->world, number);
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0)
		work(s->world, c->slot, number, seed);
	if (c->pid < 0)
		exit(2);
}

static uint64_t
ended(const struct staff *s, unsigned number)
{
	return atomic_load(&s->world->report[number].ended);
}

/* The alarm ends all when one never gets so far: it is the only clock here. */
static void
await_exchanges(const struct staff *s, unsigned number, uint64_t more)
{
	uint64_t goal = ended(s, number) + more;

	while (ended(s, number) < goal)
		sched_yield();
}

static void
fire(struct staff *s, unsigned number)
{
	struct child *c = &s->child[number];

	kill(c->pid, SIGKILL);
	if (waitpid(c->pid, NULL, 0) != c->pid)
		exit(2);
	s->world->killed++;
	bury(s->world, c->slot);
}

static void
sum_and_sweep(struct staff *s)
{
	struct world *w = s->world;
	uint64_t told = reports_sum(w).ended, requests = requests_total(w);

	claim(w, CLAIM_MONOTONIC, requests >= s->requests && requests >= told);
	claim(w, CLAIM_MONOTONIC, requests <= reports_sum(w).begun);
	rate_sweep(&w->shm, atomic_load(&w->clock_us));
	s->requests = requests;
}

static void
stop_one(struct staff *s)
{
	unsigned victim = (unsigned)draw(&s->random, WORKERS);

	await_exchanges(s, victim, draw(&s->random, LONGEST));
	kill(s->child[victim].pid, SIGSTOP);
	for (unsigned i = 0; i < WORKERS; i++)
		if (i != victim)
			await_exchanges(s, i, 2);
	claim(s->world, CLAIM_NO_LOCK, true);
	fire(s, victim);
	hire(s, victim);
	sum_and_sweep(s);
}

static void
epoch(struct staff *s)
{
	for (unsigned i = 0; i < WORKERS; i++)
		hire(s, i);
	for (unsigned i = 0; i < PER_EPOCH; i++)
		stop_one(s);
	for (unsigned i = 0; i < WORKERS; i++)
		fire(s, i);
	world_check(s->world);
	world_let_time_pass(s->world);
}

/* Async-signal-safe: whoever waits for ever waits for somebody who does not get on. */
static void
give_up(int signal)
{
	static const char said[] = "a worker waits for one that stands still\n0 passed, 1 failed\n";

	(void)signal;
	_exit(write(STDOUT_FILENO, said, sizeof(said) - 1) < 0 ? 2 : 1);
}

int
main(void)
{
	const char *kills = getenv("STRESS_KILLS");
	unsigned long wanted = kills != NULL ? strtoul(kills, NULL, 10) : 500;
	struct staff s = { .world = world_begin() };

	s.random = s.world->seed;
	signal(SIGALRM, give_up);
	alarm(LIMIT_S);
	while (s.world->killed < wanted)
		epoch(&s);
	printf("%llu kills, %llu exchanges\n", (unsigned long long)s.world->killed,
		(unsigned long long)reports_sum(s.world).ended);
	return world_end(s.world, "processes that are stopped and killed anywhere");
}
