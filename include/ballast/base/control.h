/*
 * The pipe between the master and one child: a SOCK_SEQPACKET pair that carries
 * one octet per message, and with some of them a descriptor or a number.  It is also how
 * each learns of the other's death: the end that is left reads CONTROL_EOF.
 */
#ifndef BALLAST_BASE_CONTROL_H
#define BALLAST_BASE_CONTROL_H

#include <stdint.h>

/*
 * READY   child to master: traffic is served from here on.
 * RETIRE  master to worker: others take over.  No new connections, idle ones are handed to them; leave when none is left or the drain time is over.
 * DRAIN   master to child: the service ends.  No new connections; idle ones end soon.
 * LEAVING child to master: it drains, maybe without having been told to; new master to the former one: it gives up.
 * CLIENT, NEWCOMER  worker to worker, by the queue of the instance: a connection, which has or has not been served before,
 *         and with it since when it is idle (clock_now_us).
 * OVER    former master to the new one of its instance: the instance is yours from here on.
 * TAKEN   new master to the former one: it is, and nothing is taken back any more.
 * LOG, ACCESS_LOG  master to child: the file was rotated, and this descriptor is the new one.  A child can open none.
 */
enum control {
	CONTROL_NONE = 0, /* nothing to read now */
	CONTROL_READY = 'R',
	CONTROL_RETIRE = 'L',
	CONTROL_DRAIN = 'D',
	CONTROL_LEAVING = 'V',
	CONTROL_CLIENT = 'C',
	CONTROL_NEWCOMER = 'N',
	CONTROL_OVER = 'M',
	CONTROL_TAKEN = 'T',
	CONTROL_LOG = 'O',
	CONTROL_ACCESS_LOG = 'A',
	CONTROL_EOF = -1, /* the other end is gone */
};

/* fds[0] for the master, fds[1] for the child; both non-blocking and close-on-exec.  0 or -errno. */
int control_pair(int fds[2]);
/* 0 or -errno; a message to a dead child is an ordinary -EPIPE. */
int control_send(int fd, enum control);
/* With a descriptor, of which the other end gets a copy of its own. */
int control_send_fd(int fd, enum control, int passed);
/*
 * And a number behind the octet, which means the same in both processes.  A program that knows of none reads the octet alone
 * (the kernel drops the rest of a message), and what such a one sends has the number 0.
 */
int control_send_fd_with(int fd, enum control, int passed, uint64_t number);
/* *passed (may be NULL): the descriptor that came with it, the caller's from now on; or -1. */
enum control control_next(int fd, int *passed);
enum control control_next_with(int fd, int *passed, uint64_t *number);

#endif
