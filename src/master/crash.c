/*
 * Crash reports.  The master is the only one left who can say what a killed worker was doing: the rows of the
 * slot tell.  One line for each exchange that was lost, one sum for those that had no row.  Of a fault
 * (SIGSEGV and its like) the exchange in hand is suspected; when none was, the only one in flight; otherwise nobody, since
 * to refuse what merely stood by would do what the poison could not.
 */
#include "crash.h"

#include <signal.h>
#include <string.h>

#include "ballast/base/clock.h"
#include "ballast/base/log.h"
#include "ballast/base/signals.h"
#include "ballast/proxy/proxy.h"
#include "ballast/shm/backend.h"
#include "ballast/shm/flight.h"

struct report {
	const struct shm *shm;
	const struct crash *crash;
	uint64_t now_us;
};

static bool
is_fault(int signal_number)
{
	static const int faults[] = { SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE };

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i] == signal_number)
			return true;
	return false;
}

static const char *
path_text(const struct flight *f, char out[FLIGHT_PATH + 1])
{
	size_t n = f->path_n < FLIGHT_PATH ? f->path_n : FLIGHT_PATH;

	memcpy(out, f->path, n);
	out[n] = '\0';
	return out;
}

static const char *
method_name(const struct flight *f)
{
	return f->method < N_METHODS ? method_text((enum method)f->method) : "other";
}

/* Its backend saw nothing of it, or may see it twice (RFC 9110 9.2.2). */
static bool
is_safe_to_repeat(const struct flight *f)
{
	return !(f->facts & FLIGHT_SENT) ||
	       (f->method < N_METHODS && method_is_idempotent((enum method)f->method));
}

static const char *
signal_text(const struct crash *crash)
{
	return crash->signal != 0 ? signals_name(crash->signal) : "none";
}

static void
tell_lost(const struct flight *f, void *arg)
{
	const struct report *r = arg;
	char path[FLIGHT_PATH + 1], client[IP_TEXT];

	ip_text(&f->ip, client);
	log_warn("exchange lost", LOG_INT("worker", r->crash->number),
		LOG_INT("pid", r->crash->pid), LOG_STR("signal", signal_text(r->crash)),
		LOG_STR("client_ip", client), LOG_INT("client_port", f->port),
		LOG_STR("method", method_name(f)), LOG_STR("path", path_text(f, path)),
		LOG_STR("backend",
			f->row < r->shm->max_backends ? r->shm->backends[f->row].url : "none"),
		LOG_STR("step", proxy_step_name(f->step)), LOG_INT("status", f->status),
		LOG_INT("bytes_in", f->bytes_in), LOG_INT("bytes_out", f->bytes_out),
		LOG_INT("age_ms", (r->now_us - f->started_us) / 1000),
		LOG_BOOL("safe_to_repeat", is_safe_to_repeat(f)));
}

/* ---- who is suspected */

static bool
is_held(const struct flight *f)
{
	return atomic_load_explicit(&f->held, memory_order_relaxed) != 0;
}

/* How many rows are held; *one of them, any. */
static unsigned
rows_held(const struct shm *s, const struct slot *slot, const struct flight **one)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_flights; i++) {
		const struct flight *f = flight_at(s, slot, i);

		if (!is_held(f))
			continue;
		*one = f;
		n++;
	}
	return n;
}

static const struct flight *
suspect_of(const struct shm *s, const struct slot *slot)
{
	const struct flight *f = flight_in_hand(s, slot), *only = NULL;

	if (f != NULL && is_held(f))
		return f;
	return rows_held(s, slot, &only) == 1 ? only : NULL;
}

static void
accuse(struct shm *s, const struct slot *slot, const struct report *r)
{
	const struct flight *f = suspect_of(s, slot);
	const struct quarantine_rules *rules = &r->crash->quarantine;
	char path[FLIGHT_PATH + 1];

	if (f == NULL || f->fingerprint == 0 ||
		!quarantine_accuse(s, f->fingerprint, rules, r->now_us))
		return;
	log_error("request quarantined", LOG_STR("method", method_name(f)),
		LOG_STR("path", path_text(f, path)),
		LOG_STR("signal", signals_name(r->crash->signal)), LOG_INT("deaths", rules->deaths),
		LOG_INT("seconds", rules->duration_us / 1000000));
}

/* ---- */

static unsigned
exchanges_of(const struct slot *slot)
{
	return atomic_load_explicit(&slot->clients[CLIENT_ACTIVE], memory_order_relaxed) +
	       atomic_load_explicit(&slot->clients[CLIENT_TUNNEL], memory_order_relaxed);
}

void
crash_settle(struct shm *s, struct slot *slot, const struct crash *crash)
{
	struct report report = { s, crash, clock_now_us() };
	const struct flight *one;
	unsigned in_flight = exchanges_of(slot), held = rows_held(s, slot, &one);

	if (crash->quarantine.duration_us > 0 && is_fault(crash->signal))
		accuse(s, slot, &report);
	flights_settle(s, slot, report.now_us, tell_lost, &report);
	if (held < s->n_flights || in_flight <= held)
		return;
	metrics_count(s, slot, COUNTER_EXCHANGES_LOST, in_flight - held);
	log_warn("more exchanges lost than there are rows for", LOG_INT("worker", crash->number),
		LOG_INT("pid", crash->pid), LOG_INT("exchanges", in_flight - held));
}
