/*
 * Backends, candidates and one worker's slot for the tests of strategies, in
 * memory that children of the test share.
 */
#ifndef BALLAST_TESTS_UNIT_BALANCE_WORLD_H
#define BALLAST_TESTS_UNIT_BALANCE_WORLD_H

#include <check.h>
#include <stdio.h>

#include "ballast/balance/balance.h"
#include "shm_world.h"

enum { MANY = 1000 };

struct world {
	struct shm shm;
	struct balance balance;
	struct slot *slot;
	struct candidate candidates[MANY];
};

/* Candidate i is row i, up. */
static inline struct world *
open_world(const char *strategy, unsigned n, const uint16_t *weights)
{
	struct world *w = world_shared(sizeof(*w));

	world_open(&w->shm, n + 1, 6, 8);
	for (unsigned i = 0; i < n; i++) {
		char url[32];

		snprintf(url, sizeof(url), "http://%u", i);
		ck_assert_int_eq(backend_assign(&w->shm, url, 1, 1), (int)i);
		w->candidates[i] =
			(struct candidate){ (uint16_t)i, weights == NULL ? 1 : weights[i] };
	}
	ck_assert_int_eq(
		balance_init(&w->balance, &w->shm, strategy_find(strategy), w->candidates, n), 0);
	w->slot = slot_claim(&w->shm, ROLE_WORKER, 1, 1);
	slot_set_state(w->slot, SLOT_READY);
	return w;
}

static inline void
close_world(struct world *w)
{
	balance_free(&w->balance);
	shm_detach(&w->shm);
	munmap(w, sizeof(*w));
}

static inline int
pick(struct world *w)
{
	return balance_pick(&w->balance, &(struct tried){ .n = 0 });
}

struct picks {
	struct world *world;
	_Atomic uint64_t by_candidate[8];
	_Atomic uint64_t made;
	unsigned each;
};

#endif
