/*
 * The limiter, in every worker: GCRA (ITU-T I.371, Annex A) on one 64-bit word
 * per client, exact over all workers, without a lock.  Owns the sets of words.
 *
 * Invariant: a client has at most one bucket that is not full.  Tokens are only
 * taken from a word that was read first and beside which, in a second reading
 * of the set, no other word of the client stood; a missing client is put in
 * as a full bucket, from which nothing was taken yet.  Suppose words i and j of
 * one client both had tokens taken: the taker of j saw i absent after it had
 * seen j, so i came after j; the taker of i likewise, so j came after i.
 * Two full buckets may meet for a moment, and whoever sees two drops one, which
 * loses nothing: a full bucket is the same as none.  It must be the very word that
 * was seen, so no two words put in are the same.
 *
 * Clocks of turns differ: what is full for one who looks may lack tokens for
 * another, whose turn began earlier.  So what gives way without a word has been full
 * for longer than any turn lasts.
 *
 * Times are modulo 2^40 eighths of a microsecond (38 hours): up to a quarter of
 * that ahead is the future, more than any bucket needs; anything else is the
 * past, that is a full bucket.
 */
#include "ballast/shm/rate.h"

#include <assert.h>

#include "siphash.h"

#define TIME_BITS 40
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)
#define TIME_HALF (UINT64_C(1) << (TIME_BITS - 1))
#define FUTURE    (UINT64_C(1) << (TIME_BITS - 2))
#define US        UINT64_C(8)
/*
 * A bucket put in is full for every worker, also for those whose turn began a while ago.  The lower 32 bits of its
 * time are its serial number, the upper ones say when, in steps of 9 minutes, at least so long ago: the same
 * word comes again only when so many were put in within these minutes.
 */
#define FULL_SINCE  (UINT64_C(3600) * 1000000 * US)
#define SERIAL_MASK UINT64_C(0xffffffff)

/* No worker's turn began longer ago than that. */
#define STALE (10 * 1000000 * US)

enum {
	ROUNDS = 1000, /* each is lost to another worker's compare-and-swap in the same set */
};

void
rate_limit_set(struct rate_limit *limit, double requests_per_second, uint32_t burst)
{
	double cost;

	assert(requests_per_second > 0 && burst > 0);
	cost = 1e6 * (double)US / requests_per_second + 0.5;
	assert(cost * burst <= (double)FUTURE);
	limit->cost = cost < 1 ? 1 : (uint64_t)cost;
	limit->burst = burst;
	limit->depth = limit->cost * burst;
}

uint64_t
rate_hash(const struct shm *s, const struct ip *ip)
{
	return siphash_16(s->head->rate_key, ip->b);
}

/* Never 0, so that no word of a client looks empty. */
static uint64_t
tag_of(uint64_t hash)
{
	uint64_t tag = hash & ~TIME_MASK;

	return tag != 0 ? tag : UINT64_C(1) << TIME_BITS;
}

static bool
is_tagged(uint64_t word, uint64_t tag)
{
	return (word & ~TIME_MASK) == tag;
}

/* The word of the same client with another time. */
static uint64_t
tagged(uint64_t word, uint64_t time)
{
	return (word & ~TIME_MASK) | (time & TIME_MASK);
}

static uint64_t
time_of(uint64_t now_us)
{
	return now_us * US & TIME_MASK;
}

/* How far time b is ahead of time a; in the upper half of the range when it is behind. */
static uint64_t
ahead_of(uint64_t a, uint64_t b)
{
	return (b - a) & TIME_MASK;
}

static bool
is_full(uint64_t word, uint64_t now)
{
	uint64_t ahead = ahead_of(now, word);

	return ahead == 0 || ahead > FUTURE;
}

static bool
replace(_Atomic uint64_t *word, uint64_t seen, uint64_t next)
{
	return atomic_compare_exchange_strong(word, &seen, next);
}

struct sight {              /* of one client in its set */
	unsigned way, twin; /* RATE_WAYS: none */
	uint64_t word, twin_word;
};

static unsigned
find_tag(_Atomic uint64_t *set, uint64_t tag, unsigned except, uint64_t *word)
{
	for (unsigned way = 0; way < RATE_WAYS; way++) {
		*word = atomic_load(&set[way]);
		if (is_tagged(*word, tag) && way != except)
			return way;
	}
	return RATE_WAYS;
}

/*
 * The second reading comes wholly after the client's word was read: the argument above rests on that, and on
 * one order of all these loads and exchanges (sequentially consistent; on x86 a load pays nothing for it).
 */
static struct sight
look(_Atomic uint64_t *set, uint64_t tag)
{
	struct sight s = { .twin = RATE_WAYS };

	s.way = find_tag(set, tag, RATE_WAYS, &s.word);
	if (s.way < RATE_WAYS)
		s.twin = find_tag(set, tag, s.way, &s.twin_word);
	return s;
}

/* Who sees the same two drops the same one: the earlier time, so never tokens that were taken. */
static void
drop_one(_Atomic uint64_t *set, const struct sight *s)
{
	uint64_t ahead = ahead_of(s->word, s->twin_word);
	bool drops_twin = ahead >= TIME_HALF || (ahead == 0 && s->twin > s->way);

	if (drops_twin)
		replace(&set[s->twin], s->twin_word, 0);
	else
		replace(&set[s->way], s->word, 0);
}

static bool
is_full_for_all(uint64_t word, uint64_t now)
{
	return is_full(word, now - STALE);
}

