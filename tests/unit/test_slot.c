/*
 * Slots: claimed, used and folded; sums over them are right whatever happened
 * to the processes, wherever they were killed.
 */
#include "ballast/shm/slot.h"

#include <string.h>

#include "ballast/balance/balance.h"
#include "ballast/shm/metrics.h"
#include "harness.h"
#include "shm_world.h"

START_TEST(a_claimed_slot_says_for_whom_it_is)
{
	struct shm s;
	struct slot *slot;

	world_open(&s, 4, 3, 8);
	slot = slot_claim(&s, ROLE_CHECKER, 7, 2);
	ck_assert_ptr_nonnull(slot);
	ck_assert_uint_eq((uintptr_t)slot % 64, 0);
	ck_assert_uint_eq(atomic_load(&slot->state), SLOT_STARTING);
	ck_assert_uint_eq(atomic_load(&slot->role), ROLE_CHECKER);
	ck_assert_uint_eq(atomic_load(&slot->generation), 7);
	ck_assert_uint_eq(atomic_load(&slot->number), 2);
	ck_assert_int_eq(atomic_load(&slot->pid), 0);
	shm_detach(&s);
}
END_TEST

/* Also one that came right before a second was over. */
START_TEST(a_lag_is_there_to_be_seen_for_a_second)
{
	static const struct {
		uint64_t took_us, done_us;
		uint32_t seen_us;
	} turns[] = {
		{ 10, 1000100, 10 },
		{ 700000, 1999999, 700000 },
		{ 20, 2000000, 700000 },
		{ 30, 2999999, 700000 },
		{ 5, 3000000, 30 },
		{ 4, 4000000, 5 },
		{ UINT64_MAX, 4000001, UINT32_MAX },
	};
	struct slot slot = { .beat_us = 0 };
	struct lag lag = { 0, 0 };

	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
		slot_beat(&slot, &lag, turns[i].took_us, turns[i].done_us);
		ck_assert_uint_eq(atomic_load(&slot.lag_us), turns[i].seen_us);
		ck_assert_uint_eq(atomic_load(&slot.beat_us), turns[i].done_us);
	}
}
END_TEST

START_TEST(every_slot_is_given_once_and_then_none)
{
	struct shm s;
	bool seen[5] = { false };

	world_open(&s, 4, 5, 8);
	for (unsigned i = 0; i < 5; i++) {
		struct slot *slot = slot_claim(&s, ROLE_WORKER, 1, i);
		unsigned index;

		ck_assert_ptr_nonnull(slot);
		index = slot_index(&s, slot);
		ck_assert_uint_lt(index, 5);
		ck_assert(!seen[index]);
		ck_assert_ptr_eq(slot_at(&s, index), slot);
		seen[index] = true;
	}
	ck_assert_ptr_null(slot_claim(&s, ROLE_WORKER, 1, 5));
	shm_detach(&s);
}
END_TEST

START_TEST(slots_never_used_come_first_then_the_longest_free)
{
	struct slot *used[4];
	struct shm s;

	world_open(&s, 4, 4, 8);
	used[0] = slot_claim(&s, ROLE_WORKER, 1, 0);
	slot_fold(&s, used[0]);
	for (unsigned i = 1; i < 4; i++) {
		used[i] = slot_claim(&s, ROLE_WORKER, 1, i);
		ck_assert_ptr_ne(used[i], used[0]);
	}
	slot_fold(&s, used[2]);
	slot_fold(&s, used[1]);
	slot_fold(&s, used[3]);
	ck_assert_ptr_eq(slot_claim(&s, ROLE_WORKER, 2, 0), used[0]);
	ck_assert_ptr_eq(slot_claim(&s, ROLE_WORKER, 2, 1), used[2]);
	slot_fold(&s, used[0]);
	ck_assert_ptr_eq(slot_claim(&s, ROLE_WORKER, 2, 2), used[1]);
	ck_assert_ptr_eq(slot_claim(&s, ROLE_WORKER, 2, 3), used[3]);
	ck_assert_ptr_eq(slot_claim(&s, ROLE_WORKER, 2, 4), used[0]);
	ck_assert_ptr_null(slot_claim(&s, ROLE_WORKER, 2, 5));
	shm_detach(&s);
}
END_TEST

enum { MASTERS = 4, SLOTS = 3, CLAIMS = 5000 };

struct crowd {
	struct shm *shm;
	_Atomic uint32_t holders[SLOTS];
	_Atomic uint32_t arrived;
};

