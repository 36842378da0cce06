/*
 * The first steps of a child: from the master's fork to the entry of a worker or
 * the checker.
 */
#ifndef BALLAST_MASTER_CHILD_H
#define BALLAST_MASTER_CHILD_H

#include "ballast/shm/slot.h"

#include "generation.h"

struct child_setup {
	struct shm *shm;
	struct slot *slot;
	enum slot_role role;
	unsigned number;
	struct generation *generation;
	const struct identity *identity;
	const struct addr *admin; /* the master's Unix socket */
	int handover[2];          /* the queue of the instance */
	int control;              /* the child's end */
	pid_t master;
};

/* In the child: lets go of everything that is the master's, takes its identity, runs and exits. */
_Noreturn void child_begin(const struct child_setup *);

#endif
