/*
 * Suspects and the quarantine.  Written by the master alone, read by workers without a lock: a row shows its
 * fingerprint and until when it is refused, and a row that goes to another fingerprint is refused to nobody
 * in between.  Invariant: quarantine_until_us is never before the until_us of any suspect.
 */
#include "ballast/shm/quarantine.h"

#include <assert.h>

static uint64_t
get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

static void
set(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
}

bool
quarantine_refuses_one_of(const struct shm *s, uint64_t fingerprint, uint64_t now_us)
{
	for (unsigned i = 0; i < SUSPECTS; i++) {
		const struct suspect *row = &s->suspects[i];

		if (get(&row->fingerprint) == fingerprint)
			return now_us < get(&row->until_us);
	}
	return false;
}

static uint64_t
last_death_us(const struct suspect *row)
{
	return row->deaths == 0 ? 0 : row->death_us[(row->deaths - 1) % SUSPECT_DEATHS];
}

/* Its own row; else an empty one, or the one that has been quiet for longest. */
static struct suspect *
row_for(const struct shm *s, uint64_t fingerprint)
{
	struct suspect *best = &s->suspects[0];

	for (unsigned i = 0; i < SUSPECTS; i++) {
		struct suspect *row = &s->suspects[i];

		if (get(&row->fingerprint) == fingerprint)
			return row;
		if (last_death_us(row) < last_death_us(best))
			best = row;
	}
	set(&best->until_us, 0);
	best->deaths = 0;
	set(&best->fingerprint, fingerprint);
	return best;
}

static unsigned
deaths_since(const struct suspect *row, uint64_t since_us)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SUSPECT_DEATHS && i < row->deaths; i++)
		n += row->death_us[i] >= since_us;
	return n;
}

bool
quarantine_accuse(const struct shm *s, uint64_t fingerprint, const struct quarantine_rules *rules,
	uint64_t now_us)
{
	struct suspect *row = row_for(s, fingerprint);
	uint64_t since_us = now_us > rules->within_us ? now_us - rules->within_us : 0;
	bool was_there = get(&row->until_us) != 0;

	assert(rules->deaths > 0 && rules->deaths <= SUSPECT_DEATHS);
	row->death_us[row->deaths++ % SUSPECT_DEATHS] = now_us;
	if (!was_there && deaths_since(row, since_us) < rules->deaths)
		return false;
	set(&row->until_us, now_us + rules->duration_us);
	if (get(&s->shared->quarantine_until_us) < now_us + rules->duration_us)
		set(&s->shared->quarantine_until_us, now_us + rules->duration_us);
	return true;
}

unsigned
quarantine_held(const struct shm *s, uint64_t now_us)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SUSPECTS; i++)
		n += now_us < get(&s->suspects[i].until_us);
	return n;
}
