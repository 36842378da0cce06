/*
 * Sums over all slots, for the scrape; any process may, also one with a
 * read-only view.  FREE slots count too: what their processes counted stays,
 * so no sum is ever less than it was.  Only reads.
 */
#include "ballast/shm/metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "ballast/shm/backend.h"
#include "block.h"
#include "requests.h"

static uint64_t
get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static const struct backend_ledger *
backend_ledger(const struct shm *s, unsigned slot, unsigned row)
{
	assert(row < s->max_backends);
	return backend_ledger_of(s, slot_at(s, slot), row);
}

uint64_t
metrics_sum(const struct shm *s, enum counter counter)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->n_slots; i++)
		sum += get(&ledger_of(s, slot_at(s, i))->counter[counter]);
	return sum;
}

uint64_t
metrics_sum_backend_error(const struct shm *s, unsigned row, enum backend_error error)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->n_slots; i++)
		sum += get(&backend_ledger(s, i, row)->error[error]);
	return sum;
}

uint64_t
metrics_sum_health_checks(const struct shm *s, unsigned row, bool success)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->n_slots; i++)
		sum += get(&backend_ledger(s, i, row)->check[success]);
	return sum;
}

/* The count is that of the buckets, so the histogram agrees with itself while others count. */
void
metrics_sum_durations(const struct shm *s, unsigned row, struct duration_sum *sum)
{
	*sum = (struct duration_sum){ .count = 0 };
	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct duration_row *d = &backend_ledger(s, i, row)->durations;

		sum->sum_us += get(&d->sum_us);
		for (unsigned b = 0; b <= DURATION_BUCKETS; b++)
			sum->bucket[b] += get(&d->bucket[b]);
	}
	for (unsigned b = 0; b <= DURATION_BUCKETS; b++)
		sum->count += sum->bucket[b];
}

uint64_t
metrics_sum_answers(const struct shm *s, unsigned row)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->n_slots; i++)
		sum += get(&backend_ledger(s, i, row)->answers);
	return sum;
}

enum { FIRST_ROOM = 256 };

struct collection {
	struct request_sum *sums;
	size_t n, room;
	bool broken; /* no memory */
};

static void
make_room(struct collection *c)
{
	size_t room = c->room == 0 ? FIRST_ROOM : c->room * 2;
	struct request_sum *sums = reallocarray(c->sums, room, sizeof(*sums));

	if (sums == NULL) {
		c->broken = true;
	} else {
		c->sums = sums;
		c->room = room;
	}
}

/* Grows as it goes: rows that appear meanwhile must not push out others, whose series would vanish. */
static void
collect(const struct request_sum *sum, void *collection)
{
	struct collection *c = collection;

	if (c->n == c->room && !c->broken)
		make_room(c);
	if (!c->broken)
		c->sums[c->n++] = *sum;
}

static uint64_t
order(const struct request_sum *sum)
{
	return (uint64_t)sum->row << 32 | (uint64_t)sum->method << 16 | sum->status;
}

static int
compare(const void *left, const void *right)
{
	uint64_t a = order(left), b = order(right);

	return a < b ? -1 : a > b;
}

static size_t
add_up(struct request_sum *sums, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && compare(&sums[kept - 1], &sums[i]) == 0)
			sums[kept - 1].count += sums[i].count;
		else
			sums[kept++] = sums[i];
	}
	return kept;
}

struct request_sum *
metrics_sum_requests(const struct shm *s, size_t *n)
{
	struct collection c = { .sums = NULL };

	for (unsigned i = 0; i < s->n_slots; i++)
		requests_each(s, slot_at(s, i), collect, &c);
	if (c.broken) {
		free(c.sums);
		*n = SIZE_MAX;
		return NULL;
	}
	if (c.n > 0)
		qsort(c.sums, c.n, sizeof(*c.sums), compare);
	*n = add_up(c.sums, c.n);
	return c.sums;
}
