/*
 * Speaking to an instance from outside: `ballast -s ORDER` and --healthcheck.
 * Runs in a process of its own that lives for one command, so it may wait and
 * poll.  It finds the instance by its pidfile, whose lock tells whether a master
 * lives; the outcome of a reload is read from the shared memory.
 */
#include "ballast/master/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/types.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/sock.h"
#include "ballast/shm/segment.h"

#include "daemon.h"
#include "private.h"

enum { LOOK_EVERY_MS = 20, ANSWER_WITHIN_MS = 5000, LEAVES_WITHIN_MS = 2000 };
#define RELOAD_WITHIN_US  (UINT64_C(90) * 1000000)
#define UPGRADE_WITHIN_US (UINT64_C(90) * 1000000)
#define STOP_GRACE_US     (UINT64_C(5) * 1000000)
#define QUIT_WITHIN_US    (UINT64_C(10) * 1000000)

static const struct order_row {
	const char *word;
	int signal;
} order_rows[] = {
	[ORDER_RELOAD] = { "reload", SIGHUP },
	[ORDER_STOP] = { "stop", SIGTERM },
	[ORDER_QUIT] = { "quit", SIGQUIT },
	[ORDER_REOPEN] = { "reopen", SIGUSR1 },
	[ORDER_UPGRADE] = { "upgrade", SIGUSR2 },
};

bool
master_order_parse(enum master_order *order, const char *word)
{
	for (size_t i = 0; i < sizeof(order_rows) / sizeof(order_rows[0]); i++) {
		if (strcmp(order_rows[i].word, word) != 0)
			continue;
		*order = (enum master_order)i;
		return true;
	}
	return false;
}

static int
complain(const char *what, const char *detail)
{
	fprintf(stderr, "ballast: %s%s%s\n", what, detail == NULL ? "" : ": ",
		detail == NULL ? "" : detail);
	return EXIT_START;
}

static bool
find_instance(struct instance *in, const struct config *config)
{
	struct err err;
	bool found;

	err_init(&err);
	found = instance_of(in, config, geteuid() == 0, &err);
	if (!found)
		err_print(&err, stderr);
	err_free(&err);
	return found;
}

static void
look_again_later(void)
{
	poll(NULL, 0, LOOK_EVERY_MS);
}

static bool
is_gone(const struct instance *in, pid_t pid)
{
	return pidfile_holder(in->pidfile) != pid;
}

/* The lock goes a moment before the process: whoever asked for the end may look for the process next. */
static void
see_it_leave(pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return;
	poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, LEAVES_WITHIN_MS);
	fd_close(&fd);
}

static int
wait_for_end(const struct instance *in, pid_t pid, uint64_t within_us)
{
	uint64_t until_us = clock_now_us() + within_us;

	while (clock_now_us() < until_us) {
		if (is_gone(in, pid)) {
			see_it_leave(pid);
			return EXIT_CLEAN;
		}
		look_again_later();
	}
	return complain("the instance has not ended in time", in->pidfile);
}

struct reload_watch {
	uint64_t at_us;
	uint32_t generation;
};

static struct reload_watch
reload_state(const struct shm *shm)
{
	struct reload_watch w;

	w.at_us = atomic_load_explicit(&shm->shared->reload_at_us, memory_order_acquire);
	w.generation = atomic_load_explicit(&shm->shared->generation, memory_order_acquire);
	return w;
}

static int
tell_outcome(const struct reload_watch *before, const struct reload_watch *now)
{
	if (now->generation == before->generation)
		return complain("reload failed, the old configuration stays; see the log", NULL);
	printf("reloaded: generation %u\n", (unsigned)now->generation);
	return EXIT_CLEAN;
}

static int
wait_for_reload(const struct instance *in, pid_t pid, const struct shm *shm,
	const struct reload_watch *before)
{
	uint64_t until_us = clock_now_us() + RELOAD_WITHIN_US;

	while (clock_now_us() < until_us) {
		struct reload_watch now = reload_state(shm);

		if (now.at_us != before->at_us)
			return tell_outcome(before, &now);
		if (is_gone(in, pid))
			return complain("the instance ended during the reload; see the log", NULL);
		look_again_later();
	}
	return complain("the reload has not been completed in time; see the log", NULL);
}

static int
send_signal(pid_t pid, enum master_order order)
{
	if (kill(pid, order_rows[order].signal) == 0)
		return EXIT_CLEAN;
	return complain("cannot signal the instance", strerror(errno));
}

/*
 * The state before the signal tells afterwards whether an attempt was made, and whether it
 * changed anything.
 */
static int
reload(const struct instance *in, pid_t pid)
{
	struct reload_watch before;
	struct shm shm;
	int rc = shm_attach(&shm, in->shm_name);

	if (rc < 0) {
		rc = send_signal(pid, ORDER_RELOAD);
		return rc == EXIT_CLEAN ? complain("sent, but its outcome cannot be seen", NULL)
					: rc;
	}
	before = reload_state(&shm);
	rc = send_signal(pid, ORDER_RELOAD);
	if (rc == EXIT_CLEAN)
		rc = wait_for_reload(in, pid, &shm, &before);
	shm_detach(&shm);
	return rc;
}

