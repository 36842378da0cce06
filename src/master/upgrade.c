/*
 * The replacement of a running program, in the master that is replaced.  It forks
 * and executes the new program, which inherits what the instance is made of:
 * listeners, control socket, the open pidfile.  Owns the pair with the new master
 * and the text for it.  Invariants: until the new one says that the instance is
 * taken nothing that serves has changed, and whatever becomes of it the old
 * program carries on; after that nothing of the instance is removed here, and
 * orders for it are passed on.  What the new master does is in inherit.c.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/control.h"
#include "ballast/base/owner.h"
#include "ballast/base/signals.h"
#include "ballast/base/sock.h"
#include "ballast/shm/transfer.h"

#include "title.h"

#define READY_WITHIN_US (UINT64_C(60) * 1000000)

enum { VARIABLE_MAX = 1024, REASON_MAX = 1024 };

/* ---- the text */

/* For a program that cannot use our segment.  Each text is a file of its own: who reads it is never overtaken by the next. */
static int
open_text(const struct master *m)
{
	size_t len;
	char *text = transfer_write(&m->shm, clock_now_us(), &len);
	int fd = memfd_create("ballast-upgrade", MFD_CLOEXEC);

	if (text == NULL || (fd >= 0 && write(fd, text, len) != (ssize_t)len))
		fd_close(&fd);
	free(text);
	return fd;
}

/* 0 or -errno.  The word is more than the text. */
static int
say_over(const struct master *m)
{
	int text = open_text(m);
	int rc = text < 0 ? -ENOMEM : control_send_fd(m->upgrade.control.fd, CONTROL_OVER, text);

	fd_close(&text);
	if (rc == 0 || rc == -EPIPE)
		return rc;
	log_error("the new program is not told what was counted since it was started",
		LOG_STR("error", strerror(-rc)));
	return control_send(m->upgrade.control.fd, CONTROL_OVER);
}

/* ---- the new program */

/* What it is told, and so what it inherits. */
static bool
say(char out[VARIABLE_MAX], const struct master *m, int control, int reason)
{
	const struct listener *l = m->current->listener, *admin = m->current->admin;
	char address[ADDR_TEXT];
	int len = snprintf(out, VARIABLE_MAX,
		"version=" INHERIT_VERSION
		"\ncontrol=%d\nreason=%d\ntext=%d\npidfile=%d\nlocal=%d\n"
		"queue_in=%d\nqueue_out=%d\nlistener=%d %s\n",
		control, reason, m->upgrade.text, m->pidfile.fd, m->local_fd,
		m->children.handover[0], m->children.handover[1], l->fd,
		addr_text(&l->configured, address));

	if (admin != NULL && len > 0 && len < VARIABLE_MAX)
		len += snprintf(out + len, (size_t)(VARIABLE_MAX - len), "admin=%d %s\n", admin->fd,
			addr_text(&admin->configured, address));
	return len > 0 && len < VARIABLE_MAX;
}

static int
pass_on(const struct master *m, int control, int reason)
{
	const int passed[] = { control, reason, m->upgrade.text, m->pidfile.fd, m->local_fd,
		m->children.handover[0], m->children.handover[1], m->current->listener->fd,
		m->current->admin == NULL ? m->local_fd : m->current->admin->fd };

	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		int rc = fd_cloexec(passed[i], false);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static const char *
program_path(const struct master *m)
{
	const char *named = getenv("BALLAST_BINARY");

	return named != NULL && named[0] != '\0' ? named : m->program;
}

/* In the child.  Signals are as they were for us when we were started. */
_Noreturn static void
become_successor(const struct master *m, int control, int reason)
{
	const char *program = program_path(m);
	char variable[VARIABLE_MAX];
	sigset_t none;
	int rc = pass_on(m, control, reason);

	sigemptyset(&none);
	signals_reset();
	if (rc == 0 && say(variable, m, control, reason) && title_arguments() != NULL &&
		setenv(INHERIT_VARIABLE, variable, 1) == 0 &&
		sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
		execv(program, title_arguments());
		rc = -errno;
	}
	dprintf(reason, "cannot run %s: %s", program, strerror(rc < 0 ? -rc : ENOMEM));
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	_exit(EXIT_START);
}

static void
hear_successor(struct watch *w)
{
	struct upgrade *u = OWNER(w, struct upgrade, control);
	struct master *m = OWNER(u, struct master, upgrade);
	enum control said = control_next(w->fd, NULL);
	int fd = w->fd;

	while (said != CONTROL_NONE && said != CONTROL_EOF) {
		u->ready = u->ready || said == CONTROL_READY;
		u->taken = u->taken || said == CONTROL_TAKEN;
		u->leaving = u->leaving || said == CONTROL_LEAVING;
		said = control_next(w->fd, NULL);
	}
	watch_clear(w, POLLER_IN);
	if (said != CONTROL_EOF)
		return;
	poller_remove(m->poller, w);
	fd_close(&fd);
}

static int
watch_successor(struct master *m, int control)
{
	m->upgrade.ready = m->upgrade.offered = m->upgrade.taken = false;
	m->upgrade.leaving = m->upgrade.reopen = false;
	m->upgrade.control = (struct watch){ .wake = hear_successor, .fd = -1 };
	return poller_add(m->poller, &m->upgrade.control, control, POLLER_IN);
}

static int
fork_successor(struct master *m, int control, int reason)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_successor(m, control, reason);
	m->upgrade.pid = m->children.successor = pid;
	m->upgrade.deadline_us = m->now_us + READY_WITHIN_US;
	return 0;
}

