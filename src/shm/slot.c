/*
 * Slots: the ledgers of processes, and sums over them.  The master claims a
 * slot before the fork and folds it after the reap; in between only the slot's
 * own process writes.  Invariants: the gauges of a FREE slot are nothing, so sums
 * pass it over by its state alone; while a program is replaced there are two
 * masters, so a slot is whose number stands in `owner`, from before it is claimed
 * until after it is folded.  Counters are metrics.c's and survive a fold.
 */
#include "ballast/shm/slot.h"

#include <assert.h>
#include <unistd.h>

#include "block.h"

enum { DEAF_US = 500000 };   /* without a beat of the checker: nobody judges */
enum { STUCK_US = 3000000 }; /* without a beat: nobody to leave a connection to */

struct slot *
slot_at(const struct shm *s, unsigned index)
{
	void *block = s->slots + index * s->slot_bytes;

	assert(index < s->n_slots);
	return block;
}

unsigned
slot_index(const struct shm *s, const struct slot *slot)
{
	return (unsigned)((size_t)((const char *)slot - s->slots) / s->slot_bytes);
}

_Atomic uint32_t *
slot_active(const struct shm *s, const struct slot *slot)
{
	return block_part(s, slot, gauges_at(s->max_backends, 0));
}

_Atomic uint32_t *
slot_upstreams(const struct shm *s, const struct slot *slot, enum upstream_state state)
{
	return block_part(s, slot, gauges_at(s->max_backends, 1 + (size_t)state));
}

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
is_free(const struct slot *slot)
{
	return atomic_load_explicit(&slot->state, memory_order_acquire) == SLOT_FREE;
}

void
slot_set_state(struct slot *slot, enum slot_state state)
{
	atomic_store_explicit(&slot->state, state, memory_order_release);
}

enum slot_state
slot_state_of(const struct slot *slot)
{
	return (enum slot_state)atomic_load_explicit(&slot->state, memory_order_acquire);
}

const char *
slot_state_name(enum slot_state state)
{
	switch (state) {
	case SLOT_FREE:
		return "free";
	case SLOT_STARTING:
		return "starting";
	case SLOT_READY:
		return "ready";
	case SLOT_DRAINING:
		return "draining";
	}
	return "unknown";
}

static uint64_t
folded(const struct slot *slot)
{
	return atomic_load_explicit(&slot->folded, memory_order_relaxed);
}

/* FREE comes before the fold is over, no owner after it. */
static bool
is_claimable(const struct slot *slot)
{
	return atomic_load_explicit(&slot->owner, memory_order_acquire) == 0 && is_free(slot);
}

/* The one folded longest ago; one that never was comes first, being 0. */
static struct slot *
longest_free(const struct shm *s)
{
	struct slot *best = NULL;

	for (unsigned i = 0; i < s->n_slots; i++) {
		struct slot *slot = slot_at(s, i);

		if (is_claimable(slot) && (best == NULL || folded(slot) < folded(best)))
			best = slot;
	}
	return best;
}

struct slot *
slot_claim(struct shm *s, enum slot_role role, uint32_t generation, uint32_t number)
{
	struct slot *slot;
	int32_t nobody;

	do {
		slot = longest_free(s);
		nobody = 0;
	} while (slot != NULL && !atomic_compare_exchange_strong(&slot->owner, &nobody, getpid()));
	if (slot == NULL)
		return NULL;
	set(&slot->role, role);
	set(&slot->generation, generation);
	set(&slot->number, number);
	slot_set_state(slot, SLOT_STARTING);
	return slot;
}

/*
 * Against slot_is_orphaned: of two that write and then look, one at least sees the other.  A number that is there already
 * is our own, which our master has written, or that of whom the slot was given to meanwhile.
 */
bool
slot_enter(struct slot *slot, int32_t owner)
{
	int32_t self = getpid(), there = 0;

	if (!atomic_compare_exchange_strong(&slot->pid, &there, self) && there != self)
		return false;
	if (atomic_load(&slot->owner) == owner)
		return true;
	there = self;
	atomic_compare_exchange_strong(&slot->pid, &there, 0);
	return false;
}

