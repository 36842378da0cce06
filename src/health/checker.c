/*
 * The checker process: one subject per backend, each probed on its own beat,
 * spread over the interval, all at once at the start.
 * A worker's failed connect is evidence: it counts as a failed probe and calls a real one
 * at once, which decides.  A checker that was itself held up, or that is short of descriptors or memory,
 * does not blame the backends for it.  What the results are worth is judge.c's to say.
 * All memory is taken at the start.
 */
#include "ballast/health/checker.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ballast/base/clock.h"
#include "ballast/base/control.h"
#include "ballast/base/log.h"
#include "ballast/base/owner.h"
#include "ballast/base/sandbox.h"
#include "ballast/base/signals.h"
#include "ballast/base/sock.h"
#include "ballast/shm/metrics.h"

#include "judge.h"
#include "probe.h"
#include "schedule.h"

enum { LIMIT_PROBE = PROBE_LIMITS };
enum {
	LOOK_MS = 100,            /* how often the workers' evidence is looked at */
	EVIDENCE_GAP_US = 200000, /* between two probes called by evidence */
	LATE_US =
		500000, /* a turn that late, or by the limit of a probe, means that we were held up */
	ERRNO_STATUS = 1000, /* last_status: errno + this */
	SPARE_WATCHES = 8,
};

struct subject {
	struct probe probe;
	struct timer limit;
	struct checker *checker;
	uint64_t started_us, evidence_us;
	uint64_t failures; /* of the workers, as last seen */
	struct judge judge;
	bool hindered; /* its last probe could not be made */
};

struct checker {
	const struct checker_setup *setup;
	struct poller *poller;
	struct timeouts timeouts;
	struct prober prober;
	struct schedule schedule;
	struct watch control, signals;
	struct subject *subjects;
	unsigned n;
	uint64_t now_us, held_up_us; /* when we last came late */
	struct lag lag;              /* how late a turn came and how long it took */
	uint64_t evidence;
	bool leaving;
	bool broken; /* its one wait fails */
};

/* Beside its tables, as in a worker. */
enum { PROCESS_BYTES = 2 << 20, BACKEND_BYTES = 2 << 10 };

size_t
checker_memory_bytes(const struct config *cfg)
{
	size_t n = cfg->n_backends;

	if (!cfg->health.on)
		return 0;
	return prober_bytes(cfg) + poller_bytes(POLLER_AUTO, (uint32_t)n + SPARE_WATCHES) +
	       sizeof(struct checker) + PROCESS_BYTES +
	       n * (sizeof(struct subject) + BACKEND_BYTES);
}

static const struct config_health *
health(const struct checker *c)
{
	return &c->setup->config->health;
}

static unsigned
index_of(const struct subject *s)
{
	return (unsigned)(s - s->checker->subjects);
}

static uint16_t
row_of(const struct subject *s)
{
	return s->checker->setup->rows[index_of(s)];
}

static const char *
url_of(const struct subject *s)
{
	return s->checker->setup->config->backends[index_of(s)].url;
}

/* ---- probes */

static void
record(struct subject *s, int result)
{
	struct checker *c = s->checker;
	struct backend *b = &c->setup->shm->backends[row_of(s)];
	bool success = config_expects(health(c), result);

	s->hindered = false;
	atomic_store(&b->last_probe_us, clock_wall_us());
	atomic_store(&b->last_status, (uint32_t)(result > 0 ? result : ERRNO_STATUS - result));
	metrics_health_check(c->setup->shm, c->setup->slot, row_of(s), success);
	judge_result(&s->judge, result, success, c->now_us);
}

/* Not counted: the next one of the schedule will tell.  Said once, not in every interval. */
static void
could_not_probe(struct subject *s, int result)
{
	if (!s->hindered)
		log_error("health check cannot be made", LOG_STR("backend", url_of(s)),
			LOG_STR("error", strerror(-result)));
	s->hindered = true;
}

static void
probe_done(struct probe *p, int result)
{
	struct subject *s = OWNER(p, struct subject, probe);

	timer_disarm(&s->limit);
	if (probe_was_hindered(result))
		could_not_probe(s, result);
	else
		record(s, result);
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

/* If we were stopped or starved while it ran, its silence says nothing, however often: it is asked again. */
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
	int i;

	while ((i = schedule_take(&c->schedule, c->now_us)) >= 0)
		begin_probe(&c->subjects[i]);
}

static void
hear_evidence(struct subject *s)
{
	struct checker *c = s->checker;
	uint64_t failures = backend_failures(c->setup->shm, row_of(s));

	if (failures == s->failures || c->now_us - s->evidence_us < EVIDENCE_GAP_US)
		return;
	s->failures = failures;
	s->evidence_us = c->now_us;
	if (!backend_is_up(c->setup->shm, row_of(s)))
		return;
	judge_suspicion(&s->judge);
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
		waiting |= backend_failures(c->setup->shm, row_of(&c->subjects[i])) !=
			   c->subjects[i].failures;
	}
	if (!waiting)
		c->evidence = evidence;
}

