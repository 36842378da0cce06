/*
 * The checker process: one subject per backend, each probed on its own beat,
 * spread over the interval, all at once at the start.  It alone writes verdicts.
 * A worker's failed connect is evidence: it counts as a failed probe and calls a real one
 * at once.  A checker that was itself held up does not blame the backends for it.
 */
#include "ballast/health/checker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ballast/base/clock.h"
#include "ballast/base/control.h"
#include "ballast/base/log.h"
#include "ballast/base/poller.h"
#include "ballast/base/signals.h"
#include "ballast/base/sock.h"
#include "ballast/base/timeout.h"
#include "ballast/shm/metrics.h"
#include "probe.h"
#include "verdict.h"

#define OWNER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

enum { LIMIT_PROBE };
enum {
	LOOK_MS = 100,            /* how often the workers' evidence is looked at */
	EVIDENCE_GAP_US = 200000, /* between two probes called by evidence */
	LATE_US = 500000,         /* a turn that late means that we were held up */
	ERRNO_STATUS = 1000,      /* last_status: errno + this */
	SPARE_WATCHES = 8,
};

struct subject {
	struct probe probe;
	struct timer limit;
	struct checker *checker;
	uint64_t due_us, started_us, evidence_us;
	uint64_t failures; /* of the workers, as last seen */
	uint16_t row;
	uint16_t index;
};

struct checker {
	const struct checker_setup *setup;
	struct poller *poller;
	struct timeouts timeouts;
	struct watch control, signals;
	struct subject *subjects;
	unsigned n;
	uint64_t now_us, held_up_us; /* when we last came late */
	uint64_t evidence;
	bool leaving;
};

static const struct config_health *
health(const struct checker *c)
{
	return &c->setup->config->health;
}

static struct backend *
row_of(const struct subject *s)
{
	return &s->checker->setup->shm->backends[s->row];
}

static const char *
url_of(const struct subject *s)
{
	return s->checker->setup->config->backends[s->index].url;
}

/* ---- verdicts */

static const char *
reason_of(int result)
{
	if (result > 0)
		return "unexpected status";
	switch (-result) {
	case ETIMEDOUT:
		return "no answer in time";
	case EPROTO:
		return "its answer is not HTTP";
	case EMSGSIZE:
		return "its head does not end";
	default:
		return strerror(-result);
	}
}

static void
tell(const struct subject *s, enum verdict_change change, int result)
{
	const struct backend *b = row_of(s);

	if (change == VERDICT_UP)
		log_info("backend recovered", LOG_STR("backend", url_of(s)),
			LOG_INT("status", result));
	else
		log_warn("backend marked down", LOG_STR("backend", url_of(s)),
			LOG_STR("reason", reason_of(result)),
			LOG_INT("status", result > 0 ? result : 0),
			LOG_INT("fails", atomic_load(&b->fails)));
}

static void
judge(struct subject *s, bool success, int result)
{
	struct checker *c = s->checker;
	struct backend *b = row_of(s);
	const struct verdict_rules rules = { health(c)->rise, health(c)->fall };
	struct history h = {
		.up = backend_is_up(c->setup->shm, s->row),
		.successes = atomic_load(&b->successes),
		.fails = atomic_load(&b->fails),
	};
	enum verdict_change change = verdict_result(&h, &rules, success);

	atomic_store(&b->successes, h.successes);
	atomic_store(&b->fails, h.fails);
	if (change == VERDICT_STAYS)
		return;
	backend_set_up(c->setup->shm, s->row, h.up, clock_wall_us());
	tell(s, change, result);
}

static void
record(struct subject *s, int result)
{
	struct checker *c = s->checker;
	struct backend *b = row_of(s);
	bool success = result > 0 && config_expects(health(c), result);

	timer_disarm(&s->limit);
	atomic_store(&b->last_probe_us, clock_wall_us());
	atomic_store(&b->last_status, (uint32_t)(result > 0 ? result : ERRNO_STATUS - result));
	metrics_health_check(c->setup->shm, c->setup->slot, s->row, success);
	judge(s, success, result);
}

static void
probe_done(struct probe *p, int result)
{
	record(OWNER(p, struct subject, probe), result);
}

static void
begin_probe(struct subject *s)
{
	struct checker *c = s->checker;

	if (s->probe.running)
		return;
	s->started_us = c->now_us;
	timer_arm(&c->timeouts, &s->limit, LIMIT_PROBE, c->now_us);
	probe_start(&s->probe);
}

/* If we were stopped or starved while it ran, its silence says nothing: it is asked again. */
static void
probe_expired(struct timer *t)
{
	struct subject *s = OWNER(t, struct subject, limit);

	probe_abort(&s->probe);
	if (s->checker->held_up_us > s->started_us)
		begin_probe(s);
	else
		record(s, -ETIMEDOUT);
}

/* ---- when */

static void
begin_due(struct checker *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct subject *s = &c->subjects[i];

		if (s->due_us > c->now_us)
			continue;
		while (s->due_us <= c->now_us)
			s->due_us += health(c)->interval_us;
		begin_probe(s);
	}
}

static void
hear_evidence(struct subject *s)
{
	struct checker *c = s->checker;
	uint64_t failures = backend_failures(c->setup->shm, s->row);

	if (failures == s->failures || c->now_us - s->evidence_us < EVIDENCE_GAP_US)
		return;
	s->failures = failures;
	s->evidence_us = c->now_us;
	if (!backend_is_up(c->setup->shm, s->row))
		return;
	if (health(c)->fall > 1)
		judge(s, false, -ECONNREFUSED);
	begin_probe(s);
}

