/*
 * The cost of an instance, in the master: its own, that of the children it has
 * reaped (getrusage) and that of those which live (one /proc/PID/stat each, a
 * zombie's too).  A child's processor time passes from the third to the second
 * at its reap, so the sum only grows.  Who lives is read from the slots, which
 * the master itself fills at fork and empties at reap.  Keeps nothing open.
 */
#include "exposition_process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ballast/base/process.h"

struct stat_fields {
	uint64_t cpu_us, virtual_bytes, resident_bytes;
};

static struct stat_fields
stat_of(pid_t pid)
{
	char text[PROCESS_STAT_MAX];
	const char *stat = process_stat(pid, text);

	if (stat == NULL)
		return (struct stat_fields){ 0 };
	return (struct stat_fields){
		.cpu_us = process_stat_us(stat, STAT_UTIME) + process_stat_us(stat, STAT_STIME),
		.virtual_bytes = process_stat_number(stat, STAT_VSIZE),
		.resident_bytes =
			process_stat_number(stat, STAT_RSS) * (uint64_t)sysconf(_SC_PAGESIZE),
	};
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
