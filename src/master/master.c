/*
 * The master: one loop around one poller.  Signals are orders, read between two
 * turns; after each turn the loop looks once at what has to go on: children to
 * be forked or ended, a start, a reload or an end on its way.  Owns everything
 * that outlives a worker.  It never touches client traffic and waits nowhere but
 * in its poller.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ballast/base/signals.h"
#include "ballast/base/sock.h"

#include "daemon.h"
#include "title.h"

/* What a launcher, or the former master, is told. */
static const char dying[] = "workers keep dying at start; their last words are in the log";
static const char ended_early[] = "ended by a signal before it was ready";

static void
order_reload(struct master *m)
{
	if (!upgrade_forward(m, SIGHUP) && !m->ending)
		m->reload_wanted = true;
}

static void
order_end(struct master *m)
{
	upgrade_forward_end(m, SIGQUIT);
	upgrade_cancel(m);
	m->ending = m->drained = true;
	m->children.ending = true;
	if (!m->guest)
		notify("STOPPING=1");
	children_kill(&m->children, NULL);
}

/* The instance stays another master's, whose workers go on with what is idle: only ours leave. */
static void
leave_instance(struct master *m, const char *reason)
{
	m->ending = m->drained = true;
	m->children.ending = true;
	heritage_withdraw(m, reason);
	children_abandon(&m->children, m->current, m->now_us);
}

/* New connections are refused from here on, once the workers have closed their copies, too. */
static void
order_drain(struct master *m)
{
	if (m->guest && !m->drained) {
		upgrade_forward_end(m, SIGTERM);
		leave_instance(m, ended_early);
		return;
	}
	if (m->ending) {
		order_end(m);
		return;
	}
	upgrade_cancel(m);
	m->ending = true;
	m->view.draining = true;
	atomic_store_explicit(&m->shm.shared->draining, 1, memory_order_release);
	notify("STOPPING=1");
	children_drain(&m->children, m->now_us);
	listener_release(&m->current->listener);
	if (m->pending != NULL)
		generation_stop_listening(m->pending);
}

static void
order_reopen(struct master *m)
{
	int rc = log_reopen();
	bool all = generation_reopen_logs(m->current); /* it may have no child at this moment */

	upgrade_reopen(m);
	if (rc < 0)
		log_error("cannot reopen the log", LOG_STR("error", strerror(-rc)));
	all = children_reopen_logs(&m->children) && all;
	generation_logs_passed(m->current);
	if (all && rc == 0)
		log_info("log files reopened");
}

static void
want_workers(struct master *m, unsigned wanted)
{
	unsigned most = (m->shm.n_slots - 1) / 2 - 1; /* two generations, each with a checker */

	if (wanted < 1 || wanted > most) {
		log_warn("the number of workers stays", LOG_INT("workers", m->wanted),
			LOG_INT("most", most));
		return;
	}
	m->wanted = wanted;
	m->view.workers_wanted = wanted;
	log_info("number of workers changed", LOG_INT("workers", wanted));
}

static void
order_more(struct master *m)
{
	if (!upgrade_forward(m, SIGTTIN))
		want_workers(m, m->wanted + 1);
}

static void
order_less(struct master *m)
{
	if (!upgrade_forward(m, SIGTTOU))
		want_workers(m, m->wanted - 1);
}

static void
order_upgrade(struct master *m)
{
	if (!upgrade_forward(m, SIGUSR2))
		upgrade_begin(m);
}

static void
order_reap(struct master *m)
{
	children_reap(&m->children, m->now_us);
}

static void
obey(struct master *m, int signal_number)
{
	static const struct {
		int signal;
		void (*act)(struct master *);
		const char *say; /* NULL: not worth a line */
	} orders[] = {
		{ SIGCHLD, order_reap, NULL },
		{ SIGHUP, order_reload, "reload signal received" },
		{ SIGTERM, order_drain, "shutdown signal received" },
		{ SIGINT, order_drain, "shutdown signal received" },
		{ SIGQUIT, order_end, "shutdown signal received" },
		{ SIGUSR1, order_reopen, NULL },
		{ SIGUSR2, order_upgrade, "upgrade signal received" },
		{ SIGTTIN, order_more, NULL },
		{ SIGTTOU, order_less, NULL },
	};

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (orders[i].signal != signal_number)
			continue;
		if (orders[i].say != NULL)
			log_info(orders[i].say, LOG_STR("signal", signals_name(signal_number)));
		orders[i].act(m);
	}
}

static void
obey_signals(struct master *m)
{
	int signal_number;

	while ((signal_number = signals_next(m->signals.fd, NULL)) != 0)
		obey(m, signal_number);
	watch_clear(&m->signals, POLLER_IN);
}

