/*
 * Time limits.  Every limit has one duration for the life of the process, so
 * each keeps its timers in a queue that is sorted by itself: arming appends,
 * expiry looks at the heads.  All operations are O(1), no memory is allocated.
 */
#ifndef BALLAST_BASE_TIMEOUT_H
#define BALLAST_BASE_TIMEOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	struct timer *next, *prev;
	uint64_t deadline_us;
	void (*expired)(
		struct timer *); /* set by the owner; the timer is disarmed when it is called */
	uint8_t limit;           /* index of the queue; only meaningful when armed */
};

enum { TIMEOUT_LIMITS = 18 };

struct timeouts {
	struct timer queue[TIMEOUT_LIMITS]; /* heads of rings */
	uint64_t duration_us[TIMEOUT_LIMITS];
};

/* All durations 0: a limit of 0 never expires (arming it disarms). */
void timeouts_init(struct timeouts *);
void timeouts_set(struct timeouts *, unsigned limit, uint64_t duration_us);
static inline bool
timer_is_armed(const struct timer *t)
{
	return t->next != NULL;
}
/* Arms or re-arms: expires `duration of limit` after now. */
void timer_arm(struct timeouts *, struct timer *, unsigned limit, uint64_t now_us);
void timer_disarm(struct timer *);
/* Milliseconds until the next expiry, rounded up, capped at max_ms; max_ms (may be -1) when nothing is armed. */
int timeouts_next_ms(const struct timeouts *, uint64_t now_us, int max_ms);
/* Calls expired() for all that are due; a callback may arm and disarm any timer. */
void timeouts_expire(struct timeouts *, uint64_t now_us);

#endif
