/*
 * The limiter: what it admits is compared with a token bucket written the
 * naive way, over any clock reading including the wrap of its 40-bit times.
 */
#include "ballast/shm/rate.h"

#include <string.h>

#include "harness.h"
#include "rate_world.h"

/* How many of n at one moment are let through. */
static unsigned
take_many(struct shm *s, const struct rate_limit *limit, uint64_t hash, uint64_t now, unsigned n)
{
	unsigned allowed = 0;

	for (unsigned i = 0; i < n; i++)
		allowed += rate_take(s, limit, hash, now).allowed;
	return allowed;
}

/* Official vector of SipHash-2-4: key and input 00 01 .. 0f. */
START_TEST(the_hash_is_siphash_under_the_segments_key)
{
	struct shm s;
	struct ip ip;
	uint64_t before;

	world_open(&s, 1, 1, 8);
	for (uint8_t i = 0; i < 16; i++)
		ip.b[i] = i;
	before = rate_hash(&s, &ip);
	for (uint8_t i = 0; i < 16; i++)
		s.head->rate_key[i] = i;
	ck_assert_uint_eq(rate_hash(&s, &ip), UINT64_C(0x3f2acc7f57c29bdb));
	ck_assert_uint_ne(before, rate_hash(&s, &ip));
	shm_detach(&s);
}
END_TEST

START_TEST(a_limit_becomes_cost_and_depth_in_eighths_of_a_microsecond)
{
	static const struct {
		double rate;
		uint32_t burst;
		uint64_t cost, depth;
	} cases[] = {
		{ 10, 20, 800000, 16000000 }, { 1, 1, 8000000, 8000000 },
		{ 3, 1, 2666667, 2666667 },
		{ 0.001, 28, UINT64_C(8000000000), UINT64_C(224000000000) },
		{ 1e6, 1000000, 8, 8000000 },
		{ 1e9, 5, 1, 5 }, /* faster than the clock: never less than a unit */
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct rate_limit limit = limit_of(cases[i].rate, cases[i].burst);

		ck_assert_uint_eq(limit.cost, cases[i].cost);
		ck_assert_uint_eq(limit.depth, cases[i].depth);
		ck_assert_uint_eq(limit.burst, cases[i].burst);
	}
}
END_TEST

START_TEST(sixty_rapid_requests_at_ten_a_second_with_a_burst_of_twenty_give_twenty_to_twenty_five)
{
	static const uint64_t takes_us[] = { 0, 100000, 400000, 499999 };

	for (size_t k = 0; k < N(takes_us); k++) {
		struct rate_limit limit = limit_of(10, 20);
		unsigned allowed = 0;
		struct shm s;

		world_open(&s, 1, 1, 1024);
		for (unsigned i = 0; i < 60; i++)
			allowed += rate_take(&s, &limit, 77, HOUR + takes_us[k] * i / 59).allowed;
		ck_assert_uint_ge(allowed, 20);
		ck_assert_uint_le(allowed, 25);
		shm_detach(&s);
	}
}
END_TEST

START_TEST(the_answer_counts_down_and_tells_when_there_is_more)
{
	struct rate_limit limit = limit_of(10, 3);
	struct rate_answer a;
	struct shm s;

	world_open(&s, 1, 1, 8);
	for (uint32_t left = 3; left-- > 0;) {
		a = rate_take(&s, &limit, 1, HOUR);
		ck_assert(a.allowed);
		ck_assert(!a.evicted);
		ck_assert_uint_eq(a.remaining, left);
		ck_assert_uint_eq(a.retry_us, 0);
		ck_assert_uint_eq(a.reset_us, (3 - left) * 100000);
	}
	a = rate_take(&s, &limit, 1, HOUR + 40000);
	ck_assert(!a.allowed);
	ck_assert_uint_eq(a.remaining, 0);
	ck_assert_uint_eq(a.retry_us, 60000);
	ck_assert_uint_eq(a.reset_us, 260000);
	ck_assert(!rate_take(&s, &limit, 1, HOUR + 99999).allowed);
	ck_assert(rate_take(&s, &limit, 1, HOUR + 100000).allowed);
	ck_assert(!rate_take(&s, &limit, 1, HOUR + 100000).allowed);
	shm_detach(&s);
}
END_TEST