bool
slot_is_used(const struct slot *slot)
{
	return atomic_load_explicit(&slot->owner, memory_order_relaxed) != 0;
}

bool
slot_is_orphaned(struct slot *slot)
{
	int32_t owner = atomic_load(&slot->owner);

	if (owner == 0)
		return false;
	if (owner != getpid() &&
		(process_is_there(owner) ||
			!atomic_compare_exchange_strong(&slot->owner, &owner, getpid())))
		return false;
	return !process_is_there(atomic_load(&slot->pid));
}

bool
slot_is_owned(const struct slot *slot)
{
	return atomic_load_explicit(&slot->owner, memory_order_relaxed) == getpid();
}

enum fate
slot_fate(const struct slot *slot)
{
	return process_fate(atomic_load_explicit(&slot->pid, memory_order_relaxed),
		atomic_load_explicit(&slot->beat_us, memory_order_relaxed));
}

static bool
is_slot_of_master(const struct slot *slot, int32_t master)
{
	return get(&slot->role) == ROLE_MASTER &&
	       atomic_load_explicit(&slot->pid, memory_order_relaxed) == master;
}

/* Two may have had the same number, and the later one may live. */
static bool
master_has_ended(const struct shm *s, int32_t master)
{
	bool ended = false;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (!is_slot_of_master(slot, master))
			continue;
		if (slot_fate(slot) != FATE_ENDED)
			return false;
		ended = true;
	}
	return ended;
}

void
slots_adopt(struct shm *s)
{
	int32_t self = getpid(), judged = 0;
	bool ended = false;

	for (unsigned i = 0; i < s->n_slots; i++) {
		struct slot *slot = slot_at(s, i);
		int32_t owner = atomic_load(&slot->owner);

		if (owner == 0 || owner == self)
			continue;
		if (owner != judged)
			ended = master_has_ended(s, owner);
		judged = owner;
		if (ended)
			atomic_compare_exchange_strong(&slot->owner, &owner, self);
	}
}

static uint64_t
folds(const struct shm *s)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < s->n_slots; i++) {
		uint64_t n = folded(slot_at(s, i));

		if (n > most)
			most = n;
	}
	return most;
}

/* One writer, now us; a reader of a word in the middle of this sees the old value or 0. */
static void
clear_gauges(const struct shm *s, struct slot *slot)
{
	_Atomic uint32_t *gauge = slot_active(s, slot); /* and the upstreams' after them */
	size_t n = (1 + N_UPSTREAM_STATES) * gauges_bytes(s->max_backends) / sizeof(*gauge);

	for (size_t i = 0; i < n; i++)
		set(&gauge[i], 0);
	for (int state = 0; state < N_CLIENT_STATES; state++)
		set(&slot->clients[state], 0);
	set(&slot->lag_us, 0);
	set(&slot->door, DOOR_SHUT);
	set(&slot->in_hand, 0);
	atomic_store_explicit(&slot->beat_us, 0, memory_order_relaxed);
}

/*
 * FREE first: the sums are right from that store on, however long the rest takes.  The owner last: from there on
 * somebody else may claim it.
 */
void
slot_fold(struct shm *s, struct slot *slot)
{
	slot_set_state(slot, SLOT_FREE);
	set(&slot->role, ROLE_NONE);
	atomic_store_explicit(&slot->pid, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->started_us, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->folded, folds(s) + 1, memory_order_relaxed);
	clear_gauges(s, slot);
	atomic_store_explicit(&slot->owner, 0, memory_order_release);
}

uint32_t
slot_held(const struct slot *slot)
{
	uint32_t sum = 0;

	for (int state = 0; state < N_CLIENT_STATES; state++)
		sum += get(&slot->clients[state]);
	return sum;
}

/* Sequentially consistent: of two workers that leave at the same moment one sees it of the other. */
void
slot_set_door(struct slot *slot, enum slot_door door)
{
	atomic_store(&slot->door, door);
}

/* An idle worker beats about once a second; one without a beat has only just begun. */
static bool
turns(const struct slot *slot, uint64_t now_us)
{
	uint64_t beat_us = atomic_load_explicit(&slot->beat_us, memory_order_relaxed);

	return beat_us == 0 || now_us < beat_us + STUCK_US;
}

