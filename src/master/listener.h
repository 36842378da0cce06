/*
 * A listening socket that outlives workers and reloads: shared by the
 * generations whose configuration names the same address.
 */
#ifndef BALLAST_MASTER_LISTENER_H
#define BALLAST_MASTER_LISTENER_H

#include <sys/types.h>

#include "ballast/base/addr.h"
#include "ballast/base/err.h"

struct listener {
	int fd;
	unsigned holds;
	bool shared;            /* with another master, which removes a Unix socket's file */
	struct addr configured; /* ":0" stays ":0", so that a reload keeps the port it got */
	struct addr bound;
};

/* what: the option's name, for the error.  NULL: told in err.  Held once. */
struct listener *listener_open(const struct addr *, const char *what, struct err *);
/* A descriptor that another master opened, which is taken in any case.  NULL without memory. */
struct listener *listener_inherit(int fd, const struct addr *configured);
struct listener *listener_hold(struct listener *);
/* Closed with the last hold; a Unix socket's file goes too, unless it is shared.  Leaves NULL. */
void listener_release(struct listener **);

#endif
