/*
 * The limiter under many processes: the totals are exact whatever races for
 * the words of a set, insertions, evictions and the sweep included.
 */
#include "ballast/shm/rate.h"

#include "harness.h"
#include "rate_world.h"

enum { ASKERS = 4, ROUNDS = 150, CLIENTS = 6, BURST = 5, PAIR = 2, DUELS = 40000, DUEL_TAKES = 3 };

struct storm {
	struct shm s;
	_Atomic uint32_t arrived;
	_Atomic uint32_t allowed[ROUNDS][CLIENTS];
	_Atomic uint32_t evicted;
	_Atomic uint32_t duelled[DUELS];
};

/* In every round all buckets are full and may vanish under the sweep of one of the askers. */
static int
ask_all_clients(unsigned number, void *arg)
{
	struct storm *storm = arg;
	struct rate_limit limit = limit_of(1000, BURST);

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint64_t now = WRAP_US - 20 * HOUR + round * HOUR;

		rendezvous(&storm->arrived, ASKERS, round);
		for (unsigned i = 0; i < 2 * BURST * CLIENTS; i++) {
			unsigned client = i % CLIENTS;
			struct rate_answer a =
				rate_take(&storm->s, &limit, HASH(0, client + 1), now);

			storm->allowed[round][client] += a.allowed;
			storm->evicted += a.evicted;
			if (number == i % ASKERS && i < 8)
				rate_sweep(&storm->s, now);
		}
	}
	return 0;
}

START_TEST(processes_asking_at_once_admit_exactly_the_burst_of_every_client)
{
	struct storm *storm = world_shared(sizeof(*storm));

	world_open(&storm->s, 1, 1, 8); /* one set: insertions race for the same words */
	children_run(ASKERS, ask_all_clients, storm);
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned client = 0; client < CLIENTS; client++)
			ck_assert_uint_eq(storm->allowed[round][client], BURST);
	ck_assert_uint_eq(storm->evicted, 0);
	shm_detach(&storm->s);
}
END_TEST

/*
 * Two meet in every round over one client that neither has seen, in a set which one of them is just
 * emptying of the clients of rounds before: so they may put it into different words.
 */
static int
duel(unsigned number, void *arg)
{
	struct storm *storm = arg;
	struct rate_limit limit = limit_of(1000, DUEL_TAKES);

	for (uint32_t round = 0; round < DUELS; round++) {
		uint64_t now = HOUR + round * 20 * SECOND;
		uint32_t allowed = 0;

		rendezvous(&storm->arrived, PAIR, round);
		for (unsigned i = 0; i < 2 * DUEL_TAKES; i++) {
			if (i == 0 && number == round % PAIR)
				rate_sweep(&storm->s, now);
			allowed +=
				rate_take(&storm->s, &limit, HASH(0, 1 + round % 3), now).allowed;
		}
		atomic_fetch_add(&storm->duelled[round], allowed);
	}
	return 0;
}

START_TEST(two_that_put_in_one_client_at_once_share_one_bucket)
{
	struct storm *storm = world_shared(sizeof(*storm));

	world_open(&storm->s, 1, 1, 8);
	children_run(PAIR, duel, storm);
	for (unsigned round = 0; round < DUELS; round++)
		ck_assert_uint_eq(storm->duelled[round], DUEL_TAKES);
	shm_detach(&storm->s);
}
END_TEST

struct refill {
	struct shm s;
	_Atomic uint64_t ticks; /* the clock all share, 1 us a request */
	_Atomic uint32_t allowed;
};

enum { REFILL_ASKS = 20000, REFILL_BURST = 50 };

static int
ask_by_the_shared_clock(unsigned number, void *arg)
{
	struct refill *r = arg;
	struct rate_limit limit = limit_of(100000, REFILL_BURST); /* one in 10 us */

	(void)number;
	for (unsigned i = 0; i < REFILL_ASKS; i++) {
		uint64_t now = HOUR + atomic_fetch_add(&r->ticks, 1);

		r->allowed += rate_take(&r->s, &limit, 42, now).allowed;
	}
	return 0;
}

START_TEST(processes_asking_at_once_admit_exactly_burst_and_refill)
{
	struct refill *r = world_shared(sizeof(*r));
	uint32_t most = REFILL_BURST + ASKERS * REFILL_ASKS / 10;

	world_open(&r->s, 1, 1, 8);
	children_run(ASKERS, ask_by_the_shared_clock, r);
	ck_assert_uint_le(r->allowed, most);
	/* The last to be asked may be behind the clock: what it found refused, nobody asks for again. */
	ck_assert_uint_ge(r->allowed, most - REFILL_BURST);
	shm_detach(&r->s);
}
END_TEST

static int
bring_ever_new_clients(unsigned number, void *arg)
{
	struct storm *storm = arg;
	struct rate_limit limit = limit_of(1, BURST);

	for (uint64_t i = 0; i < 20000; i++)
		if (!rate_take(&storm->s, &limit, HASH(0, 1 + number * 20000 + i), HOUR).allowed)
			return 1;
	return 0;
}

START_TEST(a_set_that_everybody_evicts_from_still_answers_everybody)
{
	struct storm *storm = world_shared(sizeof(*storm));

	world_open(&storm->s, 1, 1, 8);
	children_run(ASKERS, bring_ever_new_clients, storm);
	shm_detach(&storm->s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rate storm");
	TCase *t = tcase_create("rate storm");

	tcase_add_test(t, processes_asking_at_once_admit_exactly_the_burst_of_every_client);
	tcase_add_test(t, two_that_put_in_one_client_at_once_share_one_bucket);
	tcase_add_test(t, processes_asking_at_once_admit_exactly_burst_and_refill);
	tcase_add_test(t, a_set_that_everybody_evicts_from_still_answers_everybody);
	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	return unit_main(s);
}