bool
slots_checker_beats(const struct shm *s, uint64_t now_us)
{
	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (!is_free(slot) && get(&slot->role) == ROLE_CHECKER &&
			now_us < atomic_load_explicit(&slot->beat_us, memory_order_relaxed) +
					 DEAF_US)
			return true;
	}
	return false;
}

uint32_t
slots_checker_lag_us(const struct shm *s)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);
		uint32_t lag = get(&slot->lag_us);

		if (!is_free(slot) && get(&slot->role) == ROLE_CHECKER && lag > most)
			most = lag;
	}
	return most;
}

unsigned
slots_stalled(const struct shm *s, uint64_t now_us)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		n += !is_free(slot) && get(&slot->role) == ROLE_WORKER && !turns(slot, now_us);
	}
	return n;
}

static bool
takes_connections_with(const struct slot *slot, const struct slot *self)
{
	return slot != self && slot_state_of(slot) == SLOT_READY &&
	       get(&slot->role) == ROLE_WORKER &&
	       get(&slot->generation) == get(&self->generation) &&
	       atomic_load(&slot->door) != DOOR_SHUT;
}

/* Of two that hold as many the one that needs no bell. */
static bool
is_idler(const struct slot *slot, const struct slot *than)
{
	uint32_t held = slot_held(slot), others = slot_held(than);

	return held < others || (held == others && get(&than->door) == DOOR_LEFT);
}

struct slot *
slots_idlest_other(const struct shm *s, const struct slot *self, uint64_t now_us)
{
	struct slot *idlest = NULL;

	for (unsigned i = 0; i < s->n_slots; i++) {
		struct slot *slot = slot_at(s, i);

		if (takes_connections_with(slot, self) && turns(slot, now_us) &&
			(idlest == NULL || is_idler(slot, idlest)))
			idlest = slot;
	}
	return idlest;
}

static bool
serves(const struct slot *slot)
{
	return get(&slot->role) == ROLE_WORKER && slot_state_of(slot) == SLOT_READY;
}

bool
slots_others_serve(const struct shm *s, const struct slot *self)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (slot != self && serves(slot))
			return true;
	}
	return false;
}

bool
slots_strangers_serve(const struct shm *s, pid_t master)
{
	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (serves(slot) && atomic_load(&slot->owner) != master)
			return true;
	}
	return false;
}

unsigned
slots_free(const struct shm *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_slots; i++)
		n += is_claimable(slot_at(s, i));
	return n;
}

unsigned
slots_of_role(const struct shm *s, enum slot_role role)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		n += !is_free(slot) && get(&slot->role) == role;
	}
	return n;
}

static bool
serves_a_generation(const struct slot *slot)
{
	uint32_t role = get(&slot->role);

	return !is_free(slot) && (role == ROLE_WORKER || role == ROLE_CHECKER);
}

uint32_t
slots_oldest_generation(const struct shm *s, uint32_t newest)
{
	uint32_t oldest = newest;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (serves_a_generation(slot) && get(&slot->generation) < oldest)
			oldest = get(&slot->generation);
	}
	return oldest;
}

uint32_t
slots_newest_generation(const struct shm *s, uint32_t oldest)
{
	uint32_t newest = oldest;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (serves_a_generation(slot) && get(&slot->generation) > newest)
			newest = get(&slot->generation);
	}
	return newest;
}

uint32_t
slots_active(const struct shm *s, unsigned row)
{
	uint32_t sum = 0;

	assert(row < s->max_backends);
	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (!is_free(slot))
			sum += get(&slot_active(s, slot)[row]);
	}
	return sum;
}

uint32_t
slots_upstreams(const struct shm *s, unsigned row, enum upstream_state state)
{
	uint32_t sum = 0;

	assert(row < s->max_backends);
	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (!is_free(slot))
			sum += get(&slot_upstreams(s, slot, state)[row]);
	}
	return sum;
}

uint32_t
slots_clients(const struct shm *s, enum client_state state)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (!is_free(slot))
			sum += get(&slot->clients[state]);
	}
	return sum;
}
