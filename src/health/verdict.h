/*
 * The verdict: from a sequence of probe results to up or down.  Pure.
 */
#ifndef BALLAST_SRC_HEALTH_VERDICT_H
#define BALLAST_SRC_HEALTH_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

struct verdict_rules {
	unsigned rise, fall; /* results in a row that turn a verdict */
};

struct history {
	bool up;
	uint32_t successes, fails; /* in a row; one of them is 0 */
};

enum verdict_change { VERDICT_STAYS, VERDICT_DOWN, VERDICT_UP };

/* One more result.  Says whether the verdict turned. */
enum verdict_change verdict_result(struct history *, const struct verdict_rules *, bool success);
/*
 * Workers could not connect: as good as one failed result, but never the last one that is missing,
 * so that the probe made because of it decides.  Says nothing about a backend that is down.
 */
void verdict_suspicion(struct history *, const struct verdict_rules *);

#endif