static void
announce(struct master *m)
{
	const struct generation *g = m->current;
	char text[ADDR_TEXT];
	int rc;

	m->announced = true;
	m->children.announced = true;
	rc = pidfile_tell(&m->pidfile);
	if (rc < 0)
		log_error("cannot write the pidfile", LOG_STR("error", strerror(-rc)));
	log_info("load balancer listening",
		LOG_STR("address", addr_text(&g->listener->bound, text)),
		LOG_INT("port", addr_port(&g->listener->bound)), LOG_INT("workers", m->wanted),
		LOG_STR("strategy", g->config->strategy), LOG_INT("pid", getpid()));
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%ld", (long)getpid());
	notify(text);
	daemon_ready(&m->launcher);
}

/* A guest has no checker: the former master's is at work, and verdicts have one writer. */
static bool
is_staffed(const struct master *m)
{
	return children_ready(&m->children, m->current, ROLE_WORKER) >= m->wanted;
}

static bool
is_whole(const struct master *m)
{
	unsigned checkers = m->current->config->health.on ? 1 : 0;

	return is_staffed(m) && children_ready(&m->children, NULL, ROLE_CHECKER) >= checkers;
}

/*
 * Nobody serves and nobody will: better an end that a supervisor sees than a loop that nobody
 * does.
 */
static bool
is_hopeless(const struct master *m)
{
	if (!m->announced && backoff_is_hopeless(&m->current->checker))
		return true;
	return backoff_is_hopeless(&m->current->workers) &&
	       (!m->announced || children_ready(&m->children, NULL, ROLE_WORKER) == 0);
}

static void
despair(struct master *m)
{
	log_at(LEVEL_FATAL, dying, LOG_INT("generation", m->current->number));
	m->exit = EXIT_DYING;
	if (m->guest)
		leave_instance(m, dying);
	else
		order_end(m);
}

/* The former master answers nobody any more when the instance is ours. */
static bool
may_announce(struct master *m)
{
	int rc;

	if (!m->guest)
		return is_whole(m);
	if (!is_staffed(m) || !heritage_claim(m))
		return false;
	rc = admin_serve(m->admin, m->local_fd, true);
	if (rc < 0)
		log_error("cannot serve the control socket", LOG_STR("error", strerror(-rc)));
	return true;
}

static void
go_on(struct master *m)
{
	if (!m->announced && may_announce(m))
		announce(m);
	if (m->announced && m->upgrade.pid == 0)
		reload_progress(m);
	children_staff_workers(&m->children, m->current, m->wanted, m->now_us);
	if (!m->guest)
		children_staff_checker(&m->children, m->current, m->now_us);
	if (m->pending != NULL)
		children_staff_workers(&m->children, m->pending, m->wanted, m->now_us);
	if (is_hopeless(m))
		despair(m);
}

/*
 * A master that was replaced also waits for who still reads its answer, and for the last count of the one that it had
 * replaced itself, since nobody else knows it.
 */
static bool
is_expected(const struct master *m)
{
	if (!m->guest)
		return m->children.successor != 0;
	return m->announced && !m->drained &&
	       (!admin_is_quiet(m->admin) || m->heritage.ledger != NULL);
}

/* Who was cut by a master that was replaced was cut as at a reload. */
static void
end_when_alone(struct master *m)
{
	m->over = children_alive(&m->children) == 0 && !is_expected(m);
	if (m->over && m->children.cut && !m->guest && m->exit == EXIT_CLEAN)
		m->exit = EXIT_CUT;
}

/*
 * While something is under way the loop turns by itself; a settled master sleeps until it is
 * needed.
 */
static void
keep_turning(struct master *m)
{
	bool settled = !m->ending && !m->reload_wanted && m->pending == NULL && !m->taking_over &&
		       m->upgrade.pid == 0 && !m->others && is_whole(m) &&
		       children_are_settled(&m->children);

	if (settled)
		timer_disarm(&m->tick);
	else if (!timer_is_armed(&m->tick))
		timer_arm(&m->timeouts, &m->tick, MASTER_TICK, m->now_us);
}

static void
cycle(struct master *m)
{
	while (!m->over) {
		children_enforce(&m->children, m->now_us);
		upgrade_progress(m);
		m->others = children_fold_orphans(&m->children);
		if (m->ending)
			end_when_alone(m);
		else
			go_on(m);
		if (m->over)
			break;
		keep_turning(m);
		poller_turn(m->poller, timeouts_next_ms(&m->timeouts, m->now_us, -1), &m->now_us);
		timeouts_expire(&m->timeouts, m->now_us);
		admin_turn_over(m->admin);
		obey_signals(m);
	}
}

