/*
 * Processes by number, read from /proc; in the master.  The kernel gives a number again, so one that lives need not be
 * the one that was meant: what tells them apart is when it began.  /proc has that in ticks
 * of the clock that also goes on while the machine sleeps (CLOCK_BOOTTIME), everybody else here
 * has CLOCK_MONOTONIC; both never step.  Keeps nothing open.
 */
#include "ballast/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/base/clock.h"

static ssize_t
read_small_file(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, out, cap - 1);
	close(fd);
	if (n >= 0)
		out[n] = '\0';
	return n;
}

/* The name, in parentheses, may hold anything: what counts begins behind the last one. */
const char *
process_stat(pid_t pid, char out[PROCESS_STAT_MAX])
{
	const char *name_end;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if (pid <= 0 || read_small_file(path, out, PROCESS_STAT_MAX) <= 0)
		return NULL;
	name_end = strrchr(out, ')');
	return name_end == NULL ? NULL : name_end + 1;
}

const char *
process_stat_field(const char *stat, int number)
{
	const char *at = strchr(stat, ' ');

	for (int n = STAT_STATE; at != NULL && n < number; n++)
		at = strchr(at + 1, ' ');
	return at == NULL ? NULL : at + 1;
}

uint64_t
process_stat_number(const char *stat, int number)
{
	const char *text = process_stat_field(stat, number);

	return text == NULL ? 0 : strtoull(text, NULL, 10);
}

uint64_t
process_stat_us(const char *stat, int number)
{
	long per_second = sysconf(_SC_CLK_TCK);
	uint64_t ticks = process_stat_number(stat, number);

	return per_second > 0 ? ticks * UINT64_C(1000000) / (uint64_t)per_second : 0;
}

static bool
is_zombie(const char *stat)
{
	const char *state = process_stat_field(stat, STAT_STATE);

	return state != NULL && (*state == 'Z' || *state == 'X');
}

bool
process_is_there(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno != ESRCH);
}

/*
 * start_us is of the other clock, and at most a tick too early; how much of the difference of the two is from before that,
 * nobody knows.  One that seems to begin in the future is told by another clock than ours.
 */
static enum fate
fate_of(uint64_t start_us, uint64_t moment_us)
{
	uint64_t now_us = clock_now_us(), boot_us = clock_boot_us();
	uint64_t slept_us = boot_us - now_us;

	if (start_us > boot_us)
		return FATE_UNKNOWN;
	if (start_us > moment_us + slept_us)
		return FATE_ENDED;
	return start_us <= moment_us ? FATE_LIVES : FATE_UNKNOWN;
}

/* In a namespace of processes with the /proc of another one its numbers are not ours. */
static bool
proc_is_ours(void)
{
	char self[32];
	ssize_t len = readlink("/proc/self", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	return strtol(self, NULL, 10) == (long)getpid();
}

enum fate
process_fate(pid_t pid, uint64_t moment_us)
{
	char text[PROCESS_STAT_MAX];
	const char *stat = proc_is_ours() ? process_stat(pid, text) : NULL;

	if (stat == NULL || process_stat_field(stat, STAT_START) == NULL)
		return FATE_UNKNOWN;
	if (is_zombie(stat))
		return FATE_ENDED;
	if (moment_us == 0)
		return FATE_UNKNOWN;
	return fate_of(process_stat_us(stat, STAT_START), moment_us);
}
