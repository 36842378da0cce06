/*
 * The checker process: probes every backend on its interval and writes the
 * verdict that all workers see at their next pick.  Serves no traffic.
 */
#ifndef BALLAST_HEALTH_CHECKER_H
#define BALLAST_HEALTH_CHECKER_H

#include "ballast/config/config.h"
#include "ballast/shm/backend.h"
#include "ballast/shm/slot.h"

struct checker_setup {
	const struct config *config; /* health.on is true */
	struct shm *shm;
	struct slot *slot;    /* its own */
	const uint16_t *rows; /* backend row of config->backends[i] */
	int control;
	bool sandbox; /* enter it before READY */
};

/* All the memory that it may have of its own; 0 where nothing is checked. */
size_t checker_memory_bytes(const struct config *);

/* Sends CONTROL_READY, probes until CONTROL_DRAIN, CONTROL_EOF or TERM.  Returns the exit status. */
int checker_run(const struct checker_setup *);

#endif