START_TEST(a_refusal_costs_nothing)
{
	struct rate_limit limit = limit_of(10, 5);
	struct shm s;

	world_open(&s, 1, 1, 8);
	ck_assert_uint_eq(take_many(&s, &limit, 1, HOUR, 1000), 5);
	ck_assert_uint_eq(take_many(&s, &limit, 1, HOUR + SECOND, 1000), 5);
	shm_detach(&s);
}
END_TEST

START_TEST(clients_do_not_share_a_bucket)
{
	struct rate_limit limit = limit_of(1, 4);
	struct shm s;

	world_open(&s, 1, 1, 64);
	for (uint64_t set = 0; set < 8; set++)
		for (uint64_t tag = 1; tag <= RATE_WAYS; tag++)
			ck_assert_uint_eq(take_many(&s, &limit, HASH(set, tag), HOUR, 9), 4);
	for (uint64_t set = 0; set < 8; set++)
		for (uint64_t tag = 1; tag <= RATE_WAYS; tag++)
			ck_assert(!rate_take(&s, &limit, HASH(set, tag), HOUR).allowed);
	shm_detach(&s);
}
END_TEST

START_TEST(a_hash_whose_tag_is_zero_is_limited_too)
{
	struct rate_limit limit = limit_of(1, 4);
	struct shm s;

	world_open(&s, 1, 1, 8);
	ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 0), HOUR, 9), 4);
	ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 0), HOUR + 60 * SECOND, 9), 4);
	shm_detach(&s);
}
END_TEST

/* The bucket as everybody would write it: credit grows with time up to the depth, a request takes its cost. */
struct naive {
	uint64_t credit, at_us;
};

static bool
naive_take(struct naive *b, const struct rate_limit *limit, uint64_t now_us)
{
	uint64_t grown = b->credit + (now_us - b->at_us) * 8;

	b->credit = grown < limit->depth ? grown : limit->depth;
	b->at_us = now_us;
	if (b->credit < limit->cost)
		return false;
	b->credit -= limit->cost;
	return true;
}

static void
follow_a_trace(const struct rate_limit *limit, uint64_t now, uint64_t seed)
{
	uint32_t mean_us = (uint32_t)(limit->cost / 8 / 3 + 1), idle = 0;
	uint64_t swept = now;
	struct naive model[6];
	struct shm s;

	world_open(&s, 1, 1, 8); /* one set, so that clients meet */
	for (size_t i = 0; i < N(model); i++)
		model[i] = (struct naive){ limit->depth, now };
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t client = random_below(&seed, N(model));
		bool expected = naive_take(&model[client], limit, now);
		struct rate_answer a = rate_take(&s, limit, HASH(0, client + 1), now);

		ck_assert_int_eq(a.allowed, expected);
		ck_assert(!a.evicted);
		if (a.allowed)
			ck_assert_uint_eq(a.remaining, model[client].credit / limit->cost);
		ck_assert_uint_eq(a.reset_us, (limit->depth - model[client].credit + 7) / 8);
		idle = random_below(&seed, 100);
		now += idle == 0 ? limit->depth / 4 : random_below(&seed, mean_us);
		if (now - swept > HOUR / 2) {
			rate_sweep(&s, now);
			swept = now;
		}
	}
	shm_detach(&s);
}

START_TEST(any_trace_is_admitted_as_a_naive_token_bucket_admits_it)
{
	static const struct {
		double rate;
		uint32_t burst;
	} limits[] = { { 10, 20 }, { 1, 1 }, { 1000, 7 }, { 0.5, 3 }, { 123456, 1000 },
		{ 0.001, 28 } };
	static const uint64_t starts[] = { 0, HOUR, WRAP_US - SECOND, WRAP_US / 2 - SECOND,
		UINT64_C(7) * WRAP_US - 10 * HOUR };

	for (size_t i = 0; i < N(limits); i++) {
		struct rate_limit limit = limit_of(limits[i].rate, limits[i].burst);

		for (size_t k = 0; k < N(starts); k++)
			follow_a_trace(&limit, starts[k], i * 100 + k);
	}
}
END_TEST

START_TEST(a_process_whose_clock_reading_is_older_gets_no_more_than_its_share)
{
	struct rate_limit limit = limit_of(10, 20);
	struct shm s;

	world_open(&s, 1, 1, 8);
	ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 5), HOUR, 100), 20);
	ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 5), HOUR - SECOND, 100), 0);
	ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 6), HOUR, 1), 1);
	ck_assert_uint_le(take_many(&s, &limit, HASH(0, 6), HOUR - SECOND, 100), 19);
	shm_detach(&s);
}
END_TEST