static int
claim_and_fold(unsigned number, void *arg)
{
	struct crowd *c = arg;

	rendezvous(&c->arrived, MASTERS, 0);
	for (unsigned i = 0; i < CLAIMS; i++) {
		struct slot *slot = slot_claim(c->shm, ROLE_WORKER, number, i);
		unsigned at;

		if (slot == NULL)
			continue;
		at = slot_index(c->shm, slot);
		if (atomic_fetch_add(&c->holders[at], 1) != 0)
			return 1;
		atomic_fetch_sub(&c->holders[at], 1);
		slot_fold(c->shm, slot);
	}
	return 0;
}

START_TEST(masters_that_claim_at_once_never_hold_the_same_slot)
{
	struct shm s;
	struct crowd *c = world_shared(sizeof(*c));

	world_open(&s, 4, SLOTS, 8);
	c->shm = &s;
	children_run(MASTERS, claim_and_fold, c);
	ck_assert_uint_eq(slots_free(&s), SLOTS);
	shm_detach(&s);
}
END_TEST

struct family {
	struct shm *shm;
	struct slot *slot;
	pid_t child; /* stored in the slot; 0: the master died before */
};

static int
claim_and_die(unsigned number, void *arg)
{
	struct family *f = arg;
	struct slot *slot = slot_claim(f->shm, ROLE_WORKER, 1, number);

	atomic_store(&slot->pid, f->child);
	f->slot = slot;
	return 0;
}

static struct slot *
left_by_a_dead_master(struct shm *s, pid_t child)
{
	struct family *f = world_shared(sizeof(*f));

	f->shm = s;
	f->child = child;
	children_run(1, claim_and_die, f);
	return f->slot;
}

/* The process that is running this test stands for one that lives. */
START_TEST(what_a_dead_master_left_is_an_orphan_when_its_process_is_dead_too)
{
	struct slot *slot;
	struct shm s;

	world_open(&s, 4, 4, 8);
	slot = left_by_a_dead_master(&s, 0);
	ck_assert(slot_is_orphaned(slot));
	slot_fold(&s, slot);
	ck_assert(!slot_is_orphaned(slot));
	ck_assert_uint_eq(slots_free(&s), 4);

	slot = left_by_a_dead_master(&s, getppid());
	ck_assert(!slot_is_orphaned(slot));
	ck_assert_int_eq(atomic_load(&slot->owner), getpid());
	ck_assert_uint_eq(slots_of_role(&s, ROLE_WORKER), 1);
	atomic_store(&slot->pid, 0);
	ck_assert(slot_is_orphaned(slot));
	shm_detach(&s);
}
END_TEST

