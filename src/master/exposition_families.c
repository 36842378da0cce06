/*
 * THE table of metrics, in the master.  A family is one row: name, type, labels,
 * help and the function that writes its samples; plain counters are rows of
 * metrics.def and only pass through here.  Owns nothing, keeps nothing.
 * Invariants: a counter is told as long as its backend's row is known, so that
 * it never falls; a gauge for configured backends and for those that still have
 * something in hand; series whose labels are known are there from the start.
 */
#include "exposition_page.h"

#include <stdlib.h>

#include "ballast/base/clock.h"
#include "ballast/base/version.h"
#include "ballast/shm/quarantine.h"

#include "exposition.h"

#define LABELS(...) ((const struct label[]){ __VA_ARGS__, { .name = NULL } })
#define TEXT_LABEL(name_, text_)                                                                   \
	{                                                                                          \
		(name_), span_of(text_)                                                            \
	}

struct span
row_url(const struct shm *s, unsigned row)
{
	if (row >= s->max_backends)
		return SPAN("none");
	return (struct span){ s->backends[row].url,
		strnlen(s->backends[row].url, BACKEND_URL_MAX) };
}

unsigned
workers_in(const struct shm *s, enum slot_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		n += atomic_load_explicit(&slot->role, memory_order_relaxed) == ROLE_WORKER &&
		     atomic_load_explicit(&slot->state, memory_order_relaxed) == state;
	}
	return n;
}

bool
exposition_is_live(const struct admin_view *v)
{
	return workers_in(v->shm, SLOT_READY) > 0 || workers_in(v->shm, SLOT_DRAINING) > 0;
}

static bool
any_backend_up(const struct shm *s)
{
	for (unsigned row = 0; row < s->max_backends; row++)
		if (row_is_configured(s, row) && backend_is_up(s, row))
			return true;
	return false;
}

bool
exposition_is_ready(const struct admin_view *v)
{
	return !v->draining && workers_in(v->shm, SLOT_READY) > 0 && any_backend_up(v->shm);
}

static void
write_requests(const struct page *p)
{
	size_t n;
	struct request_sum *sums = metrics_sum_requests(p->shm, &n);

	for (size_t i = 0; sums != NULL && i < n; i++) {
		struct number status = number_of(sums[i].status);
		unsigned method = sums[i].method < N_METHODS ? sums[i].method : METHOD_OTHER;

		page_sample(p, "",
			LABELS({ "backend", row_url(p->shm, sums[i].row) },
				TEXT_LABEL("method", method_text((enum method)method)),
				TEXT_LABEL("status", status.text)),
			number_of(sums[i].count));
	}
	free(sums);
}

static void
write_bucket(const struct page *p, struct span url, const char *bound, uint64_t count)
{
	page_sample(p, "_bucket", LABELS({ "backend", url }, TEXT_LABEL("le", bound)),
		number_of(count));
}

static void
write_durations_of(const struct page *p, unsigned row)
{
	struct span url = row_url(p->shm, row);
	struct duration_sum sum;
	uint64_t count = 0;

	metrics_sum_durations(p->shm, row, &sum);
	for (unsigned b = 0; b < DURATION_BUCKETS; b++) {
		count += sum.bucket[b];
		write_bucket(
			p, url, number_of_bound(duration_bound_us(b), p->openmetrics).text, count);
	}
	count += sum.bucket[DURATION_BUCKETS];
	write_bucket(p, url, "+Inf", count);
	page_sample(p, "_sum", LABELS({ "backend", url }), number_of_seconds(sum.sum_us));
	page_sample(p, "_count", LABELS({ "backend", url }), number_of(count));
}

static void
write_durations(const struct page *p)
{
	for (unsigned row = 0; row < p->shm->max_backends; row++)
		if (row_is_known(p->shm, row))
			write_durations_of(p, row);
}

static void
write_backend_up(const struct page *p)
{
	for (unsigned row = 0; row < p->shm->max_backends; row++)
		if (row_is_configured(p->shm, row))
			page_sample(p, "", LABELS({ "backend", row_url(p->shm, row) }),
				number_of(backend_is_up(p->shm, row)));
}

static void
write_active(const struct page *p)
{
	for (unsigned row = 0; row < p->shm->max_backends; row++) {
		uint32_t n = slots_active(p->shm, row);

		if (n > 0 || row_is_configured(p->shm, row))
			page_sample(
				p, "", LABELS({ "backend", row_url(p->shm, row) }), number_of(n));
	}
}

