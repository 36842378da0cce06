/*
 * What a daemon owes its system: going into the background with an honest exit
 * status, one instance per pidfile, a runtime directory, systemd's readiness
 * protocol, the limit of open files.
 */
#ifndef BALLAST_MASTER_DAEMON_H
#define BALLAST_MASTER_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ballast/base/err.h"

/*
 * Goes into the background.  Comes back only in the daemon, with the descriptor on which its
 * launcher waits, or with -errno in the caller.  The launcher exits 0 after daemon_ready;
 * otherwise it prints the reason and exits 1.  Standard streams other than regular files become
 * /dev/null.
 */
int daemon_begin(void);
/* Both close *launcher and do nothing when it is -1. */
void daemon_ready(int *launcher);
void daemon_failed(int *launcher, const char *reason);

struct pidfh;
/*
 * The lock; the file is written later.  Waits a moment for who holds it, some seconds when nobody
 * alive is named.  NULL: told in err, another instance's pid included.
 */
struct pidfh *pidfile_lock(const char *path, struct err *);
/*
 * The pid of the master that holds the pidfile's lock; 0: nobody does; -EAGAIN: it is still
 * starting; -errno.
 */
pid_t pidfile_holder(const char *path);

/*
 * Made with `mode` unless it is there; then it must be a directory of ours that nobody else may
 * write to.
 */
bool runtime_dir_prepare(const char *path, mode_t mode, struct err *);

/* sd_notify(3); nothing without $NOTIFY_SOCKET. */
void notify(const char *state);
void notify_reloading(uint64_t now_us);

/* RLIMIT_NOFILE up to `wanted`, or up to the hard limit when it is 0.  0 or -errno. */
int open_files_raise(uint32_t wanted);

#endif
