/*
 * Who the children are.  The master keeps its rights (it must bind and reopen);
 * a master started as root gives its children another user.
 */
#ifndef BALLAST_MASTER_PRIVILEGES_H
#define BALLAST_MASTER_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ballast/base/err.h"

struct identity {
	bool drop; /* children leave the master's user */
	uid_t uid; /* of the children, in any case */
	gid_t gid;
};

/*
 * user, group: NULL when not configured; as root the user is then "nobody".  False: unknown ones,
 * told in err.
 */
bool identity_resolve(struct identity *, const char *user, const char *group, struct err *);
/* In a child: becomes that user, for good, without capabilities and no_new_privs(prctl(2)).  0 or -errno. */
int identity_take(const struct identity *);
/* In a child: no more descriptors than these, and no process of its own.  0 or -errno. */
int limits_take(uint32_t open_files);

#endif
