/*
 * The schedule of probes, in the checker.  All members have the same interval,
 * so their order never changes and one cursor is enough.  Invariant: times are
 * counted from the interval's begin and never from when somebody came to look,
 * so nothing drifts.  Who comes much too late (a stopped process) goes on from
 * there: what was missed is not made up for all at once.
 */
#include "schedule.h"

#include <assert.h>

enum { LATE_SHARE = 4 }; /* a quarter of an interval is much too late */

void
schedule_init(struct schedule *s, uint32_t n, uint64_t interval_us, uint64_t now_us)
{
	assert(n > 0);
	*s = (struct schedule){ .base_us = now_us, .interval_us = interval_us, .n = n };
}

uint64_t
schedule_due_us(const struct schedule *s)
{
	return s->base_us + s->interval_us * (s->next + 1) / s->n;
}

int
schedule_take(struct schedule *s, uint64_t now_us)
{
	uint64_t due_us = schedule_due_us(s);
	uint32_t taken = s->next;

	if (now_us < due_us)
		return -1;
	if (now_us - due_us > s->interval_us / LATE_SHARE)
		s->base_us += now_us - due_us;
	if (++s->next == s->n) {
		s->next = 0;
		s->base_us += s->interval_us;
	}
	return (int)taken;
}
