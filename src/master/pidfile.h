/*
 * The pidfile of an instance.  Its lock belongs to the open file, so it is held
 * as long as one process has it open: a master that replaces another one inherits
 * it, and at no moment is it free.
 */
#ifndef BALLAST_MASTER_PIDFILE_H
#define BALLAST_MASTER_PIDFILE_H

#include "ballast/base/err.h"

struct pidfh;

struct pidfile {
	struct pidfh *lock; /* libbsd's, of who locked it; NULL when it was inherited */
	int fd;             /* -1: none is held */
	const char *path;   /* the caller's */
};

/* False: told in err, another instance's pid included. */
bool pidfile_take(struct pidfile *, const char *path, struct err *);
/* A descriptor that another master opened; it is taken in any case.  False: it is another file, told in err. */
bool pidfile_inherit(struct pidfile *, int fd, const char *path, struct err *);
/* Our pid into it: no reader ever finds one that is nobody's, and none at all only where a longer one makes place.  0 or -errno. */
int pidfile_tell(const struct pidfile *);
bool pidfile_names_us(const struct pidfile *);
/* Closed and removed, if it still is the file of that path. */
void pidfile_remove_ours(struct pidfile *);
/* Closed here; the file stays, and is locked while another process has it. */
void pidfile_leave(struct pidfile *);

#endif
