/*
 * What the instance's processes take from the machine, read from /proc at each scrape.
 */
#ifndef BALLAST_MASTER_EXPOSITION_PROCESS_H
#define BALLAST_MASTER_EXPOSITION_PROCESS_H

#include "ballast/shm/slot.h"

struct process_use {
	uint64_t cpu_us;         /* master, living children, children already reaped */
	uint64_t resident_bytes; /* master and living children; shared pages count in each */
	uint64_t virtual_bytes;  /* master */
	uint64_t open_fds;       /* master */
	uint64_t max_fds;        /* master */
};

/* Never fails: what cannot be read counts as nothing. */
void process_use_read(struct process_use *, const struct shm *);

#endif
