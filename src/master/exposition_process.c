/*
 * The cost of an instance, in the master: its own, that of the children it has
 * reaped (getrusage) and that of those which live (one /proc/PID/stat each, a
 * zombie's too).  A child's processor time passes from the third to the second
 * at its reap, so the sum only grows.  Who lives is read from the slots, which
 * the master itself fills at fork and empties at reap.  Keeps nothing open.
 */
#include "exposition_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STAT_MAX = 1024 };

/* Fields of /proc/PID/stat as proc(5) numbers them; the third is the first behind the name. */
enum { STAT_STATE = 3, STAT_UTIME = 14, STAT_STIME = 15, STAT_VSIZE = 23, STAT_RSS = 24 };

struct stat_fields {
	uint64_t cpu_us, virtual_bytes, resident_bytes;
};

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

static uint64_t
ticks_to_us(uint64_t ticks)
{
	long per_second = sysconf(_SC_CLK_TCK);

	return per_second > 0 ? ticks * UINT64_C(1000000) / (uint64_t)per_second : 0;
}

static void
take_field(struct stat_fields *f, int number, const char *text)
{
	uint64_t value = strtoull(text, NULL, 10);

	if (number == STAT_UTIME || number == STAT_STIME)
		f->cpu_us += ticks_to_us(value);
	else if (number == STAT_VSIZE)
		f->virtual_bytes = value;
	else if (number == STAT_RSS)
		f->resident_bytes = value * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The name, in parentheses, may hold anything: what counts begins behind the last one. */
static struct stat_fields
stat_of(long pid)
{
	struct stat_fields f = { 0 };
	char path[64], text[STAT_MAX];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (read_small_file(path, text, sizeof(text)) <= 0)
		return f;
	at = strrchr(text, ')');
	for (int number = STAT_STATE; at != NULL && number <= STAT_RSS; number++) {
		at = strchr(at + 1, ' ');
		if (at != NULL)
			take_field(&f, number, at + 1);
	}
	return f;
}

static uint64_t
usage_us(int who)
{
	struct rusage r;

	if (getrusage(who, &r) < 0)
		return 0;
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * UINT64_C(1000000) +
	       (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static uint64_t
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (dir == NULL)
		return 0;
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n > 0 ? n - 1 : 0; /* without the one we count with */
}

static void
add_child(struct process_use *use, const struct slot *slot)
{
	uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	uint32_t role = atomic_load_explicit(&slot->role, memory_order_relaxed);
	int32_t pid = atomic_load_explicit(&slot->pid, memory_order_relaxed);
	struct stat_fields f;

	if (state == SLOT_FREE || role == ROLE_MASTER || pid <= 0)
		return;
	f = stat_of(pid);
	use->cpu_us += f.cpu_us;
	use->resident_bytes += f.resident_bytes;
}

void
process_use_read(struct process_use *use, const struct shm *s)
{
	struct stat_fields own = stat_of(getpid());
	struct rlimit limit = { 0, 0 };

	getrlimit(RLIMIT_NOFILE, &limit);
	*use = (struct process_use){
		.cpu_us = usage_us(RUSAGE_SELF) + usage_us(RUSAGE_CHILDREN),
		.resident_bytes = own.resident_bytes,
		.virtual_bytes = own.virtual_bytes,
		.open_fds = count_fds(),
		.max_fds = limit.rlim_cur,
	};
	for (unsigned i = 0; i < s->n_slots; i++)
		add_child(use, slot_at(s, i));
}