/*
 * What is lost with a word, to compare: nothing when it is empty; then those that are full for every worker, the latest
 * first, as those put in a moment ago are dated back; then the one that is full for the longest, or will be the soonest.
 */
static uint64_t
loss_of(uint64_t word, uint64_t now)
{
	if (word == 0)
		return 0;
	if (is_full_for_all(word, now))
		return 1 + ahead_of(word, now);
	return TIME_MASK + ahead_of(now - STALE, word);
}

/* Unlike any other word of this client that somebody may still have in mind. */
static uint64_t
full_bucket(struct shm *s, uint64_t tag, uint64_t now)
{
	uint64_t serial = atomic_fetch_add_explicit(&s->shared->put_in, 1, memory_order_relaxed);

	return tagged(tag, ((now - FULL_SINCE - SERIAL_MASK) & ~SERIAL_MASK) | serial);
}

/* A full bucket for the client, in the cheapest place; true when a bucket that was not full gave way. */
static bool
put_in(_Atomic uint64_t *set, uint64_t full, uint64_t now)
{
	uint64_t victim = 0, least = UINT64_MAX;
	unsigned at = 0;

	for (unsigned way = 0; way < RATE_WAYS; way++) {
		uint64_t word = atomic_load(&set[way]);
		uint64_t loss = loss_of(word, now);

		if (loss >= least)
			continue;
		least = loss;
		victim = word;
		at = way;
	}
	return replace(&set[at], victim, full) && victim != 0 && !is_full(victim, now);
}

static uint64_t
whole_us(uint64_t units)
{
	return (units + US - 1) / US;
}

/*
 * False when the set must be looked at again.  A refusal writes nothing, so a flood moves no cache line.  A
 * debt that this limit cannot have made is from before a reload: it becomes an empty bucket of today's.
 */
static bool
take(_Atomic uint64_t *place, uint64_t word, const struct rate_limit *limit, uint64_t now,
	struct rate_answer *answer)
{
	uint64_t ahead = is_full(word, now) ? 0 : ahead_of(now, word);
	uint64_t next = ahead + limit->cost;

	if (ahead > limit->depth + STALE) {
		replace(place, word, tagged(word, now + limit->depth));
		return false;
	}
	answer->allowed = next <= limit->depth;
	if (!answer->allowed) {
		answer->retry_us = whole_us(next - limit->depth);
		answer->reset_us = whole_us(ahead);
		return true;
	}
	answer->remaining = (uint32_t)((limit->depth - next) / limit->cost);
	answer->reset_us = whole_us(next);
	return replace(place, word, tagged(word, now + next));
}

struct rate_answer
rate_take(struct shm *s, const struct rate_limit *limit, uint64_t hash, uint64_t now_us)
{
	_Atomic uint64_t *set = &s->rate[(hash & (s->rate_sets - 1)) * RATE_WAYS];
	uint64_t tag = tag_of(hash), now = time_of(now_us);
	struct rate_answer answer = { .allowed = false };

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct sight sight = look(set, tag);

		if (sight.way == RATE_WAYS)
			answer.evicted |= put_in(set, full_bucket(s, tag, now), now);
		else if (sight.twin < RATE_WAYS)
			drop_one(set, &sight);
		else if (take(&set[sight.way], sight.word, limit, now, &answer))
			return answer;
	}
	answer.allowed = true; /* a limiter that cannot decide must not be what stops the traffic */
	return answer;
}

uint32_t
rate_sweep(struct shm *s, uint64_t now_us)
{
	uint64_t now = time_of(now_us);
	uint32_t in_use = 0;

	for (uint32_t i = 0; i < s->rate_sets * RATE_WAYS; i++) {
		uint64_t word = atomic_load_explicit(&s->rate[i], memory_order_relaxed);

		if (word == 0 || (is_full_for_all(word, now) && replace(&s->rate[i], word, 0)))
			continue;
		in_use++;
	}
	return in_use;
}

bool
rate_owes(uint64_t word, uint64_t now_us)
{
	return word != 0 && !is_full(word, time_of(now_us));
}

/* False: the set changed meanwhile. */
static bool
bring_into(struct shm *s, _Atomic uint64_t *set, uint64_t word, uint64_t now)
{
	struct sight sight = look(set, word & ~TIME_MASK);
	uint64_t there =
		sight.way < RATE_WAYS && !is_full(sight.word, now) ? ahead_of(now, sight.word) : 0;

	if (there >= ahead_of(now, word))
		return true;
	if (sight.way < RATE_WAYS)
		return replace(&set[sight.way], sight.word, word);
	put_in(set, full_bucket(s, word & ~TIME_MASK, now), now);
	return false; /* its bucket is there, full: once more */
}

/*
 * The lower bits of a client's hash choose its set.  With fewer sets some of those bits are not asked for; with more,
 * further ones that nobody knows any more: each set that may be the client's gets the word.
 */
void
rate_bring(struct shm *s, uint32_t sets, uint32_t set, uint64_t word, uint64_t now_us)
{
	uint64_t now = time_of(now_us);

	if (sets == 0 || set >= sets || !rate_owes(word, now_us))
		return;
	for (uint32_t i = set & (s->rate_sets - 1); i < s->rate_sets; i += sets) {
		for (unsigned round = 0; round < ROUNDS; round++)
			if (bring_into(s, &s->rate[(size_t)i * RATE_WAYS], word, now))
				break;
	}
}
