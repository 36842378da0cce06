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
};

struct children {
	struct poller *poller;
	struct shm *shm;
	const struct identity *identity;
	const struct addr *admin;
	struct slot *ledger; /* the master's own slot */
	struct child *child; /* one per slot of the segment */
	unsigned n;
	bool announced; /* the service has begun: until then every death is one at start */
	bool ending;    /* none is replaced any more */
	bool cut;       /* while ending, one was killed or said that it cut exchanges */
};

/* The fields above `child` are set by the caller.  0 or -ENOMEM. */
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
/* False: one could not be opened or passed, and the log says so. */
bool children_reopen_logs(struct children *);

/* generation NULL: of all. */
unsigned children_ready(const struct children *, const struct generation *, enum slot_role);
/* A worker of a generation before this one has not yet said, in its slot, that it takes no connection any more. */
bool children_accept(const struct children *, uint32_t before);
unsigned children_alive(const struct children *);
/* How many more could be forked now. */
unsigned children_room(const struct children *);
/* The lowest generation number that still has children, at most `newest`. */
uint32_t children_oldest(const struct children *, uint32_t newest);
/* The highest one, at least `oldest`. */
uint32_t children_newest(const struct children *, uint32_t oldest);
/* Nobody starts, leaves or waits for its end. */
bool children_are_settled(const struct children *);

#endif
