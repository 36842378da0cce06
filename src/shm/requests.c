/*
 * The table of requests: open addressing with linear probing, one writer, any
 * reader.  A row gets its count first and its key last, so a process killed in
 * between leaves an unused row.  Rows are never emptied, since that would cut
 * the way to those behind: a forgotten one is GONE and may be used again.
 * Invariants: a key has at most one row in a slot; every request is in one row
 * or, when there is no room near its place, in the slot's `folded`.
 */
#include "requests.h"

#include "ballast/shm/backend.h"
#include "block.h"

enum {
	PROBES = 32,  /* rows looked at before a request is counted under a coarser key */
	KEY_GONE = 1, /* lacks KEY_USED, so it is nobody's */
};

#define KEY_USED   (UINT64_C(1) << 63)
#define KEY_FACTOR UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio: Knuth, TAOCP 3, 6.4 */

static uint64_t
key_of(unsigned row, enum method method, unsigned status)
{
	return KEY_USED | (uint64_t)(row & 0xffff) << 32 | (uint64_t)(method & 0xff) << 16 |
	       (status & 0xffff);
}

static unsigned
key_row(uint64_t key)
{
	return (unsigned)(key >> 32) & 0xffff;
}

static struct request_row *
table(const struct shm *s, const struct slot *slot)
{
	return block_part(s, slot, request_rows_at(s->max_backends));
}

static size_t
table_rows(const struct shm *s)
{
	return (size_t)1 << request_rows_log2(s->max_backends);
}

static struct request_row *
occupy(struct request_row *row, uint64_t key)
{
	atomic_store_explicit(&row->count, 0, memory_order_relaxed);
	atomic_store_explicit(&row->key, key, memory_order_release);
	return row;
}

/* The row of a key, a new one if need be; NULL when there is no room near its place. */
static struct request_row *
row_of_key(const struct shm *s, const struct slot *slot, uint64_t key)
{
	struct request_row *rows = table(s, slot), *gone = NULL;
	unsigned log2 = request_rows_log2(s->max_backends);
	uint64_t place = key * KEY_FACTOR >> (64 - log2), mask = table_rows(s) - 1;

	for (unsigned i = 0; i < PROBES; i++) {
		struct request_row *row = &rows[(place + i) & mask];
		uint64_t there = atomic_load_explicit(&row->key, memory_order_acquire);

		if (there == key)
			return row;
		if (there == 0)
			return occupy(gone != NULL ? gone : row, key);
		if (there == KEY_GONE && gone == NULL)
			gone = row;
	}
	return gone != NULL ? occupy(gone, key) : NULL;
}

_Atomic uint64_t *
requests_counter(const struct shm *s, const struct slot *slot, unsigned row, enum method method,
	unsigned status)
{
	unsigned class = status / 100;
	struct request_row *r = row_of_key(s, slot, key_of(row, method, status));

	if (r == NULL)
		r = row_of_key(s, slot, key_of(row, method, class * 100));
	return r != NULL ? &r->count : &ledger_of(s, slot)->folded[class];
}

bool
requests_set(const struct shm *s, const struct slot *slot, unsigned row, enum method method,
	unsigned status, uint64_t count)
{
	struct request_row *r = row_of_key(s, slot, key_of(row, method, status));

	if (r != NULL)
		atomic_store_explicit(&r->count, count, memory_order_relaxed);
	return r != NULL;
}

/*
 * Other processes may be counting other backends: a row is GONE only after its count is 0, and its owner,
 * who may use it again from then on, starts it at 0 too.
 */
void
requests_forget(const struct shm *s, const struct slot *slot, unsigned row)
{
	struct request_row *rows = table(s, slot);

	for (size_t i = 0; i < table_rows(s); i++) {
		uint64_t key = atomic_load_explicit(&rows[i].key, memory_order_relaxed);

		if (!(key & KEY_USED) || key_row(key) != row)
			continue;
		atomic_store_explicit(&rows[i].count, 0, memory_order_relaxed);
		atomic_store_explicit(&rows[i].key, KEY_GONE, memory_order_release);
	}
}

static void
give(uint64_t key, uint64_t count, request_visitor *visit, void *arg)
{
	struct request_sum sum = {
		.row = (uint16_t)key_row(key),
		.method = (uint8_t)(key >> 16),
		.status = (uint16_t)key,
		.count = count,
	};

	if (count > 0)
		visit(&sum, arg);
}

void
requests_each(const struct shm *s, const struct slot *slot, request_visitor *visit, void *arg)
{
	const struct request_row *rows = table(s, slot);
	const struct ledger *ledger = ledger_of(s, slot);

	for (size_t i = 0; i < table_rows(s); i++) {
		uint64_t key = atomic_load_explicit(&rows[i].key, memory_order_acquire);
		uint64_t count = atomic_load_explicit(&rows[i].count, memory_order_relaxed);

		if (key & KEY_USED)
			give(key, count, visit, arg);
	}
	for (unsigned class = 0; class < STATUS_CLASSES; class ++)
		give(key_of(BACKEND_NONE, METHOD_OTHER, class * 100),
			atomic_load_explicit(&ledger->folded[class], memory_order_relaxed), visit,
			arg);
}
