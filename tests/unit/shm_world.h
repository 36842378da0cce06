/*
 * A segment of a test's own, and processes that share it.  Its name is gone as
 * soon as it is mapped, so a test that fails leaves nothing in /dev/shm.
 * Children start together and tell their failures by their exit status.
 */
#ifndef BALLAST_TESTS_UNIT_SHM_WORLD_H
#define BALLAST_TESTS_UNIT_SHM_WORLD_H

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ballast/shm/segment.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { CHILDREN_MAX = 8 };

static inline const char *
world_name(void)
{
	static char name[64]; /* made once: processes forked later keep it */

	if (name[0] == '\0')
		snprintf(name, sizeof(name), "/ballast-unit-%ld", (long)getpid());
	return name;
}

static inline void
world_open(struct shm *s, uint32_t max_backends, uint32_t slots, uint32_t rate_rows)
{
	struct shm_shape shape = { max_backends, slots, rate_rows, 0 };

	ck_assert_int_eq(shm_create(s, world_name(), &shape, (gid_t)-1), 0);
	ck_assert_int_eq(shm_remove(world_name()), 0);
}

/* Zeroed memory that children share, until the process ends. */
static inline void *
world_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

typedef int child_task(unsigned number, void *arg); /* 0 when all went well */

static inline pid_t
child_start(int gate[2], child_task *task, unsigned number, void *arg)
{
	pid_t pid = fork();
	char octet;

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	close(gate[1]);
	if (read(gate[0], &octet, 1) != 0) /* the end of file is the start */
		_exit(99);
	_exit(task(number, arg));
}

static inline void
children_run(unsigned n, child_task *task, void *arg)
{
	pid_t pid[CHILDREN_MAX];
	int gate[2];

	ck_assert_uint_le(n, CHILDREN_MAX);
	ck_assert_int_eq(pipe(gate), 0);
	for (unsigned i = 0; i < n; i++)
		pid[i] = child_start(gate, task, i, arg);
	close(gate[0]);
	close(gate[1]);
	for (unsigned i = 0; i < n; i++) {
		int status;

		ck_assert_int_eq(waitpid(pid[i], &status, 0), pid[i]);
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	}
}

/* A child that works until it is killed, in the middle of whatever it does once `word` has reached `level`. */
static inline void
child_run_and_kill(child_task *task, void *arg, _Atomic uint64_t *word, uint64_t level)
{
	int gate[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(gate), 0);
	pid = child_start(gate, task, 0, arg);
	close(gate[0]);
	close(gate[1]);
	while (atomic_load(word) < level)
		sched_yield(); /* check's own time limit ends a child that does not come so far */
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}

/* Everybody waits for everybody, round after round. */
static inline void
rendezvous(_Atomic uint32_t *arrived, uint32_t n, uint32_t round)
{
	unsigned looks = 0;

	atomic_fetch_add(arrived, 1);
	while (atomic_load(arrived) < n * (round + 1))
		if (++looks % 1000 == 0) /* so that they leave together when each has a CPU */
			sched_yield();
}

/* A small generator with a seed, the same on every machine (Numerical Recipes' constants). */
static inline uint32_t
random_below(uint64_t *state, uint32_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((*state >> 33) % below);
}

#endif
