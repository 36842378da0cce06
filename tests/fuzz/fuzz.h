/*
 * What all fuzz targets share.  A target is one file fuzz_<name>.c with
 * LLVMFuzzerTestOneInput: it gets any octets, and asserts with HOLDS what must
 * be true of them.  Linked with libFuzzer it is run by `make fuzz`, with
 * replay.c it goes over the files of corpus/<name> in `make check`.  Inputs are
 * what the code under test reads, without a header of our own, so that a seed
 * is a plain text.  A target keeps nothing between two inputs.
 */
#ifndef BALLAST_TESTS_FUZZ_FUZZ_H
#define BALLAST_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ballast/base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Kept in every build; the abort is what libFuzzer and the replay see. */
#define HOLDS(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

static inline _Noreturn void
fuzz_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

/* A block of exactly n octets, so that AddressSanitizer sees the first one read behind it. */
static inline char *
exact_block(size_t n)
{
	char *p = calloc(n, 1); /* NOLINT: a block of none is wanted, too */

	HOLDS(p != NULL);
	return p;
}

static inline char *
exact_copy(const void *octets, size_t n)
{
	char *p = exact_block(n);

	if (n > 0)
		memcpy(p, octets, n);
	return p;
}

/*
 * How an input arrives in pieces.  The input itself says it, read from its end: so it can be
 * varied without harm to what stands in front.
 */
struct cuts {
	const uint8_t *data;
	size_t size, used;
};

/* The length of the next piece, 1 to 61. */
static inline size_t
cuts_next(struct cuts *c)
{
	size_t i;

	HOLDS(c->size > 0);
	i = c->used++ % c->size;
	return 1 + c->data[c->size - 1 - i] % 61;
}

#endif
