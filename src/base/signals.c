/*
 * Signals as a descriptor.  Used by the master (all of INTERFACE's signals) and,
 * after fork, by the children to get rid of what the master had set up.
 * The descriptor is the caller's.  No handler ever runs in ballast.
 */
#include "ballast/base/signals.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int
signals_open(const int *signals, size_t n)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++) {
		if (sigaddset(&set, signals[i]) < 0)
			return -errno;
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
signals_open_in_child(void)
{
	static const int known[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTTIN,
		SIGTTOU, SIGWINCH };

	return signals_open(known, sizeof(known) / sizeof(*known));
}

int
signals_next(int fd, int *sender)
{
	struct signalfd_siginfo info;
	ssize_t got;

	do
		got = read(fd, &info, sizeof(info));
	while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(info))
		return 0;
	if (sender != NULL)
		*sender = (int)info.ssi_pid;
	return (int)info.ssi_signo;
}

/* Dispositions first, so that a signal which was pending meets its default when it is let through. */
void
signals_reset(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s,
			SIG_DFL); /* refused for KILL, STOP and libc's own: they stay as they are */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

const char *
signals_name(int signal_number)
{
	static char unknown[32];
	const char *name = sigabbrev_np(signal_number);

	if (name != NULL)
		return name;
	snprintf(unknown, sizeof(unknown), "signal %d", signal_number);
	return unknown;
}
