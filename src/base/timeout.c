/*
 * Time limits: one ring per limit, in order of deadline because every timer of
 * a ring waits equally long.  Runs in workers, checker and master.  Invariant:
 * a timer is armed exactly when it stands in a ring, and its `limit` says in which.
 */
#include "ballast/base/timeout.h"

#include <assert.h>

void
timeouts_init(struct timeouts *t)
{
	for (unsigned i = 0; i < TIMEOUT_LIMITS; i++) {
		struct timer *head = &t->queue[i];

		*head = (struct timer){ .next = head, .prev = head };
		t->duration_us[i] = 0;
	}
}

/* Only while the ring is empty: another duration would break its order. */
void
timeouts_set(struct timeouts *t, unsigned limit, uint64_t duration_us)
{
	assert(limit < TIMEOUT_LIMITS);
	assert(t->queue[limit].next == &t->queue[limit]);
	t->duration_us[limit] = duration_us;
}

void
timer_arm(struct timeouts *t, struct timer *timer, unsigned limit, uint64_t now_us)
{
	struct timer *head = &t->queue[limit];

	assert(limit < TIMEOUT_LIMITS);
	timer_disarm(timer);
	if (t->duration_us[limit] == 0)
		return;
	timer->limit = (uint8_t)limit;
	timer->deadline_us = now_us + t->duration_us[limit];
	/* A caller with an older `now` must not break the order: it waits with its neighbour. */
	if (head->prev != head && head->prev->deadline_us > timer->deadline_us)
		timer->deadline_us = head->prev->deadline_us;
	timer->prev = head->prev;
	timer->next = head;
	head->prev->next = timer;
	head->prev = timer;
}

void
timer_disarm(struct timer *timer)
{
	if (!timer_is_armed(timer))
		return;
	timer->prev->next = timer->next;
	timer->next->prev = timer->prev;
	timer->next = NULL;
	timer->prev = NULL;
}

static const struct timer *
earliest(const struct timeouts *t)
{
	const struct timer *found = NULL;

	for (unsigned i = 0; i < TIMEOUT_LIMITS; i++) {
		const struct timer *first = t->queue[i].next;

		if (first == &t->queue[i])
			continue;
		if (found == NULL || first->deadline_us < found->deadline_us)
			found = first;
	}
	return found;
}

int
timeouts_next_ms(const struct timeouts *t, uint64_t now_us, int max_ms)
{
	const struct timer *first = earliest(t);
	uint64_t cap_ms = max_ms < 0 ? INT32_MAX : (uint64_t)max_ms;
	uint64_t left_ms;

	if (first == NULL)
		return max_ms;
	if (first->deadline_us <= now_us)
		return 0;
	left_ms = (first->deadline_us - now_us + 999) / 1000;
	return (int)(left_ms < cap_ms ? left_ms : cap_ms);
}

/* A callback that arms again lands at the end, due later than now, so every loop ends. */
void
timeouts_expire(struct timeouts *t, uint64_t now_us)
{
	for (unsigned i = 0; i < TIMEOUT_LIMITS; i++) {
		struct timer *head = &t->queue[i];

		while (head->next != head && head->next->deadline_us <= now_us) {
			struct timer *due = head->next;

			timer_disarm(due);
			due->expired(due);
		}
	}
}