static uint32_t
upgrades_failed(const struct shm *shm)
{
	return atomic_load_explicit(&shm->shared->upgrades_failed, memory_order_acquire);
}

/* The new master writes the pidfile when it serves. */
static int
wait_for_upgrade(const struct instance *in, pid_t pid, const struct shm *shm, uint32_t failed)
{
	uint64_t until_us = clock_now_us() + UPGRADE_WITHIN_US;

	while (clock_now_us() < until_us) {
		pid_t holder = pidfile_holder(in->pidfile);

		if (holder > 0 && holder != pid) {
			printf("upgraded: pid %ld\n", (long)holder);
			return EXIT_CLEAN;
		}
		if (holder == 0)
			return complain("the instance ended during the upgrade; see the log", NULL);
		if (upgrades_failed(shm) != failed)
			return complain("upgrade failed, the running program carries on; see the "
					"log",
				NULL);
		look_again_later();
	}
	return complain("the upgrade has not been completed in time; see the log", NULL);
}

static int
upgrade(const struct instance *in, pid_t pid)
{
	struct shm shm;
	uint32_t failed;
	int rc = shm_attach(&shm, in->shm_name);

	if (rc < 0)
		return complain("the shared memory of the instance cannot be read, so the outcome "
				"could not be seen; send USR2",
			strerror(-rc));
	failed = upgrades_failed(&shm);
	rc = send_signal(pid, ORDER_UPGRADE);
	if (rc == EXIT_CLEAN)
		rc = wait_for_upgrade(in, pid, &shm, failed);
	shm_detach(&shm);
	return rc;
}

static int
carry_out(
	const struct instance *in, const struct config *config, pid_t pid, enum master_order order)
{
	int rc;

	if (order == ORDER_RELOAD)
		return reload(in, pid);
	if (order == ORDER_UPGRADE)
		return upgrade(in, pid);
	rc = send_signal(pid, order);
	if (rc != EXIT_CLEAN || order == ORDER_REOPEN)
		return rc;
	return wait_for_end(in, pid,
		order == ORDER_STOP ? config->timeouts.drain_us + STOP_GRACE_US : QUIT_WITHIN_US);
}

int
master_send(const struct config *config, enum master_order order)
{
	struct instance in;
	pid_t pid;

	if (!find_instance(&in, config))
		return EXIT_START;
	pid = pidfile_holder(in.pidfile);
	if (pid == -EAGAIN)
		return complain("the instance is still starting", in.pidfile);
	if (pid < 0)
		return complain(in.pidfile, strerror(-pid));
	if (pid == 0)
		return complain("no instance is running with this pidfile", in.pidfile);
	return carry_out(&in, config, pid, order);
}

/* A connect to a Unix socket is decided at once; only the answer may take its time. */
static int
connect_local(const struct instance *in)
{
	int fd = -ENOENT;

	for (unsigned i = 0; i < INSTANCE_SOCKETS && fd < 0; i++) {
		struct addr a;
		bool in_progress;

		if (in->sockets[i][0] != '\0' && addr_parse_unix(&a, in->sockets[i]) == NULL)
			fd = sock_connect(&a, &in_progress);
	}
	return fd;
}

static bool
wait_readable(int fd, uint64_t until_us)
{
	uint64_t now_us = clock_now_us();
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return now_us < until_us && poll(&p, 1, (int)((until_us - now_us) / 1000) + 1) > 0;
}

static bool
says_ok(int fd)
{
	static const char question[] =
		"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	static const char yes[] = "HTTP/1.1 200 ";
	uint64_t until_us = clock_now_us() + ANSWER_WITHIN_MS * UINT64_C(1000);
	char answer[sizeof(yes) - 1];
	size_t len = 0;

	if (sock_send(fd, question, sizeof(question) - 1) != (ssize_t)sizeof(question) - 1)
		return false;
	while (len < sizeof(answer) && wait_readable(fd, until_us)) {
		ssize_t got = sock_recv(fd, answer + len, sizeof(answer) - len);

		if (got == 0 || (got < 0 && got != -EAGAIN))
			return false;
		len += got > 0 ? (size_t)got : 0;
	}
	return len == sizeof(answer) && memcmp(answer, yes, len) == 0;
}

int
master_ask_ready(const struct config *config)
{
	struct instance in;
	bool ready;
	int fd;

	if (!find_instance(&in, config))
		return EXIT_START;
	fd = connect_local(&in);
	if (fd < 0)
		return complain("no instance answers", strerror(-fd));
	ready = says_ok(fd);
	fd_close(&fd);
	return ready ? EXIT_CLEAN : complain("not ready", NULL);
}
