/*
 * Who an instance is.  The absolute path of its pidfile is its identity: whoever
 * knows that path (a second master, `ballast -s`, --healthcheck) finds the
 * shared memory and the Unix socket without asking.
 */
#ifndef BALLAST_MASTER_INSTANCE_H
#define BALLAST_MASTER_INSTANCE_H

#include <limits.h>
#include <stdbool.h>

enum { INSTANCE_ID = 8, INSTANCE_SOCKETS = 2, INSTANCE_SOCKET_MAX = 108 };

struct instance {
	char pidfile[PATH_MAX]; /* absolute */
	char id[INSTANCE_ID + 1];
	char shm_name[32]; /* "/ballast-<id>" */
	/*
	 * Where the Unix socket may be, best first; an empty one is no choice (too long, or the
	 * same as the other).
	 */
	char sockets[INSTANCE_SOCKETS][INSTANCE_SOCKET_MAX];
};

struct instance_place {
	const char *pidfile;     /* NULL: derived from the configuration's path, in runtime_dir */
	const char *config_file; /* may be NULL */
	const char *runtime_dir;
	bool shared_with_user; /* with another user: runtime_dir first */
};

/* 0 or -errno (-ENAMETOOLONG). */
int instance_name(struct instance *, const struct instance_place *);

/* The directory of a path: "." when it has none. */
void path_directory(char out[PATH_MAX], const char *path);

#endif
