/*
 * Limits, times and clients for the tests of the limiter.
 */
#ifndef BALLAST_TESTS_UNIT_RATE_WORLD_H
#define BALLAST_TESTS_UNIT_RATE_WORLD_H

#include "ballast/shm/rate.h"
#include "shm_world.h"

#define SECOND         UINT64_C(1000000)
#define HOUR           (3600 * SECOND)
#define WRAP_US        (UINT64_C(1) << 37) /* when the 40-bit time begins anew */
#define HASH(set, tag) ((uint64_t)(tag) << 40 | (set))

static inline struct rate_limit
limit_of(double requests_per_second, uint32_t burst)
{
	struct rate_limit limit;

	rate_limit_set(&limit, requests_per_second, burst);
	return limit;
}

#endif
