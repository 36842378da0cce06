/*
 * CPUs by cgroup quota, on directories that look like the root of a machine.
 */
#include "../../src/config/cpus.h"

#include "ballast/config/config.h"
#include "harness.h"
#include "scratch.h"

struct file {
	const char *path, *text;
};

struct row {
	const char *what;
	struct file files[6];
	unsigned cpus;
};

static const struct row rows[] = {
	{ "no cgroup at all", { { 0 } }, 0 },
	{ "v2, one and a half",
		{ { "proc/self/cgroup", "0::/app\n" },
			{ "sys/fs/cgroup/app/cpu.max", "150000 100000\n" } },
		2 },
	{ "v2, exactly two",
		{ { "proc/self/cgroup", "0::/app\n" },
			{ "sys/fs/cgroup/app/cpu.max", "200000 100000\n" } },
		2 },
	{ "v2, a tenth",
		{ { "proc/self/cgroup", "0::/\n" }, { "sys/fs/cgroup/cpu.max", "10000 100000\n" } },
		1 },
	{ "v2, max",
		{ { "proc/self/cgroup", "0::/app\n" },
			{ "sys/fs/cgroup/app/cpu.max", "max 100000\n" } },
		0 },
	{ "v2, the parent binds",
		{ { "proc/self/cgroup", "0::/pod/app\n" },
			{ "sys/fs/cgroup/pod/app/cpu.max", "800000 100000\n" },
			{ "sys/fs/cgroup/pod/cpu.max", "300000 100000\n" } },
		3 },
	{ "v2, the path is not visible in here",
		{ { "proc/self/cgroup", "0::/kubepods/pod1/abc\n" },
			{ "sys/fs/cgroup/cpu.max", "400000 100000\n" } },
		4 },
	{ "v2 in the hybrid layout",
		{ { "proc/self/cgroup", "1:name=systemd:/x\n0::/app\n" },
			{ "sys/fs/cgroup/unified/app/cpu.max", "100000 100000\n" } },
		1 },
	{ "v1",
		{ { "proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/app\n1:cpuset:/y\n" },
			{ "sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "250000\n" },
			{ "sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000\n" } },
		3 },
	{ "v1, unlimited",
		{ { "proc/self/cgroup", "4:cpuacct,cpu:/\n" },
			{ "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n" },
			{ "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" } },
		0 },
	{ "v1, cpuset and cpuacct are not cpu",
		{ { "proc/self/cgroup", "4:cpuacct:/\n3:cpuset:/\n" },
			{ "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n" },
			{ "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" } },
		0 },
	{ "nonsense",
		{ { "proc/self/cgroup", "what\n::\n0::/app\n" },
			{ "sys/fs/cgroup/app/cpu.max", "lots of it\n" } },
		0 },
	{ "a period of zero",
		{ { "proc/self/cgroup", "0::/\n" }, { "sys/fs/cgroup/cpu.max", "1000 0\n" } }, 0 },
	{ "a quota beyond all measure",
		{ { "proc/self/cgroup", "0::/\n" }, { "sys/fs/cgroup/cpu.max", "1e300 1\n" } },
		4294967295u },
};

START_TEST(the_quota_is_found_and_rounded_up)
{
	size_t i, k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		scratch_enter();
		for (k = 0; k < 6 && rows[i].files[k].path != NULL; k++)
			scratch_write(rows[i].files[k].path, rows[i].files[k].text,
				strlen(rows[i].files[k].text));
		ck_assert_msg(cpus_of_cgroup(scratch_dir) == rows[i].cpus, "%s: %u", rows[i].what,
			cpus_of_cgroup(scratch_dir));
		scratch_leave();
	}
}
END_TEST

START_TEST(this_machine_has_at_least_one)
{
	ck_assert_uint_ge(config_usable_cpus(), 1);
	ck_assert_uint_le(config_usable_cpus(), 65536);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cpus");
	TCase *c = tcase_create("cpus");

	tcase_add_test(c, the_quota_is_found_and_rounded_up);
	tcase_add_test(c, this_machine_has_at_least_one);
	suite_add_tcase(s, c);
	return unit_main(s);
}