static void
write_upstreams(const struct page *p)
{
	static const char *const states[] = {
		[UPSTREAM_IDLE] = "idle", [UPSTREAM_ACTIVE] = "active"
	};

	for (unsigned row = 0; row < p->shm->max_backends; row++) {
		for (unsigned state = 0; state < N_UPSTREAM_STATES; state++) {
			uint32_t n = slots_upstreams(p->shm, row, (enum upstream_state)state);

			if (n > 0 || row_is_configured(p->shm, row))
				page_sample(p, "",
					LABELS({ "backend", row_url(p->shm, row) },
						TEXT_LABEL("state", states[state])),
					number_of(n));
		}
	}
}

static void
write_clients(const struct page *p)
{
	static const char *const states[] = {
		[CLIENT_IDLE] = "idle",
		[CLIENT_ACTIVE] = "active",
		[CLIENT_TUNNEL] = "tunnel",
	};

	for (unsigned state = 0; state < N_CLIENT_STATES; state++)
		page_sample(p, "", LABELS(TEXT_LABEL("state", states[state])),
			number_of(slots_clients(p->shm, (enum client_state)state)));
}

static void
write_errors_of(const struct page *p, unsigned row)
{
	for (unsigned e = 0; e < N_BACKEND_ERRORS; e++) {
		enum backend_error error = (enum backend_error)e;

		page_sample(p, "",
			LABELS({ "backend", row_url(p->shm, row) },
				TEXT_LABEL("reason", backend_error_name(error))),
			number_of(metrics_sum_backend_error(p->shm, row, error)));
	}
}

static void
write_errors(const struct page *p)
{
	for (unsigned row = 0; row < p->shm->max_backends; row++)
		if (row_is_known(p->shm, row))
			write_errors_of(p, row);
}

static void
write_checks_of(const struct page *p, unsigned row, const char *result, bool success)
{
	page_sample(p, "",
		LABELS({ "backend", row_url(p->shm, row) }, TEXT_LABEL("result", result)),
		number_of(metrics_sum_health_checks(p->shm, row, success)));
}

static void
write_checks(const struct page *p)
{
	for (unsigned row = 0; row < p->shm->max_backends; row++) {
		if (!row_is_known(p->shm, row))
			continue;
		write_checks_of(p, row, "success", true);
		write_checks_of(p, row, "failure", false);
	}
}

static void
write_plain(const struct page *p)
{
	page_sample(p, "", NULL, number_of(metrics_sum(p->shm, p->family->counter)));
}

static void
write_build(const struct page *p)
{
	page_sample(p, "",
		LABELS(TEXT_LABEL("version", BALLAST_VERSION), TEXT_LABEL("compiler", __VERSION__)),
		number_of(1));
}

static void
write_workers(const struct page *p)
{
	page_sample(p, "", NULL, number_of(workers_in(p->shm, SLOT_READY)));
}

static void
write_draining(const struct page *p)
{
	page_sample(p, "", NULL, number_of(workers_in(p->shm, SLOT_DRAINING)));
}

static void
write_stalled(const struct page *p)
{
	page_sample(p, "", NULL, number_of(slots_stalled(p->shm, clock_now_us())));
}

static void
write_frozen(const struct page *p)
{
	page_sample(p, "", NULL,
		number_of(atomic_load_explicit(&p->shm->shared->frozen, memory_order_relaxed)));
}

static void
write_check_lag(const struct page *p)
{
	page_sample(p, "", NULL, number_of_seconds(slots_checker_lag_us(p->shm)));
}

static void
write_generation(const struct page *p)
{
	page_sample(p, "", NULL,
		number_of(atomic_load_explicit(&p->shm->shared->generation, memory_order_relaxed)));
}

static void
write_reload_ok(const struct page *p)
{
	page_sample(p, "", NULL, number_of(p->view->reload_ok));
}

static void
write_reload_at(const struct page *p)
{
	page_sample(p, "", NULL, number_of_seconds(p->view->reload_wall_us));
}

static void
write_quarantined(const struct page *p)
{
	page_sample(p, "", NULL, number_of(quarantine_held(p->shm, clock_now_us())));
}

static void
write_shm_bytes(const struct page *p)
{
	page_sample(p, "", NULL, number_of(p->shm->size));
}

static void
write_cpu(const struct page *p)
{
	page_sample(p, "", NULL, number_of_seconds(p->use.cpu_us));
}

static void
write_resident(const struct page *p)
{
	page_sample(p, "", NULL, number_of(p->use.resident_bytes));
}

static void
write_virtual(const struct page *p)
{
	page_sample(p, "", NULL, number_of(p->use.virtual_bytes));
}

static void
write_open_fds(const struct page *p)
{
	page_sample(p, "", NULL, number_of(p->use.open_fds));
}

