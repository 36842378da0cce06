/*
 * A backend's row: who it is, whether it is up, what is known against it.
 * The row index is the backend's identity for slots and metrics; it stays with
 * an address over reloads, also while that address is not configured.
 */
#ifndef BALLAST_SHM_BACKEND_H
#define BALLAST_SHM_BACKEND_H

#include "ballast/shm/segment.h"

enum { BACKEND_URL_MAX = 256, BACKEND_NONE = 0xffff };

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): a cache line for each writer */
struct backend {
	_Alignas(64) char url[BACKEND_URL_MAX]; /* master; empty: row never used */
	uint32_t url_hash;                      /* master only; 0: row never used */
	_Atomic uint32_t configured;       /* master: 1 while the newest configuration names it */
	_Atomic uint32_t last_generation;  /* master: newest generation that named it */
	_Atomic uint32_t prior_generation; /* master: the one before that, for when it fails */
	_Atomic uint32_t named_generation; /* master: the one that named it last in time */
	_Atomic uint32_t weight;           /* master, for display */
	_Alignas(64) _Atomic uint32_t successes, fails; /* checker: in a row, for rise and fall */
	_Atomic uint64_t since_us;                      /* checker: wall time of the last flip */
	_Atomic uint64_t last_probe_us;                 /* checker: wall time */
	_Atomic uint32_t last_status; /* checker: status of the last probe, 0 none, errno + 1000 */
	_Alignas(64) _Atomic uint64_t failures; /* any worker: connect failures, fetch_add */
};

/*
 * Master, at load: the row of this URL; a new one begins up.  A row that no generation >= oldest_generation
 * uses may be taken over (its counters are cleared in every slot), the longest unused first.  -1 when all rows are taken
 * (or the URL is empty or not shorter than BACKEND_URL_MAX).  A row that was not configured any more begins up again.
 */
int backend_assign(struct shm *, const char *url, uint32_t generation, uint32_t oldest_generation);
/*
 * For many in one go, so that each need not be compared with all rows.  The index belongs to the caller and is
 * true as long as nobody else assigns.  NULL when there is no memory, which backend_assign_by takes, too.
 */
struct backend_index;
struct backend_index *backend_index_new(const struct shm *);
void backend_index_free(struct backend_index *);
int backend_assign_by(struct shm *, struct backend_index *, const char *url, uint32_t generation,
	uint32_t oldest_generation);
/* The row that was given to this URL, or -1. */
int backend_find(const struct shm *, const char *url);
/*
 * Master, after all assignments of a generation, also of one that takes its rows back because a newer one failed: the
 * others are not configured any more.  That gives no row away: workers of the one that failed may have been ready, and
 * finish their exchanges.
 */
void backend_retire_others(struct shm *, uint32_t generation);
/* Master, once no process newer than this generation lives: what only those that failed have named is free again. */
void backend_forget_failed(struct shm *, uint32_t generation);
static inline bool
backend_is_up(const struct shm *s, unsigned row)
{
	return atomic_load_explicit(&s->verdicts[row], memory_order_acquire) != 0;
}
/* Checker: writes a verdict (release). */
void backend_set_up(struct shm *, unsigned row, bool up, uint64_t wall_us);
/*
 * Worker, while no checker beats: takes it for down, by compare-and-swap, the one case in which a verdict is not the checker's.
 * True when it was this call that turned it.
 */
bool backend_eject(struct shm *, unsigned row, uint64_t wall_us);
/* Worker: a connect to it failed. */
void backend_blame(struct shm *, unsigned row);
uint64_t backend_failures(const struct shm *, unsigned row);

#endif
