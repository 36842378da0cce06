/*
 * The rate limiter: one token bucket per client network, exact over all
 * workers.  A bucket is one 64-bit word, a decision is one compare-and-swap.
 *
 * word = tag (24 bits of the client's keyed hash) | time (40 bits, units of 1/8 us).
 * time is the theoretical arrival time of GCRA (ITU-T I.371): the moment at which the bucket will be full again;
 * a time in the past is a full bucket, which is the same as no entry, so it may be dropped without loss as
 * soon as it is in the past of every worker.
 * Eight words are a set, one cache line; the hash chooses the set.  A client without a word costs a second
 * compare-and-swap, which makes it one.
 */
#ifndef BALLAST_SHM_RATE_H
#define BALLAST_SHM_RATE_H

#include "ballast/base/addr.h"
#include "ballast/shm/segment.h"

struct rate_limit {     /* from the configuration, constant for a process */
	uint64_t cost;  /* of one request, in 1/8 us: 8e6 / requests_per_second */
	uint64_t depth; /* burst * cost */
	uint32_t burst;
};

enum { RATE_WAYS = 8, RATE_REFILL_MAX_S = 8 * 3600 };

struct rate_answer {
	bool allowed;
	bool evicted;       /* a bucket that was not full had to make room */
	uint32_t remaining; /* whole tokens left */
	uint64_t retry_us;  /* until one token is there (when refused) */
	uint64_t reset_us;  /* until the bucket is full */
};

/* requests_per_second > 0, burst >= 1; burst / requests_per_second <= RATE_REFILL_MAX_S. */
void rate_limit_set(struct rate_limit *, double requests_per_second, uint32_t burst);
/* The keyed hash of a client's network (ip_network has been applied). */
uint64_t rate_hash(const struct shm *, const struct ip *);
/* Takes one token.  now_us: CLOCK_MONOTONIC. */
struct rate_answer rate_take(
	struct shm *, const struct rate_limit *, uint64_t hash, uint64_t now_us);
/*
 * Master, at least once an hour: what has been full for a while becomes an empty word, so that its time never wraps
 * around.  Returns how many rows are in use.
 */
uint32_t rate_sweep(struct shm *, uint64_t now_us);

/* Is it the word of a bucket from which tokens were taken? */
bool rate_owes(uint64_t word, uint64_t now_us);
/*
 * Master: a word that stood in the set of that number, of so many, of another segment with the same key.  The client's
 * own word stays when it owes more.
 */
void rate_bring(struct shm *, uint32_t sets, uint32_t set, uint64_t word, uint64_t now_us);

#endif
