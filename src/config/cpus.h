/*
 * How many CPUs this process may use: its affinity, and the quota of its
 * cgroup.  Split from the public function so that a test can hand in a
 * directory that looks like the root of a machine.
 */
#ifndef BALLAST_CONFIG_CPUS_H
#define BALLAST_CONFIG_CPUS_H

/* The quota found under root ("" is this machine), rounded up; 0 when there is none. */
unsigned cpus_of_cgroup(const char *root);

#endif
