/*
 * CPUs by affinity and cgroup quota, for `workers: auto`.  A container with a
 * quota of one and a half CPUs on a machine of 64 gets two workers, not 64.
 * Version 2 (cpu.max) is looked at first, then version 1 (cpu.cfs_quota_us);
 * in both a parent's quota binds too, so every level up to the mount is read.
 * Runs in the master at load.  Whatever cannot be read counts as no limit.
 */
#include "cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/config/config.h"

enum { CPU_SETS_MAX = 1 << 16 };

typedef double quota_reader(const char *dir);

static bool
read_line(const char *dir, const char *name, char *line, size_t size)
{
	char path[PATH_MAX];
	bool ok = false;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	ok = fgets(line, (int)size, f) != NULL;
	fclose(f);
	return ok;
}

/* The next positive number of a line, or 0: "max", too. */
static double
next_number(char **p)
{
	char *end;
	double value = strtod(*p, &end);

	if (end == *p || !(value > 0))
		return 0;
	*p = end;
	return value;
}

/* CPUs, or 0 for no limit. */
static double
quota_v2(const char *dir)
{
	char line[64];
	char *p = line;
	double quota, period;

	if (!read_line(dir, "cpu.max", line, sizeof(line)))
		return 0;
	quota = next_number(&p);
	period = next_number(&p);
	return quota > 0 && period > 0 ? quota / period : 0;
}

static double
quota_v1(const char *dir)
{
	char quota_line[64], period_line[64];
	char *p = quota_line, *q = period_line;
	double quota, period;

	if (!read_line(dir, "cpu.cfs_quota_us", quota_line, sizeof(quota_line)) ||
		!read_line(dir, "cpu.cfs_period_us", period_line, sizeof(period_line)))
		return 0;
	quota = next_number(&p);
	period = next_number(&q);
	return quota > 0 && period > 0 ? quota / period : 0;
}

/* The smallest quota from mount+path up to the mount itself. */
static double
smallest(const char *mount, const char *path, quota_reader *reader)
{
	char dir[PATH_MAX];
	double least = 0, quota;
	size_t top = strlen(mount);
	char *slash;

	if (snprintf(dir, sizeof(dir), "%s%s", mount, path) >= (int)sizeof(dir))
		return 0;
	for (;;) {
		quota = reader(dir);
		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
		slash = strrchr(dir, '/');
		if (slash == NULL || slash < dir + top)
			return least;
		*slash = '\0';
	}
}

static bool
has_member(const char *list, const char *word)
{
	size_t n = strlen(word);
	const char *p;

	for (p = list; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	}
	return false;
}

/* "3:cpu,cpuacct:/path" -> controllers and path; "0::/path" has no controllers. */
static bool
split_line(char *line, const char **controllers, const char **path)
{
	char *first = strchr(line, ':');
	char *second = first != NULL ? strchr(first + 1, ':') : NULL;

	if (second == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	*second = '\0';
	*controllers = first + 1;
	*path = second + 1;
	return true;
}

static double
quota_of_line(const char *root, char *line)
{
	static const char *const v2_mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	static const char *const v1_mounts[] = { "/sys/fs/cgroup/cpu",
		"/sys/fs/cgroup/cpu,cpuacct" };
	const char *controllers, *path;
	double quota = 0;
	char mount[PATH_MAX];
	bool v2;
	int i;

	if (!split_line(line, &controllers, &path))
		return 0;
	v2 = *controllers == '\0';
	if (!v2 && !has_member(controllers, "cpu"))
		return 0;
	for (i = 0; i < 2 && quota == 0; i++) {
		snprintf(mount, sizeof(mount), "%s%s", root, v2 ? v2_mounts[i] : v1_mounts[i]);
		quota = smallest(mount, path, v2 ? quota_v2 : quota_v1);
	}
	return quota;
}

static unsigned
round_up(double cpus)
{
	unsigned whole = cpus < UINT_MAX ? (unsigned)cpus : UINT_MAX;

	return (double)whole < cpus && whole < UINT_MAX ? whole + 1 : whole;
}

unsigned
cpus_of_cgroup(const char *root)
{
	char path[PATH_MAX], line[PATH_MAX];
	double least = 0, quota;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >= (int)sizeof(path))
		return 0;
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		quota = quota_of_line(root, line);
		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
	}
	fclose(f);
	return round_up(least);
}

static unsigned
cpus_of_affinity(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t *set;
	size_t size;
	int n, rc;

	for (n = CPU_SETSIZE; n <= CPU_SETS_MAX; n *= 2) { /* machines beyond 1,024 CPUs */
		set = CPU_ALLOC((size_t)n);
		if (set == NULL)
			break;
		size = CPU_ALLOC_SIZE((size_t)n);
		rc = sched_getaffinity(0, size, set);
		if (rc == 0)
			rc = CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (rc > 0)
			return (unsigned)rc;
	}
	return online > 0 ? (unsigned)online : 1;
}

unsigned
config_usable_cpus(void)
{
	unsigned cpus = cpus_of_affinity();
	unsigned quota = cpus_of_cgroup("");

	if (quota > 0 && quota < cpus)
		cpus = quota;
	return cpus > 0 ? cpus : 1;
}
