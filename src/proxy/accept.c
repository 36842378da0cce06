/*
 * Taking connections: which of the workers takes the next one.  All of them wait at one listener, so that no
 * connection is ever tied to a worker that is dead, stopped or on its way out; of those that sleep the kernel wakes
 * one.  A worker that holds more than the idlest other one leaves the queue to the others, and says so in its slot
 * (its door).  It comes back when it holds no more than they do: it looks when one of its clients has left, when
 * another worker rings its bell, and after a while.
 * Runs in workers; owns the listener's watch and the bell's.  Invariant: who leaves has seen that the door of
 * the idlest other one is open, or has rung its bell; and should that one not hear (it was killed, or is
 * stopped), somebody sees soon that nobody takes what waits.  One without a beat for some seconds is not looked at.
 */
#include "private.h"

#include <errno.h>
#include <unistd.h>

enum {
	SLACK_SHARE = 16, /* more than a sixteenth above what the idlest holds is too much */
	ALONE_US =
		1000000, /* nobody else took what waited: so long the others are not believed to */
};

/* ---- whether it hears the listener */

static enum slot_door
door_of(const struct proxy *p)
{
	if (p->accept_full || p->accept_paused || p->retiring)
		return DOOR_SHUT;
	return p->left ? DOOR_LEFT : DOOR_OPEN;
}

static void
follow_door(struct proxy *p)
{
	enum slot_door door = door_of(p);

	slot_set_door(p->slot, door);
	if (p->listener.fd >= 0)
		poller_want(p->poller, &p->listener, door == DOOR_OPEN ? POLLER_IN : 0);
	if (p->handed.fd >= 0)
		poller_want(p->poller, &p->handed, door == DOOR_OPEN ? POLLER_IN : 0);
	if (door == DOOR_LEFT && !timer_is_armed(&p->look_again))
		timer_arm(p->timeouts, &p->look_again, LIMIT_ACCEPT_PAUSE, p->now_us);
}

/* A worker without a bell (one more than there were at the start of its generation) hears of it by and by. */
static void
ring(const struct proxy *p, const struct slot *other)
{
	unsigned number = atomic_load_explicit(&other->number, memory_order_relaxed);
	const uint64_t one = 1;

	if (number > 0 && number <= p->n_bells)
		(void)!write(p->bells[number - 1], &one, sizeof(one));
}

/* The kernel woke this worker alone for what it cannot take. */
static void
pass_on(const struct proxy *p)
{
	const struct slot *other = slots_idlest_other(p->shm, p->slot, p->now_us);

	if (other != NULL)
		ring(p, other);
}

static bool
holds_too_many(const struct proxy *p, const struct slot *idlest)
{
	uint32_t least = slot_held(idlest);

	return slot_held(p->slot) > least + least / SLACK_SHARE;
}

/*
 * Leaves the queue to the others or takes part.  The door says LEFT before the others are looked at: of
 * two that leave at the same moment one sees it of the other, and rings.
 */
static void
weigh(struct proxy *p)
{
	const struct slot *idlest;

	if (p->retiring || p->accept_full || p->accept_paused || p->now_us < p->alone_until_us)
		return;
	slot_set_door(p->slot, DOOR_LEFT);
	idlest = slots_idlest_other(p->shm, p->slot, p->now_us);
	p->left = idlest != NULL && holds_too_many(p, idlest);
	if (p->left && atomic_load(&idlest->door) == DOOR_LEFT)
		ring(p, idlest);
	p->held_when_left = slot_held(p->slot);
	follow_door(p);
}

/* Has it come to hold fewer since? */
static void
weigh_again(struct proxy *p)
{
	if (p->left && slot_held(p->slot) < p->held_when_left)
		weigh(p);
}

bool
accept_waited_for(const struct proxy *p)
{
	return sock_is_readable(p->listener.fd) || handover_waits(p);
}

static void
look_again(struct timer *t)
{
	struct proxy *p = OWNER(t, struct proxy, look_again);

	if (door_of(p) != DOOR_LEFT)
		return;
	if (accept_waited_for(p)) {
		p->alone_until_us = p->now_us + ALONE_US;
		p->left = false;
		follow_door(p);
	} else {
		weigh(p);
	}
}

/* ---- taking */

/*
 * Out of descriptors: what is idle makes room, first a pooled connection, which nobody will miss.  When
 * nothing is, or the shortage is not ours alone, nothing may spin: we look again soon.
 */
static void
accept_failed(struct proxy *p, int error)
{
	bool waits = accept_waited_for(
		p); /* the descriptor is asked for before the queue is looked at */
	bool room = waits && (upstream_evict_idle(p) || client_evict(p));

	metrics_count(p->shm, p->slot, COUNTER_ACCEPT_ERRORS, 1);
	if (error == -EMFILE && (room || !waits))
		return;
	p->accept_paused = true;
	follow_door(p);
	timer_arm(p->timeouts, &p->accept_pause, LIMIT_ACCEPT_PAUSE, p->now_us);
	pass_on(p);
}

