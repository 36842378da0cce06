/*
 * least-connection: the fewest exchanges in flight for its weight, counted over
 * all workers.  The counts are read slot by slot, in the order in which they
 * lie; slots without a process cost one look.  Ties go round by the shared
 * cursor; one winner leaves the cursor, and its cache line, alone.
 */
#include "private.h"

#include <string.h>

#define NOT_USABLE UINT32_MAX

/*
 * Rows mostly lie as their candidates do, side by side.  Then the words are read without _Atomic, which would
 * keep the compiler from taking several at once; aligned words of 32 bits are read whole on every machine we know.
 */
static const uint32_t *
side_by_side(const struct balance *b, const _Atomic uint32_t *rows)
{
	return b->in_a_row ? (const uint32_t *)(uintptr_t)&rows[b->candidates[0].row] : NULL;
}

static void
add_slot(const struct balance *b, const struct slot *slot)
{
	const _Atomic uint32_t *active = slot_active(b->shm, slot);
	const struct candidate *candidates = b->candidates;
	const uint32_t *all = side_by_side(b, active);
	uint32_t *load = b->load;
	unsigned n = b->n;

	if (all != NULL) {
		for (unsigned i = 0; i < n; i++)
			load[i] += all[i];
		return;
	}
	for (unsigned i = 0; i < n; i++)
		load[i] += atomic_load_explicit(&active[candidates[i].row], memory_order_relaxed);
}

/* Only workers hold leases. */
static bool
may_hold_leases(const struct slot *slot)
{
	return atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FREE &&
	       atomic_load_explicit(&slot->role, memory_order_relaxed) == ROLE_WORKER;
}

static void
leave_out_down(const struct balance *b)
{
	const uint32_t *up = side_by_side(b, b->shm->verdicts);
	uint32_t *load = b->load;
	unsigned n = b->n;

	if (up != NULL) {
		for (unsigned i = 0; i < n; i++)
			load[i] |= up[i] != 0 ? 0 : NOT_USABLE;
		return;
	}
	for (unsigned i = 0; i < n; i++)
		if (!backend_is_up(b->shm, b->candidates[i].row))
			load[i] = NOT_USABLE;
}

static void
leave_out_tried(const struct balance *b, const struct tried *tried)
{
	for (unsigned i = 0; tried != NULL && i < tried->n && i < TRIED_MAX; i++)
		if (tried->index[i] < b->n)
			b->load[tried->index[i]] = NOT_USABLE;
}

static void
count_loads(const struct balance *b, const struct tried *tried)
{
	memset(b->load, 0, b->n * sizeof(*b->load));
	for (unsigned i = 0; i < b->shm->n_slots; i++) {
		const struct slot *slot = slot_at(b->shm, i);

		if (may_hold_leases(slot))
			add_slot(b, slot);
	}
	leave_out_down(b);
	leave_out_tried(b, tried);
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
find_lightest_even(const struct balance *b, unsigned *lightest)
{
	const uint32_t *load = b->load;
	uint32_t least = NOT_USABLE;
	unsigned ties = 0, n = b->n, first = 0;

	for (unsigned i = 0; i < n; i++)
		least = load[i] < least ? load[i] : least;
	if (least == NOT_USABLE)
		return 0;
	for (unsigned i = 0; i < n; i++)
		ties += load[i] == least;
	while (load[first] != least)
		first++;
	*lightest = first;
	return ties;
}

static unsigned
find_lightest_weighted(const struct balance *b, unsigned *lightest)
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
	ties = b->even ? find_lightest_even(b, &best) : find_lightest_weighted(b, &best);
	if (ties > 1)
		return balance_advance(b, tried, is_as_light, &best);
	return ties == 1 ? (int)best : -1;
}
