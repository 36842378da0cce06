/*
 * The order of smooth weighted round robin, computed once per configuration.
 *
 * nginx's rule: in every step each candidate's current weight grows by its
 * weight, the first with the greatest is taken and loses the total.  After t
 * steps of which p were its own, a candidate's current weight is t * weight - p *
 * total; so among candidates of one weight it is a plain round robin, and only the
 * next one of each weight need be compared.  At most 256 weights make a step
 * cheap however many candidates there are.  Pure but for its memory.
 */
#include "private.h"

#include <assert.h>
#include <stdlib.h>

enum { WEIGHT_MAX = 256 };

struct class
{ /* the candidates of one weight, in a ring */
	int64_t weight;
	int64_t turns; /* how often the next one has had its turn */
	unsigned next; /* candidate */
	unsigned first;
};

struct order {
	struct class classes[WEIGHT_MAX + 1]; /* by place in use, not by weight */
	unsigned n_classes;
	uint16_t *follower; /* of each candidate: the next of its weight, or itself at the end */
	int64_t total;
};

static unsigned
gcd(unsigned a, unsigned b)
{
	while (b != 0) {
		unsigned rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

struct scale {
	uint64_t by, of; /* of is never 0 */
};

static int64_t
scaled(const struct scale *scale, unsigned given)
{
	uint64_t w = given * scale->by / scale->of;

	return w > 0 ? (int64_t)w : 1;
}

/* Divides by what all weights have in common, and by more when the period would be too long. */
static struct scale
scale_of(const struct candidate *c, unsigned n)
{
	unsigned common = c[0].weight;
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++) {
		assert(c[i].weight > 0 && c[i].weight <= WEIGHT_MAX);
		common = gcd(common, c[i].weight);
		sum += c[i].weight;
	}
	if (sum / common > SEQUENCE_MAX)
		return (struct scale){ SEQUENCE_MAX, sum };
	return (struct scale){ 1, common };
}

static struct class *
class_of(struct order *o, int64_t weight)
{
	for (unsigned k = 0; k < o->n_classes; k++)
		if (o->classes[k].weight == weight)
			return &o->classes[k];
	return NULL;
}

/* From the last candidate to the first, so that each finds its follower and leaves the first in front. */
static void
enlist(struct order *o, const struct candidate *c, unsigned n)
{
	struct scale scale = scale_of(c, n);

	o->n_classes = 0;
	o->total = 0;
	for (unsigned i = n; i-- > 0;) {
		int64_t weight = scaled(&scale, c[i].weight);
		struct class *class = class_of(o, weight);

		o->follower[i] = (uint16_t)(class != NULL ? class->first : i);
		if (class == NULL) {
			class = &o->classes[o->n_classes++];
			*class = (struct class){ .weight = weight };
		}
		class->first = class->next = i;
		o->total += weight;
	}
}

/* The next of a class with its current weight, the earlier candidate when equal. */
static bool
comes_before(const struct order *o, const struct class *a, const struct class *b, int64_t step)
{
	int64_t current_a = step * a->weight - a->turns * o->total;
	int64_t current_b = step * b->weight - b->turns * o->total;

	return current_a > current_b || (current_a == current_b && a->next < b->next);
}

static uint16_t
take_turn(struct order *o, int64_t step)
{
	struct class *best = &o->classes[0];
	unsigned taken;

	for (unsigned k = 1; k < o->n_classes; k++)
		if (comes_before(o, &o->classes[k], best, step))
			best = &o->classes[k];
	taken = best->next;
	best->next = o->follower[taken];
	if (best->next == taken) { /* the last of its ring */
		best->next = best->first;
		best->turns++;
	}
	return (uint16_t)taken;
}

static uint16_t *
write_period(struct order *o, uint32_t *len)
{
	uint16_t *sequence = calloc((size_t)o->total, sizeof(*sequence));

	if (sequence == NULL)
		return NULL;
	*len = (uint32_t)o->total;
	for (uint32_t i = 0; i < *len; i++)
		sequence[i] = take_turn(o, (int64_t)i + 1);
	return sequence;
}

uint16_t *
sequence_make(const struct candidate *candidates, unsigned n, uint32_t *len)
{
	struct order *o = calloc(1, sizeof(*o));
	uint16_t *sequence = NULL;

	assert(n > 0);
	*len = 0;
	if (o == NULL)
		return NULL;
	o->follower = calloc(n, sizeof(*o->follower));
	if (o->follower != NULL) {
		enlist(o, candidates, n);
		sequence = write_period(o, len);
	}
	free(o->follower);
	free(o);
	return sequence;
}
