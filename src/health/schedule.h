/*
 * Whose turn it is: every member once in each interval, evenly spread over it.
 * Pure; the caller says what time it is.
 */
#ifndef BALLAST_HEALTH_SCHEDULE_H
#define BALLAST_HEALTH_SCHEDULE_H

#include <stdint.h>

struct schedule {
	uint64_t base_us; /* the interval's begin */
	uint64_t interval_us;
	uint32_t n;
	uint32_t next;
};

/* n members, at least 1.  Member i is due (i + 1) / n of an interval after now, and then in every interval. */
void schedule_init(struct schedule *, uint32_t n, uint64_t interval_us, uint64_t now_us);
/* When the next member is due. */
uint64_t schedule_due_us(const struct schedule *);
/* The member that is due, each once; -1 when none is.  To be asked again until then. */
int schedule_take(struct schedule *, uint64_t now_us);

#endif
