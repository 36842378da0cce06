/*
 * Exchanges in flight: at whatever instruction a process dies, each is counted once, and what was lost is shown.
 */
#include "ballast/shm/flight.h"

#include <stdlib.h>
#include <string.h>

#include "../../src/shm/block.h"
#include "ballast/shm/backend.h"
#include "harness.h"
#include "shm_world.h"

enum { FLIGHTS = 8 };

static const struct ip client = { { 127, 0, 0, 1 } };

static struct slot *
open_world(struct shm *s)
{
	struct shm_shape shape = { 4, 3, 8, FLIGHTS };

	ck_assert_int_eq(shm_create(s, world_name(), &shape, (gid_t)-1), 0);
	ck_assert_int_eq(shm_remove(world_name()), 0);
	return slot_claim(s, ROLE_WORKER, 1, 1);
}

static uint64_t
requests(const struct shm *s)
{
	size_t n;
	struct request_sum *sums = metrics_sum_requests(s, &n);
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += sums[i].count;
	free(sums);
	return total;
}

static struct landing
landing(unsigned row, int status)
{
	return (struct landing){ .counted = true,
		.row = row,
		.status = (uint16_t)status,
		.method = METHOD_GET,
		.duration_us = 1000,
		.bytes_out = 10,
		.also = N_COUNTERS };
}

static void
remember(const struct flight *f, void *arg)
{
	unsigned *ports = arg;

	ports[0]++;
	ports[1] += f->port;
}

START_TEST(an_exchange_that_ended_is_counted_and_its_row_free)
{
	struct shm s;
	struct slot *slot = open_world(&s);
	struct flight *f = flight_at(&s, slot, 3);
	struct landing l = landing(1, 200);
	struct duration_sum durations;
	unsigned seen[2] = { 0, 0 };

	flight_begin(f, &client, 1, 5);
	l.also = COUNTER_RATE_LIMITED;
	flight_end(&s, slot, f, &l);
	ck_assert_uint_eq(requests(&s), 1);
	metrics_sum_durations(&s, 1, &durations);
	ck_assert_uint_eq(durations.count, 1);
	ck_assert_uint_eq(durations.sum_us, 1000);
	ck_assert_uint_eq(metrics_sum(&s, COUNTER_BYTES_OUT), 10);
	ck_assert_uint_eq(metrics_sum(&s, COUNTER_RATE_LIMITED), 1);
	ck_assert_uint_eq(flights_settle(&s, slot, 9, remember, seen), 0);
	ck_assert_uint_eq(seen[0], 0);
	ck_assert_uint_eq(requests(&s), 1);
	shm_detach(&s);
}
END_TEST

START_TEST(what_was_in_flight_is_lost_once_and_shown_once)
{
	struct shm s;
	struct slot *slot = open_world(&s);
	unsigned seen[2] = { 0, 0 };

	for (uint16_t i = 0; i < FLIGHTS; i += 2)
		flight_begin(flight_at(&s, slot, i), &client, i, 5);
	ck_assert_uint_eq(flights_settle(&s, slot, 9, remember, seen), FLIGHTS / 2);
	ck_assert_uint_eq(seen[0], FLIGHTS / 2);
	ck_assert_uint_eq(seen[1], 0 + 2 + 4 + 6);
	ck_assert_uint_eq(metrics_sum(&s, COUNTER_EXCHANGES_LOST), FLIGHTS / 2);
	ck_assert_uint_eq(requests(&s), 0);
	ck_assert_uint_eq(flights_settle(&s, slot, 9, remember, seen), 0);
	shm_detach(&s);
}
END_TEST

START_TEST(an_answer_makes_it_a_request_and_a_whole_one_no_loss)
{
	static const struct {
		uint16_t status;
		uint8_t facts;
		uint64_t requests, lost;
	} cases[] = {
		{ 0, 0, 0, 1 },
		{ 0, FLIGHT_SENT, 0, 1 },
		{ 200, FLIGHT_SENT, 1, 1 },
		{ 200, FLIGHT_SENT | FLIGHT_ANSWERED, 1, 0 },
		{ 200, FLIGHT_INTERNAL | FLIGHT_ANSWERED, 0, 0 },
		{ 200, FLIGHT_INTERNAL, 0, 1 },
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct shm s;
		struct slot *slot = open_world(&s);
		struct flight *f = flight_at(&s, slot, 0);
		unsigned seen[2] = { 0, 0 };

		flight_begin(f, &client, 1, 5);
		f->row = 2;
		f->status = cases[i].status;
		f->facts = cases[i].facts;
		ck_assert_uint_eq(flights_settle(&s, slot, 9, remember, seen), cases[i].lost);
		ck_assert_uint_eq(seen[0], cases[i].lost);
		ck_assert_uint_eq(requests(&s), cases[i].requests);
		shm_detach(&s);
	}
}
END_TEST

/* The log as a process leaves it that died between its commit and any of the stores. */
START_TEST(a_transaction_that_was_committed_is_done_however_often)
{
	struct shm s;
	struct slot *slot = open_world(&s);
	struct ledger *ledger = ledger_of(&s, slot);
	struct flight *f = flight_at(&s, slot, 0);
	unsigned seen[2] = { 0, 0 };

	for (int stored = 0; stored <= 2; stored++) {
		uint64_t before = metrics_sum(&s, COUNTER_RETRIES);
		unsigned n = 0;

		flight_begin(f, &client, 1, 5);
		redo_add(&ledger->redo, &n, &ledger->counter[COUNTER_RETRIES], 1);
		redo_set(&ledger->redo, &n, &f->held, 0);
		atomic_store(&ledger->redo.n, n);
		if (stored > 0)
			atomic_store(&ledger->counter[COUNTER_RETRIES], before + 1);
		if (stored > 1)
			atomic_store(&f->held, 0);
		ck_assert_uint_eq(flights_settle(&s, slot, 9, remember, seen), 0);
		ck_assert_uint_eq(metrics_sum(&s, COUNTER_RETRIES), before + 1);
		ck_assert_uint_eq(atomic_load(&ledger->redo.n), 0);
	}
	shm_detach(&s);
}
END_TEST

