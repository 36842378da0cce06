/*
 * Slots of nobody's children, in the master.  A master that was killed while its program was being replaced leaves slots
 * in a segment that lives on: the other master takes them over and, once their processes are gone, settles and folds them.
 * In every turn it asks only whether a process of that number is there; about once a second, since
 * it costs more, whether it is still the same one.  Forks nothing, and ends nobody but a checker that does not notice
 * that its master is gone: verdicts have one writer.
 */
#include "children.h"

#include <signal.h>

#include "ballast/base/log.h"

#include "crash.h"

enum {
	SILENT_US = 2000000
}; /* as long as a checker has that is told to leave; it beats ten times a second */

static void
fold_orphan(struct children *c, struct slot *slot)
{
	const struct crash crash = {
		.number = atomic_load_explicit(&slot->number, memory_order_relaxed),
		.pid = atomic_load_explicit(&slot->pid, memory_order_relaxed),
	};

	log_info("slot of a dead master's child folded", LOG_INT("slot", slot_index(c->shm, slot)));
	crash_settle(c->shm, slot, &crash);
	slot_fold(c->shm, slot);
}

static bool
is_ours(const struct children *c, const struct slot *slot)
{
	unsigned i = slot_index(c->shm, slot);

	return slot == c->ledger || slot == c->heritage || child_is_alive(&c->child[i]);
}

bool
children_fold_orphans(struct children *c)
{
	bool others = false;

	for (unsigned i = 0; i < c->n; i++) {
		struct slot *slot = slot_at(c->shm, i);

		if (is_ours(c, slot))
			continue;
		if (slot_is_orphaned(slot))
			fold_orphan(c, slot);
		others |= slot_is_used(slot);
	}
	return others;
}

/*
 * It has read that its master is gone, unless it does not turn; and as long as it is there nobody else may judge.  Killed is
 * only who is surely still the same one.
 */
static void
hurry_checker(struct children *c, struct slot *slot, uint64_t elapsed_us)
{
	struct child *k = &c->child[slot_index(c->shm, slot)];
	uint64_t beat_us = atomic_load_explicit(&slot->beat_us, memory_order_relaxed);
	pid_t pid = atomic_load_explicit(&slot->pid, memory_order_relaxed);

	k->silent_us = beat_us == k->beat_us ? k->silent_us + elapsed_us : 0;
	k->beat_us = beat_us;
	if (k->silent_us < SILENT_US || slot_fate(slot) != FATE_LIVES)
		return;
	log_error("checker of a dead master is wedged and is killed", LOG_INT("pid", pid),
		LOG_INT("silent_ms", k->silent_us / 1000));
	kill(pid, SIGKILL);
	k->silent_us = 0;
}

/* A stranger lives on, or a zombie waits for a parent that does not ask. */
static void
look_closer(struct children *c, struct slot *slot, uint64_t elapsed_us)
{
	if (slot_fate(slot) == FATE_ENDED)
		fold_orphan(c, slot);
	else if (atomic_load_explicit(&slot->role, memory_order_relaxed) == ROLE_CHECKER)
		hurry_checker(c, slot, elapsed_us);
}

void
children_watch_orphans(struct children *c, uint64_t elapsed_us)
{
	slots_adopt(c->shm);
	for (unsigned i = 0; i < c->n; i++) {
		struct slot *slot = slot_at(c->shm, i);

		if (!is_ours(c, slot) && slot_is_owned(slot))
			look_closer(c, slot, elapsed_us);
	}
}
