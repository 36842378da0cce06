/*
 * How the writers of heads put down their own text: piece by piece into the
 * scratch of the slices, where the pieces lie one behind the other and need an
 * entry only together.  The text behind `closed` is none of the slices yet;
 * slices_add and slices_close make it one, so the order is kept.
 */
#ifndef BALLAST_HTTP_SLICES_H
#define BALLAST_HTTP_SLICES_H

#include "ballast/http/head.h"

#include <assert.h>

/* Until slices_close the slices' n and bytes do not tell of it.  Short where the text is a literal. */
static inline void
slices_text(struct slices *s, struct span text)
{
	assert(text.n <= sizeof(s->scratch) - s->used);
	memcpy(s->scratch + s->used, text.p, text.n);
	s->used += text.n;
}

void slices_close(struct slices *);

#endif