static void
look_at_evidence(struct checker *c)
{
	uint64_t evidence =
		atomic_load_explicit(&c->setup->shm->shared->evidence, memory_order_acquire);
	bool waiting = false;

	if (evidence == c->evidence)
		return;
	for (unsigned i = 0; i < c->n; i++) {
		hear_evidence(&c->subjects[i]);
		waiting |= backend_failures(c->setup->shm, c->subjects[i].row) !=
			   c->subjects[i].failures;
	}
	if (!waiting)
		c->evidence = evidence;
}

static int
wait_ms(const struct checker *c)
{
	uint64_t next = c->now_us + LOOK_MS * 1000;

	for (unsigned i = 0; i < c->n; i++) {
		if (c->subjects[i].due_us < next)
			next = c->subjects[i].due_us;
	}
	return timeouts_next_ms(&c->timeouts, c->now_us, (int)((next - c->now_us + 999) / 1000));
}

static void
turn(struct checker *c)
{
	uint64_t before = clock_now_us();
	int wait;

	c->now_us = before;
	wait = wait_ms(c);
	poller_turn(c->poller, wait, &c->now_us);
	if (c->now_us - before > (uint64_t)wait * 1000 + LATE_US)
		c->held_up_us = c->now_us;
	timeouts_expire(&c->timeouts, c->now_us);
	look_at_evidence(c);
	begin_due(c);
	atomic_store_explicit(&c->setup->slot->lag_us, (uint32_t)(clock_now_us() - c->now_us),
		memory_order_relaxed);
	atomic_store_explicit(&c->setup->slot->beat_us, c->now_us, memory_order_relaxed);
}

/* ---- beginning and end */

static void
control_wake(struct watch *w)
{
	struct checker *c = OWNER(w, struct checker, control);
	enum control message;

	while ((message = control_next(w->fd)) != CONTROL_NONE) {
		if (message == CONTROL_REOPEN) {
			log_reopen();
			continue;
		}
		c->leaving = true;
		return;
	}
	watch_clear(w, POLLER_IN);
}

static void
signals_wake(struct watch *w)
{
	struct checker *c = OWNER(w, struct checker, signals);
	int signal;

	while ((signal = signals_next(w->fd, NULL)) != 0)
		c->leaving |= signal == SIGTERM;
	watch_clear(w, POLLER_IN);
}

static bool
make_subject(struct checker *c, unsigned i)
{
	const struct config_backend *b = &c->setup->config->backends[i];
	struct subject *s = &c->subjects[i];
	const char *path = health(c)->path != NULL ? health(c)->path : b->path;

	s->checker = c;
	s->row = c->setup->rows[i];
	s->index = (uint16_t)i;
	s->limit.expired = probe_expired;
	s->failures = backend_failures(c->setup->shm, s->row);
	s->due_us = c->now_us + health(c)->interval_us * (i + 1) / c->n;
	if (!probe_init(&s->probe, c->poller, b->addrs, b->n_addrs))
		return false;
	s->probe.done = probe_done;
	return probe_set_request(&s->probe, b->host, b->port, path);
}

static int
watch_master(struct checker *c)
{
	static const int known[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTTIN,
		SIGTTOU, SIGWINCH };
	int fd = signals_open(known, sizeof(known) / sizeof(*known));
	int rc;

	if (fd < 0)
		return fd;
	c->signals = (struct watch){ .wake = signals_wake, .fd = -1 };
	c->control = (struct watch){ .wake = control_wake, .fd = -1 };
	rc = poller_add(c->poller, &c->signals, fd, POLLER_IN);
	return rc == 0 ? poller_add(c->poller, &c->control, c->setup->control, POLLER_IN) : rc;
}

static int
start(struct checker *c)
{
	const struct config *cfg = c->setup->config;

	c->now_us = clock_now_us();
	c->n = cfg->n_backends;
	timeouts_init(&c->timeouts);
	timeouts_set(&c->timeouts, LIMIT_PROBE, health(c)->timeout_us);
	c->poller = poller_create(POLLER_AUTO, c->n + SPARE_WATCHES);
	c->subjects = calloc(c->n, sizeof(*c->subjects));
	if (c->poller == NULL || c->subjects == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < c->n; i++) {
		if (!make_subject(c, i))
			return -EINVAL;
	}
	return watch_master(c);
}

static void
stop(struct checker *c)
{
	int signals = c->signals.fd;

	for (unsigned i = 0; c->subjects != NULL && i < c->n; i++)
		probe_abort(&c->subjects[i].probe);
	if (c->poller != NULL)
		poller_destroy(c->poller);
	if (signals > 0)
		fd_close(&signals);
	free(c->subjects);
}

int
checker_run(const struct checker_setup *setup)
{
	struct checker c = { .setup = setup };
	int rc = start(&c);

	if (rc == 0) {
		slot_set_state(setup->slot, SLOT_READY);
		rc = control_send(setup->control, CONTROL_READY);
	}
	if (rc < 0)
		log_error("checker cannot start", LOG_STR("error", strerror(-rc)));
	for (unsigned i = 0; rc == 0 && i < c.n; i++)
		begin_probe(&c.subjects[i]); /* the first round at once; the next ones are spread */
	while (rc == 0 && !c.leaving)
		turn(&c);
	stop(&c);
	return rc == 0 ? 0 : 1;
}
