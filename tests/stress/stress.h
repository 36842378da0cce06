/*
 * One small instance without sockets: a segment, backends with weights, clients with buckets, and exchanges as a
 * worker makes them, with everything in it that workers share.  threads.c and processes.c let many make exchanges
 * at once and say how they end.  Each exchange is also told to a report beside the segment, by plain stores
 * before and after; what the segment says is compared with that.  The clock of the limiter is a counter.
 */
#ifndef BALLAST_TESTS_STRESS_STRESS_H
#define BALLAST_TESTS_STRESS_STRESS_H

#include "ballast/balance/balance.h"
#include "ballast/shm/flight.h"
#include "ballast/shm/rate.h"

enum { WORKERS = 4, ROWS = 3, CLIENTS = 3, FLIGHTS = 4, BURST = 50, TOKEN_US = 10, SLOWLY = 16 };

enum claim {
	CLAIM_COUNTED, /* and so on: claims.def would be longer than the table of sentences */
	CLAIM_EACH,
	CLAIM_DURATIONS,
	CLAIM_BLAMES,
	CLAIM_SHARES,
	CLAIM_ADMITTED,
	CLAIM_REFILLED,
	CLAIM_GAUGES,
	CLAIM_MONOTONIC,
	CLAIM_NO_LOCK,
	N_CLAIMS
};

struct report { /* of one worker at a time, who may be killed in between any two of these */
	_Alignas(64) _Atomic uint64_t begun;
	_Atomic uint64_t ended;
	_Atomic uint64_t picks[ROWS];
	_Atomic uint64_t admitted[CLIENTS];
};

struct told { /* by all reports */
	uint64_t begun, ended, picks[ROWS], admitted[CLIENTS];
};

struct birth { /* of a worker: what was in its slot and its report */
	uint64_t begun, ended, requests, lost;
};

struct world {
	struct shm shm;
	struct balance balance;
	struct rate_limit limit;
	uint64_t seed;
	_Alignas(64) _Atomic uint64_t clock_us;
	struct report report[WORKERS];
	struct birth birth[WORKERS]; /* whoever buries */
	uint64_t killed;             /* exchanges that may be in the segment and not in a report */
	uint64_t epoch_us;           /* when the clock was set, all buckets full */
	struct told earlier;         /* when the clock was set */
	_Atomic uint64_t looks[N_CLAIMS], failures[N_CLAIMS];
};

struct actor { /* one worker's life */
	struct world *world;
	struct slot *slot;
	struct report *report;
	struct balance balance;
	uint64_t random;
};

/* In memory that children share; prints the seed: STRESS_SEED, or one by the clock. */
struct world *world_begin(void);
/* Prints what was looked at how often; the exit status. */
int world_end(struct world *, const char *what);
void claim(struct world *, enum claim, bool holds);

uint64_t draw(uint64_t *random, uint64_t below);
struct told reports_sum(const struct world *);
/* All requests in the segment, whatever they were. */
uint64_t requests_total(const struct world *);

struct slot *actor_hire(struct world *, unsigned number);
void actor_begin(struct actor *, struct world *, struct slot *, unsigned number, uint64_t seed);
void actor_end(struct actor *);
void exchange(struct actor *);
/* Ends in the middle of one: a lease is held, and a row of what is in flight. */
void exchange_half(struct actor *);

/* Its process is gone: what the master does. */
void bury(struct world *, struct slot *);
/* Nobody is at work. */
void world_check(struct world *);
/* All buckets become full again, as far as no turn that goes on knows better: there must be none. */
void world_let_time_pass(struct world *);

#endif
