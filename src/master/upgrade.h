/*
 * The replacement of a running program, seen from the master that is replaced.
 * Until the new master has said that the instance is taken nothing has changed
 * that could not be taken back; from then on it is the new one's.
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
	bool ready;   /* it said so */
	bool offered; /* it was told that it may take the instance; we answer nobody meanwhile */
	bool taken;   /* it said so */
	bool leaving; /* it said that it will not */
	bool reopen;  /* log files are to be reopened by it, too, once it can hear that */
};

/* USR2. */
void upgrade_begin(struct master *);
/* Once per turn: hands over, or gives up. */
void upgrade_progress(struct master *);
/* The new master is ended, because this one ends. */
void upgrade_cancel(struct master *);
/* An order to the instance that came to this process: the new master gets it, when it has taken over.  True: it is not ours. */
bool upgrade_forward(struct master *, int signal_number);
/* The same of an end, which is meant for the new master only as long as the pidfile names this one. */
void upgrade_forward_end(struct master *, int signal_number);
/* Log files were rotated. */
void upgrade_reopen(struct master *);
/* The last word of a master that was replaced: what was counted until its end. */
void upgrade_conclude(struct master *);
void upgrade_free(struct master *);

#endif
