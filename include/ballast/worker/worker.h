/*
 * The worker process: accepts, proxies, records.  Entered after the fork, with
 * everything decided and opened; it reads no file and resolves no name.
 */
#ifndef BALLAST_WORKER_WORKER_H
#define BALLAST_WORKER_WORKER_H

#include "ballast/balance/balance.h"
#include "ballast/config/config.h"
#include "ballast/shm/slot.h"

struct worker_setup {
	const struct config *config;
	struct shm *shm;
	struct slot *slot;       /* its own */
	pid_t master;            /* who forked it */
	struct balance *balance; /* candidate i is config->backends[i] */
	int listener;
	const int *bells; /* of the workers of its generation: see proxy_setup */
	unsigned n_bells;
	int handover[2];          /* the queue of the instance: see proxy_setup */
	int control;              /* its end of the control pair */
	int access_log;           /* descriptor, or -1: off */
	bool sandbox;             /* enter it before READY */
	const struct addr *admin; /* the master's Unix socket, for the metrics path on lb_port */
};

/* All the memory that a worker may have of its own, whatever clients and backends do; the kernel's is apart. */
size_t worker_memory_bytes(const struct config *);

enum worker_exit {
	WORKER_DONE = 0,   /* drained */
	WORKER_FAILED = 1, /* could not start */
	WORKER_CUT = 3,    /* the drain time ran out, exchanges were cut */
};

/*
 * Takes its memory, sends CONTROL_READY, serves until drained.  Signals: the
 * caller has reset them (signals_reset); the worker itself retires on TERM and ignores INT, HUP, QUIT, USR1.
 */
enum worker_exit worker_run(const struct worker_setup *);

#endif
