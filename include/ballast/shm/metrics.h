/*
 * Metric counters: every process counts in its own slot without locked
 * instructions, the master sums at scrape.  Requests are counted in a small hash table per
 * slot with the key backend, method, status; one writer, so a row is published by storing its key last.
 * When the table is full, statuses fold to their class (x00), then everything to (none, other, class):
 * no request is ever lost from the sum.
 */
#ifndef BALLAST_SHM_METRICS_H
#define BALLAST_SHM_METRICS_H

#include <stdio.h>

#include "ballast/http/names.h"
#include "ballast/shm/slot.h"

enum counter {
#define COUNTER(id, name, help) COUNTER_##id,
#include "ballast/shm/metrics.def"
#undef COUNTER
	N_COUNTERS
};

enum backend_error {
	ERROR_CONNECT_REFUSED,
	ERROR_CONNECT_TIMEOUT,
	ERROR_CONNECT_OTHER,
	ERROR_CUT,      /* closed or reset before the answer was whole */
	ERROR_PROTOCOL, /* spoke nonsense */
	ERROR_TIMEOUT,  /* too slow */
	N_BACKEND_ERRORS
};
const char *backend_error_name(enum backend_error); /* label value: "connect_refused" ... */

enum { DURATION_BUCKETS = 13 };
/* Upper bounds in microseconds: .001 .0025 .005 .01 .025 .05 .1 .2 .5 1 2 5 10 s. */
uint32_t duration_bound_us(unsigned bucket); /* of bucket < DURATION_BUCKETS */
/* The one that a duration is counted in; DURATION_BUCKETS above all bounds. */
unsigned duration_bucket(uint64_t duration_us);

struct duration_row {
	_Atomic uint64_t sum_us; /* beside the fast buckets: mostly one line is touched */
	_Atomic uint64_t bucket[DURATION_BUCKETS + 1]; /* not cumulative; the last is +Inf */
};

/* All of these: the slot's own process only. */
void metrics_count(const struct shm *, struct slot *, enum counter, uint64_t by);
/* row may be BACKEND_NONE: counted with backend "none" and without a duration. */
void metrics_request(const struct shm *, struct slot *, unsigned row, enum method, int status,
	uint64_t duration_us);
void metrics_backend_error(const struct shm *, struct slot *, unsigned row, enum backend_error);
void metrics_health_check(const struct shm *, struct slot *, unsigned row, bool success);

/* Sums over all slots; any process. */
uint64_t metrics_sum(const struct shm *, enum counter);
uint64_t metrics_sum_backend_error(const struct shm *, unsigned row, enum backend_error);
uint64_t metrics_sum_health_checks(const struct shm *, unsigned row, bool success);
struct duration_sum {
	uint64_t bucket[DURATION_BUCKETS + 1];
	uint64_t sum_us;
	uint64_t count;
};
/* Exchanges that are over and in which this backend said something, whatever it was: signs of life. */
uint64_t metrics_sum_answers(const struct shm *, unsigned row);
void metrics_sum_durations(const struct shm *, unsigned row, struct duration_sum *);
struct request_sum {
	uint16_t row; /* BACKEND_NONE for none */
	uint8_t method;
	uint16_t status;
	uint64_t count;
};
/* Sorted by row, method, status; malloc'd, to be freed; *n rows.  NULL with *n 0 when there are none (or no memory: *n == SIZE_MAX). */
struct request_sum *metrics_sum_requests(const struct shm *, size_t *n);
/* Clears one backend's counters in all slots (its row is taken over). */
void metrics_forget_backend(struct shm *, unsigned row);

struct counter_info {
	const char *name;
	const char *help;
};
const struct counter_info *metrics_counter_info(enum counter);

/* Bytes a slot block needs for all the above, for the segment's layout. */
size_t slot_block_bytes(uint32_t max_backends, uint32_t flights);

#endif