static int
wait_ms(const struct checker *c, uint64_t now_us)
{
	uint64_t due_us = schedule_due_us(&c->schedule);
	int ms = timeouts_next_ms(&c->timeouts, now_us, LOOK_MS);

	if (due_us <= now_us)
		return 0;
	if (due_us - now_us >= (uint64_t)ms * 1000)
		return ms;
	return (int)((due_us - now_us + 999) / 1000);
}

/* From one turn to the next: to be stopped in the midst of one is to be held up, too. */
static bool
was_held_up(const struct checker *c, uint64_t expected_us)
{
	uint64_t late_us = health(c)->timeout_us < LATE_US ? health(c)->timeout_us : LATE_US;

	return c->now_us > expected_us + late_us;
}

static void
turn(struct checker *c)
{
	int wait = wait_ms(c, clock_now_us());
	uint64_t expected_us = c->now_us + (uint64_t)wait * 1000, done_us;
	int rc = poller_turn(c->poller, wait, &c->now_us);

	if (rc < 0) { /* nothing will mend it here; the master starts another, with backoff */
		log_error("waiting for events failed", LOG_STR("error", strerror(-rc)));
		c->broken = true;
	}
	if (was_held_up(c, expected_us))
		c->held_up_us = c->now_us;
	timeouts_expire(&c->timeouts, c->now_us);
	look_at_evidence(c);
	begin_due(c);
	done_us = clock_now_us();
	slot_beat(c->setup->slot, &c->lag,
		done_us - (c->now_us > expected_us ? expected_us : c->now_us), done_us);
}

/* ---- beginning and end */

static void
leave(struct checker *c)
{
	slot_set_state(c->setup->slot, SLOT_DRAINING);
	c->leaving = true;
}

static void
control_wake(struct watch *w)
{
	struct checker *c = OWNER(w, struct checker, control);
	enum control message;
	int passed;

	while ((message = control_next(w->fd, &passed)) != CONTROL_NONE) {
		switch (message) {
		case CONTROL_LOG:
			log_replace(passed);
			break;
		case CONTROL_RETIRE:
		case CONTROL_DRAIN:
		case CONTROL_EOF: /* the master is gone */
			leave(c);
			return;
		default:
			fd_close(&passed);
		}
	}
	watch_clear(w, POLLER_IN);
}

static void
signals_wake(struct watch *w)
{
	struct checker *c = OWNER(w, struct checker, signals);
	int signal;

	while ((signal = signals_next(w->fd, NULL)) != 0) {
		if (signal == SIGTERM)
			leave(c);
	}
	watch_clear(w, POLLER_IN);
}

static void
make_subject(struct checker *c, unsigned i)
{
	struct subject *s = &c->subjects[i];

	s->checker = c;
	s->limit.expired = probe_expired;
	s->failures = backend_failures(c->setup->shm, row_of(s));
	judge_init(&s->judge, c->setup, i);
	probe_init(&s->probe, &c->prober, &c->setup->config->backends[i], health(c)->path);
	s->probe.done = probe_done;
}

static int
watch_master(struct checker *c)
{
	int fd = signals_open_in_child();
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
	int rc;

	judges_begin(c->setup->shm);
	c->now_us = clock_now_us();
	c->n = cfg->n_backends;
	schedule_init(&c->schedule, c->n, health(c)->interval_us, c->now_us);
	timeouts_init(&c->timeouts);
	timeouts_set(&c->timeouts, LIMIT_PROBE, health(c)->timeout_us);
	c->poller = poller_create(POLLER_AUTO, c->n + SPARE_WATCHES);
	c->subjects = calloc(c->n, sizeof(*c->subjects));
	if (c->poller == NULL || c->subjects == NULL)
		return -ENOMEM;
	c->prober.poller = c->poller;
	c->prober.timeouts = &c->timeouts;
	c->prober.now_us = &c->now_us;
	rc = prober_init(&c->prober, cfg);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < c->n; i++)
		make_subject(c, i);
	return watch_master(c);
}

static void
stop(struct checker *c)
{
	int signals = c->signals.fd;

	for (unsigned i = 0; c->prober.buffers.base != NULL && i < c->n; i++)
		probe_abort(&c->subjects[i].probe);
	prober_free(&c->prober);
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

	if (rc == 0 && setup->sandbox)
		rc = sandbox_enter();
	if (rc == 0) {
		atomic_store_explicit(&setup->slot->beat_us, clock_now_us(), memory_order_relaxed);
		slot_set_state(setup->slot, SLOT_READY);
		rc = control_send(setup->control, CONTROL_READY);
	}
	if (rc < 0)
		log_error("checker cannot start", LOG_STR("error", strerror(-rc)));
	for (unsigned i = 0; rc == 0 && i < c.n; i++)
		begin_probe(&c.subjects[i]); /* the first round at once; the next ones are spread */
	while (rc == 0 && !c.leaving && !c.broken)
		turn(&c);
	stop(&c);
	return rc == 0 && !c.broken ? 0 : 1;
}
