/*
 * The master's children: how they begin and how they are reaped.  Owns the table
 * of them, one entry per slot, and the master's ends of the control pairs.
 * Invariants: an entry is free exactly when its slot is; a generation is held by
 * each of its children; nothing here waits: forks and deaths are looked at once
 * per turn of the master's loop.  How they are told to leave is in
 * children_leave.c; what a generation is and when it begins or ends is decided elsewhere.
 */
#include "children.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/control.h"
#include "ballast/base/log.h"
#include "ballast/base/owner.h"
#include "ballast/base/sock.h"
#include "ballast/shm/metrics.h"
#include "ballast/worker/worker.h"

#include "child.h"
#include "child_log.h"
#include "crash.h"

enum { START_WITHIN_US = 30000000 };

int
children_init(struct children *c)
{
	int rc = c->handover[0] >= 0 && c->handover[1] >= 0 ? 0 : control_pair(c->handover);

	if (rc < 0)
		return rc;
	c->n = c->shm->n_slots;
	c->child = calloc(c->n, sizeof(*c->child));
	return c->child == NULL ? -ENOMEM : 0;
}

void
children_free(struct children *c)
{
	if (c->n == 0)
		return;
	fd_close(&c->handover[0]);
	fd_close(&c->handover[1]);
	free(c->child);
	c->child = NULL;
	c->n = 0;
}

static struct backoff *
backoff_of(struct generation *g, enum slot_role role)
{
	return role == ROLE_WORKER ? &g->workers : &g->checker;
}

static void
stop_listening_to(struct child *k)
{
	int fd = k->watch.fd;

	if (fd < 0)
		return;
	poller_remove(k->all->poller, &k->watch);
	fd_close(&fd);
}

static void
became_ready(struct child *k)
{
	if (k->phase != CHILD_STARTING)
		return;
	k->phase = CHILD_READY;
	if (k->all->announced)
		backoff_ready(backoff_of(k->generation, k->role));
	log_debug("child ready", LOG_STR("role", child_role_name(k->role)),
		LOG_INT("number", k->number), LOG_INT("pid", k->pid),
		LOG_INT("generation", k->generation->number));
}

/* The end of the pair tells nothing that SIGCHLD does not tell better. */
static void
hear(struct watch *w)
{
	struct child *k = OWNER(w, struct child, watch);
	enum control said = control_next(w->fd, NULL);

	while (said != CONTROL_NONE && said != CONTROL_EOF) {
		if (said == CONTROL_READY)
			became_ready(k);
		else if (said == CONTROL_LEAVING)
			child_began_leaving(k);
		said = control_next(w->fd, NULL);
	}
	if (said == CONTROL_EOF)
		stop_listening_to(k);
	else
		watch_clear(w, POLLER_IN);
}

static void
forget(struct child *k)
{
	stop_listening_to(k);
	slot_fold(k->all->shm, k->slot);
	generation_release(&k->generation);
	k->phase = CHILD_NONE;
	k->pid = 0;
}

/* Entries are never freed: the poller may still point to a watch in one for this turn. */
static void
enlist(struct children *c, const struct child_setup *s, int control, pid_t pid, uint64_t now_us)
{
	struct child *k = &c->child[slot_index(c->shm, s->slot)];

	*k = (struct child){
		.watch = { .wake = hear, .fd = -1 },
		.all = c,
		.generation = generation_hold(s->generation),
		.slot = s->slot,
		.role = s->role,
		.phase = CHILD_STARTING,
		.number = s->number,
		.pid = pid,
		.forked_us = now_us,
		.deadline_us = now_us + START_WITHIN_US,
	};
	atomic_store_explicit(&s->slot->pid, pid, memory_order_relaxed);
	if (poller_add(c->poller, &k->watch, control, POLLER_IN) == 0)
		return;
	fd_close(&control); /* it sees the end and leaves */
	log_error("cannot watch a child", LOG_INT("pid", pid));
}

static int
fork_child(struct children *c, struct child_setup *s, uint64_t now_us)
{
	int fds[2];
	int rc = control_pair(fds);
	pid_t pid;

	if (rc < 0)
		return rc;
	fflush(NULL); /* what is buffered would be written twice */
	s->control = fds[1];
	pid = fork();
	rc = pid < 0 ? -errno : 0;
	if (pid == 0)
		child_begin(s);
	fd_close(&fds[1]);
	if (pid < 0)
		fd_close(&fds[0]);
	else
		enlist(c, s, fds[0], pid, now_us);
	return rc;
}

static bool
start(struct children *c, struct generation *g, enum slot_role role, unsigned number,
	uint64_t now_us)
{
	struct child_setup s = {
		.shm = c->shm,
		.slot = slot_claim(c->shm, role, g->number, number),
		.role = role,
		.number = number,
		.generation = g,
		.identity = c->identity,
		.admin = c->admin,
		.handover = { c->handover[0], c->handover[1] },
		.master = getpid(),
	};
	int rc;

	if (s.slot == NULL)
		return false; /* one is freed when the next child is reaped */
	atomic_store_explicit(&s.slot->started_us, clock_wall_us(), memory_order_relaxed);
	rc = fork_child(c, &s, now_us);
	if (rc == 0)
		return true;
	slot_fold(c->shm, s.slot);
	backoff_stillborn(backoff_of(g, role), now_us);
	log_error("cannot fork", LOG_STR("role", child_role_name(role)),
		LOG_STR("error", strerror(-rc)));
	return false;
}

