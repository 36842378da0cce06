/*
 * rise and fall.  No clock, no descriptor, no memory: what a test can say in a table.
 */
#include "verdict.h"

enum verdict_change
verdict_result(struct history *h, const struct verdict_rules *rules, bool success)
{
	h->successes = success ? h->successes + (h->successes < UINT32_MAX) : 0;
	h->fails = success ? 0 : h->fails + (h->fails < UINT32_MAX);
	if (h->up && h->fails >= rules->fall) {
		h->up = false;
		return VERDICT_DOWN;
	}
	if (!h->up && h->successes >= rules->rise) {
		h->up = true;
		return VERDICT_UP;
	}
	return VERDICT_STAYS;
}

void
verdict_suspicion(struct history *h, const struct verdict_rules *rules)
{
	if (!h->up || rules->fall < 2 || h->fails >= rules->fall - 1)
		return;
	h->successes = 0;
	h->fails++;
}
