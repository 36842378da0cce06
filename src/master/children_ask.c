/*
 * Questions about the master's children.  Forks nothing and ends nobody.
 */
#include "children.h"

/* Its ledger says what it carries, whatever state it is in. */
bool
child_is_busy(const struct child *k)
{
	const struct slot *s = k->slot;
	uint32_t active = atomic_load_explicit(&s->clients[CLIENT_ACTIVE], memory_order_relaxed);
	uint32_t tunnels = atomic_load_explicit(&s->clients[CLIENT_TUNNEL], memory_order_relaxed);

	return active > 0 || tunnels > 0;
}

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

bool
children_are_settled(const struct children *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (child_is_alive(&c->child[i]) && c->child[i].phase != CHILD_READY)
			return false;
	}
	return true;
}
