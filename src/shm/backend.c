/*
 * Backends' rows.  The master gives a URL its row at load and keeps it there
 * as long as any generation uses it; the checker writes verdicts; workers lay
 * blame.  Invariant: rows are used from 0 on, and one that was used is never
 * empty again, it is only taken over.  Resolves nothing, probes nothing.
 */
#include "ballast/shm/backend.h"

#include <stdlib.h>
#include <string.h>

#include "ballast/base/clock.h"
#include "ballast/shm/metrics.h"

static uint32_t
get(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void
set(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static bool
is_used(const struct backend *b)
{
	return b->url_hash != 0;
}

/* FNV-1a (Fowler, Noll, Vo): thousands of rows are told apart without reading their URLs. */
static uint32_t
hash_of(const char *url)
{
	uint32_t hash = UINT32_C(2166136261);

	for (; *url != '\0'; url++)
		hash = (hash ^ (unsigned char)*url) * UINT32_C(16777619);
	return hash != 0 ? hash : 1;
}

static unsigned
row_of(const struct shm *s, const struct backend *b)
{
	return (unsigned)(b - s->backends);
}

static bool
is_of(const struct backend *b, const char *url, uint32_t hash)
{
	return b->url_hash == hash && strncmp(b->url, url, BACKEND_URL_MAX) == 0;
}

/*
 * Open addressing by the hash, never more than half full.  The entry of a row that was taken over stays and
 * leads to a URL with another hash.
 */
struct backend_index {
	uint32_t mask;
	uint32_t used;   /* rows, from 0 on */
	uint16_t rows[]; /* row + 1; 0: no entry */
};

static void
index_add(struct backend_index *ix, const struct shm *s, const struct backend *b)
{
	uint32_t at = b->url_hash & ix->mask;

	while (ix->rows[at] != 0)
		at = (at + 1) & ix->mask;
	ix->rows[at] = (uint16_t)(row_of(s, b) + 1);
}

struct backend_index *
backend_index_new(const struct shm *s)
{
	struct backend_index *ix;
	uint32_t size = 16;

	while (size < 4 * s->max_backends) /* each row may be taken over once in a go */
		size *= 2;
	ix = calloc(1, sizeof(*ix) + size * sizeof(*ix->rows));
	if (ix == NULL)
		return NULL;
	ix->mask = size - 1;
	while (ix->used < s->max_backends && is_used(&s->backends[ix->used]))
		index_add(ix, s, &s->backends[ix->used++]);
	return ix;
}

void
backend_index_free(struct backend_index *ix)
{
	free(ix);
}

static struct backend *
find_by(const struct backend_index *ix, const struct shm *s, const char *url)
{
	uint32_t hash = hash_of(url);

	for (uint32_t at = hash & ix->mask; ix->rows[at] != 0; at = (at + 1) & ix->mask) {
		struct backend *b = &s->backends[ix->rows[at] - 1];

		if (is_of(b, url, hash))
			return b;
	}
	return ix->used < s->max_backends ? &s->backends[ix->used] : NULL;
}

/* The row of a URL, or the first that was never used, or NULL. */
static struct backend *
find(const struct shm *s, const char *url)
{
	uint32_t hash = hash_of(url);

	for (unsigned row = 0; row < s->max_backends; row++) {
		struct backend *b = &s->backends[row];

		if (!is_used(b) || is_of(b, url, hash))
			return b;
	}
	return NULL;
}

static struct backend *
find_abandoned(const struct shm *s, uint32_t oldest_generation)
{
	struct backend *best = NULL;

	for (unsigned row = 0; row < s->max_backends; row++) {
		struct backend *b = &s->backends[row];

		if (get(&b->configured) || get(&b->last_generation) >= oldest_generation)
			continue;
		if (best == NULL || get(&b->last_generation) < get(&best->last_generation))
			best = b;
	}
	return best;
}

static void
move_in(struct backend *b, const char *url)
{
	memset(b->url, 0, sizeof(b->url));
	memcpy(b->url, url, strlen(url));
	b->url_hash = hash_of(url);
	set(&b->last_generation, 0);
	set(&b->prior_generation, 0);
	set(&b->named_generation, 0);
	set(&b->last_status, 0);
	atomic_store_explicit(&b->last_probe_us, 0, memory_order_relaxed);
	atomic_store_explicit(&b->failures, 0, memory_order_relaxed);
}

/* Also one that comes back: nobody probed it meanwhile, so its old verdict says nothing. */
static void
begin_up(const struct shm *s, struct backend *b)
{
	set(&b->successes, 0);
	set(&b->fails, 0);
	atomic_store_explicit(&b->since_us, clock_wall_us(), memory_order_relaxed);
	atomic_store_explicit(&s->verdicts[row_of(s, b)], 1, memory_order_release);
}

static void
name(struct backend *b, uint32_t generation)
{
	uint32_t last = get(&b->last_generation);

	if (generation > last) { /* never back: that one may live longer */
		set(&b->prior_generation, last);
		set(&b->last_generation, generation);
	}
	set(&b->named_generation, generation);
	set(&b->configured, 1);
}

static void
note_new(struct backend_index *ix, const struct shm *s, const struct backend *b)
{
	if (ix == NULL)
		return;
	ix->used += row_of(s, b) == ix->used;
	index_add(ix, s, b);
}

int
backend_find(const struct shm *s, const char *url)
{
	const struct backend *b = find(s, url);

	return b != NULL && is_used(b) ? (int)row_of(s, b) : -1;
}

int
backend_assign(struct shm *s, const char *url, uint32_t generation, uint32_t oldest_generation)
{
	return backend_assign_by(s, NULL, url, generation, oldest_generation);
}

int
backend_assign_by(struct shm *s, struct backend_index *ix, const char *url, uint32_t generation,
	uint32_t oldest_generation)
{
	struct backend *b;

	if (url[0] == '\0' || strlen(url) >= BACKEND_URL_MAX)
		return -1;
	b = ix != NULL ? find_by(ix, s, url) : find(s, url);
	if (b == NULL) {
		b = find_abandoned(s, oldest_generation);
		if (b == NULL)
			return -1;
		metrics_forget_backend(s, row_of(s, b));
		move_in(b, url);
		note_new(ix, s, b);
	} else if (!is_used(b)) {
		move_in(b, url);
		note_new(ix, s, b);
	}
	if (!get(&b->configured))
		begin_up(s, b);
	name(b, generation);
	return (int)row_of(s, b);
}

void
backend_retire_others(struct shm *s, uint32_t generation)
{
	for (unsigned row = 0; row < s->max_backends; row++) {
		struct backend *b = &s->backends[row];

		if (get(&b->named_generation) != generation)
			set(&b->configured, 0);
	}
}

/* The newest of those up to this one that may have named it. */
static uint32_t
last_up_to(const struct backend *b, uint32_t generation)
{
	uint32_t prior = get(&b->prior_generation);

	if (get(&b->named_generation) == generation)
		return generation;
	return prior < generation ? prior : generation - 1;
}

void
backend_forget_failed(struct shm *s, uint32_t generation)
{
	for (unsigned row = 0; row < s->max_backends; row++) {
		struct backend *b = &s->backends[row];

		if (get(&b->last_generation) > generation)
			set(&b->last_generation, last_up_to(b, generation));
	}
}

/* The time first: whoever sees the verdict sees since when. */
void
backend_set_up(struct shm *s, unsigned row, bool up, uint64_t wall_us)
{
	struct backend *b = &s->backends[row];

	if (backend_is_up(s, row) == up)
		return;
	atomic_store_explicit(&b->since_us, wall_us, memory_order_relaxed);
	atomic_store_explicit(&s->verdicts[row], up, memory_order_release);
}

bool
backend_eject(struct shm *s, unsigned row, uint64_t wall_us)
{
	uint32_t up = 1;

	if (!atomic_compare_exchange_strong(&s->verdicts[row], &up, 0))
		return false;
	atomic_store_explicit(&s->backends[row].since_us, wall_us, memory_order_relaxed);
	return true;
}

/* The evidence last: a checker that sees it moved finds whom to suspect. */
void
backend_blame(struct shm *s, unsigned row)
{
	atomic_fetch_add_explicit(&s->backends[row].failures, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->shared->evidence, 1, memory_order_release);
}

uint64_t
backend_failures(const struct shm *s, unsigned row)
{
	return atomic_load_explicit(&s->backends[row].failures, memory_order_relaxed);
}
