/*
 * The children of all generations: forks, reaps, folds, replaces, and ends those
 * that do not leave in time.
 */
#ifndef BALLAST_MASTER_CHILDREN_H
#define BALLAST_MASTER_CHILDREN_H

#include "ballast/base/poller.h"
#include "ballast/shm/slot.h"

#include "generation.h"

enum child_phase {
	CHILD_NONE,
	CHILD_STARTING,
	CHILD_READY,
	CHILD_LEAVING, /* told to go; killed at its deadline */
	CHILD_KILLED,  /* sent SIGKILL, to be reaped */
};

struct child {
	struct watch watch; /* the master's end of its control pair */
	struct children *all;
	struct generation *generation;
	struct slot *slot;
	enum slot_role role;
	enum child_phase phase;
	unsigned number;
	pid_t pid;
	uint64_t forked_us;
	uint64_t deadline_us; /* while starting or leaving */
	/* Its last beat, and for how long there was no other; in an entry without a child, of the orphan in its slot. */
	uint64_t beat_us, silent_us;
};

static inline bool
child_is_alive(const struct child *k)
{
	return k->phase != CHILD_NONE;
}

static inline bool
child_serves(const struct child *k)
{
	return k->phase == CHILD_STARTING || k->phase == CHILD_READY;
}

struct children {
	struct poller *poller;
	struct shm *shm;
	const struct identity *identity;
	const struct addr *admin;
	int handover[2];     /* from worker to worker; it outlives them all */
	struct slot *ledger; /* the master's own slot */
	uint64_t watched_us; /* when children_watch looked last */
	struct child *child; /* one per slot of the segment */
	unsigned n;
	bool announced;        /* the service has begun: until then every death is one at start */
	bool ending;           /* none is replaced any more */
	struct slot *heritage; /* that has a former master's counters; NULL: none */
	pid_t successor;       /* a new master that was started; 0: none, or it has ended */
	int successor_status;  /* of waitpid(2), when it has ended */
	bool cut;              /* while ending, one was killed or said that it cut exchanges */
};

/* Makes the queue, too, unless one was inherited (-1: no); the other fields above `child` are set by the caller.  0 or -errno. */
int children_init(struct children *);
void children_free(struct children *);

/*
 * Brings a generation to strength: forks workers 1..wanted that are missing (as its backoff
 * allows), retires those above.  The checker is forked when no other lives: verdicts have one
 * writer.  With health checks off all are up.
 */
void children_staff_workers(
	struct children *, struct generation *, unsigned wanted, uint64_t now_us);
void children_staff_checker(struct children *, struct generation *, uint64_t now_us);
/* Reaps all that ended, folds their slots. */
void children_reap(struct children *, uint64_t now_us);

/* children_leave.c */
/* It said that it leaves, told or not: its number is to be served by another one at once. */
void child_began_leaving(struct child *);
/* The workers above this number. */
void children_retire_surplus(
	struct children *, const struct generation *, unsigned wanted, uint64_t now_us);
/* A newer generation serves: its workers take no new connections, the checker ends. */
void children_retire(struct children *, const struct generation *, uint64_t now_us);
/* The service ends: all drain. */
void children_drain(struct children *, uint64_t now_us);
/* A generation that is given up: those that serve already drain, the others end at once. */
void children_abandon(struct children *, const struct generation *, uint64_t now_us);
/* At once; NULL: of all generations. */
void children_kill(struct children *, const struct generation *);
/* Kills those that did not become ready or did not leave in time. */
void children_enforce(struct children *, uint64_t now_us);

/* watchdog.c: once in so long, kills those whose loop has not turned for the `watchdog` of their configuration. */
enum { CHILDREN_WATCH_US = 1000000 };
void children_watch(struct children *, uint64_t now_us);
/* False: one could not be opened or passed, and the log says so. */
bool children_reopen_logs(struct children *);

/* children_ask.c */
bool child_is_busy(const struct child *);
/* generation NULL: of all. */
unsigned children_ready(const struct children *, const struct generation *, enum slot_role);
/* A worker of a generation before this one has not yet said, in its slot, that it takes no connection any more. */
bool children_accept(const struct children *, uint32_t before);
unsigned children_alive(const struct children *);
/*
 * Folds what masters that are dead left in the segment, once its processes are gone, too.  True: a slot is another
 * master's, or was, so that there is reason to look again.
 */
bool children_fold_orphans(struct children *);
/*
 * Once in so long: the same for those whose number is another one's by now.  Kills a checker among them that does not
 * turn.  elapsed_us: since the last time, as far as this process was awake.
 */
void children_watch_orphans(struct children *, uint64_t elapsed_us);
/* Nobody starts, leaves or waits for its end. */
bool children_are_settled(const struct children *);

#endif
