/*
 * How long to wait before a child that ended is replaced.  One per generation
 * and role; pure.
 */
#ifndef BALLAST_MASTER_BACKOFF_H
#define BALLAST_MASTER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum { BACKOFF_HOPELESS = 5 }; /* so many in a row ended before they were ready */

struct backoff {
	unsigned stillborn;  /* in a row, before READY */
	unsigned shortlived; /* in a row, soon after READY */
	uint64_t due_us;     /* the next fork not before */
	unsigned crowd;      /* how many children it is for */
	uint64_t killed_us;  /* when all kills so far are forgiven */
	bool storm;          /* they came too fast, and are not all forgiven yet */
};

void backoff_stillborn(struct backoff *, uint64_t now_us);
/*
 * It had been ready, ended with this status of wait(2), and lived for so long since its fork.  True: from now on those that
 * are killed have to wait, too; said once in a storm.
 */
bool backoff_died(struct backoff *, int status, uint64_t lived_us, uint64_t now_us);
void backoff_ready(struct backoff *);
static inline bool
backoff_is_due(const struct backoff *b, uint64_t now_us)
{
	return now_us >= b->due_us;
}
static inline bool
backoff_is_hopeless(const struct backoff *b)
{
	return b->stillborn >= BACKOFF_HOPELESS;
}

#endif
