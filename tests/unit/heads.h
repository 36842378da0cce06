/*
 * What the tests of the parsers share: inputs with their length, and the search
 * for the end of a head in every way the network may cut it.
 */
#ifndef BALLAST_TESTS_UNIT_HEADS_H
#define BALLAST_TESTS_UNIT_HEADS_H

#include <check.h>
#include <stdlib.h>

#include "ballast/http/parse.h"
#include "guarded.h"

/* A literal that may hold NUL. */
#define OCTETS(literal)                                                                            \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

/* A field line of a request or response that is good otherwise. */
#define REQUEST(fields)  OCTETS("GET / HTTP/1.1\r\nHost: a.test\r\n" fields "\r\n")
#define RESPONSE(fields) OCTETS("HTTP/1.1 200 OK\r\n" fields "\r\n")

static inline size_t
end_of_head_octet_by_octet(struct span in)
{
	size_t scanned = 0, found;

	for (size_t n = 0; n <= in.n; n++) {
		struct guarded g = guarded_copy(in.p, n);

		found = parse_end_of_head(g.p, n, &scanned);
		guarded_free(&g);
		if (found > 0)
			return found;
		ck_assert_uint_le(scanned, n);
	}
	return 0;
}

/* In one piece; the same in two pieces, cut anywhere, and octet by octet. */
static inline size_t
end_of_head(struct span in)
{
	struct guarded g = guarded_copy(in.p, in.n);
	size_t scanned = 0;
	size_t whole = parse_end_of_head(g.p, in.n, &scanned);

	for (size_t cut = 0; cut <= in.n; cut++) {
		size_t found;

		scanned = 0;
		found = parse_end_of_head(g.p, cut, &scanned);
		if (found == 0)
			found = parse_end_of_head(g.p, in.n, &scanned);
		ck_assert_uint_eq(found, whole);
	}
	guarded_free(&g);
	ck_assert_uint_eq(end_of_head_octet_by_octet(in), whole);
	return whole;
}

/* Full of junk: the rows of a former head must not matter. */
static inline struct head *
head_new(void)
{
	struct head *h = malloc(sizeof(*h));

	ck_assert_ptr_nonnull(h);
	memset(h, 0xa5, sizeof(*h));
	return h;
}

static inline void
assert_span(struct span got, const char *want)
{
	ck_assert_msg(span_eq(got, span_of(want)), "\"%.*s\" is not \"%s\"", (int)got.n,
		got.p != NULL ? got.p : "", want);
}

#endif
