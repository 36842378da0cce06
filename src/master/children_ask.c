/*
 * Questions about the master's children, and the slots of nobody's children.  A master that was killed while its program was being
 * replaced leaves slots in a segment that lives on: the other master settles and folds them once their processes are gone.
 * Forks nothing and ends nobody.
 */
#include "children.h"

#include "ballast/base/log.h"

#include "crash.h"

unsigned
children_ready(const struct children *c, const struct generation *g, enum slot_role role)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n; i++) {
		const struct child *k = &c->child[i];

		n += k->phase == CHILD_READY && k->role == role &&
		     (g == NULL || k->generation == g);
	}
	return n;
}

bool
children_accept(const struct children *c, uint32_t before)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct child *k = &c->child[i];

		if (child_is_alive(k) && k->role == ROLE_WORKER && k->generation->number < before &&
			slot_state_of(k->slot) != SLOT_DRAINING)
			return true;
	}
	return false;
}

unsigned
children_alive(const struct children *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n; i++)
		n += child_is_alive(&c->child[i]);
	return n;
}

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

bool
children_are_settled(const struct children *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (child_is_alive(&c->child[i]) && c->child[i].phase != CHILD_READY)
			return false;
	}
	return true;
}