static void
say_config(const struct generation *g)
{
	log_info("config loaded", LOG_STR("file", g->config->file == NULL ? "" : g->config->file),
		LOG_INT("generation", g->number), LOG_INT("backends", g->config->n_backends));
	config_log_overrides(g->config);
}

/*
 * Whoever started us reads standard error or waits as a launcher; the log may be a file
 * elsewhere.  The launcher is told last: when it ends, nothing of the failed start is left.
 */
static int
start_failed(struct master *m, struct err *why)
{
	const char *reason = why->first == NULL ? "out of memory" : why->first->text;

	log_errors(LEVEL_FATAL, "start failed", why);
	if (log_fd() != STDERR_FILENO && m->launcher < 0)
		err_print(why, stderr);
	master_close(m);
	daemon_failed(&m->launcher, reason);
	err_free(why);
	log_close();
	return EXIT_START;
}

/* The instance of a guest does not end with it. */
static void
say_end(const struct master *m)
{
	if (m->guest)
		log_info("master left, the instance is another one's");
	else if (m->exit != EXIT_DYING)
		log_info("graceful shutdown completed", LOG_BOOL("cut", m->exit == EXIT_CUT));
}

static int
run(struct master *m, struct config *config)
{
	struct err why;

	err_init(&why);
	if (!master_open(m, config, &why))
		return start_failed(m, &why);
	title_set("ballast: master");
	say_config(m->current);
	if (!m->guest)
		generation_present(m, m->current, NULL);
	cycle(m);
	master_close(m);
	daemon_failed(&m->launcher, m->exit == EXIT_DYING ? dying : ended_early);
	say_end(m);
	log_close();
	return (int)m->exit;
}

static void
warn_of_lost_log(const struct config *config)
{
	if (strcmp(config->log_output, "stderr") == 0 && isatty(STDERR_FILENO))
		fputs("ballast: a daemon has no terminal: name a file in log.output to keep its "
		      "log\n",
			stderr);
}

/* The path that we were called by, whole: a link in it may point to another version by the time of an upgrade. */
static bool
called_by(char out[PATH_MAX])
{
	const char *called = title_arguments() == NULL ? "" : title_arguments()[0];
	char dir[PATH_MAX] = "";
	struct stat there, us;
	int len;

	if (strchr(called, '/') == NULL || (called[0] != '/' && getcwd(dir, sizeof(dir)) == NULL))
		return false;
	len = snprintf(out, PATH_MAX, "%s%s%s", dir, dir[0] == '\0' ? "" : "/", called);
	return len < PATH_MAX && stat(out, &there) == 0 && stat("/proc/self/exe", &us) == 0 &&
	       there.st_dev == us.st_dev && there.st_ino == us.st_ino;
}

/* Now: once the file is replaced, the kernel only knows that it was deleted. */
static void
note_program(struct master *m)
{
	ssize_t len;

	if (called_by(m->program))
		return;
	len = readlink("/proc/self/exe", m->program, sizeof(m->program) - 1);
	m->program[len > 0 ? len : 0] = '\0';
}

void
master_refused(const struct err *why)
{
	struct heritage h;

	(void)heritage_take(&h);
	heritage_refuse(&h, why->first == NULL ? "out of memory" : why->first->text);
}

int
master_run(const struct master_setup *setup)
{
	struct master m = {
		.request = setup->request,
		.signals = { .fd = -1 },
		.local_fd = -1,
		.launcher = -1,
		.pidfile = { .fd = -1 },
		.upgrade = { .control = { .fd = -1 }, .reason = -1, .text = -1 },
	};

	note_program(&m);
	if (!heritage_take(&m.heritage)) {
		heritage_refuse(
			&m.heritage, "the new program does not understand " INHERIT_VARIABLE);
		config_free(setup->config);
		return EXIT_START;
	}
	m.guest = m.heritage.given;
	m.launcher = m.heritage.reason;
	if (setup->daemonise && !m.guest) {
		warn_of_lost_log(setup->config);
		m.launcher = daemon_begin();
		if (m.launcher < 0) {
			fprintf(stderr, "ballast: cannot become a daemon: %s\n",
				strerror(-m.launcher));
			config_free(setup->config);
			return EXIT_START;
		}
	}
	return run(&m, setup->config);
}

bool
master_check(const struct config *config, struct err *err)
{
	struct identity id;

	return identity_resolve(&id, config->process.user, config->process.group, err);
}
