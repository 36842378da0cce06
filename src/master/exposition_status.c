/*
 * /status: the whole state of the instance as one JSON object, in the master.
 * Pure reading of the segment and the view.  The requests are summed once and
 * counted into their classes before the backends are written, so the work grows
 * with what is there and not with its square.  Owns the sums for that moment
 * only; without memory for them the classes read 0.
 */
#include "exposition.h"

#include <stdlib.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/version.h"

#include "exposition_page.h"
#include "json.h"

enum { CLASSES = 5, STATUS_ERRNO = 1000 }; /* 1xx to 5xx; see backend.last_status */

struct classes {
	uint64_t n[CLASSES];
};

struct status {
	struct json json;
	const struct admin_view *view;
	const struct shm *shm;
	struct classes *by_row; /* NULL: no memory */
	struct classes total;
};

static uint32_t
load(const _Atomic uint32_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static uint64_t
load64(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static void
json_us(struct json *j, const char *name, uint64_t us)
{
	json_decimal(j, name, us, 6);
}

static void
classify(struct status *s)
{
	size_t n;
	struct request_sum *sums = metrics_sum_requests(s->shm, &n);

	s->by_row = calloc(s->shm->max_backends + 1, sizeof(*s->by_row));
	for (size_t i = 0; sums != NULL && i < n; i++) {
		unsigned class = sums[i].status / 100 - 1u;

		if (class >= CLASSES)
			continue;
		s->total.n[class] += sums[i].count;
		if (s->by_row != NULL && sums[i].row < s->shm->max_backends)
			s->by_row[sums[i].row].n[class] += sums[i].count;
	}
	free(sums);
}

static void
write_classes(struct json *j, const struct classes *c)
{
	static const char *const names[CLASSES] = { "1xx", "2xx", "3xx", "4xx", "5xx" };

	json_begin(j, "requests", '{');
	for (unsigned i = 0; i < CLASSES; i++)
		json_number(j, names[i], c->n[i]);
	json_end(j, '}');
}

static void
write_instance(struct status *s)
{
	const struct admin_view *v = s->view;
	uint64_t now_us = clock_wall_us();
	struct json *j = &s->json;

	json_text(j, "version", SPAN(BALLAST_VERSION));
	json_number(j, "pid", (uint64_t)getpid());
	json_us(j, "started", v->started_wall_us);
	json_us(j, "uptime_s", now_us > v->started_wall_us ? now_us - v->started_wall_us : 0);
	json_number(j, "generation", load(&s->shm->shared->generation));
	json_bool(j, "live", exposition_is_live(v));
	json_bool(j, "ready", exposition_is_ready(v));
	json_bool(j, "draining", v->draining);
	json_begin(j, "reload", '{');
	json_bool(j, "ok", v->reload_ok);
	json_us(j, "at", v->reload_wall_us);
	json_end(j, '}');
}

static void
write_optional(struct json *j, const char *name, const char *text)
{
	if (text == NULL)
		json_null(j, name);
	else
		json_text(j, name, span_of(text));
}

static void
write_config(struct status *s)
{
	const struct config *c = s->view->config;
	struct json *j = &s->json;

	json_begin(j, "config", '{');
	write_optional(j, "file", c->file);
	write_optional(j, "process_file", c->process_file);
	write_optional(j, "listen", c->listen_text);
	write_optional(j, "strategy", c->strategy);
	json_number(j, "workers", s->view->workers_wanted);
	json_end(j, '}');
}

static void
write_process(struct json *j, const struct slot *slot)
{
	json_number(j, "generation", load(&slot->generation));
	json_number(j, "pid", (uint64_t)atomic_load_explicit(&slot->pid, memory_order_relaxed));
	json_text(j, "state", span_of(slot_state_name((enum slot_state)load(&slot->state))));
	json_us(j, "started", load64(&slot->started_us));
	json_decimal(j, "loop_lag_ms", load(&slot->lag_us), 3);
}

static void
write_worker(struct json *j, const struct slot *slot)
{
	json_begin(j, NULL, '{');
	json_number(j, "number", load(&slot->number));
	write_process(j, slot);
	json_number(j, "accepted", load64(&slot->accepted));
	json_begin(j, "connections", '{');
	json_number(j, "idle", load(&slot->clients[CLIENT_IDLE]));
	json_number(j, "active", load(&slot->clients[CLIENT_ACTIVE]));
	json_number(j, "tunnel", load(&slot->clients[CLIENT_TUNNEL]));
	json_end(j, '}');
	json_end(j, '}');
}

static bool
slot_lives_as(const struct slot *slot, enum slot_role role)
{
	return load(&slot->state) != SLOT_FREE && load(&slot->role) == role;
}

static void
write_workers(struct status *s)
{
	json_begin(&s->json, "workers", '[');
	for (unsigned i = 0; i < s->shm->n_slots; i++)
		if (slot_lives_as(slot_at(s->shm, i), ROLE_WORKER))
			write_worker(&s->json, slot_at(s->shm, i));
	json_end(&s->json, ']');
}

/* During a reload there are two; the newer one gives the verdicts. */
static const struct slot *
newest_checker(const struct shm *s)
{
	const struct slot *found = NULL;

	for (unsigned i = 0; i < s->n_slots; i++) {
		const struct slot *slot = slot_at(s, i);

		if (!slot_lives_as(slot, ROLE_CHECKER))
			continue;
		if (found == NULL || load(&slot->generation) > load(&found->generation))
			found = slot;
	}
	return found;
}

static void
write_checker(struct status *s)
{
	const struct slot *slot = newest_checker(s->shm);

	if (slot == NULL) {
		json_null(&s->json, "checker");
		return;
	}
	json_begin(&s->json, "checker", '{');
	write_process(&s->json, slot);
	json_end(&s->json, '}');
}

static void
write_errors(struct status *s, unsigned row)
{
	json_begin(&s->json, "errors", '{');
	for (unsigned e = 0; e < N_BACKEND_ERRORS; e++)
		json_number(&s->json, backend_error_name((enum backend_error)e),
			metrics_sum_backend_error(s->shm, row, (enum backend_error)e));
	json_end(&s->json, '}');
}

static void
write_health(struct status *s, unsigned row)
{
	const struct backend *b = &s->shm->backends[row];
	uint32_t last = load(&b->last_status);
	struct json *j = &s->json;

	json_begin(j, "health", '{');
	if (last > 0 && last < STATUS_ERRNO)
		json_number(j, "last_status", last);
	else
		json_null(j, "last_status");
	write_optional(j, "last_error",
		last > STATUS_ERRNO ? strerrordesc_np((int)(last - STATUS_ERRNO)) : NULL);
	if (load64(&b->last_probe_us) > 0)
		json_us(j, "last_probe", load64(&b->last_probe_us));
	else
		json_null(j, "last_probe");
	json_number(j, "success", metrics_sum_health_checks(s->shm, row, true));
	json_number(j, "failure", metrics_sum_health_checks(s->shm, row, false));
	json_end(j, '}');
}

static void
write_backend(struct status *s, unsigned row, uint32_t active)
{
	static const struct classes none;
	const struct backend *b = &s->shm->backends[row];
	struct json *j = &s->json;

	json_begin(j, NULL, '{');
	json_text(j, "url", row_url(s->shm, row));
	json_bool(j, "configured", row_is_configured(s->shm, row));
	json_number(j, "weight", load(&b->weight));
	json_bool(j, "up", backend_is_up(s->shm, row));
	json_us(j, "since", load64(&b->since_us));
	json_number(j, "active", active);
	json_begin(j, "upstream", '{');
	json_number(j, "idle", slots_upstreams(s->shm, row, UPSTREAM_IDLE));
	json_number(j, "active", slots_upstreams(s->shm, row, UPSTREAM_ACTIVE));
	json_end(j, '}');
	write_classes(j, s->by_row != NULL ? &s->by_row[row] : &none);
	write_errors(s, row);
	write_health(s, row);
	json_end(j, '}');
}

/* Those configured, and those which are not any more but still have exchanges in flight. */
static void
write_backends(struct status *s)
{
	json_begin(&s->json, "backends", '[');
	for (unsigned row = 0; row < s->shm->max_backends; row++) {
		uint32_t active = slots_active(s->shm, row);

		if (active > 0 || row_is_configured(s->shm, row))
			write_backend(s, row, active);
	}
	json_end(&s->json, ']');
}

static void
write_rate_limit(struct status *s)
{
	const struct config_rate_limit *r = &s->view->config->rate_limit;
	struct json *j = &s->json;

	json_begin(j, "rate_limit", '{');
	json_bool(j, "on", r->on);
	if (r->on) {
		json_real(j, "requests_per_second", r->requests_per_second);
		json_number(j, "burst", r->burst);
		json_number(j, "ipv6_prefix", r->ipv6_prefix);
		json_number(j, "max_clients", r->max_clients);
	}
	json_number(j, "limited_total", metrics_sum(s->shm, COUNTER_RATE_LIMITED));
	json_number(j, "evictions", metrics_sum(s->shm, COUNTER_RATE_EVICTIONS));
	json_end(j, '}');
}

static void
write_totals(struct status *s)
{
	json_begin(&s->json, "totals", '{');
	write_classes(&s->json, &s->total);
	for (unsigned c = 0; c < N_COUNTERS; c++)
		json_number(&s->json, metrics_counter_info((enum counter)c)->name,
			metrics_sum(s->shm, (enum counter)c));
	json_end(&s->json, '}');
}

void
exposition_status_json(const struct admin_view *view, FILE *out)
{
	struct status s = { .json = { .out = out }, .view = view, .shm = view->shm };

	classify(&s);
	json_begin(&s.json, NULL, '{');
	write_instance(&s);
	write_config(&s);
	write_workers(&s);
	write_checker(&s);
	write_backends(&s);
	write_rate_limit(&s);
	write_totals(&s);
	json_end(&s.json, '}');
	fputc('\n', out);
	free(s.by_row);
}
