/*
 * The watchdog: a worker or checker whose loop does not turn is killed, and then replaced like any that died.
 * Silence is counted in time that the master itself was awake for: a machine that was
 * paused, or a master that was starved with the rest, kills nobody.  Looks about once a second; knows nothing of why a loop stands still, but
 * what it was busy with: the step of the exchange in hand.  The master's own beat is from here, too.
 */
#include "children.h"

#include <signal.h>

#include "ballast/base/log.h"
#include "ballast/proxy/proxy.h"
#include "ballast/shm/flight.h"
#include "ballast/shm/metrics.h"

#include "child_log.h"

static const char *
step_of(const struct child *k)
{
	const struct flight *f = flight_in_hand(k->all->shm, k->slot);

	return f != NULL ? proxy_step_name(f->step) : "none";
}

/* It is reaped as one that died. */
static void
end_wedged(struct child *k)
{
	log_error("child is wedged and is killed", LOG_STR("role", child_role_name(k->role)),
		LOG_INT("number", k->number), LOG_INT("pid", k->pid),
		LOG_INT("generation", k->generation->number),
		LOG_INT("silent_ms", k->silent_us / 1000), LOG_STR("step", step_of(k)));
	metrics_count(k->all->shm, k->all->ledger, COUNTER_WATCHDOG_KILLS, 1);
	kill(k->pid, SIGKILL);
	k->silent_us = 0;
}

static void
listen_to(struct child *k, uint64_t elapsed_us)
{
	uint64_t beat_us = atomic_load_explicit(&k->slot->beat_us, memory_order_relaxed);
	uint64_t limit_us = k->generation->config->watchdog_us;

	k->silent_us = beat_us == k->beat_us ? k->silent_us + elapsed_us : 0;
	k->beat_us = beat_us;
	if (limit_us > 0 && k->silent_us >= limit_us)
		end_wedged(k);
}

void
children_watch(struct children *c, uint64_t now_us)
{
	uint64_t elapsed_us = now_us - c->watched_us;

	/* After a pause one look must not be enough: whoever turns has beaten before the next one. */
	if (elapsed_us > CHILDREN_WATCH_US)
		elapsed_us = CHILDREN_WATCH_US;
	c->watched_us = now_us;
	atomic_store_explicit(&c->ledger->beat_us, now_us, memory_order_relaxed);
	for (unsigned i = 0; i < c->n; i++) {
		struct child *k = &c->child[i];

		if (k->phase == CHILD_READY || k->phase == CHILD_LEAVING)
			listen_to(k, elapsed_us);
	}
	children_watch_orphans(c, elapsed_us);
}
