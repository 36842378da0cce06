/*
 * Which fields of a head do not travel on, private to the writers of heads.
 * Known names are decided by one bit each; the names that a Connection field
 * adds are compared only when there are any, which is rare.
 */
#ifndef BALLAST_HTTP_HOP_H
#define BALLAST_HTTP_HOP_H

#include "ballast/http/head.h"

_Static_assert(N_NAMES <= 64, "a set of names is one word");

/* A set of known names. */
#define NAME_BIT(id) ((uint64_t)1 << (id))

struct hop {
	uint64_t dropped; /* known names that stay behind */
	unsigned n_listed;
	struct span listed[CONNECTION_MEMBERS_MAX]; /* unknown names, by Connection */
};

/* All known names that have one of the flags; a constant where the flags are. */
static inline uint64_t
names_with(unsigned flags)
{
	uint64_t set = 0;

#define NAME(id, text, its) set |= ((its)&flags) != 0 ? NAME_BIT(NAME_##id) : 0;
#include "ballast/http/names.def"
#undef NAME
	return set;
}

/* Drops the hop-by-hop fields and those the head's Connection names (RFC 9110 7.6.1). */
void hop_init(struct hop *, const struct head *);
bool hop_lists(const struct hop *, struct span name);

static inline bool
hop_drops(const struct hop *hop, const struct field *f)
{
	if ((hop->dropped >> f->id & 1) != 0)
		return true;
	return hop->n_listed > 0 && f->id == NAME_OTHER && hop_lists(hop, f->name);
}

/* Is there a field of that name, and does it travel on? */
static inline bool
hop_passes(const struct hop *hop, const struct head *h, enum name_id id)
{
	return h->first[id] != 0 && (hop->dropped >> id & 1) == 0;
}

/* The head's fields that pass, as they are. */
void slices_fields(struct slices *, const struct hop *, const struct head *);

/* One Connection field with the options asked for; nothing when there are none. */
struct connection {
	bool close, keep_alive, upgrade;
};
void slices_connection(struct slices *, struct connection);

/* Our entry in Via (RFC 9110 7.6.3), by the version in which the message was received. */
void slices_via(struct slices *, const struct head *);

#endif
