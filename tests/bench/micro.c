/*
 * micro: what single mechanisms cost, in nanoseconds of this process, for
 * `make bench-growth`: a pick of each strategy among 2 to 1,000 backends, and the
 * rate limiter's table asked by one client or by a million in no order.
 *
 *	micro [MILLISECONDS]
 *
 * One line each: `pick STRATEGY BACKENDS ns N`, `rate CASE CLIENTS ns N`.  One process, a segment
 * of its own (its name is gone at once); processor time, the least of a few runs, so other load
 * disturbs little.
 */
#include "ballast/balance/balance.h"
#include "ballast/shm/rate.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BACKENDS_MAX = 1000, RUNS = 5, BATCH = 256, LEASED = 64 };

struct world {
	struct shm shm;
	struct slot *slot;
	struct balance balance;
	struct rate_limit limit;
	uint64_t now_us, clients;
	uint32_t seed;
};

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "micro: %s failed\n", what);
	exit(1);
}

static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Of one call out of many in a span of so many milliseconds. */
static double
one_run(struct world *w, void (*batch)(struct world *), unsigned ms)
{
	uint64_t start = cpu_ns(), spent, calls = 0;

	do {
		batch(w);
		calls += BATCH;
		spent = cpu_ns() - start;
	} while (spent < (uint64_t)ms * 1000000);
	return (double)spent / (double)calls;
}

static double
least(struct world *w, void (*batch)(struct world *), unsigned ms)
{
	double best = one_run(w, batch, ms); /* and warms up */

	for (unsigned i = 0; i < RUNS; i++) {
		double ns = one_run(w, batch, ms);

		best = ns < best ? ns : best;
	}
	return best;
}

static void
open_world(struct world *w, uint32_t clients)
{
	struct shm_shape shape = { BACKENDS_MAX, 6, clients, 0 };
	char name[64];

	snprintf(name, sizeof(name), "/ballast-micro-%ld", (long)getpid());
	*w = (struct world){ .now_us = 3600 * UINT64_C(1000000), .clients = clients, .seed = 1 };
	must(shm_create(&w->shm, name, &shape, (gid_t)-1) == 0, "shm_create");
	must(shm_remove(name) == 0, "shm_remove");
	w->slot = slot_claim(&w->shm, ROLE_WORKER, 1, 1);
	must(w->slot != NULL, "slot_claim");
	slot_set_state(w->slot, SLOT_READY);
}

/* -- picks -- */

static void
pick_batch(struct world *w)
{
	const struct tried none = { .n = 0 };

	for (unsigned i = 0; i < BATCH; i++)
		must(balance_pick(&w->balance, &none) >= 0, "balance_pick");
}

/* So many backends, a few of them with an exchange in flight, as in the life of a worker. */
static void
measure_pick(const char *strategy, unsigned backends, unsigned ms)
{
	static struct candidate candidates[BACKENDS_MAX];
	struct world w;

	open_world(&w, 8);
	for (unsigned i = 0; i < backends; i++) {
		char url[32];

		snprintf(url, sizeof(url), "http://backend-%u", i);
		must(backend_assign(&w.shm, url, 1, 1) == (int)i, "backend_assign");
		candidates[i] = (struct candidate){ (uint16_t)i, 1 };
	}
	must(balance_init(&w.balance, &w.shm, strategy_find(strategy), candidates, backends) == 0,
		"balance_init");
	for (unsigned i = 0; i < LEASED; i++)
		lease_take(&w.shm, w.slot, i % backends);
	printf("pick %s %u ns %.1f\n", strategy, backends, least(&w, pick_batch, ms));
	balance_free(&w.balance);
	shm_detach(&w.shm);
}

/* -- the limiter -- */

static struct ip
next_client(struct world *w)
{
	uint32_t i;
	struct ip ip = { .b = { [10] = 0xff, [11] = 0xff, [12] = 10 } };

	/* Numerical Recipes' generator; its high bits are the good ones. */
	w->seed = w->seed * 1664525 + 1013904223;
	i = (uint32_t)(((uint64_t)w->seed * w->clients) >> 32);
	ip.b[13] = (uint8_t)(i >> 16);
	ip.b[14] = (uint8_t)(i >> 8);
	ip.b[15] = (uint8_t)i;
	return ip;
}

/* Time goes on as if 100,000 requests came in a second. */
static void
rate_batch(struct world *w)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct ip ip = next_client(w);

		w->now_us += 10;
		must(rate_take(&w->shm, &w->limit, rate_hash(&w->shm, &ip), w->now_us).allowed,
			"rate_take");
	}
}

/*
 * `rows` of the table are there for `clients`.  With the slow refill a token takes 12.5 s and
 * every client asks each 10 s, so no bucket is ever full again.
 */
static void
measure_rate(const char *what, uint32_t rows, uint32_t clients, bool slow_refill, unsigned ms)
{
	struct world w;

	open_world(&w, rows);
	w.clients = clients;
	rate_limit_set(&w.limit, slow_refill ? 0.08 : 1000000, slow_refill ? 2000 : 1000000);
	for (unsigned i = 0; i < 2 * clients / BATCH; i++)
		rate_batch(&w);
	printf("rate %s %u ns %.1f\n", what, clients, least(&w, rate_batch, ms));
	shm_detach(&w.shm);
}

int
main(int argc, char **argv)
{
	static const unsigned backends[] = { 2, 10, 100, BACKENDS_MAX };
	unsigned ms = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100;

	for (const char *const *name = strategy_names(); *name != NULL; name++)
		for (unsigned i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
			measure_pick(*name, backends[i], ms);
	measure_rate("full-again", 1 << 17, 1, false, ms);
	measure_rate("full-again", 1 << 20, 1000000, false, ms);
	measure_rate("still-in-use", 1 << 20, 1000000, true, ms);
	measure_rate("evicting", 1 << 17, 1000000, true, ms);
	return 0;
}
