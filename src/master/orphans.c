/*
 * Slots of nobody's children, in the master.  A master that was killed while its program was being replaced leaves slots
 * in a segment that lives on: the other master takes them over and, once their processes are gone, settles and folds them.
 * In every turn it asks only whether a process of that number is there; about once a second, since
 * it costs more, whether it is still the same one.  Forks nothing.
 */
#include "children.h"

#include "ballast/base/log.h"

#include "crash.h"

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

/* A stranger lives on, or a zombie waits for a parent that does not ask. */
void
children_watch_orphans(struct children *c)
{
	slots_adopt(c->shm);
	for (unsigned i = 0; i < c->n; i++) {
		struct slot *slot = slot_at(c->shm, i);

		if (!is_ours(c, slot) && slot_is_owned(slot) && slot_fate(slot) == FATE_ENDED)
			fold_orphan(c, slot);
	}
}
