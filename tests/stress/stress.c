/*
 * The instance of the stress tests: what a worker does with shared memory in an exchange, and what must be true
 * of the segment when nobody is at work.  Runs in whoever makes exchanges and in whoever judges.  Owns the
 * segment and the table of claims; forks nothing, kills nobody.
 */
#include "stress.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const uint16_t weights[ROWS] = { 3, 2, 1 };

static const char *const sentences[N_CLAIMS] = {
	[CLAIM_COUNTED] = "each exchange is counted once, as a request or as lost",
	[CLAIM_EACH] = "a dead one's slot has what it told, but for the one in hand",
	[CLAIM_DURATIONS] = "each request has its duration",
	[CLAIM_BLAMES] = "each failure of a backend is counted",
	[CLAIM_SHARES] = "the cursor gave each backend its share exactly",
	[CLAIM_ADMITTED] = "no client was admitted more than burst + rate * t",
	[CLAIM_REFILLED] = "a bucket that had time to fill holds exactly the burst",
	[CLAIM_GAUGES] = "who is gone holds nothing",
	[CLAIM_MONOTONIC] = "no sum goes back or beyond what was begun",
	[CLAIM_NO_LOCK] = "who stands still at any step holds up nobody",
};

void
claim(struct world *w, enum claim which, bool holds)
{
	atomic_fetch_add(&w->looks[which], 1);
	if (holds || atomic_fetch_add(&w->failures[which], 1) > 0)
		return;
	printf("not so: %s (seed %llu)\n", sentences[which], (unsigned long long)w->seed);
}

/* xorshift64* (Vigna, 2016) */
uint64_t
draw(uint64_t *random, uint64_t below)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return (*random * UINT64_C(2685821657736338717) >> 32) % below;
}

static void
fail(const char *what)
{
	printf("%s\n0 passed, 1 failed\n", what);
	exit(1);
}

static void
open_segment(struct world *w)
{
	struct shm_shape shape = { ROWS, WORKERS + 1, 8, FLIGHTS };
	char name[64];

	snprintf(name, sizeof(name), "/ballast-stress-%ld", (long)getpid());
	if (shm_create(&w->shm, name, &shape, (gid_t)-1) < 0 || shm_remove(name) < 0)
		fail("no segment");
}

static void
add_backends(struct world *w)
{
	struct candidate candidates[ROWS];
	char url[32];

	for (uint16_t i = 0; i < ROWS; i++) {
		snprintf(url, sizeof(url), "http://%u", (unsigned)i);
		candidates[i].row = (uint16_t)backend_assign(&w->shm, url, 1, 1);
		candidates[i].weight = weights[i];
	}
	if (balance_init(&w->balance, &w->shm, strategy_find("round-robin"), candidates, ROWS) < 0)
		fail("no memory");
}

struct world *
world_begin(void)
{
	struct world *w =
		mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *seed = getenv("STRESS_SEED");

	if (w == MAP_FAILED)
		fail("no memory");
	w->seed = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	w->seed += w->seed == 0;
	printf("seed %llu\n", (unsigned long long)w->seed);
	open_segment(w);
	add_backends(w);
	rate_limit_set(&w->limit, 1e6 / TOKEN_US, BURST);
	w->clock_us = UINT64_C(3600) * 1000000 * 10;
	w->epoch_us = w->clock_us;
	return w;
}

int
world_end(struct world *w, const char *what)
{
	unsigned failed = 0, passed = 0;

	for (int i = 0; i < N_CLAIMS; i++) {
		if (w->looks[i] == 0)
			continue;
		failed += w->failures[i] > 0;
		passed += w->failures[i] == 0;
		printf("%s  %-60s looked at %llu times\n", w->failures[i] > 0 ? "FAILED" : "ok    ",
			sentences[i], (unsigned long long)w->looks[i]);
	}
	balance_free(&w->balance);
	shm_detach(&w->shm);
	printf("%s\n%u passed, %u failed\n", what, passed, failed);
	return failed > 0 || passed == 0;
}

static uint64_t
get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

struct told
reports_sum(const struct world *w)
{
	struct told sum = { .begun = 0 };

	for (unsigned k = 0; k < WORKERS; k++) {
		const struct report *r = &w->report[k];

		sum.begun += get(&r->begun);
		sum.ended += get(&r->ended);
		for (unsigned i = 0; i < ROWS; i++)
			sum.picks[i] += get(&r->picks[i]);
		for (unsigned i = 0; i < CLIENTS; i++)
			sum.admitted[i] += get(&r->admitted[i]);
	}
	return sum;
}

