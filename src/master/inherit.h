/*
 * The replacement of a running program, seen from the new master: what it
 * inherits from the one before, and the moment from which the instance is its own.
 * The variable BALLAST_UPGRADE names the descriptors, one `key=value` in a line:
 *
 *	version=2
 *	control=N reason=N text=N pidfile=N local=N	(each in a line of its own)
 *	queue_in=N queue_out=N				of the connections that are handed over, likewise
 *	listener=N ADDRESS
 *	admin=N ADDRESS			where there is one
 *
 * ADDRESS is as it was configured.  A program that knows only version 1 never says TAKEN: it would be waited for, and
 * killed with the instance in its hands.  It refuses what is not its version.
 */
#ifndef BALLAST_MASTER_INHERIT_H
#define BALLAST_MASTER_INHERIT_H

#include "ballast/base/poller.h"
#include "ballast/shm/slot.h"

#include "listener.h"

#define INHERIT_VARIABLE "BALLAST_UPGRADE"
#define INHERIT_VERSION  "2"

struct master;

struct heritage {
	bool given;           /* a former master started us */
	struct watch control; /* our end of the pair with it; fd -1: none, or it is gone */
	int control_fd, reason, text, pidfile, local; /* -1: none, or taken from here */
	int handover[2];                   /* the queue of connections that are handed over */
	struct listener *listener, *admin; /* NULL: none */
	struct slot *
		ledger; /* the former master's counters, in a segment of our own; NULL: we share one */
	bool asked;     /* we said that we are ready */
	bool over;      /* the instance is ours: it said so, or is gone */
};

/* First of all: reads the variable and removes it.  False: it is there, but says nothing that we understand. */
bool heritage_take(struct heritage *);
/* The poller is there: listens to the former master.  0 or -errno. */
int heritage_watch(struct master *);
/* Our workers are ready: asks for the instance.  True once it is ours; then everything that tells so is done. */
bool heritage_claim(struct master *);
/* It will never be ours: the former master hears so before our last worker has left. */
void heritage_withdraw(struct master *, const char *reason);
void heritage_free(struct master *);

/* The shared memory that the former master has, or one of our own with what it knows.  0 or -errno. */
int heritage_open_segment(struct master *, const struct shm_shape *);
/* The name under which a segment waits until the instance is ours. */
void heritage_segment_name(const struct master *, char out[48]);

/* There will be no new master: the former one, if there is one, is told why.  Gives back what heritage_take took. */
void heritage_refuse(struct heritage *, const char *reason);

#endif