static void
pause_over(struct timer *t)
{
	struct proxy *p = OWNER(t, struct proxy, accept_pause);

	p->accept_paused = false;
	follow_door(p);
}

/* One that is full leaves who waits to the others first. */
static bool
client_room(struct proxy *p)
{
	if (p->clients.in_use < p->clients_max)
		return true;
	p->accept_full = true;
	follow_door(p);
	pass_on(p);
	room_wanted(p);
	return false;
}

void
accept_room(struct proxy *p)
{
	p->accept_full = false;
	follow_door(p);
}

void
accept_turn_over(struct proxy *p)
{
	weigh_again(p);
	if (!p->accept_full || p->retiring || p->clients.in_use >= p->clients_max)
		return;
	timer_disarm(&p->room);
	accept_room(p);
}

static bool
error_passes(int rc)
{
	return rc == -ECONNABORTED || rc == -EPROTO || rc == -EPERM;
}

/* One connection from the queue.  False when there is none, or no room for it. */
static bool
accept_one(struct proxy *p)
{
	struct addr peer;
	int fd;

	if (!client_room(p))
		return false;
	fd = sock_accept(p->listener.fd, &peer);
	if (fd == -EAGAIN)
		return false;
	if (fd >= 0)
		client_open(p, fd, &peer);
	else if (!error_passes(fd))
		accept_failed(p, fd);
	return fd >= 0 || error_passes(fd);
}

/* One per turn: for the next one another worker may come first. */
static void
take_one(struct proxy *p)
{
	if (accept_one(p))
		weigh(p);
}

static void
take_one_handed(struct proxy *p)
{
	int rc = client_room(p) ? handover_take_one(p) : -EAGAIN;

	if (rc == 0)
		weigh(p);
	else if (rc != -EAGAIN)
		accept_failed(p, rc);
}

static void
handed_wake(struct watch *w)
{
	watch_clear(w, POLLER_IN);
	take_one_handed(OWNER(w, struct proxy, handed));
}

static void
listener_wake(struct watch *w)
{
	watch_clear(w, POLLER_IN);
	take_one(OWNER(w, struct proxy, listener));
}

/* Somebody who was woken for a connection leaves it to us: we may not have been told of it. */
static void
bell_wake(struct watch *w)
{
	struct proxy *p = OWNER(w, struct proxy, bell);
	uint64_t rings;

	(void)!read(w->fd, &rings, sizeof(rings));
	watch_clear(w, POLLER_IN);
	weigh(p);
	if (door_of(p) == DOOR_OPEN)
		take_one(p);
	if (door_of(p) == DOOR_OPEN && handover_waits(p))
		take_one_handed(p);
}

void
accept_missed(struct proxy *p)
{
	if (door_of(p) != DOOR_OPEN)
		return;
	if (sock_is_readable(p->listener.fd))
		take_one(p);
	if (handover_waits(p))
		take_one_handed(p);
}

void
accept_rest(struct proxy *p)
{
	while (p->listener.fd >= 0 && p->clients.in_use < p->clients_max && accept_one(p))
		continue;
}

/* ---- its beginning and end */

int
accept_begin(struct proxy *p, const struct proxy_setup *s)
{
	unsigned number = atomic_load_explicit(&s->slot->number, memory_order_relaxed);
	int rc = 0;

	p->bells = s->bells;
	p->n_bells = s->n_bells;
	p->accept_pause.expired = pause_over;
	p->look_again.expired = look_again;
	p->bell = (struct watch){ .wake = bell_wake, .fd = -1 };
	if (number > 0 && number <= p->n_bells)
		rc = poller_add(p->poller, &p->bell, p->bells[number - 1], POLLER_IN);
	p->listener = (struct watch){ .wake = listener_wake, .fd = -1, .shared = true };
	if (rc == 0)
		rc = poller_add(p->poller, &p->listener, s->listener, POLLER_IN);
	if (rc == 0)
		rc = handover_begin(p, s, handed_wake);
	if (rc == 0)
		slot_set_door(p->slot, DOOR_OPEN);
	return rc;
}

void
accept_end(struct proxy *p)
{
	int fd = p->listener.fd;

	p->retiring = true;
	slot_set_door(p->slot, DOOR_SHUT);
	if (fd >= 0) {
		poller_remove(p->poller, &p->listener);
		fd_close(&fd); /* our copy: while one is open the kernel queues connections */
	}
	handover_end(p);
	poller_remove(p->poller, &p->bell);
	for (unsigned i = 0; i < p->n_bells; i++)
		close(p->bells[i]);
	p->n_bells = 0;
	timer_disarm(&p->accept_pause);
	timer_disarm(&p->look_again);
}
