/*
 * What the tests of outgoing heads share: the heads that are parsed, the slices,
 * and what leaves in them.
 */
#ifndef BALLAST_TESTS_UNIT_SENT_H
#define BALLAST_TESTS_UNIT_SENT_H

#include "ballast/http/head.h"
#include "heads.h"

static struct head *h, *again;
static struct slices *s;
static char out[1 << 16];
static size_t out_n;

static inline void
setup(void)
{
	h = head_new();
	again = head_new();
	s = malloc(sizeof(*s));
	ck_assert_ptr_nonnull(s);
	slices_reset(s);
}

static inline void
teardown(void)
{
	free(s);
	free(again);
	free(h);
}

/* The slices' octets as a string, checked against what the slices say of themselves. */
static inline void
gather(void)
{
	size_t sum = 0;

	for (int i = 0; i < s->n; i++) {
		ck_assert_uint_gt(s->v[i].iov_len, 0);
		sum += s->v[i].iov_len;
	}
	ck_assert_uint_eq(sum, s->bytes);
	ck_assert_uint_lt(s->bytes, sizeof(out));
	slices_copy(s, 0, out);
	out_n = s->bytes;
	out[out_n] = '\0';
}

#endif
