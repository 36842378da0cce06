/*
 * round-robin: the next of the period that can be used.  With n equal backends
 * and any number of workers, any n picks in a row take each once; turns of a
 * backend that is down fall to the others by their weights.
 */
#include "private.h"

static bool
is_usable(const struct balance *b, unsigned index, const void *tried)
{
	return balance_usable(b, index, tried);
}

int
round_robin_pick(struct balance *b, const struct tried *tried)
{
	return balance_advance(b, tried, is_usable, tried);
}