static uint64_t
requests_in(const struct shm *shm)
{
	size_t n;
	struct request_sum *rows = metrics_sum_requests(shm, &n);
	uint64_t total = 0;

	for (size_t i = 0; rows != NULL && i < n; i++)
		total += rows[i].count;
	free(rows);
	return total;
}

uint64_t
requests_total(const struct world *w)
{
	return requests_in(&w->shm);
}

/* A view of the segment in which there is no other slot. */
static struct shm
only(const struct world *w, const struct slot *slot)
{
	struct shm view = w->shm;

	view.slots += slot_index(&w->shm, slot) * view.slot_bytes;
	view.n_slots = 1;
	return view;
}

static struct birth
take_stock(const struct world *w, const struct slot *slot, unsigned number)
{
	struct shm view = only(w, slot);

	return (struct birth){
		.begun = get(&w->report[number].begun),
		.ended = get(&w->report[number].ended),
		.requests = requests_in(&view),
		.lost = metrics_sum(&view, COUNTER_EXCHANGES_LOST),
	};
}

/* ---- a worker */

struct slot *
actor_hire(struct world *w, unsigned number)
{
	struct slot *slot = slot_claim(&w->shm, ROLE_WORKER, 1, number + 1);

	if (slot == NULL)
		fail("no slot");
	w->birth[number] = take_stock(w, slot, number);
	return slot;
}

void
actor_begin(struct actor *a, struct world *w, struct slot *slot, unsigned number, uint64_t seed)
{
	a->world = w;
	a->slot = slot;
	a->report = &w->report[number];
	a->random = seed + 1;
	a->balance = w->balance;
	a->balance.load = calloc(ROWS, sizeof(*a->balance.load)); /* each process has its own */
	slot_set_state(slot, SLOT_READY);
}

void
actor_end(struct actor *a)
{
	free(a->balance.load);
}

/* The clock goes slowly: who has to wait for a CPU must not be behind it by as much as the limiter calls stale. */
static void
ask_limiter(struct actor *a)
{
	struct world *w = a->world;
	uint64_t client = draw(&a->random, CLIENTS);
	uint64_t now_us = atomic_fetch_add(&w->clock_us, draw(&a->random, SLOWLY) == 0);

	if (rate_take(&w->shm, &w->limit, (client + 1) << 40, now_us).allowed)
		counter_add(&a->report->admitted[client], 1);
}

/* Up to where an exchange holds all it ever holds. */
static struct flight *
begin(struct actor *a, unsigned *row)
{
	struct shm *s = &a->world->shm;
	struct flight *f = flight_at(s, a->slot, (unsigned)draw(&a->random, FLIGHTS));
	int index;

	counter_add(&a->report->begun, 1);
	flight_begin(f, &(struct ip){ .b = { 127, 0, 0, 1 } }, 1, 0);
	gauge_add(&a->slot->clients[CLIENT_ACTIVE], 1);
	ask_limiter(a);
	index = balance_pick(&a->balance, &(struct tried){ .n = 0 });
	counter_add(&a->report->picks[index], 1);
	*row = f->row = a->balance.candidates[index].row;
	lease_take(s, a->slot, *row);
	return f;
}

void
exchange_half(struct actor *a)
{
	unsigned row;

	begin(a, &row);
}

void
exchange(struct actor *a)
{
	struct shm *s = &a->world->shm;
	struct landing landing = {
		.counted = true,
		.status = (uint16_t)(200 + draw(&a->random, 3)),
		.method = METHOD_GET,
		.duration_us = draw(&a->random, 1000000),
		.also = N_COUNTERS,
	};
	struct flight *f = begin(a, &landing.row);

	backend_blame(s, landing.row);
	metrics_backend_error(s, a->slot, landing.row, ERROR_CUT);
	lease_give(s, a->slot, landing.row);
	flight_end(s, a->slot, f, &landing);
	gauge_add(&a->slot->clients[CLIENT_ACTIVE], -1);
	counter_add(&a->report->ended, 1);
}

/* ---- the judge */

static void
nobody_minds(const struct flight *f, void *arg)
{
	(void)f;
	(void)arg;
}

static bool
holds_nothing(const struct shm *s, const struct slot *slot)
{
	uint64_t held = slot_held(slot);

	for (unsigned i = 0; i < ROWS; i++)
		held += slot_active(s, slot)[i];
	for (unsigned i = 0; i < FLIGHTS; i++)
		held += flight_at(s, slot, i)->held;
	return held == 0;
}

