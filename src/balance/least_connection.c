/*
 * least-connection: the fewest exchanges in flight for its weight, counted over
 * all workers.  The counts are read slot by slot, in the order in which they
 * lie; slots without a process cost one look.  Ties go round by the shared
 * cursor; one winner leaves the cursor, and its cache line, alone.
 */
#include "private.h"

#include <string.h>

#define NOT_USABLE UINT32_MAX

static void
add_slot(const struct balance *b, const struct slot *slot)
{
	const _Atomic uint32_t *active = slot_active(b->shm, slot);
	const struct candidate *candidates = b->candidates;
	uint32_t *load = b->load;

	for (unsigned i = 0, n = b->n; i < n; i++)
		load[i] += atomic_load_explicit(&active[candidates[i].row], memory_order_relaxed);
}

static void
count_loads(const struct balance *b, const struct tried *tried)
{
	memset(b->load, 0, b->n * sizeof(*b->load));
	for (unsigned i = 0; i < b->shm->n_slots; i++) {
		const struct slot *slot = slot_at(b->shm, i);

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FREE)
			add_slot(b, slot);
	}
	for (unsigned i = 0; i < b->n; i++)
		if (!balance_usable(b, i, tried))
			b->load[i] = NOT_USABLE;
}

/* Of load / weight, without a division. */
static uint64_t
crosswise(const struct balance *b, unsigned load_of, unsigned weight_of)
{
	return (uint64_t)b->load[load_of] * b->candidates[weight_of].weight;
}

/* Not by balance_usable: a verdict that changes meanwhile must not leave us without a winner. */
static bool
is_as_light(const struct balance *b, unsigned index, const void *lightest)
{
	unsigned best = *(const unsigned *)lightest;

	return b->load[index] != NOT_USABLE &&
	       crosswise(b, index, best) == crosswise(b, best, index);
}

/* How many share the least load; *lightest is the first of them. */
static unsigned
find_lightest(const struct balance *b, unsigned *lightest)
{
	unsigned ties = 0, best = 0;

	for (unsigned i = 0, n = b->n; i < n; i++) {
		uint64_t mine = crosswise(b, i, best), its = crosswise(b, best, i);

		if (b->load[i] == NOT_USABLE || (ties > 0 && mine > its))
			continue;
		ties = ties > 0 && mine == its ? ties + 1 : 1;
		if (ties == 1)
			best = i;
	}
	*lightest = best;
	return ties;
}

int
least_connection_pick(struct balance *b, const struct tried *tried)
{
	unsigned best = 0, ties;

	count_loads(b, tried);
	ties = find_lightest(b, &best);
	if (ties > 1)
		return balance_advance(b, tried, is_as_light, &best);
	return ties == 1 ? (int)best : -1;
}