START_TEST(a_debt_from_a_stricter_limit_does_not_outlast_the_reload)
{
	struct rate_limit strict = limit_of(0.001, 20), loose = limit_of(10, 20);
	struct shm s;

	world_open(&s, 1, 1, 8);
	ck_assert_uint_eq(take_many(&s, &strict, HASH(0, 5), HOUR, 100), 20);
	ck_assert_uint_eq(take_many(&s, &loose, HASH(0, 5), HOUR, 100), 0);
	ck_assert_uint_eq(take_many(&s, &loose, HASH(0, 5), HOUR + SECOND, 100), 10);
	shm_detach(&s);
}
END_TEST

START_TEST(a_full_bucket_makes_room_before_any_other_and_nothing_is_lost)
{
	struct rate_limit limit = limit_of(1, 10);
	struct shm s;

	world_open(&s, 1, 1, 8);
	for (uint64_t tag = 1; tag <= RATE_WAYS; tag++) /* tag 3 will be full first */
		take_many(&s, &limit, HASH(0, tag), HOUR, tag == 3 ? 2 : 5);
	ck_assert(!rate_take(&s, &limit, HASH(0, 9), HOUR + 3 * SECOND).evicted);
	for (uint64_t tag = 1; tag <= RATE_WAYS; tag++)
		if (tag != 3) /* 5 taken, 3 grown again */
			ck_assert_uint_eq(
				take_many(&s, &limit, HASH(0, tag), HOUR + 3 * SECOND, 20), 8);
	shm_detach(&s);
}
END_TEST

START_TEST(without_a_full_bucket_the_fullest_makes_room_and_it_is_told)
{
	struct rate_limit limit = limit_of(1, 10);
	struct rate_answer a;
	struct shm s;

	world_open(&s, 1, 1, 8);
	for (uint64_t tag = 1; tag <= RATE_WAYS; tag++)
		take_many(&s, &limit, HASH(0, tag), HOUR, tag == 6 ? 2 : 5);
	a = rate_take(&s, &limit, HASH(0, 9), HOUR);
	ck_assert(a.allowed);
	ck_assert(a.evicted);
	ck_assert_uint_eq(a.remaining, 9);
	for (uint64_t tag = 1; tag <= RATE_WAYS; tag++)
		if (tag != 6)
			ck_assert_uint_eq(take_many(&s, &limit, HASH(0, tag), HOUR, 20), 5);
	shm_detach(&s);
}
END_TEST

START_TEST(the_client_that_took_most_survives_a_flood_of_new_ones)
{
	struct rate_limit limit = limit_of(1, 10);
	struct shm s;

	world_open(&s, 1, 1, 8);
	ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 1), HOUR, 10), 10);
	for (uint64_t tag = 2; tag < 5000; tag++)
		ck_assert(rate_take(&s, &limit, HASH(0, tag), HOUR).allowed);
	ck_assert(!rate_take(&s, &limit, HASH(0, 1), HOUR).allowed);
	shm_detach(&s);
}
END_TEST

START_TEST(the_sweep_empties_full_buckets_and_counts_the_others)
{
	struct rate_limit limit = limit_of(1, 100);
	struct shm s;

	world_open(&s, 1, 1, 64);
	for (uint64_t client = 0; client < 20; client++)
		take_many(&s, &limit, HASH(client % 8, client + 1), HOUR, client < 5 ? 50 : 3);
	ck_assert_uint_eq(rate_sweep(&s, HOUR), 20);
	ck_assert_uint_eq(rate_sweep(&s, HOUR + 4 * SECOND), 20); /* full, but not yet for all */
	ck_assert_uint_eq(rate_sweep(&s, HOUR + 14 * SECOND), 5);
	ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 1), HOUR + 14 * SECOND, 200), 64);
	ck_assert_uint_eq(rate_sweep(&s, HOUR + 1000 * SECOND), 0);
	for (uint32_t i = 0; i < s.rate_sets * RATE_WAYS; i++)
		ck_assert_uint_eq(s.rate[i], 0);
	shm_detach(&s);
}
END_TEST

