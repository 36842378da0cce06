/*
 * The quarantine: requests that were in the hands of workers when these died by a fault.  One small table for
 * all workers; only the master writes it, at a reap.  A request is known by its fingerprint (head_fingerprint).
 */
#ifndef BALLAST_SHM_QUARANTINE_H
#define BALLAST_SHM_QUARANTINE_H

#include "ballast/shm/segment.h"

enum { SUSPECTS = 64, SUSPECT_DEATHS = 16 };

struct suspect {                                   /* master */
	_Alignas(64) _Atomic uint64_t fingerprint; /* 0: nobody */
	_Atomic uint64_t until_us; /* monotonic; refused until then; 0: only suspected */
	uint64_t deaths;           /* ever; the last ones' times lie in a ring */
	uint64_t death_us[SUSPECT_DEATHS];
};

struct quarantine_rules {
	unsigned deaths;     /* so many, at most SUSPECT_DEATHS, ... */
	uint64_t within_us,  /* ... within that time, are followed by ... */
		duration_us; /* ... a quarantine this long */
};

/* Worker, for each request: is it to be refused?  One look at a word that hardly ever changes, mostly. */
bool quarantine_refuses_one_of(const struct shm *, uint64_t fingerprint, uint64_t now_us);
static inline bool
quarantine_refuses(const struct shm *s, uint64_t fingerprint, uint64_t now_us)
{
	return now_us < atomic_load_explicit(
				&s->shared->quarantine_until_us, memory_order_acquire) &&
	       quarantine_refuses_one_of(s, fingerprint, now_us);
}
/*
 * Master: one more worker died with it in hand.  True when it is refused from now on.  Who was in quarantine before needs no
 * more than one death to be there again.  When all rows are taken, the one whose last death is longest ago goes.
 */
bool quarantine_accuse(
	const struct shm *, uint64_t fingerprint, const struct quarantine_rules *, uint64_t now_us);
/* How many are refused at this moment. */
unsigned quarantine_held(const struct shm *, uint64_t now_us);

#endif