/* Either end of a pair may be closed already: then it is -1. */
static int
start_successor(struct master *m)
{
	int pair[2] = { -1, -1 }, reason[2] = { -1, -1 };
	int rc = control_pair(pair);

	if (rc == 0 && pipe2(reason, O_CLOEXEC) < 0)
		rc = -errno;
	if (rc == 0)
		rc = fd_nonblocking(reason[0]);
	if (rc == 0)
		rc = watch_successor(m, pair[0]);
	if (rc == 0) {
		m->upgrade.reason = reason[0];
		rc = fork_successor(m, pair[1], reason[1]);
	} else {
		fd_close(&reason[0]);
		fd_close(&pair[0]);
	}
	fd_close(&pair[1]);
	fd_close(&reason[1]);
	return rc;
}

/* ---- the course of it */

static void
close_ends(struct master *m)
{
	int fd = m->upgrade.control.fd;

	if (fd >= 0)
		poller_remove(m->poller, &m->upgrade.control);
	fd_close(&fd);
	fd_close(&m->upgrade.reason);
}

/* Whoever asked for it looks at the number of those that failed. */
static void
tell_failure(struct master *m, const char *reason)
{
	log_error("upgrade failed, the running program carries on", LOG_STR("error", reason));
	atomic_fetch_add(&m->shm.shared->upgrades_failed, 1);
}

/* NULL: there is none.  What is under way now would not survive it. */
static const char *
obstacle(const struct master *m)
{
	if (m->ending)
		return "it ends";
	if (m->upgrade.pid != 0)
		return "another upgrade is going on";
	if (m->children.successor != 0)
		return "the last program that gave up has not left yet";
	if (!m->announced)
		return "it is starting";
	if (m->reload_wanted || m->pending != NULL || m->taking_over)
		return "a reload is going on";
	if (getpid() == 1)
		return "as process 1 it cannot leave without ending its container";
	return NULL;
}

void
upgrade_begin(struct master *m)
{
	const char *why_not = obstacle(m);
	int rc;

	if (why_not != NULL) {
		tell_failure(m, why_not);
		return;
	}
	log_info("upgrade begins", LOG_STR("program", program_path(m)));
	m->upgrade.text = open_text(m);
	rc = m->upgrade.text < 0 ? -ENOMEM : start_successor(m);
	fd_close(&m->upgrade.text);
	if (rc == 0)
		return;
	close_ends(m);
	tell_failure(m, strerror(-rc));
}

static const char *
last_words(const struct master *m, char out[REASON_MAX])
{
	ssize_t len = read(m->upgrade.reason, out, REASON_MAX - 1);
	int status = m->children.successor_status;

	out[len > 0 ? len : 0] = '\0';
	if (out[0] == '\0' && WIFSIGNALED(status))
		snprintf(out, REASON_MAX, "the new program was ended by signal %d",
			WTERMSIG(status));
	else if (out[0] == '\0')
		snprintf(out, REASON_MAX, "the new program ended with status %d",
			WEXITSTATUS(status));
	return out;
}

