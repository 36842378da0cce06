/*
 * The inside of a slot block, for slot.c, metrics.c, requests.c and transfer.c alone:
 *
 *	ledger | active[max_backends] | upstreams[state][max_backends] |
 *	backend_ledger[max_backends] | request_row[request_rows] | flight[flights]
 *
 * What has a fixed size comes first, so that counting it needs no arithmetic;
 * every array begins on a cache line.  Where anything lies follows from
 * the shape only, so it is computed and never stored.
 */
#ifndef BALLAST_SHM_BLOCK_H
#define BALLAST_SHM_BLOCK_H

#include "ballast/shm/metrics.h"
#include "ballast/shm/slot.h"
#include "redo.h"

enum { CACHE_LINE = 64, STATUS_CLASSES = 10 };

struct ledger {
	struct slot slot;
	struct redo redo;
	_Alignas(64) _Atomic uint64_t counter[N_COUNTERS];
	_Alignas(
		64) _Atomic uint64_t folded[STATUS_CLASSES]; /* requests the table had no row for */
};

struct backend_ledger {
	_Alignas(64) struct duration_row durations;
	_Atomic uint64_t error[N_BACKEND_ERRORS];
	_Atomic uint64_t check[2]; /* health checks: failed, succeeded */
	_Atomic uint64_t answers;  /* exchanges of which something came back */
};

struct request_row {
	_Atomic uint64_t key; /* 0: never used */
	_Atomic uint64_t count;
};

static inline size_t
whole_lines(size_t bytes)
{
	return (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static inline size_t
gauges_bytes(uint32_t max_backends)
{
	return whole_lines(max_backends * sizeof(_Atomic uint32_t));
}

/* The array of gauges number i: active, then one per upstream state. */
static inline size_t
gauges_at(uint32_t max_backends, size_t i)
{
	return sizeof(struct ledger) + i * gauges_bytes(max_backends);
}

static inline size_t
backend_ledgers_at(uint32_t max_backends)
{
	return gauges_at(max_backends, 1 + N_UPSTREAM_STATES);
}

static inline size_t
request_rows_at(uint32_t max_backends)
{
	return backend_ledgers_at(max_backends) + max_backends * sizeof(struct backend_ledger);
}

/* log2 of the rows: four statuses or methods each and some to spare, a power of two. */
static inline unsigned
request_rows_log2(uint32_t max_backends)
{
	return 64u - (unsigned)__builtin_clzll(4ull * max_backends + 512 - 1);
}

static inline size_t
flights_at(uint32_t max_backends)
{
	size_t rows = (size_t)1 << request_rows_log2(max_backends);

	return whole_lines(request_rows_at(max_backends) + rows * sizeof(struct request_row));
}

/* Whoever may write a slot may write all of its block. */
static inline void *
block_part(const struct shm *s, const struct slot *slot, size_t at)
{
	return s->slots + ((const char *)slot - s->slots) + at;
}

static inline struct ledger *
ledger_of(const struct shm *s, const struct slot *slot)
{
	return block_part(s, slot, 0);
}

static inline struct backend_ledger *
backend_ledger_of(const struct shm *s, const struct slot *slot, unsigned row)
{
	struct backend_ledger *ledgers = block_part(s, slot, backend_ledgers_at(s->max_backends));

	return &ledgers[row];
}

#endif
