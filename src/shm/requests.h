/*
 * The table of requests in a slot block: how often each (backend, method,
 * status) was answered.  Private to metrics.c and metrics_sum.c,
 * which have the interface.
 */
#ifndef BALLAST_SHM_REQUESTS_H
#define BALLAST_SHM_REQUESTS_H

#include "ballast/shm/metrics.h"

/* The slot's own process: the word that counts these; status is below 1000. */
_Atomic uint64_t *requests_counter(
	const struct shm *, const struct slot *, unsigned row, enum method, unsigned status);
/* The same, but `count` is how many there are.  False: there is no room near its place. */
bool requests_set(const struct shm *, const struct slot *, unsigned row, enum method,
	unsigned status, uint64_t count);
/* Master: a backend's requests in that slot are no more. */
void requests_forget(const struct shm *, const struct slot *, unsigned row);
/* Any process: every row that counted something; one key may come from several slots. */
typedef void request_visitor(const struct request_sum *, void *arg);
void requests_each(const struct shm *, const struct slot *, request_visitor *, void *);

#endif