START_TEST(a_slot_of_a_living_master_is_no_orphan)
{
	struct slot *slot;
	struct shm s;

	world_open(&s, 4, 4, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	atomic_store(&slot->owner, getppid());
	ck_assert(!slot_is_orphaned(slot));
	ck_assert_int_eq(atomic_load(&slot->owner), getppid());
	shm_detach(&s);
}
END_TEST

START_TEST(a_child_enters_the_slot_that_its_master_claimed_and_no_other_one)
{
	struct slot *slot;
	struct shm s;

	world_open(&s, 4, 4, 8);
	slot = left_by_a_dead_master(&s, 0);
	ck_assert(slot_enter(slot, atomic_load(&slot->owner)));
	ck_assert_int_eq(atomic_load(&slot->pid), getpid());
	ck_assert(!slot_is_orphaned(slot)); /* ours now, and its process lives */
	ck_assert(!slot_enter(slot, getppid()));
	ck_assert_int_eq(atomic_load(&slot->pid), 0);
	atomic_store(&slot->pid, getppid()); /* given to another one */
	ck_assert(!slot_enter(slot, atomic_load(&slot->owner)));
	ck_assert_int_eq(atomic_load(&slot->pid), getppid());
	shm_detach(&s);
}
END_TEST

START_TEST(a_slot_is_not_given_again_before_its_fold_is_over)
{
	struct slot *slot;
	struct shm s;

	world_open(&s, 4, 1, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	slot_set_state(slot, SLOT_FREE); /* as far as a fold that was not the end of it */
	ck_assert_ptr_null(slot_claim(&s, ROLE_WORKER, 1, 2));
	slot_fold(&s, slot);
	ck_assert_ptr_eq(slot_claim(&s, ROLE_WORKER, 1, 2), slot);
	shm_detach(&s);
}
END_TEST

START_TEST(the_oldest_generation_is_that_of_any_child_of_any_master)
{
	struct shm s;

	world_open(&s, 4, 4, 8);
	slot_claim(&s, ROLE_MASTER, 0, 0);
	ck_assert_uint_eq(slots_oldest_generation(&s, 7), 7);
	slot_claim(&s, ROLE_CHECKER, 5, 0);
	atomic_store(&slot_claim(&s, ROLE_WORKER, 3, 1)->owner, getppid());
	ck_assert_uint_eq(slots_oldest_generation(&s, 7), 3);
	shm_detach(&s);
}
END_TEST

START_TEST(states_have_names)
{
	ck_assert_str_eq(slot_state_name(SLOT_FREE), "free");
	ck_assert_str_eq(slot_state_name(SLOT_STARTING), "starting");
	ck_assert_str_eq(slot_state_name(SLOT_READY), "ready");
	ck_assert_str_eq(slot_state_name(SLOT_DRAINING), "draining");
	ck_assert_str_eq(slot_state_name((enum slot_state)77), "unknown");
}
END_TEST

enum { NOW_US = 100000000 };

/* A worker that holds so many connections. */
static struct slot *
working(struct shm *s, uint32_t generation, unsigned held, enum slot_door door)
{
	struct slot *slot = slot_claim(s, ROLE_WORKER, generation, 1);

	slot_set_state(slot, SLOT_READY);
	gauge_add(&slot->clients[CLIENT_IDLE], (int)held / 2);
	gauge_add(&slot->clients[CLIENT_ACTIVE], (int)(held - held / 2));
	ck_assert_uint_eq(slot_held(slot), held);
	slot_set_door(slot, door);
	return slot;
}

START_TEST(the_idlest_other_is_who_can_take_a_connection)
{
	struct slot *self, *other, *busier, *idlest;
	struct shm s;

	world_open(&s, 4, 10, 8);
	self = working(&s, 2, 1, DOOR_OPEN);
	ck_assert_ptr_null(slots_idlest_other(&s, self, NOW_US));
	slot_set_state(slot_claim(&s, ROLE_CHECKER, 2, 1), SLOT_READY);
	working(&s, 1, 0, DOOR_OPEN); /* of a former generation */
	working(&s, 2, 0, DOOR_SHUT);
	slot_set_state(working(&s, 2, 0, DOOR_OPEN), SLOT_DRAINING);
	ck_assert_ptr_null(slots_idlest_other(&s, self, NOW_US));
	busier = working(&s, 2, 8, DOOR_LEFT);
	ck_assert_ptr_eq(slots_idlest_other(&s, self, NOW_US), busier);
	other = working(&s, 2, 8, DOOR_OPEN); /* as many, but it needs no bell */
	ck_assert_ptr_eq(slots_idlest_other(&s, self, NOW_US), other);
	idlest = working(&s, 2, 7, DOOR_LEFT);
	ck_assert_ptr_eq(slots_idlest_other(&s, self, NOW_US), idlest);
	ck_assert_ptr_eq(slots_idlest_other(&s, idlest, NOW_US), self);
	atomic_store(&idlest->beat_us, NOW_US - 2900000);
	ck_assert_ptr_eq(slots_idlest_other(&s, self, NOW_US), idlest);
	atomic_store(&idlest->beat_us, NOW_US - 3100000); /* stopped, it seems */
	ck_assert_ptr_eq(slots_idlest_other(&s, self, NOW_US), other);
	slot_fold(&s, idlest);
	ck_assert_uint_eq(slot_held(idlest), 0);
	ck_assert_uint_eq(atomic_load(&idlest->door), DOOR_SHUT);
	ck_assert_ptr_eq(slots_idlest_other(&s, self, NOW_US), other);
	shm_detach(&s);
}
END_TEST

/* Every gauge and every counter of a slot, each with a value of its own. */
static void
fill(struct shm *s, struct slot *slot)
{
	for (unsigned row = 0; row < s->max_backends; row++) {
		gauge_add(&slot_active(s, slot)[row], 1 + (int)row);
		gauge_add(&slot_upstreams(s, slot, UPSTREAM_IDLE)[row], 100 + (int)row);
		gauge_add(&slot_upstreams(s, slot, UPSTREAM_ACTIVE)[row], 10000 + (int)row);
		metrics_request(s, slot, row, METHOD_GET, 200, 1);
		metrics_backend_error(s, slot, row, ERROR_CUT);
		metrics_health_check(s, slot, row, true);
	}
	for (int state = 0; state < N_CLIENT_STATES; state++)
		gauge_add(&slot->clients[state], state + 5);
	for (int c = 0; c < N_COUNTERS; c++)
		metrics_count(s, slot, (enum counter)c, (uint64_t)c + 1);
}

static void
check_gauges(const struct shm *s, uint32_t slots)
{
	for (unsigned row = 0; row < s->max_backends; row++) {
		ck_assert_uint_eq(slots_active(s, row), slots * (1 + row));
		ck_assert_uint_eq(slots_upstreams(s, row, UPSTREAM_IDLE), slots * (100 + row));
		ck_assert_uint_eq(slots_upstreams(s, row, UPSTREAM_ACTIVE), slots * (10000 + row));
	}
	for (unsigned state = 0; state < N_CLIENT_STATES; state++)
		ck_assert_uint_eq(slots_clients(s, (enum client_state)state), slots * (state + 5));
}

static void
check_counters(const struct shm *s, uint64_t slots)
{
	for (unsigned row = 0; row < s->max_backends; row++) {
		struct duration_sum sum;

		metrics_sum_durations(s, row, &sum);
		ck_assert_uint_eq(sum.count, slots);
		ck_assert_uint_eq(metrics_sum_backend_error(s, row, ERROR_CUT), slots);
		ck_assert_uint_eq(metrics_sum_health_checks(s, row, true), slots);
	}
	for (int c = 0; c < N_COUNTERS; c++)
		ck_assert_uint_eq(metrics_sum(s, (enum counter)c), slots * ((uint64_t)c + 1));
}

START_TEST(sums_go_over_all_slots_and_a_fold_leaves_the_counters_only)
{
	static const uint32_t backends[] = { 1, 15, 16, 17, 100 };

	for (size_t i = 0; i < N(backends); i++) {
		struct slot *slots[3];
		struct shm s;

		world_open(&s, backends[i], 4, 8);
		for (unsigned k = 0; k < 3; k++) {
			slots[k] = slot_claim(&s, ROLE_WORKER, 1, k);
			fill(&s, slots[k]);
			check_gauges(&s, k + 1);
			check_counters(&s, k + 1);
		}
		for (unsigned k = 0; k < 3; k++) {
			slot_fold(&s, slots[k]);
			check_gauges(&s, 2 - k);
			check_counters(&s, 3);
		}
		fill(&s, slot_claim(&s, ROLE_WORKER, 2, 0)); /* nothing of a predecessor is left */
		fill(&s, slot_claim(&s, ROLE_WORKER, 2, 1));
		check_gauges(&s, 2);
		check_counters(&s, 5);
		shm_detach(&s);
	}
}
END_TEST

START_TEST(a_folded_slot_is_nobodys)
{
	struct slot *slot;
	struct shm s;

	world_open(&s, 2, 1, 8);
	slot = slot_claim(&s, ROLE_WORKER, 1, 1);
	atomic_store(&slot->pid, 4711);
	atomic_store(&slot->beat_us, 5);
	atomic_store(&slot->lag_us, 5);
	slot_set_state(slot, SLOT_READY);
	slot_fold(&s, slot);
	ck_assert_uint_eq(atomic_load(&slot->state), SLOT_FREE);
	ck_assert_uint_eq(atomic_load(&slot->role), ROLE_NONE);
	ck_assert_int_eq(atomic_load(&slot->pid), 0);
	ck_assert_uint_eq(atomic_load(&slot->beat_us), 0);
	ck_assert_uint_eq(atomic_load(&slot->lag_us), 0);
	shm_detach(&s);
}
END_TEST

enum { ROWS = 20 };

static int
work_for_ever(unsigned number, void *arg)
{
	struct shm *s = arg;
	struct slot *slot = slot_at(s, 1);

	(void)number;
	for (unsigned i = 0;; i++) {
		unsigned row = i % ROWS;

		lease_take(s, slot, row);
		gauge_add(&slot->clients[CLIENT_ACTIVE], 1);
		gauge_add(&slot_upstreams(s, slot, UPSTREAM_ACTIVE)[row], 1);
		metrics_request(s, slot, row, METHOD_GET, 200 + (int)(i % 7), 10);
		gauge_add(&slot_upstreams(s, slot, UPSTREAM_ACTIVE)[row], -1);
		gauge_add(&slot->clients[CLIENT_ACTIVE], -1);
		if (i % 3 != 0)
			lease_give(s, slot, row); /* the others are in flight when it dies */
		metrics_count(s, slot, COUNTER_BYTES_IN, 1);
		atomic_fetch_add(&slot->accepted, 1);
	}
	return 0;
}

static uint64_t
requests_counted(const struct shm *s)
{
	uint64_t sum = 0;
	size_t n;
	struct request_sum *sums = metrics_sum_requests(s, &n);

	for (size_t i = 0; i < n; i++)
		sum += sums[i].count;
	free(sums);
	return sum;
}

static void
check_after_death(const struct shm *s)
{
	uint64_t durations = 0;

	for (unsigned row = 0; row < ROWS; row++) {
		struct duration_sum sum;

		ck_assert_uint_eq(slots_active(s, row), row == 0 ? 1 : 0);
		ck_assert_uint_eq(slots_upstreams(s, row, UPSTREAM_ACTIVE), 0);
		metrics_sum_durations(s, row, &sum);
		durations += sum.count;
	}
	ck_assert_uint_eq(slots_clients(s, CLIENT_ACTIVE), 0);
	/* It may have died between any two of its stores: at most its last request is in one sum alone. */
	ck_assert_uint_ge(requests_counted(s) + 1, durations); /* relaxed stores have no order */
	ck_assert_uint_le(requests_counted(s), durations + 1);
	ck_assert_uint_ge(requests_counted(s) + 1, metrics_sum(s, COUNTER_BYTES_IN));
	ck_assert_uint_le(requests_counted(s), metrics_sum(s, COUNTER_BYTES_IN) + 1);
}

START_TEST(a_process_killed_anywhere_leaves_no_gauge_behind_and_no_count_lost)
{
	for (unsigned round = 0; round < 20; round++) {
		struct shm s;
		struct slot *survivor, *victim;

		world_open(&s, ROWS, 2, 8);
		survivor = slot_claim(&s, ROLE_WORKER, 1, 1);
		victim = slot_claim(&s, ROLE_WORKER, 1, 2);
		ck_assert_uint_eq(slot_index(&s, victim), 1);
		lease_take(&s, survivor, 0);
		child_run_and_kill(work_for_ever, &s, &victim->accepted, 1000 + round * 37);
		ck_assert_uint_gt(slots_active(&s, 1), 0);
		slot_fold(&s, victim);
		check_after_death(&s);
		shm_detach(&s);
	}
}
END_TEST

START_TEST(successors_of_killed_processes_go_on_counting_in_their_slot)
{
	uint64_t so_far = 0;
	struct shm s;

	world_open(&s, ROWS, 2, 8);
	slot_claim(&s, ROLE_MASTER, 0, 0);
	for (unsigned life = 1; life <= 10; life++) {
		struct slot *slot = slot_claim(&s, ROLE_WORKER, life, 1);
		uint64_t now = atomic_load(&slot->accepted);

		ck_assert_uint_eq(slot_index(&s, slot), 1);
		child_run_and_kill(work_for_ever, &s, &slot->accepted, now + 500);
		slot_fold(&s, slot);
		ck_assert_uint_ge(requests_counted(&s), so_far + 500);
		so_far = requests_counted(&s);
		ck_assert_uint_ge(metrics_sum(&s, COUNTER_BYTES_IN) + life, so_far);
	}
	shm_detach(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("slot");
	TCase *t = tcase_create("slot");

	tcase_add_test(t, a_claimed_slot_says_for_whom_it_is);
	tcase_add_test(t, a_lag_is_there_to_be_seen_for_a_second);
	tcase_add_test(t, every_slot_is_given_once_and_then_none);
	tcase_add_test(t, slots_never_used_come_first_then_the_longest_free);
	tcase_add_test(t, masters_that_claim_at_once_never_hold_the_same_slot);
	tcase_add_test(t, what_a_dead_master_left_is_an_orphan_when_its_process_is_dead_too);
	tcase_add_test(t, a_slot_of_a_living_master_is_no_orphan);
	tcase_add_test(t, a_child_enters_the_slot_that_its_master_claimed_and_no_other_one);
	tcase_add_test(t, a_slot_is_not_given_again_before_its_fold_is_over);
	tcase_add_test(t, the_oldest_generation_is_that_of_any_child_of_any_master);
	tcase_add_test(t, states_have_names);
	tcase_add_test(t, the_idlest_other_is_who_can_take_a_connection);
	tcase_add_test(t, sums_go_over_all_slots_and_a_fold_leaves_the_counters_only);
	tcase_add_test(t, a_folded_slot_is_nobodys);
	tcase_add_test(t, a_process_killed_anywhere_leaves_no_gauge_behind_and_no_count_lost);
	tcase_add_test(t, successors_of_killed_processes_go_on_counting_in_their_slot);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
