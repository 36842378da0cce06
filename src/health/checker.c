/*
 * The checker process: one subject per backend, each probed on its own beat,
 * spread over the interval, all at once at the start.  It alone writes verdicts;
 * their history lies in the backends' rows, where the next checker finds it.
 * A worker's failed connect is evidence: it counts as a failed probe and calls a real one
 * at once, which decides.  A checker that was itself held up, or that is short of descriptors or memory,
 * does not blame the backends for it; nor does one that seems to be cut off: when too many of them fall silent at once
 * (max_ejected), those that answer the workers stay up.  All memory is taken at the start.
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

#include "probe.h"
#include "schedule.h"
#include "verdict.h"

enum { LIMIT_PROBE = PROBE_LIMITS };
enum {
	LOOK_MS = 100,            /* how often the workers' evidence is looked at */
	EVIDENCE_US = 1000000,    /* an answer is a sign of life for so long */
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
	uint16_t row;
	uint16_t index;
	/* What workers had got and said at its last result, and when it was that they had got more. */
	uint64_t answers, blames, answered_us;
	bool hindered;  /* its last probe could not be made */
	bool suspected; /* by workers, since its last result */
	bool frozen;    /* up, although its probes go unanswered */
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

static struct history
history_of(const struct subject *s)
{
	const struct backend *b = row_of(s);

	return (struct history){
		.up = backend_is_up(s->checker->setup->shm, s->row),
		.successes = atomic_load(&b->successes),
		.fails = atomic_load(&b->fails),
	};
}

static void
keep_history(const struct subject *s, const struct history *h)
{
	struct backend *b = row_of(s);

	atomic_store(&b->successes, h->successes);
	atomic_store(&b->fails, h->fails);
}

static struct verdict_rules
rules_of(const struct checker *c)
{
	return (struct verdict_rules){ health(c)->rise, health(c)->fall };
}

/* ---- doubt */

static void
set_frozen(struct subject *s, bool frozen)
{
	_Atomic uint32_t *n = &s->checker->setup->shm->shared->frozen;
	uint32_t before = atomic_load(n);

	if (s->frozen == frozen)
		return;
	s->frozen = frozen;
	atomic_store(n, frozen ? before + 1 : before - 1);
	if (before == 0)
		log_error("health verdicts frozen: probes go unanswered, but workers get answers",
			LOG_STR("backend", url_of(s)));
	else if (atomic_load(n) == 0)
		log_warn("health verdicts thawed", LOG_STR("backend", url_of(s)));
}

/* Down, or on its way there: what would be down if all that fails were. */
static unsigned
in_trouble(const struct checker *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n; i++) {
		const struct subject *s = &c->subjects[i];

		n += !backend_is_up(c->setup->shm, s->row) || atomic_load(&row_of(s)->fails) > 0;
	}
	return n;
}

/* At every result: did workers get answers since the last one, or only meet a closed door? */
static void
ask_workers(struct subject *s)
{
	const struct shm *shm = s->checker->setup->shm;
	uint64_t answers = metrics_sum_answers(shm, s->row);
	uint64_t blames = backend_failures(shm, s->row);

	if (answers > s->answers)
		s->answered_us = s->checker->now_us;
	else if (blames > s->blames)
		s->answered_us = 0;
	s->answers = answers;
	s->blames = blames;
}

/* Where they had no reason to ask it, the answers of a moment ago are good for that long. */
static bool
answers_workers(const struct subject *s)
{
	return s->answered_us != 0 && s->checker->now_us - s->answered_us < EVIDENCE_US;
}

/*
 * At the first fail nobody knows yet whether it is the only one.  Where that would be enough (fall 1) it is the
 * second one, too, that decides about a backend that answered workers since its last good probe.
 */
static bool
too_many_fall(const struct checker *c)
{
	return health(c)->fall == 1 || in_trouble(c) * 100 > health(c)->max_ejected * c->n;
}

/* An answer that was not expected is an answer: then the checker is not cut off. */
static bool
speaks_against(const struct subject *s, int result)
{
	return result < 0 && too_many_fall(s->checker) && answers_workers(s);
}

static void
judge(struct subject *s, bool success, int result)
{
	const struct verdict_rules rules = rules_of(s->checker);
	struct history h = history_of(s);
	enum verdict_change change = verdict_result(&h, &rules, success);

	keep_history(s, &h);
	ask_workers(s);
	if (change == VERDICT_DOWN && speaks_against(s, result)) {
		set_frozen(s, true);
		return;
	}
	if (success || change == VERDICT_DOWN)
		set_frozen(s, false);
	if (change == VERDICT_STAYS)
		return;
	backend_set_up(s->checker->setup->shm, s->row, h.up, clock_wall_us());
	tell(s, change, result);
}

/* Once for each result: however many workers say it, and however often, it is one thing they say. */
static void
suspect(struct subject *s)
{
	const struct verdict_rules rules = rules_of(s->checker);
	struct history h = history_of(s);

	if (s->suspected)
		return;
	s->suspected = true;
	verdict_suspicion(&h, &rules);
	keep_history(s, &h);
}

static void
record(struct subject *s, int result)
{
	struct checker *c = s->checker;
	struct backend *b = row_of(s);
	bool success = config_expects(health(c), result);

	s->hindered = s->suspected = false;
	atomic_store(&b->last_probe_us, clock_wall_us());
	atomic_store(&b->last_status, (uint32_t)(result > 0 ? result : ERRNO_STATUS - result));
	metrics_health_check(c->setup->shm, c->setup->slot, s->row, success);
	judge(s, success, result);
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
	uint64_t failures = backend_failures(c->setup->shm, s->row);

	if (failures == s->failures || c->now_us - s->evidence_us < EVIDENCE_GAP_US)
		return;
	s->failures = failures;
	s->evidence_us = c->now_us;
	if (!backend_is_up(c->setup->shm, s->row))
		return;
	suspect(s);
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

/* The beat tells that the loop turns; the lag, how late it came and how long it took, at most in the last second. */
static void
publish(const struct checker *c, uint64_t expected_us, uint64_t done_us)
{
	struct slot *slot = c->setup->slot;
	uint32_t took = (uint32_t)(done_us - (c->now_us > expected_us ? expected_us : c->now_us));
	uint64_t last = atomic_load_explicit(&slot->beat_us, memory_order_relaxed);

	if (took > atomic_load_explicit(&slot->lag_us, memory_order_relaxed) ||
		c->now_us / 1000000 != last / 1000000)
		atomic_store_explicit(&slot->lag_us, took, memory_order_relaxed);
	atomic_store_explicit(&slot->beat_us, done_us, memory_order_relaxed);
}

static void
turn(struct checker *c)
{
	int wait = wait_ms(c, clock_now_us());
	uint64_t expected_us = c->now_us + (uint64_t)wait * 1000;
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
	publish(c, expected_us, clock_now_us());
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
	s->row = c->setup->rows[i];
	s->index = (uint16_t)i;
	s->limit.expired = probe_expired;
	s->failures = s->blames = backend_failures(c->setup->shm, s->row);
	s->answers = metrics_sum_answers(c->setup->shm, s->row);
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

	atomic_store(&c->setup->shm->shared->frozen, 0);
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
