/*
 * Judging, in the checker: from results to the verdict that all workers see.  Writes a backend's verdict, its
 * history and `frozen`, and is their only writer; the history lies in the backend's row, where the next checker
 * finds it.  Doubts itself: when too many would be down at once (max_ejected), it may be we who are cut off, and so those that
 * answer the workers stay up, frozen, until a probe is answered or the workers get no more.  What rise and fall make
 * of a sequence is verdict.c's; probes nobody, and knows no time but the one it is told.
 */
#include "judge.h"

#include <errno.h>
#include <string.h>

#include "ballast/base/clock.h"
#include "ballast/base/log.h"
#include "ballast/shm/metrics.h"

#include "verdict.h"

enum { EVIDENCE_US = 1000000 }; /* an answer is a sign of life for so long */

static const struct config_health *
health(const struct judge *j)
{
	return &j->setup->config->health;
}

static uint16_t
row_of(const struct judge *j)
{
	return j->setup->rows[j->index];
}

static struct backend *
backend_of(const struct judge *j)
{
	return &j->setup->shm->backends[row_of(j)];
}

static const char *
url_of(const struct judge *j)
{
	return j->setup->config->backends[j->index].url;
}

void
judges_begin(struct shm *s)
{
	atomic_store(&s->shared->frozen, 0);
}

void
judge_init(struct judge *j, const struct checker_setup *setup, unsigned index)
{
	*j = (struct judge){ .setup = setup, .index = index };
	j->blames = backend_failures(setup->shm, row_of(j));
	j->answers = metrics_sum_answers(setup->shm, row_of(j));
}

/* ---- history */

static struct history
history_of(const struct judge *j)
{
	const struct backend *b = backend_of(j);

	return (struct history){
		.up = backend_is_up(j->setup->shm, row_of(j)),
		.successes = atomic_load(&b->successes),
		.fails = atomic_load(&b->fails),
	};
}

static void
keep_history(const struct judge *j, const struct history *h)
{
	struct backend *b = backend_of(j);

	atomic_store(&b->successes, h->successes);
	atomic_store(&b->fails, h->fails);
}

static struct verdict_rules
rules_of(const struct judge *j)
{
	return (struct verdict_rules){ health(j)->rise, health(j)->fall };
}

/* ---- doubt */

static void
set_frozen(struct judge *j, bool frozen)
{
	_Atomic uint32_t *n = &j->setup->shm->shared->frozen;
	uint32_t before = atomic_load(n);

	if (j->frozen == frozen)
		return;
	j->frozen = frozen;
	atomic_store(n, frozen ? before + 1 : before - 1);
	if (before == 0)
		log_error("health verdicts frozen: probes go unanswered, but workers get answers",
			LOG_STR("backend", url_of(j)));
	else if (atomic_load(n) == 0)
		log_warn("health verdicts thawed", LOG_STR("backend", url_of(j)));
}

/* Down, or on its way there: what would be down if all that fails were. */
static unsigned
in_trouble(const struct judge *j)
{
	const struct shm *shm = j->setup->shm;
	unsigned n = 0;

	for (unsigned i = 0; i < j->setup->config->n_backends; i++) {
		uint16_t row = j->setup->rows[i];

		n += !backend_is_up(shm, row) || atomic_load(&shm->backends[row].fails) > 0;
	}
	return n;
}

/* At every result: did workers get answers since the last one, or only meet a closed door? */
static void
ask_workers(struct judge *j, uint64_t now_us)
{
	const struct shm *shm = j->setup->shm;
	uint64_t answers = metrics_sum_answers(shm, row_of(j));
	uint64_t blames = backend_failures(shm, row_of(j));

	if (answers > j->answers)
		j->answered_us = now_us;
	else if (blames > j->blames)
		j->answered_us = 0;
	j->answers = answers;
	j->blames = blames;
}

/* Where they had no reason to ask it, the answers of a moment ago are good for that long. */
static bool
answers_workers(const struct judge *j, uint64_t now_us)
{
	return j->answered_us != 0 && now_us - j->answered_us < EVIDENCE_US;
}

/*
 * At the first fail nobody knows yet whether it is the only one.  Where that would be enough (fall 1) it is the
 * second one, too, that decides about a backend that answered workers since its last good probe.
 */
static bool
too_many_fall(const struct judge *j)
{
	return health(j)->fall == 1 ||
	       in_trouble(j) * 100 > health(j)->max_ejected * j->setup->config->n_backends;
}

/* An answer that was not expected is an answer: then the checker is not cut off. */
static bool
speaks_against(const struct judge *j, int result, uint64_t now_us)
{
	return result < 0 && too_many_fall(j) && answers_workers(j, now_us);
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
tell(const struct judge *j, enum verdict_change change, int result)
{
	const struct backend *b = backend_of(j);

	if (change == VERDICT_UP)
		log_info("backend recovered", LOG_STR("backend", url_of(j)),
			LOG_INT("status", result));
	else
		log_warn("backend marked down", LOG_STR("backend", url_of(j)),
			LOG_STR("reason", reason_of(result)),
			LOG_INT("status", result > 0 ? result : 0),
			LOG_INT("fails", atomic_load(&b->fails)));
}

void
judge_result(struct judge *j, int result, bool success, uint64_t now_us)
{
	const struct verdict_rules rules = rules_of(j);
	struct history h = history_of(j);
	enum verdict_change change = verdict_result(&h, &rules, success);

	j->suspected = false;
	keep_history(j, &h);
	ask_workers(j, now_us);
	if (change == VERDICT_DOWN && speaks_against(j, result, now_us)) {
		set_frozen(j, true);
		return;
	}
	if (success || change == VERDICT_DOWN)
		set_frozen(j, false);
	if (change == VERDICT_STAYS)
		return;
	backend_set_up(j->setup->shm, row_of(j), h.up, clock_wall_us());
	tell(j, change, result);
}

/* Once for each result: however many workers say it, and however often, it is one thing they say. */
void
judge_suspicion(struct judge *j)
{
	const struct verdict_rules rules = rules_of(j);
	struct history h = history_of(j);

	if (j->suspected)
		return;
	j->suspected = true;
	verdict_suspicion(&h, &rules);
	keep_history(j, &h);
}
