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

static size_t
resident_pages(const struct slab *s, size_t bytes)
{
	static unsigned char resident[4096];
	size_t pages = bytes / (size_t)sysconf(_SC_PAGESIZE), n = 0;

	ck_assert_uint_le(pages, N(resident));
	ck_assert_int_eq(mincore(s->base, bytes, resident), 0);
	for (size_t i = 0; i < pages; i++)
		n += resident[i] & 1u;
	return n;
}

START_TEST(what_many_used_goes_back_with_the_last_of_them)
{
	static void *held[1024];
	struct slab s;

	ck_assert_int_eq(slab_init(&s, N(held), 4096), 0);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < N(held); i++)
			memset(held[i] = slab_take(&s), 1, 4096);
		ck_assert_ptr_null(slab_take(&s));
		for (size_t i = 0; i + 1 < N(held); i++)
			slab_give(&s, held[i]);
		ck_assert_uint_eq(resident_pages(&s, sizeof(held) / sizeof(*held) * 4096), N(held));
		slab_give(&s, held[N(held) - 1]);
		ck_assert_uint_eq(resident_pages(&s, sizeof(held) / sizeof(*held) * 4096), 0);
	}
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
	tcase_add_test(t, what_many_used_goes_back_with_the_last_of_them);
	tcase_add_test(t, what_few_used_is_kept_warm);
	tcase_add_test(t, its_bytes_are_all_it_ever_maps);
	tcase_add_test(t, any_order_of_taking_and_giving_keeps_objects_apart);
	tcase_add_test(t, an_impossible_size_is_refused);
	suite_add_tcase(s, t);
	return unit_main(s);
}
