/*
 * What a dead worker leaves behind, in the master: its slot is settled, every exchange that was in flight is told
 * in the log, and the request that it was busy with when it died of a fault is suspected.
 */
#ifndef BALLAST_MASTER_CRASH_H
#define BALLAST_MASTER_CRASH_H

#include <sys/types.h>

#include "ballast/shm/quarantine.h"
#include "ballast/shm/slot.h"

struct crash {
	unsigned number; /* of the worker */
	pid_t pid;
	int signal;                         /* that ended it; 0: none did, or nobody knows */
	struct quarantine_rules quarantine; /* duration 0: off */
};

/* Before the slot is folded, whatever the process died of.  May be done again when it was cut off. */
void crash_settle(struct shm *, struct slot *, const struct crash *);

#endif