static void
answer_again(struct master *m)
{
	int rc;

	m->upgrade.offered = false;
	rc = admin_return(m->admin, m->local_fd);
	if (rc == 0 && m->current->admin != NULL)
		rc = admin_serve(m->admin, m->current->admin->fd, false);
	if (rc < 0)
		log_error("cannot serve the control socket", LOG_STR("error", strerror(-rc)));
}

/* It may have named backends' rows, and left a segment that nobody uses. */
static void
undo(struct master *m)
{
	char name[48];
	int rc;

	heritage_segment_name(m, name);
	(void)shm_remove(name);
	rc = pidfile_tell(&m->pidfile);
	if (rc < 0)
		log_error("cannot write the pidfile", LOG_STR("error", strerror(-rc)));
	if (m->upgrade.offered)
		answer_again(m);
	if (!m->ending)
		generation_restore(
			m->current, &m->shm, slots_oldest_generation(&m->shm, m->current->number));
}

static void
give_up(struct master *m)
{
	char reason[REASON_MAX];

	tell_failure(m, last_words(m, reason));
	m->upgrade.pid = 0;
	close_ends(m);
	undo(m);
}

/* The order: nobody is answered by us any more, so that what the text says is the last that anybody saw; then the word. */
static void
offer(struct master *m)
{
	log_debug("the new program may take over", LOG_INT("pid", m->upgrade.pid));
	m->upgrade.offered = true;
	admin_leave(m->admin);
	if (say_over(m) < 0)
		m->upgrade.deadline_us = m->now_us; /* it will never know */
}

bool
upgrade_forward(struct master *m, int signal_number)
{
	if (!m->upgrade.taken || !m->guest)
		return false;
	if (m->children.successor != 0)
		kill(m->children.successor, signal_number);
	else
		log_warn("not passed on: who took over has left, too; the pidfile names the master",
			LOG_STR("signal", signals_name(signal_number)));
	return true;
}

void
upgrade_forward_end(struct master *m, int signal_number)
{
	if (pidfile_names_us(&m->pidfile))
		(void)upgrade_forward(m, signal_number);
}

void
upgrade_reopen(struct master *m)
{
	m->upgrade.reopen = m->upgrade.pid != 0;
	(void)upgrade_forward(m, SIGUSR1);
}

/* From here on the instance is the new master's.  Our workers leave as at a reload. */
static void
hand_over(struct master *m)
{
	log_info("upgraded", LOG_INT("pid", m->upgrade.pid));
	m->guest = true;
	m->ending = true;
	m->children.ending = true;
	if (m->reload_wanted)
		(void)upgrade_forward(m, SIGHUP);
	if (m->upgrade.reopen)
		(void)upgrade_forward(m, SIGUSR1);
	generation_share_listeners(m->current, true);
	children_retire(&m->children, m->current, m->now_us);
	generation_stop_listening(m->current);
}

static void
hear_rest(struct upgrade *u)
{
	if (u->control.fd >= 0)
		hear_successor(&u->control);
}

static bool
is_stopped(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

/* Stopped, it says nothing more: whether it had taken the instance by then decides, and not who was faster. */
static void
out_of_time(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	kill(u->pid, SIGSTOP);
	if (!is_stopped(u->pid))
		return;
	hear_rest(u);
	if (u->taken) {
		kill(u->pid, SIGCONT);
		return;
	}
	log_warn("the new program did not take over in time and is killed", LOG_INT("pid", u->pid));
	u->deadline_us = UINT64_MAX;
	kill(u->pid, SIGKILL);
}

/* It has ended, or said that it leaves: then its workers may still have something to finish, which holds nothing up here. */
static bool
has_given_up(const struct master *m)
{
	return m->children.successor == 0 || m->upgrade.leaving;
}

void
upgrade_progress(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	if (u->pid == 0 || m->guest)
		return;
	if (m->children.successor == 0)
		hear_rest(u);
	if (u->taken && !m->ending)
		hand_over(m);
	else if (has_given_up(m))
		give_up(m);
	else if (u->ready && !u->offered && !m->ending && u->control.fd >= 0)
		offer(m);
	else if (m->now_us >= u->deadline_us)
		out_of_time(m);
}

void
upgrade_cancel(struct master *m)
{
	if (m->children.successor != 0 && !m->guest)
		kill(m->children.successor, SIGKILL);
}

void
upgrade_conclude(struct master *m)
{
	if (m->upgrade.control.fd >= 0)
		(void)say_over(m);
}

void
upgrade_free(struct master *m)
{
	if (m->poller != NULL)
		close_ends(m);
}
