/*
 * Backoff, in the master: 0, 100, 200, 400 ms ... 5 s for children that never
 * became ready; at most 200 ms for those that did, because a service whose
 * workers crash needs them back, and a crash of a serving worker
 * costs its own exchanges only.  A long life forgives everything.  For one
 * that was killed from outside nobody waits, as for an operator's kill or the last one of a storm;
 * but where kills do not end, each successor is killed as soon as it runs, as in a
 * cgroup that is too small: what goes beyond a bucket of kills waits like any other death.
 */
#include "backoff.h"

#include <signal.h>
#include <sys/wait.h>

enum { FIRST_MS = 100, STILLBORN_MAX_MS = 5000, SHORTLIVED_MAX_MS = 200, LONG_LIFE_MS = 1000 };
/* The bucket: all of them at once and some more, and then so many in a second. */
enum { KILLS_MORE = 10, KILL_US = 50000 };

static uint64_t
delay_us(unsigned in_a_row, uint64_t max_ms)
{
	uint64_t ms = FIRST_MS;

	if (in_a_row <= 1)
		return 0;
	for (unsigned i = 2; i < in_a_row && ms < max_ms; i++)
		ms *= 2;
	return (ms < max_ms ? ms : max_ms) * 1000;
}

static void
wait_until(struct backoff *b, uint64_t due_us)
{
	if (due_us > b->due_us)
		b->due_us = due_us;
}

void
backoff_stillborn(struct backoff *b, uint64_t now_us)
{
	b->stillborn++;
	wait_until(b, now_us + delay_us(b->stillborn, STILLBORN_MAX_MS));
}

static bool
kill_is_free(struct backoff *b, uint64_t now_us)
{
	uint64_t burst_us = (uint64_t)(b->crowd + KILLS_MORE) * KILL_US;

	if (b->killed_us <= now_us) {
		b->killed_us = now_us;
		b->storm = false;
	}
	if (b->killed_us + KILL_US > now_us + burst_us)
		return false;
	b->killed_us += KILL_US;
	return true;
}

static void
wait_after_death(struct backoff *b, uint64_t lived_us, uint64_t now_us)
{
	if (lived_us >= LONG_LIFE_MS * UINT64_C(1000))
		b->shortlived = 0;
	b->shortlived++;
	wait_until(b, now_us + delay_us(b->shortlived, SHORTLIVED_MAX_MS));
}

bool
backoff_died(struct backoff *b, int status, uint64_t lived_us, uint64_t now_us)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	bool stormed;

	if (killed && kill_is_free(b, now_us))
		return false;
	wait_after_death(b, lived_us, now_us);
	stormed = b->storm;
	b->storm = b->storm || killed;
	return b->storm && !stormed;
}

void
backoff_ready(struct backoff *b)
{
	b->stillborn = 0;
}
