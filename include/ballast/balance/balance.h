/*
 * Choosing a backend: candidates -> strategy -> lease.  What strategies share
 * (who is up, who was tried, the shared cursor, the counts of all workers) is
 * here; a strategy is one file and one row in strategies.def.
 */
#ifndef BALLAST_BALANCE_BALANCE_H
#define BALLAST_BALANCE_BALANCE_H

#include "ballast/shm/backend.h"
#include "ballast/shm/slot.h"

enum {
	TRIED_MAX = 16,
	SEQUENCE_MAX = 65536, /* a longer period is scaled down, no weight below 1 */
};

struct tried { /* candidates that failed for this exchange */
	uint16_t n;
	uint16_t index[TRIED_MAX];
};

struct candidate {
	uint16_t row;
	uint16_t weight; /* 1..256 */
};

struct balance {
	struct shm *shm;
	const struct strategy *strategy;
	unsigned n;
	struct candidate *candidates;
	bool in_a_row; /* the row of candidate i is that of the first one + i */
	bool even;     /* all weights are the same */
	uint32_t sequence_len;
	uint16_t *sequence; /* smooth weighted order of candidate indices, one period */
	uint32_t *load;     /* n words for use within one pick; after the fork each has its own */
};

struct strategy {
	const char *name;
	int (*pick)(struct balance *, const struct tried *); /* index of a candidate, or -1 */
};

const struct strategy *strategy_find(const char *name);
const char *const *strategy_names(void); /* NULL-terminated */

/*
 * Before the fork, in the master: computes the period (smooth weighted round
 * robin as nginx does it: after dividing weights by their gcd; all equal weights is 0..n-1).  A period longer than SEQUENCE_MAX is scaled
 * to at most SEQUENCE_MAX + n.  0 or -ENOMEM, and then nothing is held.
 */
int balance_init(struct balance *, struct shm *, const struct strategy *, const struct candidate *,
	unsigned n);
void balance_free(struct balance *);
/* Index of the chosen candidate, -1 when none is up and untried.  Takes no lease. */
int balance_pick(struct balance *, const struct tried *);

/* The lease: an exchange in flight, in the slot's ledger.  Taken and given by its process. */
void lease_take(const struct shm *, struct slot *, unsigned row);
void lease_give(const struct shm *, struct slot *, unsigned row);

/* For strategies. */
bool balance_usable(
	const struct balance *, unsigned index, const struct tried *); /* up and not tried */
/*
 * The next candidate of the period for which ok() holds, from the shared cursor on, and the cursor moved
 * behind it by one compare-and-swap (tried again when another worker moved it).  -1: none in a whole period.
 * Candidates that are not ok are passed over, so the others share their turns by weight.
 * An exchange that has had its turn (`tried` holds something) takes no other: the cursor stays.  Otherwise, of
 * two backends, one that fails would be the first for every exchange.
 */
int balance_advance(struct balance *, const struct tried *,
	bool (*ok)(const struct balance *, unsigned index, const void *arg), const void *arg);

#endif
