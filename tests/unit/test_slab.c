/*
 * The slab: as many objects as were promised, none twice, the warmest first,
 * and memory touched only where it was used.
 */
#include "ballast/base/slab.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

START_TEST(it_gives_its_capacity_and_then_null)
{
	static const size_t sizes[] = { 1, 63, 64, 65, 4096, 16384 };

	for (size_t k = 0; k < N(sizes); k++) {
		struct slab s;
		char *objects[10];

		ck_assert_int_eq(slab_init(&s, 10, sizes[k]), 0);
		for (int i = 0; i < 10; i++) {
			objects[i] = slab_take(&s);
			ck_assert_ptr_nonnull(objects[i]);
			ck_assert_uint_eq((uintptr_t)objects[i] % 64, 0);
			memset(objects[i], i, sizes[k]);
		}
		ck_assert_ptr_null(slab_take(&s));
		ck_assert_uint_eq(s.in_use, 10);
		for (int i = 0; i < 10; i++) { /* none lies in another */
			ck_assert_int_eq(objects[i][0], i);
			ck_assert_int_eq(objects[i][sizes[k] - 1], i);
		}
		slab_free_all(&s);
	}
}
END_TEST

START_TEST(the_last_given_back_is_the_first_taken)
{
	struct slab s;
	void *a, *b, *c;

	ck_assert_int_eq(slab_init(&s, 3, 100), 0);
	a = slab_take(&s);
	b = slab_take(&s);
	c = slab_take(&s);
	slab_give(&s, a);
	slab_give(&s, c);
	slab_give(&s, b);
	ck_assert_uint_eq(s.in_use, 0);
	ck_assert_ptr_eq(slab_take(&s), b);
	ck_assert_ptr_eq(slab_take(&s), c);
	ck_assert_ptr_eq(slab_take(&s), a);
	ck_assert_ptr_null(slab_take(&s));
	slab_free_all(&s);
}
END_TEST

START_TEST(used_objects_come_before_untouched_ones)
{
	struct slab s;
	void *a;

	ck_assert_int_eq(slab_init(&s, 1000, 4096), 0);
	for (int i = 0; i < 5000; i++) {
		a = slab_take(&s);
		slab_give(&s, a);
	}
	ck_assert_uint_eq(s.n_used_ever, 1);
	slab_free_all(&s);
}
END_TEST

START_TEST(what_was_never_used_is_not_resident)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	static unsigned char resident[1024];
	struct slab s;
	size_t n = 0;
	char *a;

	ck_assert_int_eq(slab_init(&s, 1024, page), 0);
	a = slab_take(&s);
	a[0] = 1;
	ck_assert_int_eq(mincore(s.base, 1024 * page, resident), 0);
	for (size_t i = 0; i < N(resident); i++)
		n += resident[i] & 1u;
	ck_assert_uint_lt(n, N(resident)); /* huge pages may bring neighbours along, not all */
	slab_free_all(&s);
}
END_TEST

enum { MANY = 16384, KEPT = (2 << 20) / 4096 }; /* 64 MiB */

static size_t
resident(const struct slab *s)
{
	static unsigned char pages[MANY];
	size_t n = 0;

	ck_assert_int_eq(mincore(s->base, (size_t)MANY * 4096, pages), 0);
	for (size_t i = 0; i < MANY; i++)
		n += pages[i] & 1u;
	return n;
}

static void *many[MANY];

static void
use(struct slab *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memset(many[i] = slab_take(s), 1, 4096);
	for (unsigned i = 0; i < n; i++)
		slab_give(s, many[i]);
}

START_TEST(what_many_used_goes_back_when_they_do_not_come_again)
{
	struct slab s;
	unsigned trims = 0;

	ck_assert_int_eq(slab_init(&s, MANY, 4096), 0);
	use(&s, MANY);
	slab_trim(&s); /* they were many until now */
	ck_assert_uint_eq(resident(&s), MANY);
	while (resident(&s) > KEPT && trims++ < 10) {
		use(&s, 3); /* few go on */
		slab_trim(&s);
	}
	ck_assert_uint_eq(resident(&s), KEPT);
	ck_assert_uint_ge(trims, 3); /* not all at once */
	use(&s, MANY);
	ck_assert_uint_eq(resident(&s), MANY);
	slab_free_all(&s);
}
END_TEST

