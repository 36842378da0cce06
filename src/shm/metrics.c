/*
 * Counting, in every process: each counts in its own slot with plain loads and
 * stores and never sums.  Invariant: one writer per word, except that the
 * master clears what belongs to a backend whose row no living process uses.
 * The table of requests is requests.c, the sums are metrics_sum.c.
 */
#include "ballast/shm/metrics.h"

#include <assert.h>

#include "ballast/shm/backend.h"
#include "ballast/shm/flight.h"
#include "block.h"
#include "requests.h"

enum { STATUS_MAX = 999 };

static const char *const error_names[N_BACKEND_ERRORS] = {
	[ERROR_CONNECT_REFUSED] = "connect_refused",
	[ERROR_CONNECT_TIMEOUT] = "connect_timeout",
	[ERROR_CONNECT_OTHER] = "connect_other",
	[ERROR_CUT] = "cut",
	[ERROR_PROTOCOL] = "protocol",
	[ERROR_TIMEOUT] = "timeout",
};

static const uint32_t bounds_us[DURATION_BUCKETS] = { 1000, 2500, 5000, 10000, 25000, 50000, 100000,
	200000, 500000, 1000000, 2000000, 5000000, 10000000 };

static const struct counter_info counters[N_COUNTERS] = {
#define COUNTER(id, name, help) [COUNTER_##id] = { name, help },
#include "ballast/shm/metrics.def"
#undef COUNTER
};

const char *
backend_error_name(enum backend_error error)
{
	assert((unsigned)error < N_BACKEND_ERRORS);
	return error_names[error];
}

uint32_t
duration_bound_us(unsigned bucket)
{
	assert(bucket < DURATION_BUCKETS);
	return bounds_us[bucket];
}

const struct counter_info *
metrics_counter_info(enum counter counter)
{
	assert((unsigned)counter < N_COUNTERS);
	return &counters[counter];
}

/* An odd number of cache lines: equal places of all slots do not compete for one set of the cache. */
size_t
slot_block_bytes(uint32_t max_backends, uint32_t flights)
{
	size_t bytes = flights_at(max_backends) + (flights + (size_t)1) * sizeof(struct flight);

	return whole_lines(bytes) | CACHE_LINE;
}

static struct backend_ledger *
backend_ledger(const struct shm *s, const struct slot *slot, unsigned row)
{
	assert(row < s->max_backends);
	return backend_ledger_of(s, slot, row);
}

void
metrics_count(const struct shm *s, struct slot *slot, enum counter counter, uint64_t by)
{
	counter_add(&ledger_of(s, slot)->counter[counter], by);
}

void
metrics_backend_error(
	const struct shm *s, struct slot *slot, unsigned row, enum backend_error error)
{
	counter_add(&backend_ledger(s, slot, row)->error[error], 1);
}

void
metrics_health_check(const struct shm *s, struct slot *slot, unsigned row, bool success)
{
	counter_add(&backend_ledger(s, slot, row)->check[success], 1);
}

unsigned
duration_bucket(uint64_t duration_us)
{
	unsigned bucket = 0;

	while (bucket < DURATION_BUCKETS && duration_us > bounds_us[bucket])
		bucket++;
	return bucket;
}

void
metrics_request(const struct shm *s, struct slot *slot, unsigned row, enum method method,
	int status, uint64_t duration_us)
{
	const struct landing landing = {
		.counted = true,
		.row = row,
		.status = (uint16_t)(status >= 0 && status <= STATUS_MAX ? status : 0),
		.method = method,
		.duration_us = duration_us,
		.also = N_COUNTERS,
	};

	flight_end(s, slot, NULL, &landing);
}

static bool
has_requests(const struct backend_ledger *l)
{
	for (unsigned i = 0; i <= DURATION_BUCKETS; i++)
		if (atomic_load_explicit(&l->durations.bucket[i], memory_order_relaxed) > 0)
			return true;
	return false;
}

static void
forget(struct backend_ledger *l)
{
	atomic_store_explicit(&l->durations.sum_us, 0, memory_order_relaxed);
	for (unsigned i = 0; i <= DURATION_BUCKETS; i++)
		atomic_store_explicit(&l->durations.bucket[i], 0, memory_order_relaxed);
	for (unsigned i = 0; i < N_BACKEND_ERRORS; i++)
		atomic_store_explicit(&l->error[i], 0, memory_order_relaxed);
	for (unsigned i = 0; i < 2; i++)
		atomic_store_explicit(&l->check[i], 0, memory_order_relaxed);
	atomic_store_explicit(&l->answers, 0, memory_order_relaxed);
}

void
metrics_forget_backend(struct shm *s, unsigned row)
{
	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);
		struct backend_ledger *l = backend_ledger(s, slot, row);

		if (has_requests(l)) /* the table is long, and most slots never served this one */
			requests_forget(s, slot, row);
		forget(l);
	}
}
