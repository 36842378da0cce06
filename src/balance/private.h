/*
 * Inside src/balance: the pick of every strategy, and the order in which a
 * period goes through the candidates.
 */
#ifndef BALLAST_BALANCE_PRIVATE_H
#define BALLAST_BALANCE_PRIVATE_H

#include "ballast/balance/balance.h"

#define STRATEGY(name, symbol) int symbol##_pick(struct balance *, const struct tried *);
#include "ballast/balance/strategies.def"
#undef STRATEGY

/* The period for n > 0 candidates, malloc'd, and its length; NULL when there is no memory. */
uint16_t *sequence_make(const struct candidate *, unsigned n, uint32_t *len);

#endif