START_TEST(bursts_keep_their_memory)
{
	struct slab s;

	ck_assert_int_eq(slab_init(&s, MANY, 4096), 0);
	for (int burst = 0; burst < 3; burst++) {
		use(&s, MANY / 2);
		slab_trim(&s);
		ck_assert_uint_eq(resident(&s), MANY / 2);
	}
	slab_free_all(&s);
}
END_TEST

START_TEST(nothing_goes_back_from_under_one_in_use)
{
	struct slab s;
	char *one;

	ck_assert_int_eq(slab_init(&s, MANY, 4096), 0);
	use(&s, MANY);
	one = slab_take(&s);
	*one = 'x';
	slab_trim(&s);
	slab_trim(&s);
	ck_assert_int_eq(*one, 'x');
	ck_assert_uint_eq(resident(&s), MANY);
	slab_free_all(&s);
}
END_TEST

START_TEST(what_few_used_is_kept_warm)
{
	struct slab s;
	char *a, *b;

	ck_assert_int_eq(slab_init(&s, 1024, 4096), 0);
	a = slab_take(&s);
	b = slab_take(&s);
	*a = *b = 'x';
	slab_give(&s, b);
	slab_give(&s, a);
	ck_assert_ptr_eq(slab_take(&s), a);
	ck_assert_int_eq(*a, 'x');
	slab_free_all(&s);
}
END_TEST

START_TEST(its_bytes_are_all_it_ever_maps)
{
	ck_assert_uint_eq(slab_bytes(0, 100), 0);
	ck_assert_uint_eq(slab_bytes(1, 1), 2 * 4096);
	ck_assert_uint_eq(slab_bytes(64, 65), 2 * 4096 + 4096); /* rounded up to 128 */
	ck_assert_uint_eq(slab_bytes(1024, 4096), 1024 * 4096 + 4096);
	ck_assert_uint_eq(slab_bytes(UINT32_MAX, SIZE_MAX / 2), SIZE_MAX);
}
END_TEST

START_TEST(any_order_of_taking_and_giving_keeps_objects_apart)
{
	struct slab s;
	unsigned *held[64] = { NULL };
	unsigned random = 1;

	ck_assert_int_eq(slab_init(&s, 64, sizeof(unsigned)), 0);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned k = (random = random * 1103515245u + 12345u) >> 16 & 63u;

		if (held[k] == NULL) {
			held[k] = slab_take(&s);
			ck_assert_ptr_nonnull(held[k]);
			*held[k] = k;
		} else {
			ck_assert_uint_eq(*held[k], k);
			slab_give(&s, held[k]);
			held[k] = NULL;
		}
	}
	slab_free_all(&s);
}
END_TEST

START_TEST(an_impossible_size_is_refused)
{
	struct slab s;

	ck_assert_int_eq(slab_init(&s, UINT32_MAX, SIZE_MAX / 2), -ENOMEM);
	ck_assert_int_eq(slab_init(&s, 1, SIZE_MAX), -ENOMEM);
	slab_free_all(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("slab");
	TCase *t = tcase_create("slab");

	tcase_add_test(t, it_gives_its_capacity_and_then_null);
	tcase_add_test(t, the_last_given_back_is_the_first_taken);
	tcase_add_test(t, used_objects_come_before_untouched_ones);
	tcase_add_test(t, what_was_never_used_is_not_resident);
	tcase_add_test(t, what_many_used_goes_back_when_they_do_not_come_again);
	tcase_add_test(t, bursts_keep_their_memory);
	tcase_add_test(t, nothing_goes_back_from_under_one_in_use);
	tcase_add_test(t, what_few_used_is_kept_warm);
	tcase_add_test(t, its_bytes_are_all_it_ever_maps);
	tcase_add_test(t, any_order_of_taking_and_giving_keeps_objects_apart);
	tcase_add_test(t, an_impossible_size_is_refused);
	suite_add_tcase(s, t);
	return unit_main(s);
}