/* A turn that began at HOUR is still going on when somebody with a later clock makes room. */
START_TEST(a_bucket_that_lacks_tokens_for_an_older_turn_does_not_give_way)
{
	struct rate_limit limit = limit_of(10, 20);
	struct shm s;

	for (int by_sweep = 0; by_sweep < 2; by_sweep++) {
		uint64_t later = HOUR + 3 * SECOND;

		world_open(&s, 1, 1, 8);
		for (uint64_t tag = 2; tag <= RATE_WAYS; tag++)
			take_many(&s, &limit, HASH(0, tag), HOUR - 60 * SECOND, 20);
		ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 1), HOUR, 100), 20);
		if (by_sweep)
			rate_sweep(&s, later);
		else
			ck_assert(!rate_take(&s, &limit, HASH(0, 9), later).evicted);
		ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 1), HOUR, 100), 0);
		shm_detach(&s);
	}
}
END_TEST

START_TEST(no_bucket_comes_back_from_the_past_while_the_sweep_is_hourly)
{
	struct rate_limit limit = limit_of(100, 10);
	struct shm s;

	world_open(&s, 1, 1, 8);
	for (uint64_t idle_h = 1; idle_h < 80; idle_h++) {
		uint64_t now = 10 * WRAP_US;

		take_many(&s, &limit, 3, now, 10);
		for (uint64_t hour = 1; hour <= idle_h; hour++)
			rate_sweep(&s, now + hour * HOUR - SECOND);
		ck_assert_uint_eq(take_many(&s, &limit, 3, now + idle_h * HOUR, 20), 10);
		rate_sweep(&s, now + (idle_h + 1) * HOUR);
	}
	shm_detach(&s);
}
END_TEST

/* What a race of two insertions may leave: it must count as one client from the first look on. */
START_TEST(two_words_of_one_client_become_one_and_no_token_is_gained)
{
	struct rate_limit limit = limit_of(10, 20);
	uint64_t now = HOUR * 8, tag = UINT64_C(5) << 40;
	static const struct {
		int64_t first, second; /* their times, from now */
		unsigned allowed;
	} cases[] = {
		{ -3600000000 * 8, -3600000000 * 8, 20 }, /* both put in, both untouched */
		{ -3600000000 * 8, 5 * 800000, 15 },
		{ 5 * 800000, -3600000000 * 8, 15 },
		{ -8, -80, 20 },
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct shm s;

		world_open(&s, 1, 1, 8);
		s.rate[2] = tag | (now + (uint64_t)cases[i].first);
		s.rate[6] = tag | (now + (uint64_t)cases[i].second);
		ck_assert_uint_eq(take_many(&s, &limit, HASH(0, 5), HOUR, 100), cases[i].allowed);
		ck_assert((s.rate[2] == 0) != (s.rate[6] == 0));
		shm_detach(&s);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rate");
	TCase *t = tcase_create("rate");

	tcase_add_test(t, the_hash_is_siphash_under_the_segments_key);
	tcase_add_test(t, a_limit_becomes_cost_and_depth_in_eighths_of_a_microsecond);
	tcase_add_test(t,
		sixty_rapid_requests_at_ten_a_second_with_a_burst_of_twenty_give_twenty_to_twenty_five);
	tcase_add_test(t, the_answer_counts_down_and_tells_when_there_is_more);
	tcase_add_test(t, a_refusal_costs_nothing);
	tcase_add_test(t, clients_do_not_share_a_bucket);
	tcase_add_test(t, a_hash_whose_tag_is_zero_is_limited_too);
	tcase_add_test(t, any_trace_is_admitted_as_a_naive_token_bucket_admits_it);
	tcase_add_test(t, a_process_whose_clock_reading_is_older_gets_no_more_than_its_share);
	tcase_add_test(t, a_debt_from_a_stricter_limit_does_not_outlast_the_reload);
	tcase_add_test(t, a_full_bucket_makes_room_before_any_other_and_nothing_is_lost);
	tcase_add_test(t, without_a_full_bucket_the_fullest_makes_room_and_it_is_told);
	tcase_add_test(t, the_client_that_took_most_survives_a_flood_of_new_ones);
	tcase_add_test(t, the_sweep_empties_full_buckets_and_counts_the_others);
	tcase_add_test(t, a_bucket_that_lacks_tokens_for_an_older_turn_does_not_give_way);
	tcase_add_test(t, no_bucket_comes_back_from_the_past_while_the_sweep_is_hourly);
	tcase_add_test(t, two_words_of_one_client_become_one_and_no_token_is_gained);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
