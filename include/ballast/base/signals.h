/*
 * Signals read as a descriptor (signalfd): they arrive in the one loop, between
 * two events, never in the middle of something.
 */
#ifndef BALLAST_BASE_SIGNALS_H
#define BALLAST_BASE_SIGNALS_H

#include <signal.h>
#include <stddef.h>

/* Blocks these signals and returns a non-blocking descriptor, or -errno.  SIGPIPE becomes ignored. */
int signals_open(const int *signals, size_t n);
/*
 * The same for a child of the master: all signals that mean something to the master and may reach a whole process group.
 * Of these a child obeys TERM alone.
 */
int signals_open_in_child(void);
/* The next pending signal number, or 0.  *sender (may be NULL) gets its pid. */
int signals_next(int fd, int *sender);
/*
 * For a child after fork: default dispositions, SIGPIPE ignored.  What the master blocked stays blocked until
 * signals_open_in_child, so that a signal to the whole group in between waits to be read.
 */
void signals_reset(void);
/* "HUP" for SIGHUP; "signal 42" style text for unknown ones. */
const char *signals_name(int signal);

#endif