/* Killed behind its begin it may not yet have a row, and before its end be counted already. */
static void
check_estate(struct world *w, const struct slot *slot, unsigned number, unsigned settled)
{
	struct birth then = w->birth[number], now = take_stock(w, slot, number);
	uint64_t done = now.requests - then.requests, lost = now.lost - then.lost;
	uint64_t begun = now.begun - then.begun, ended = now.ended - then.ended;

	claim(w, CLAIM_EACH, done == ended || done == ended + 1);
	claim(w, CLAIM_EACH, lost == settled && lost <= 1);
	claim(w, CLAIM_EACH, done + lost == begun || done + lost + 1 == begun);
}

void
bury(struct world *w, struct slot *slot)
{
	unsigned settled = flights_settle(&w->shm, slot, 0, nobody_minds, NULL);

	check_estate(w, slot, atomic_load(&slot->number) - 1, settled);
	slot_fold(&w->shm, slot);
	claim(w, CLAIM_GAUGES, holds_nothing(&w->shm, slot));
}

/* By what the cursor has gone over: all backends are up, so nobody was passed over. */
static void
check_shares(struct world *w, const struct told *sum)
{
	uint64_t walked = w->shm.shared->cursor, share[ROWS] = { 0 }, missed = 0;
	uint32_t len = w->balance.sequence_len;
	bool exact = true;

	for (uint32_t i = 0; i < len; i++)
		share[w->balance.sequence[i]] += walked / len + (i < walked % len);
	for (unsigned i = 0; i < ROWS; i++) {
		exact = exact && sum->picks[i] <= share[i];
		missed += share[i] - sum->picks[i];
	}
	claim(w, CLAIM_SHARES, exact && missed <= w->killed);
}

static void
check_buckets(struct world *w, const struct told *sum)
{
	uint64_t most = BURST + (w->clock_us - w->epoch_us) / TOKEN_US;

	for (unsigned i = 0; i < CLIENTS; i++)
		claim(w, CLAIM_ADMITTED, sum->admitted[i] - w->earlier.admitted[i] <= most);
}

static uint64_t
durations_total(const struct world *w)
{
	struct duration_sum sum;
	uint64_t total = 0;

	for (unsigned row = 0; row < ROWS; row++) {
		metrics_sum_durations(&w->shm, row, &sum);
		total += sum.count;
	}
	return total;
}

/* What was killed between two steps may be in the one and not yet in the other. */
static bool
is_close(const struct world *w, uint64_t counted, uint64_t told)
{
	return counted >= told && counted <= told + w->killed;
}

void
world_check(struct world *w)
{
	struct told sum = reports_sum(w);
	uint64_t requests = requests_total(w), blames = 0, errors = 0;
	uint64_t lost = metrics_sum(&w->shm, COUNTER_EXCHANGES_LOST);

	for (unsigned row = 0; row < ROWS; row++) {
		blames += backend_failures(&w->shm, row);
		errors += metrics_sum_backend_error(&w->shm, row, ERROR_CUT);
		claim(w, CLAIM_GAUGES, slots_active(&w->shm, row) == 0);
	}
	claim(w, CLAIM_COUNTED, requests >= sum.ended && requests + lost <= sum.begun);
	claim(w, CLAIM_COUNTED, is_close(w, sum.begun, sum.ended) && lost <= w->killed);
	claim(w, CLAIM_DURATIONS, durations_total(w) == requests);
	claim(w, CLAIM_BLAMES, is_close(w, blames, sum.ended) && is_close(w, errors, sum.ended));
	check_shares(w, &sum);
	check_buckets(w, &sum);
}

/* Of client 0, whom nobody serves now. */
static unsigned
take_all(struct world *w)
{
	unsigned allowed = 0;

	for (unsigned i = 0; i < 2 * BURST; i++)
		allowed += rate_take(&w->shm, &w->limit, UINT64_C(1) << 40, w->clock_us).allowed;
	return allowed;
}

void
world_let_time_pass(struct world *w)
{
	w->clock_us += UINT64_C(60) * 1000000;
	claim(w, CLAIM_REFILLED, take_all(w) == BURST);
	w->clock_us += UINT64_C(60) * 1000000;
	w->epoch_us = w->clock_us;
	w->earlier = reports_sum(w);
}
