/*
 * Which fields of a head do not travel on, private to the writers of heads.
 * Known names are decided by one bit each; the names that a Connection field
 * adds are compared only when there are any, which is rare.
 */
#ifndef BALLAST_HTTP_HOP_H
#define BALLAST_HTTP_HOP_H

#include "slices.h"

struct hop {
	uint64_t dropped; /* known names that stay behind */
	unsigned n_listed;
	struct span listed[CONNECTION_MEMBERS_MAX]; /* unknown names, by Connection */
};

/* Drops the hop-by-hop fields and those the head's Connection names (RFC 9110 7.6.1). */
void hop_init(struct hop *, const struct head *);
/* Is there a field of that name, and does it travel on? */
static inline bool
hop_passes(const struct hop *hop, const struct head *h, enum name_id id)
{
	return (h->names & ~hop->dropped & NAME_BIT(id)) != 0;
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