static struct child *
find_worker(struct children *c, const struct generation *g, unsigned number)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct child *k = &c->child[i];

		if (child_serves(k) && k->generation == g && k->role == ROLE_WORKER &&
			k->number == number)
			return k;
	}
	return NULL;
}

void
children_staff_workers(struct children *c, struct generation *g, unsigned wanted, uint64_t now_us)
{
	children_retire_surplus(c, g, wanted, now_us);
	if (c->ending)
		return;
	for (unsigned number = 1; number <= wanted; number++) {
		if (!backoff_is_due(&g->workers, now_us))
			return;
		if (find_worker(c, g, number) == NULL && !start(c, g, ROLE_WORKER, number, now_us))
			return;
	}
}

void
children_staff_checker(struct children *c, struct generation *g, uint64_t now_us)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (child_is_alive(&c->child[i]) && c->child[i].role == ROLE_CHECKER)
			return;
	}
	if (slots_of_role(c->shm, ROLE_CHECKER) > 0)
		return; /* a former master's: verdicts have one writer */
	if (!g->config->health.on)
		generation_believe_up(g, c->shm);
	else if (!c->ending && backoff_is_due(&g->checker, now_us))
		start(c, g, ROLE_CHECKER, 1, now_us);
}

static void
died(struct child *k, int status, uint64_t now_us)
{
	struct backoff *b = backoff_of(k->generation, k->role);

	child_log_end(
		k, LEVEL_ERROR, k->role == ROLE_WORKER ? "worker died" : "checker died", status);
	if (k->phase == CHILD_STARTING || !k->all->announced)
		backoff_stillborn(b, now_us);
	else if (backoff_died(b, status, now_us - k->forked_us, now_us))
		log_error("children are killed as fast as they are replaced: the next ones wait a "
			  "little",
			LOG_STR("role", child_role_name(k->role)));
	if (k->role == ROLE_WORKER)
		metrics_count(k->all->shm, k->all->ledger, COUNTER_WORKER_RESTARTS, 1);
}

static void
left(struct child *k, int status)
{
	bool clean = WIFEXITED(status) && WEXITSTATUS(status) == WORKER_DONE;
	bool said_cut = WIFEXITED(status) && WEXITSTATUS(status) == WORKER_CUT;

	if (clean)
		child_log_end(k, LEVEL_INFO, "child left", status);
	else if (said_cut)
		child_log_end(k, LEVEL_WARN, "drain time ran out, exchanges were cut", status);
	else
		child_log_end(k, LEVEL_WARN, "child ended while leaving", status);
	if (k->all->ending && k->role == ROLE_WORKER && !clean)
		k->all->cut = k->all->cut || said_cut || child_is_busy(k);
}

static struct child *
find_pid(struct children *c, pid_t pid)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (child_is_alive(&c->child[i]) && c->child[i].pid == pid)
			return &c->child[i];
	}
	return NULL; /* as process 1 of a container we inherit strangers */
}

/* What it still said before it ended counts: it may have been ready. */
static void
hear_out(struct child *k)
{
	if (k->watch.fd >= 0)
		hear(&k->watch);
}

static void
settle(struct child *k, int status)
{
	const struct config *config = k->generation->config;
	const struct crash crash = {
		.number = k->number,
		.pid = k->pid,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.quarantine = { config->quarantine.deaths, config->quarantine.within_us,
			config->quarantine.duration_us },
	};

	crash_settle(k->all->shm, k->slot, &crash);
}

static void
note_successor(struct children *c, pid_t pid, int status)
{
	if (pid != c->successor)
		return;
	c->successor = 0;
	c->successor_status = status;
}

void
children_reap(struct children *c, uint64_t now_us)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *k = find_pid(c, pid);

		if (k == NULL) {
			note_successor(c, pid, status);
			continue;
		}
		hear_out(k);
		if (child_serves(k))
			died(k, status, now_us);
		else if (k->phase == CHILD_LEAVING)
			left(k, status);
		if (k->role == ROLE_WORKER)
			settle(k, status);
		forget(k);
	}
}

static bool
pass_logs(struct child *k)
{
	bool opened = generation_reopen_logs(k->generation);
	int rc = generation_pass_logs(k->generation, k->watch.fd, k->role);

	if (rc < 0)
		log_error("a child does not take its new log files; send USR1 again",
			LOG_STR("role", child_role_name(k->role)), LOG_INT("pid", k->pid),
			LOG_STR("error", strerror(-rc)));
	return opened && rc == 0;
}

bool
children_reopen_logs(struct children *c)
{
	bool all = true;

	for (unsigned i = 0; i < c->n; i++) {
		if (child_is_alive(&c->child[i]) && c->child[i].watch.fd >= 0)
			all = pass_logs(&c->child[i]) && all;
	}
	for (unsigned i = 0; i < c->n; i++) {
		if (child_is_alive(&c->child[i]))
			generation_logs_passed(c->child[i].generation);
	}
	return all;
}
