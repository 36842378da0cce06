/*
 * The replacement of a running program, seen from the master that is replaced.
 * Until the new master has said that it is ready nothing has changed; from then
 * on the instance is its.
 */
#ifndef BALLAST_MASTER_UPGRADE_H
#define BALLAST_MASTER_UPGRADE_H

#include <sys/types.h>

#include "ballast/base/poller.h"

struct master;

struct upgrade {
	pid_t pid;            /* of the new master; 0: no upgrade is going on */
	struct watch control; /* our end of the pair with it; fd -1: none, or it is gone */
	int reason;           /* it tells there why it does not start; -1: none */
	int text; /* what the shared memory knows, by name, while it is started; else -1 */
	uint64_t deadline_us;
	bool ready; /* it said so */
};

/* USR2. */
void upgrade_begin(struct master *);
/* Once per turn: hands over, or gives up. */
void upgrade_progress(struct master *);
/* The new master is ended, because this one ends. */
void upgrade_cancel(struct master *);
/* The last word of a master that was replaced: what was counted until its end. */
void upgrade_conclude(struct master *);
void upgrade_free(struct master *);

#endif
