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

/* An ignored signal is never delivered, and an ignored CHLD lets the kernel reap: whatever we were started with goes. */
static int
open_set(int how, const int *signals, size_t n)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++) {
		if (sigaddset(&set, signals[i]) < 0)
			return -errno;
		signal(signals[i], SIG_DFL);
	}
	if (sigprocmask(how, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
signals_open(const int *signals, size_t n)
{
	return open_set(SIG_BLOCK, signals, n);
}

int
signals_open_in_child(void)
{
	static const int known[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTTIN,
		SIGTTOU, SIGWINCH };

	return open_set(SIG_SETMASK, known, sizeof(known) / sizeof(*known));
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

void
signals_reset(void)
{
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL); /* refused for KILL, STOP and libc's own: they stay */
	signal(SIGPIPE, SIG_IGN);
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