static void
write_max_fds(const struct page *p)
{
	page_sample(p, "", NULL, number_of(p->use.max_fds));
}

static void
write_start(const struct page *p)
{
	page_sample(p, "", NULL, number_of_seconds(p->view->started_wall_us));
}

#define FAMILY(type_, name_, labels_, write_, help_)                                               \
	{                                                                                          \
		.name = (name_), .type = FAMILY_##type_, .labels = (labels_), .help = (help_),     \
		.write = (write_)                                                                  \
	}
#define COUNTER(id_, name_, help_)                                                                 \
	{ .name = (name_),                                                                         \
		.type = FAMILY_COUNTER,                                                            \
		.labels = "",                                                                      \
		.help = (help_),                                                                   \
		.write = write_plain,                                                              \
		.counter = COUNTER_##id_ },

/* clang-format off */
static const struct family families[] = {
	FAMILY(COUNTER, "lb_requests_total", "backend, method, status", write_requests,
		"Requests answered; backend none: not chosen, method other: unknown"),
	FAMILY(HISTOGRAM, "lb_request_duration_seconds", "backend", write_durations,
		"Time from the first octet of a request to the last of its answer"),
	FAMILY(GAUGE, "lb_backend_up", "backend", write_backend_up,
		"Whether the configured backend takes part: 1 up, 0 down"),
	FAMILY(GAUGE, "lb_health_frozen", "", write_frozen,
		"Backends that stay up although their probes go unanswered, since workers get answers from them"),
	FAMILY(GAUGE, "lb_health_check_lag_seconds", "", write_check_lag,
		"How late the checker came in its latest two seconds, at most"),
	FAMILY(GAUGE, "lb_active_connections", "backend", write_active,
		"Exchanges in flight with the backend"),
#include "ballast/shm/metrics.def"
	FAMILY(GAUGE, "lb_client_connections", "state", write_clients,
		"Client connections: idle, active in an exchange, tunnel after an upgrade"),
	FAMILY(GAUGE, "lb_upstream_connections", "backend, state", write_upstreams,
		"Connections to the backend: idle in a worker's pool, active in an exchange"),
	FAMILY(COUNTER, "lb_backend_errors_total", "backend, reason", write_errors,
		"Attempts that the backend failed"),
	FAMILY(COUNTER, "lb_health_checks_total", "backend, result", write_checks,
		"Health checks by result: success or failure"),
	FAMILY(GAUGE, "lb_workers", "", write_workers,
		"Worker processes that take new connections"),
	FAMILY(GAUGE, "lb_workers_draining", "", write_draining,
		"Worker processes that finish what they have and leave, of former generations above all"),
	FAMILY(GAUGE, "lb_workers_stalled", "", write_stalled,
		"Worker processes whose loop has not turned for 3 seconds"),
	FAMILY(GAUGE, "lb_config_generation", "", write_generation,
		"Number of the configuration in use: 1 at start, one more with each reload"),
	FAMILY(GAUGE, "lb_config_last_reload_successful", "", write_reload_ok,
		"Whether the last attempt to load the configuration succeeded"),
	FAMILY(GAUGE, "lb_config_last_reload_timestamp_seconds", "", write_reload_at,
		"When the configuration was last loaded or refused, in seconds since the epoch"),
	FAMILY(GAUGE, "lb_quarantine_suspects", "", write_quarantined,
		"Kinds of requests that are refused because workers died with one in hand"),
	FAMILY(GAUGE, "lb_shm_bytes", "", write_shm_bytes,
		"Size of the shared memory segment"),
	FAMILY(GAUGE, "lb_build_info", "version, compiler", write_build,
		"Always 1; the labels tell what runs"),
	FAMILY(COUNTER, "process_cpu_seconds_total", "", write_cpu,
		"Processor time of the master and of all its children, ended ones too"),
	FAMILY(GAUGE, "process_resident_memory_bytes", "", write_resident,
		"Resident memory of the master and its children; shared pages count in each"),
	FAMILY(GAUGE, "process_virtual_memory_bytes", "", write_virtual,
		"Virtual memory of the master"),
	FAMILY(GAUGE, "process_open_fds", "", write_open_fds,
		"Open file descriptors of the master"),
	FAMILY(GAUGE, "process_max_fds", "", write_max_fds,
		"File descriptors that the master may open"),
	FAMILY(GAUGE, "process_start_time_seconds", "", write_start,
		"When the master started, in seconds since the epoch"),
};
/* clang-format on */

#undef COUNTER
#undef FAMILY

const struct family *
family_at(unsigned index)
{
	return index < sizeof(families) / sizeof(families[0]) ? &families[index] : NULL;
}
