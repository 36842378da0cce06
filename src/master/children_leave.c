/*
 * How the master's children leave: told to retire or to drain, killed when they
 * do not in time.  Owns the phase of a child from its first order on, and its
 * deadline.  Invariants: an order never puts a deadline off; a child that was
 * killed is told nothing more.  Why somebody has to leave is decided elsewhere,
 * and who has left is reaped in children.c.
 */
#include "children.h"

#include <signal.h>

#include "ballast/base/clock.h"
#include "ballast/base/control.h"
#include "ballast/base/log.h"

#include "child_log.h"

/* A child ends by itself when its drain time is over; one that does not gets this much longer. */
enum { RETIRE_GRACE_US = 2000000, DRAIN_GRACE_US = 1000000, CHECKER_GRACE_US = 2000000 };

static uint64_t
drain_us(const struct child *k)
{
	return k->generation->config->timeouts.drain_us;
}

/* Somebody told it to: its number is to be served by another one at once. */
void
child_began_leaving(struct child *k)
{
	if (!child_serves(k))
		return;
	k->phase = CHILD_LEAVING;
	k->deadline_us = clock_now_us() + drain_us(k) + RETIRE_GRACE_US;
}

/* A child that is gone, or too stuck to read, is somebody else's event. */
static void
tell(struct child *k, enum control message)
{
	if (k->watch.fd >= 0)
		(void)control_send(k->watch.fd, message);
}

static void
leave(struct child *k, enum control message, uint64_t deadline_us)
{
	if (k->phase == CHILD_KILLED)
		return;
	if (k->phase != CHILD_LEAVING || deadline_us < k->deadline_us)
		k->deadline_us = deadline_us;
	k->phase = CHILD_LEAVING;
	tell(k, message);
}

static void
retire_worker(struct child *k, uint64_t now_us)
{
	leave(k, CONTROL_RETIRE, now_us + drain_us(k) + RETIRE_GRACE_US);
}

void
children_retire_surplus(
	struct children *c, const struct generation *g, unsigned wanted, uint64_t now_us)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct child *k = &c->child[i];

		if (child_serves(k) && k->generation == g && k->number > wanted)
			retire_worker(k, now_us);
	}
}

static void
end_checker(struct child *k, uint64_t now_us)
{
	leave(k, CONTROL_DRAIN, now_us + CHECKER_GRACE_US);
}

void
children_retire(struct children *c, const struct generation *g, uint64_t now_us)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct child *k = &c->child[i];

		if (!child_serves(k) || k->generation != g)
			continue;
		if (k->role == ROLE_CHECKER)
			end_checker(k, now_us);
		else
			retire_worker(k, now_us);
	}
}

void
children_drain(struct children *c, uint64_t now_us)
{
	c->ending = true;
	for (unsigned i = 0; i < c->n; i++) {
		struct child *k = &c->child[i];

		if (!child_is_alive(k))
			continue;
		if (k->role == ROLE_CHECKER)
			end_checker(k, now_us);
		else
			leave(k, CONTROL_DRAIN, now_us + drain_us(k) + DRAIN_GRACE_US);
	}
}

static void
kill_child(struct child *k)
{
	if (k->all->ending && k->role == ROLE_WORKER && child_is_busy(k))
		k->all->cut = true;
	kill(k->pid, SIGKILL);
	k->phase = CHILD_KILLED;
}

void
children_kill(struct children *c, const struct generation *g)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct child *k = &c->child[i];

		if (child_is_alive(k) && (g == NULL || k->generation == g))
			kill_child(k);
	}
}

void
children_abandon(struct children *c, const struct generation *g, uint64_t now_us)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct child *k = &c->child[i];

		if (!child_is_alive(k) || k->generation != g)
			continue;
		if (k->phase == CHILD_READY && k->role == ROLE_WORKER)
			retire_worker(k, now_us);
		else if (k->phase != CHILD_LEAVING)
			kill_child(k);
	}
}

/* One that hangs at its start is killed and then, when it is reaped, counts as stillborn. */
static void
enforce(struct child *k)
{
	bool starting = k->phase == CHILD_STARTING;

	log_warn(starting ? "child did not become ready in time and is killed"
			  : "child did not leave in time and is killed",
		LOG_STR("role", child_role_name(k->role)), LOG_INT("pid", k->pid),
		LOG_INT("generation", k->generation->number));
	kill_child(k);
	if (starting)
		k->phase = CHILD_STARTING;
	k->deadline_us = UINT64_MAX;
}

void
children_enforce(struct children *c, uint64_t now_us)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct child *k = &c->child[i];

		if ((k->phase == CHILD_LEAVING || k->phase == CHILD_STARTING) &&
			now_us >= k->deadline_us)
			enforce(k);
	}
}
