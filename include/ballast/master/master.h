/*
 * The master process, as main.c sees it: run an instance, check what a start
 * would need, or speak to an instance that is already running.
 */
#ifndef BALLAST_MASTER_MASTER_H
#define BALLAST_MASTER_MASTER_H

#include <stdbool.h>

#include "ballast/config/config.h"

enum master_exit { /* INTERFACE: the exit status of ballast */
	EXIT_CLEAN = 0,
	EXIT_START = 1, /* configuration or start failure */
	EXIT_USAGE = 2,
	EXIT_CUT = 3,   /* the drain time ran out, connections were cut */
	EXIT_DYING = 4, /* workers keep dying at start */
};

struct master_setup {
	struct config *config;                /* taken over: freed by the master */
	const struct config_request *request; /* kept for reloads */
	bool daemonise;
};

/* First of all: the arguments move away to make room for process titles. */
void master_title_init(int argc, char **argv);

/*
 * Runs the instance to its end and returns the exit status.  With daemonise the caller's process
 * only waits until traffic is served (it does not come back from here), a child of it becomes the
 * master.
 */
int master_run(const struct master_setup *);

/* There is no start: a master that waits for this program, to be replaced by it, is told why. */
void master_refused(const struct err *);

/*
 * What else a start needs and a configuration file cannot know: that user and group exist.  For
 * -t.
 */
bool master_check(const struct config *, struct err *);

/* The shared memory that an instance of this configuration takes. */
size_t master_segment_bytes(const struct config *);

enum master_order { ORDER_RELOAD, ORDER_STOP, ORDER_QUIT, ORDER_REOPEN, ORDER_UPGRADE };

/* False when there is no such word.  Known: reload, stop, quit, reopen, upgrade. */
bool master_order_parse(enum master_order *, const char *word);
/*
 * Signals the running instance of this configuration, waits for the outcome of reload, stop, quit
 * and upgrade, and prints it.  Returns the exit status.
 */
int master_send(const struct config *, enum master_order);
/*
 * --healthcheck: EXIT_CLEAN when the running instance of this configuration is ready, else
 * EXIT_START.
 */
int master_ask_ready(const struct config *);

#endif
