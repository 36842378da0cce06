/*
 * The judge of one backend: turns the results of its probes, and what workers
 * say of it, into its verdict.
 */
#ifndef BALLAST_SRC_HEALTH_JUDGE_H
#define BALLAST_SRC_HEALTH_JUDGE_H

#include "ballast/health/checker.h"

struct judge {
	const struct checker_setup *setup;
	unsigned index; /* of the backend, in the configuration */
	/* What workers had got and said at its last result, and when it was that they had got more. */
	uint64_t answers, blames, answered_us;
	bool suspected; /* by workers, since its last result */
	bool frozen;    /* up, although its probes go unanswered */
};

/* Before the first one is made: nobody is frozen. */
void judges_begin(struct shm *);
/* Of setup->config->backends[index].  Keeps the setup, not its own. */
void judge_init(struct judge *, const struct checker_setup *, unsigned index);
/* A probe has ended: with a status, or -errno.  success: it is one that was expected. */
void judge_result(struct judge *, int result, bool success, uint64_t now_us);
/* A worker could not connect.  Decides nothing; the probe that it calls does. */
void judge_suspicion(struct judge *);

#endif
