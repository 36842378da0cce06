/*
 * The pipe between the master and one child: a SOCK_SEQPACKET pair that carries
 * one octet per message.  It is also how each learns of the other's death: the
 * end that is left reads CONTROL_EOF.
 */
#ifndef BALLAST_BASE_CONTROL_H
#define BALLAST_BASE_CONTROL_H

enum control {
	CONTROL_NONE = 0,    /* nothing to read now */
	CONTROL_READY = 'R', /* child to master: traffic is served from here on */
	CONTROL_RETIRE = 'L', /* master to worker: a newer generation is ready; take no new connections, let each
				 idle one bring its next request, leave when none is left or the drain time is over */
	CONTROL_DRAIN = 'D', /* master to child: the service ends; the same, but idle connections close now */
	CONTROL_REOPEN = 'O', /* master to child: log files were rotated */
	CONTROL_EOF = -1,    /* the other end is gone */
};

/* fds[0] for the master, fds[1] for the child; both non-blocking and close-on-exec.  0 or -errno. */
int control_pair(int fds[2]);
/* 0 or -errno; a message to a dead child is an ordinary -EPIPE. */
int control_send(int fd, enum control);
enum control control_next(int fd);

#endif
