/*
 * Rows of exchanges in flight, in every worker; settled by the master when the worker is dead.  Invariant: an
 * exchange that began is in exactly one of three states: its row is held; or it is counted and its row is free;
 * or the redo log of its slot holds the step from the one to the other.  Decides nothing about what a death means: it shows the
 * rows to whoever folds the slot.
 */
#include "ballast/shm/flight.h"

#include <string.h>

#include "ballast/shm/backend.h"
#include "block.h"
#include "requests.h"

enum { STATUS_MAX = 999 };

static struct flight *
rows_of(const struct shm *s, const struct slot *slot)
{
	return block_part(s, slot, flights_at(s->max_backends));
}

struct flight *
flight_at(const struct shm *s, const struct slot *slot, unsigned index)
{
	assert(index <= s->n_flights);
	return &rows_of(s, slot)[index];
}

struct flight *
flight_in_hand(const struct shm *s, const struct slot *slot)
{
	uint32_t number = atomic_load_explicit(&slot->in_hand, memory_order_relaxed);

	return number > 0 && number <= s->n_flights ? flight_at(s, slot, number - 1) : NULL;
}

void
flight_begin(struct flight *f, const struct ip *ip, uint16_t port, uint64_t now_us)
{
	f->started_us = now_us;
	f->fingerprint = f->bytes_in = f->bytes_out = 0;
	f->row = BACKEND_NONE;
	f->status = 0;
	f->port = port;
	f->step = f->facts = f->path_n = 0;
	f->method = METHOD_OTHER;
	f->ip = *ip;
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&f->held, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static void
log_request(const struct shm *s, struct slot *slot, unsigned *n, const struct landing *l)
{
	struct redo *redo = &ledger_of(s, slot)->redo;

	if (l->row != BACKEND_NONE) {
		struct backend_ledger *b = backend_ledger_of(s, slot, l->row);
		struct duration_row *d = &b->durations;

		if (l->answered)
			redo_add(redo, n, &b->answers, 1);
		redo_add(redo, n, &d->bucket[duration_bucket(l->duration_us)], 1);
		redo_add(redo, n, &d->sum_us, l->duration_us);
	}
	redo_add(redo, n, requests_counter(s, slot, l->row, l->method, l->status), 1);
}

void
flight_end(const struct shm *s, struct slot *slot, struct flight *f, const struct landing *l)
{
	struct ledger *ledger = ledger_of(s, slot);
	struct redo *redo = &ledger->redo;
	unsigned n = 0;

	if (l->counted)
		log_request(s, slot, &n, l);
	if (l->bytes_out > 0)
		redo_add(redo, &n, &ledger->counter[COUNTER_BYTES_OUT], l->bytes_out);
	if (l->also < N_COUNTERS)
		redo_add(redo, &n, &ledger->counter[l->also], 1);
	if (l->lost)
		redo_add(redo, &n, &ledger->counter[COUNTER_EXCHANGES_LOST], 1);
	if (f != NULL)
		redo_set(redo, &n, &f->held, 0);
	redo_commit(redo, n);
}

/*
 * A process that died of a fault may have written anything anywhere before: what is read here leads nowhere but
 * into its own slot.
 */
static void
recover(const struct shm *s, struct slot *slot)
{
	struct redo *redo = &ledger_of(s, slot)->redo;
	uint64_t before = (uint64_t)((char *)redo - (char *)slot);
	uint64_t n = atomic_load_explicit(&redo->n, memory_order_relaxed);
	bool sane = n <= REDO_MAX;

	for (uint64_t i = 0; sane && i < n; i++) {
		uint64_t at = redo->entry[i].at + before;

		sane = at % sizeof(uint64_t) == 0 && at < s->slot_bytes;
	}
	if (sane)
		redo_apply(redo);
	else
		atomic_store_explicit(&redo->n, 0, memory_order_relaxed);
}

/* What is known of an exchange whose process is gone.  Of one that got no answer there is no status to count. */
static struct landing
crash_landing(const struct shm *s, const struct flight *f, uint64_t now_us)
{
	return (struct landing){
		.counted = f->status != 0 && !(f->facts & FLIGHT_INTERNAL),
		.lost = !(f->facts & FLIGHT_ANSWERED),
		.row = f->row < s->max_backends ? f->row : BACKEND_NONE,
		.status = f->status <= STATUS_MAX ? f->status : 0,
		.method = f->method < N_METHODS ? (enum method)f->method : METHOD_OTHER,
		.duration_us = now_us > f->started_us ? now_us - f->started_us : 0,
		.bytes_out = f->bytes_out,
		.also = N_COUNTERS,
	};
}

unsigned
flights_settle(
	const struct shm *s, struct slot *slot, uint64_t now_us, flight_visitor *lost, void *arg)
{
	unsigned n = 0;

	recover(s, slot);
	for (unsigned i = 0; i < s->n_flights; i++) {
		struct flight *f = flight_at(s, slot, i);
		struct landing l;

		if (atomic_load_explicit(&f->held, memory_order_relaxed) == 0)
			continue;
		l = crash_landing(s, f, now_us);
		n += l.lost;
		if (l.lost)
			lost(f, arg);
		flight_end(s, slot, f, &l);
	}
	return n;
}
