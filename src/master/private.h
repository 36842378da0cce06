/*
 * What the master's own files share: its state.
 *
 *	master.c      the loop, the orders that signals give, start and end
 *	start.c       from a configuration to the first generation
 *	reload.c      from one generation to the next
 *	generation.c  a configuration and what was opened for it
 *	children.c    processes; children_leave.c: their end; children_ask.c: how they stand; watchdog.c: whether they
 *	              turn; crash.c: what the dead leave; orphans.c: what a dead master's leave
 *	upgrade.c     from this program to another one
 *	inherit.c     the same, in the other one
 */
#ifndef BALLAST_MASTER_PRIVATE_H
#define BALLAST_MASTER_PRIVATE_H

#include "ballast/base/timeout.h"
#include "ballast/master/master.h"

#include "admin.h"
#include "children.h"
#include "inherit.h"
#include "instance.h"
#include "pidfile.h"
#include "upgrade.h"

enum { MASTER_TICK, MASTER_SWEEP, MASTER_WATCH }; /* timer queues, beside ADMIN_LIMIT */
enum { TICK_US = 50000 };

struct master {
	const struct config_request *request;
	struct identity identity;
	struct instance instance;
	struct pidfile pidfile;
	char program[PATH_MAX]; /* as the path was at start, links in it and all */
	bool heir; /* the pidfile was there already: children of a killed master may still be leaving */
	struct shm shm;
	struct slot *slot;
	struct poller *poller;
	struct timeouts timeouts;
	struct timer tick, sweep, watch;
	struct watch signals;
	uint64_t now_us;

	struct admin *admin;
	struct admin_view view;
	struct addr local; /* the Unix socket */
	int local_fd;
	int launcher; /* of a daemon, until it is ready; else -1 */

	struct children children;
	unsigned wanted; /* workers */
	struct generation *current;
	struct generation *pending; /* on its way to become current; NULL: no reload is going on */
	uint64_t pending_deadline_us;
	bool taking_over; /* the workers before `current` may still take connections */
	uint64_t take_over_deadline_us;
	bool reload_wanted;
	struct upgrade upgrade;   /* to another program */
	struct heritage heritage; /* from another program */
	bool guest; /* the instance is another master's: nothing of it is ours to tell or to remove */
	bool own_segment; /* made by a guest, under a name for the time being */
	bool others;      /* slots are in use that are another master's, or were */
	bool announced;   /* the first generation was ready */
	bool ending;      /* drain has begun */
	bool drained;     /* a guest was told to end */
	bool over;        /* the loop ends after this turn */
	enum master_exit exit;
};

/* start.c.  False: told in err; what was made is for master_close. */
bool master_open(struct master *, struct config *, struct err *);
/* Gives back everything that master_open made, in any half-made state. */
void master_close(struct master *);
bool instance_of(struct instance *, const struct config *, bool drops, struct err *);
/* Log level, format and output of this configuration. */
bool log_apply(const struct config *, struct err *);
/* Every line of err at this level. */
void log_errors(enum log_level, const char *msg, const struct err *);

/* reload.c */
/* A generation becomes what the outside sees: shared memory, /status, admin.listen. */
void generation_present(struct master *, struct generation *, const struct generation *before);
/*
 * Where the reload stands, if there is one: begin, look whether the new generation is ready, or
 * give it up.
 */
void reload_progress(struct master *);

#endif
