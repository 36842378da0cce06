/*
 * A slot: the ledger of one process.  Only its process writes it while it
 * lives; the master prepares it before the fork and folds it after the reap.
 * Counters belong to the slot and stay; gauges are what the process holds at
 * this moment and become nothing when it dies.  So a process may be killed
 * between any two instructions and every sum over the slots is right.
 */
#ifndef BALLAST_SHM_SLOT_H
#define BALLAST_SHM_SLOT_H

#include "ballast/base/process.h"
#include "ballast/shm/segment.h"

enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_READY, SLOT_DRAINING };
enum slot_role { ROLE_NONE, ROLE_WORKER, ROLE_CHECKER, ROLE_MASTER };

enum client_state { CLIENT_IDLE, CLIENT_ACTIVE, CLIENT_TUNNEL, N_CLIENT_STATES };
enum upstream_state { UPSTREAM_IDLE, UPSTREAM_ACTIVE, N_UPSTREAM_STATES };
/* What a worker does about new connections: it cannot take one, takes one, or could but leaves them to the others. */
enum slot_door { DOOR_SHUT, DOOR_OPEN, DOOR_LEFT };

struct slot {
	_Alignas(64) _Atomic uint32_t state; /* its process; master at fork and reap */
	_Atomic uint32_t role;               /* master */
	_Atomic int32_t pid;                 /* master; its process, when it begins */
	_Atomic uint32_t generation;         /* master */
	_Atomic uint32_t number;             /* master: worker 1, 2, ... within the generation */
	_Atomic int32_t
		owner; /* the master that claimed it, by compare and swap; 0 when it is FREE */
	_Atomic uint64_t started_us; /* master: wall time */
	_Atomic uint64_t folded;     /* master: how many folds there were when it was; 0 never */
	/* From here on written in every turn: readers of the state keep their copy of the line above. */
	_Alignas(64) _Atomic uint32_t clients[N_CLIENT_STATES]; /* gauges; its process */
	_Atomic uint32_t lag_us; /* its process: how long its longest recent turn took */
	_Atomic uint64_t
		beat_us; /* its process: monotonic time of its last turn; the master's: about that */
	_Atomic uint64_t accepted; /* its process: connections taken, ever */
	_Atomic uint32_t door;     /* its process: enum slot_door */
	_Atomic uint32_t in_hand;  /* its process: index + 1 of the flight it works on; 0: none */
};

/* The slot block at that index. */
struct slot *slot_at(const struct shm *, unsigned index);
/* Per-backend gauges of a slot, arrays of max_backends; its process only writes. */
_Atomic uint32_t *slot_active(const struct shm *, const struct slot *); /* exchanges in flight */
_Atomic uint32_t *slot_upstreams(const struct shm *, const struct slot *, enum upstream_state);

/* Single-writer gauge and counter steps: plain load and store, no locked instruction. */
static inline void
gauge_add(_Atomic uint32_t *g, int by)
{
	atomic_store_explicit(g, atomic_load_explicit(g, memory_order_relaxed) + (uint32_t)by,
		memory_order_relaxed);
}
static inline void
counter_add(_Atomic uint64_t *c, uint64_t by)
{
	atomic_store_explicit(
		c, atomic_load_explicit(c, memory_order_relaxed) + by, memory_order_relaxed);
}

/*
 * Master: a free slot, prepared for a child about to be forked, and ours; NULL when none.  Prefers one that was never
 * used or longest free.  Two masters may claim at once.
 */
struct slot *slot_claim(struct shm *, enum slot_role, uint32_t generation, uint32_t number);
unsigned slot_index(const struct shm *, const struct slot *);
/* In a child, first of all: this is its process.  False: the slot has another owner by now, and is none of ours. */
bool slot_enter(struct slot *, int32_t owner);
/* Master, after the reap: every gauge becomes 0, the slot FREE; counters stay. */
void slot_fold(struct shm *, struct slot *);
/*
 * Master: what another master, that is dead, left behind becomes ours when its process is dead, too.  True: it is to
 * be folded.
 */
bool slot_is_orphaned(struct slot *);
/*
 * Numbers of processes are given again: what slot_is_orphaned takes for alive may be a stranger.  What masters left whose
 * number is a stranger's becomes ours; they are told by the beat of their own slots, so that has to be done for all before one is folded.
 */
void slots_adopt(struct shm *);
/* Ours, as one that we claimed or that another master left. */
bool slot_is_owned(const struct slot *);
/* Of the process that the slot is for, which lived at its last beat. */
enum fate slot_fate(const struct slot *);
/* The longest turns of this second, and of the one before, which its process keeps. */
struct lag {
	uint32_t this_us, before_us;
};
/*
 * Its own process, after a turn: when that was over, and how long it took.  The lag in the slot is the longest of this second and the
 * one before, so it is there to be seen for one at least.
 */
static inline void
slot_beat(struct slot *slot, struct lag *lag, uint64_t took_us, uint64_t done_us)
{
	uint64_t last_us = atomic_load_explicit(&slot->beat_us, memory_order_relaxed);
	uint32_t took = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;

	if (done_us / 1000000 != last_us / 1000000)
		*lag = (struct lag){ .before_us = lag->this_us };
	if (took > lag->this_us)
		lag->this_us = took;
	atomic_store_explicit(&slot->lag_us,
		lag->this_us > lag->before_us ? lag->this_us : lag->before_us,
		memory_order_relaxed);
	atomic_store_explicit(&slot->beat_us, done_us, memory_order_relaxed);
}
void slot_set_state(struct slot *, enum slot_state);
enum slot_state slot_state_of(const struct slot *);
const char *slot_state_name(enum slot_state);

/* All connections of clients that a slot holds. */
uint32_t slot_held(const struct slot *);
void slot_set_door(struct slot *, enum slot_door);
/*
 * Of the workers of the same generation whose door is not shut and whose loop turns, but for `self`: the one that holds
 * fewest connections; NULL when there is none.  now_us: monotonic.  Reads what was written before it in the one order of all doors.
 */
struct slot *slots_idlest_other(const struct shm *, const struct slot *self, uint64_t now_us);

/*
 * Is a worker other than `self` ready, of whatever generation?  Who says in its slot that it is not any more and then asks here
 * is seen by all who ask later: of those who leave at the same moment the last one is told no.
 */
bool slots_others_serve(const struct shm *, const struct slot *self);
/* The same of the workers of another master than this one. */
bool slots_strangers_serve(const struct shm *, pid_t master);

/* How many slots are in use by processes of that role, whoever their master is. */
unsigned slots_of_role(const struct shm *, enum slot_role);
/* How many could be claimed. */
unsigned slots_free(const struct shm *);
/* From before its claim is complete until after its fold is. */
bool slot_is_used(const struct slot *);
/* The lowest generation number that a worker or checker has, at most `newest`. */
uint32_t slots_oldest_generation(const struct shm *, uint32_t newest);
/* The highest one, at least `oldest`. */
uint32_t slots_newest_generation(const struct shm *, uint32_t oldest);

/* Has a checker beaten just now?  It does so ten times a second. */
bool slots_checker_beats(const struct shm *, uint64_t now_us);
/* How late it came lately; 0 when there is none. */
uint32_t slots_checker_lag_us(const struct shm *);
/* Workers whose loop has not turned for some seconds. */
unsigned slots_stalled(const struct shm *, uint64_t now_us);

/* Sums over all slots. */
uint32_t slots_active(const struct shm *, unsigned row);
uint32_t slots_upstreams(const struct shm *, unsigned row, enum upstream_state);
uint32_t slots_clients(const struct shm *, enum client_state);

#endif