START_TEST(a_transaction_that_was_not_committed_did_not_happen)
{
	struct shm s;
	struct slot *slot = open_world(&s);
	struct ledger *ledger = ledger_of(&s, slot);
	unsigned n = 0, seen[2] = { 0, 0 };

	redo_add(&ledger->redo, &n, &ledger->counter[COUNTER_RETRIES], 1);
	ck_assert_uint_eq(flights_settle(&s, slot, 9, remember, seen), 0);
	ck_assert_uint_eq(metrics_sum(&s, COUNTER_RETRIES), 0);
	shm_detach(&s);
}
END_TEST

/* A fault may have written anything: the master that reads it must live, and stay in that slot. */
START_TEST(nonsense_in_a_slot_leads_nowhere)
{
	struct shm s;
	struct slot *slot = open_world(&s), *other = slot_claim(&s, ROLE_WORKER, 1, 2);
	struct ledger *ledger = ledger_of(&s, slot);
	struct flight *f = flight_at(&s, slot, 0);
	unsigned seen[2] = { 0, 0 };

	memset(f, 0xff, sizeof(*f));
	atomic_store(&ledger->redo.n, REDO_MAX + 1);
	flights_settle(&s, slot, 9, remember, seen);
	ck_assert_uint_eq(seen[0], 0); /* its facts say that the answer was whole */
	atomic_store(&ledger->redo.n, 1);
	ledger->redo.entry[0].at =
		(uint64_t)((char *)&ledger_of(&s, other)->counter - (char *)&ledger->redo);
	ledger->redo.entry[0].after = 77;
	flights_settle(&s, slot, 9, remember, seen);
	ck_assert_uint_eq(metrics_sum(&s, (enum counter)0), 0);
	shm_detach(&s);
}
END_TEST

START_TEST(the_row_in_hand_is_found_and_a_number_beyond_the_rows_is_none)
{
	struct shm s;
	struct slot *slot = open_world(&s);

	ck_assert_ptr_null(flight_in_hand(&s, slot));
	atomic_store(&slot->in_hand, 3);
	ck_assert_ptr_eq(flight_in_hand(&s, slot), flight_at(&s, slot, 2));
	atomic_store(&slot->in_hand, FLIGHTS + 1);
	ck_assert_ptr_null(flight_in_hand(&s, slot));
	slot_fold(&s, slot);
	ck_assert_ptr_null(flight_in_hand(&s, slot));
	shm_detach(&s);
}
END_TEST

/* ---- a process that is killed at any instruction */

struct told {
	struct shm *s;
	_Atomic uint64_t *begun,
		*ended; /* by the child's own account, the second one after the fact */
};

static int
fly(unsigned number, void *arg)
{
	struct told *t = arg;
	struct slot *slot = slot_at(t->s, 0);

	(void)number;
	for (;;) {
		uint64_t i = atomic_load(t->begun);
		struct flight *f = flight_at(t->s, slot, (unsigned)(i % FLIGHTS));
		struct landing l = landing((unsigned)(i % 4), 200 + (int)(i % 3));

		flight_begin(f, &client, 1, 5);
		atomic_store(t->begun, i + 1);
		flight_end(t->s, slot, f, &l);
		atomic_store(t->ended, i + 1);
	}
	return 0;
}

START_TEST(a_killed_process_has_each_exchange_counted_or_lost)
{
	struct shm s;
	struct slot *slot = open_world(&s);
	_Atomic uint64_t *words = world_shared(2 * sizeof(*words));
	struct told told = { &s, &words[0], &words[1] };
	uint64_t lost = 0;

	for (int life = 0; life < 60; life++) {
		unsigned seen[2] = { 0, 0 };
		uint64_t done, sum = 0;

		child_run_and_kill(fly, &told, told.begun, atomic_load(told.begun) + 100);
		lost += flights_settle(&s, slot, 9, remember, seen);
		done = requests(&s);
		for (unsigned row = 0; row < 4; row++) {
			struct duration_sum durations;

			metrics_sum_durations(&s, row, &durations);
			sum += durations.count;
		}
		ck_assert_uint_eq(sum, done);
		ck_assert_uint_eq(metrics_sum(&s, COUNTER_BYTES_OUT), 10 * done);
		ck_assert_uint_ge(done + lost, atomic_load(told.begun));
		ck_assert_uint_le(done + lost, atomic_load(told.begun) + (uint64_t)life + 1);
		ck_assert_uint_ge(done, atomic_load(told.ended) - (uint64_t)life);
	}
	shm_detach(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("flight");
	TCase *t = tcase_create("flight");

	tcase_add_test(t, an_exchange_that_ended_is_counted_and_its_row_free);
	tcase_add_test(t, what_was_in_flight_is_lost_once_and_shown_once);
	tcase_add_test(t, an_answer_makes_it_a_request_and_a_whole_one_no_loss);
	tcase_add_test(t, a_transaction_that_was_committed_is_done_however_often);
	tcase_add_test(t, a_transaction_that_was_not_committed_did_not_happen);
	tcase_add_test(t, nonsense_in_a_slot_leads_nowhere);
	tcase_add_test(t, the_row_in_hand_is_found_and_a_number_beyond_the_rows_is_none);
	tcase_add_test(t, a_killed_process_has_each_exchange_counted_or_lost);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
