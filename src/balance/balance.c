/*
 * What all strategies share.  The master computes the period before the fork;
 * a worker picks from its copy of it, while the cursor, the verdicts and the counts it
 * picks by are those of all workers, in shared memory.  Invariant: one pick moves
 * the cursor by one exchange, past exactly the candidates it passed over, so the
 * picks of all workers together are one walk through the period.  Knows no
 * clock, no connection and no configuration.
 */
#include "ballast/balance/balance.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

static const struct strategy strategies[] = {
#define STRATEGY(name, symbol) { name, symbol##_pick },
#include "ballast/balance/strategies.def"
#undef STRATEGY
};

static const char *const names[] = {
#define STRATEGY(name, symbol) name,
#include "ballast/balance/strategies.def"
#undef STRATEGY
	NULL,
};

const struct strategy *
strategy_find(const char *name)
{
	for (size_t i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++)
		if (strcmp(strategies[i].name, name) == 0)
			return &strategies[i];
	return NULL;
}

const char *const *
strategy_names(void)
{
	return names;
}

static void
look_for_order(struct balance *b)
{
	b->in_a_row = b->even = true;
	for (unsigned i = 1; i < b->n; i++) {
		b->in_a_row = b->in_a_row && b->candidates[i].row == b->candidates[0].row + i;
		b->even = b->even && b->candidates[i].weight == b->candidates[0].weight;
	}
}

int
balance_init(struct balance *b, struct shm *shm, const struct strategy *strategy,
	const struct candidate *candidates, unsigned n)
{
	assert(strategy != NULL && n < BACKEND_NONE);
	memset(b, 0, sizeof(*b));
	b->shm = shm;
	b->strategy = strategy;
	if (n == 0)
		return 0;
	b->candidates = calloc(n, sizeof(*b->candidates));
	b->load = calloc(n, sizeof(*b->load));
	b->sequence = sequence_make(candidates, n, &b->sequence_len);
	if (b->candidates == NULL || b->load == NULL || b->sequence == NULL) {
		balance_free(b);
		return -ENOMEM;
	}
	memcpy(b->candidates, candidates, n * sizeof(*candidates));
	b->n = n;
	look_for_order(b);
	return 0;
}

void
balance_free(struct balance *b)
{
	free(b->candidates);
	free(b->load);
	free(b->sequence);
	memset(b, 0, sizeof(*b));
}

int
balance_pick(struct balance *b, const struct tried *tried)
{
	return b->n > 0 ? b->strategy->pick(b, tried) : -1;
}

void
lease_take(const struct shm *s, struct slot *slot, unsigned row)
{
	assert(row < s->max_backends);
	gauge_add(&slot_active(s, slot)[row], 1);
}

void
lease_give(const struct shm *s, struct slot *slot, unsigned row)
{
	_Atomic uint32_t *active = slot_active(s, slot);

	assert(row < s->max_backends);
	assert(atomic_load_explicit(&active[row], memory_order_relaxed) > 0);
	gauge_add(&active[row], -1);
}

static bool
was_tried(const struct tried *tried, unsigned index)
{
	for (unsigned i = 0; tried != NULL && i < tried->n && i < TRIED_MAX; i++)
		if (tried->index[i] == index)
			return true;
	return false;
}

bool
balance_usable(const struct balance *b, unsigned index, const struct tried *tried)
{
	return backend_is_up(b->shm, b->candidates[index].row) && !was_tried(tried, index);
}

typedef bool acceptable(const struct balance *, unsigned index, const void *arg);

static bool
any_is(const struct balance *b, acceptable *ok, const void *arg)
{
	for (unsigned i = 0; i < b->n; i++)
		if (ok(b, i, arg))
			return true;
	return false;
}

/*
 * How far the cursor goes to be behind the next acceptable candidate; 0: there is none.  A long period is not
 * walked in vain: after as many steps as there are candidates, each is asked once.
 */
static uint32_t
steps_behind_next(const struct balance *b, uint64_t cursor, acceptable *ok, const void *arg)
{
	uint32_t at = (uint32_t)(cursor % b->sequence_len);

	for (uint32_t steps = 1; steps <= b->sequence_len; steps++) {
		if (ok(b, b->sequence[at], arg))
			return steps;
		if (steps == b->n && !any_is(b, ok, arg))
			return 0;
		at = at + 1 < b->sequence_len ? at + 1 : 0;
	}
	return 0;
}

int
balance_advance(struct balance *b, const struct tried *tried,
	bool (*ok)(const struct balance *, unsigned index, const void *arg), const void *arg)
{
	_Atomic uint64_t *shared = &b->shm->shared->cursor;
	uint64_t cursor = atomic_load_explicit(shared, memory_order_relaxed);
	bool had_its_turn = tried != NULL && tried->n > 0;
	uint32_t steps;

	do {
		steps = steps_behind_next(b, cursor, ok, arg);
		if (steps == 0)
			return -1;
	} while (!had_its_turn &&
		 !atomic_compare_exchange_weak_explicit(shared, &cursor, cursor + steps,
			 memory_order_relaxed, memory_order_relaxed));
	return b->sequence[(cursor + steps - 1) % b->sequence_len];
}
