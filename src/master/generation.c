/*
 * Generations, in the master.  Everything that can fail about a configuration
 * that parsed well fails here, before a single child is forked for it: addresses
 * in use, a log that cannot be opened, no row left for a backend.  Invariant: a
 * failed creation leaves the previous generation's listeners and rows as they were.
 */
#include "generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/control.h"
#include "ballast/base/log.h"
#include "ballast/base/sock.h"
#include "ballast/shm/backend.h"

/* NULL: a standard stream, or none. */
static const char *
file_of(const char *output)
{
	if (output == NULL || strcmp(output, "stdout") == 0 || strcmp(output, "stderr") == 0)
		return NULL;
	return output;
}

static int
access_log_open(const struct config *config)
{
	const char *output = config->access_log.output;

	if (output == NULL)
		return -1;
	if (file_of(output) != NULL)
		return log_open_file(output);
	return strcmp(output, "stderr") == 0 ? STDERR_FILENO : STDOUT_FILENO;
}

static void
access_log_close(struct generation *g)
{
	if (file_of(g->config->access_log.output) != NULL)
		fd_close(&g->access_log);
	g->access_log = -1;
}

static bool
open_access_log(struct generation *g, struct err *err)
{
	int fd = access_log_open(g->config);

	g->access_log = fd < 0 ? -1 : fd;
	if (fd >= 0 || g->config->access_log.output == NULL)
		return true;
	err_add(err, "access_log: cannot open %s: %s", g->config->access_log.output, strerror(-fd));
	return false;
}

/* The old file takes the lines until the next try. */
static bool
open_again(int *held, const char *output)
{
	const char *path = file_of(output);
	int fd = path == NULL ? -1 : log_open_file(path);

	if (path == NULL)
		return true;
	if (fd < 0) {
		log_error("a log file cannot be reopened", LOG_STR("path", path),
			LOG_STR("error", strerror(-fd)));
		return false;
	}
	fd_close(held);
	*held = fd;
	return true;
}

bool
generation_reopen_logs(struct generation *g)
{
	bool log, access_log;

	if (g->reopening)
		return true;
	g->reopening = true;
	log = open_again(&g->passed_log, g->config->log_output);
	access_log = open_again(&g->access_log, g->config->access_log.output);
	return log && access_log;
}

static int
pass(int control, enum control message, int fd)
{
	int rc = fd < 0 ? 0 : control_send_fd(control, message, fd);

	return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc; /* it has no use for it any more */
}

int
generation_pass_logs(const struct generation *g, int control, enum slot_role role)
{
	int rc = pass(control, CONTROL_LOG, g->passed_log);

	if (rc == 0 && role == ROLE_WORKER && file_of(g->config->access_log.output) != NULL)
		rc = pass(control, CONTROL_ACCESS_LOG, g->access_log);
	return rc;
}

void
generation_logs_passed(struct generation *g)
{
	fd_close(&g->passed_log);
	g->reopening = false;
}

static struct listener *
keep_or_open(const struct addr *a, struct listener *kept, const char *what, int patience_ms,
	struct err *err)
{
	struct listener *l;

	if (kept != NULL && addr_eq(a, &kept->configured))
		return listener_hold(kept);
	l = listener_open(a, what, patience_ms, err);
	if (l == NULL && kept != NULL && addr_port(a) != 0 &&
		addr_port(a) == addr_port(&kept->bound))
		err_add(err,
			"%s: the running configuration holds this port; restart, or change the "
			"port",
			what);
	return l;
}

static bool
open_listeners(struct generation *g, const struct generation_setup *s, struct err *err)
{
	const struct config *c = g->config;

	g->listener = keep_or_open(&c->listen, s->listener, "lb_port", s->patience_ms, err);
	if (c->admin_on)
		g->admin = keep_or_open(
			&c->admin_listen, s->admin, "admin.listen", s->patience_ms, err);
	return g->listener != NULL && (g->admin != NULL || !c->admin_on);
}

static void
close_bells(struct generation *g)
{
	for (unsigned i = 0; i < g->n_bells; i++)
		fd_close(&g->bells[i]);
	free(g->bells);
}

static bool
hang_bells(struct generation *g, unsigned workers, struct err *err)
{
	g->bells = calloc(workers, sizeof(*g->bells));
	while (g->bells != NULL && g->n_bells < workers) {
		int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		if (fd < 0)
			break;
		g->bells[g->n_bells++] = fd;
	}
	if (g->n_bells == workers)
		return true;
	err_add(err, "workers: no descriptors for %u of them: %s", workers, strerror(errno));
	return false;
}

static bool
assign_rows(const struct generation *g, struct shm *shm, uint32_t oldest, struct err *err)
{
	const struct config *c = g->config;
	struct backend_index *index = backend_index_new(shm);
	unsigned i;

	for (i = 0; i < c->n_backends; i++) {
		const struct config_backend *b = &c->backends[i];
		int row = backend_assign_by(shm, index, b->url, g->number, oldest);

		if (row < 0)
			break;
		g->rows[i] = (uint16_t)row;
		atomic_store_explicit(&shm->backends[row].weight, b->weight, memory_order_relaxed);
	}
	backend_index_free(index);
	if (i < c->n_backends)
		err_add(err, "backends: no row is left for %s; raise max_backends (%u) and restart",
			c->backends[i].url, (unsigned)shm->max_backends);
	return i == c->n_backends;
}

static int
build_balance(struct generation *g, struct shm *shm)
{
	const struct config *c = g->config;
	struct candidate *candidates = calloc(c->n_backends, sizeof(*candidates));
	int rc;

	if (candidates == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < c->n_backends; i++)
		candidates[i] = (struct candidate){ g->rows[i], c->backends[i].weight };
	rc = balance_init(&g->balance, shm, strategy_find(c->strategy), candidates, c->n_backends);
	free(candidates);
	return rc;
}

static bool
fill(struct generation *g, const struct generation_setup *s, struct err *err)
{
	g->rows = calloc(g->config->n_backends, sizeof(*g->rows));
	if (g->rows == NULL) {
		err_add(err, "out of memory");
		return false;
	}
	if (!open_listeners(g, s, err) || !open_access_log(g, err) ||
		!hang_bells(g, s->workers, err))
		return false;
	if (!assign_rows(g, s->shm, s->oldest, err)) {
		if (s->previous != NULL)
			generation_restore(s->previous, s->shm, s->oldest);
		return false;
	}
	if (build_balance(g, s->shm) < 0) {
		err_add(err, "strategy %s: out of memory", g->config->strategy);
		return false;
	}
	return true;
}

uint32_t
generation_number(struct shm *shm)
{
	return atomic_fetch_add(&shm->shared->last_generation, 1) + 1;
}

uint32_t
generation_last_number(const struct shm *shm)
{
	return atomic_load(&shm->shared->last_generation);
}

struct generation *
generation_create(const struct generation_setup *s, struct err *err)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (g == NULL) {
		config_free(s->config);
		err_add(err, "out of memory");
		return NULL;
	}
	g->number = s->number;
	g->holds = 1;
	g->config = s->config;
	g->access_log = -1;
	g->passed_log = -1;
	g->workers.crowd = s->workers;
	g->checker.crowd = 1;
	if (!fill(g, s, err))
		generation_release(&g);
	return g;
}

struct generation *
generation_hold(struct generation *g)
{
	g->holds++;
	return g;
}

void
generation_release(struct generation **held)
{
	struct generation *g = *held;

	*held = NULL;
	if (g == NULL || --g->holds > 0)
		return;
	generation_stop_listening(g);
	access_log_close(g);
	close_bells(g);
	balance_free(&g->balance);
	free(g->rows);
	config_free(g->config);
	free(g);
}

void
generation_publish(const struct generation *g, struct shm *shm)
{
	backend_retire_others(shm, g->number);
	atomic_store_explicit(
		&shm->shared->live_backends, g->config->n_backends, memory_order_relaxed);
	atomic_store_explicit(&shm->shared->generation, g->number, memory_order_release);
}

void
generation_restore(const struct generation *g, struct shm *shm, uint32_t oldest)
{
	struct err none; /* its rows are in use, so they are found again */

	err_init(&none);
	assign_rows(g, shm, oldest, &none);
	backend_retire_others(shm, g->number);
	err_free(&none);
}

void
generation_believe_up(const struct generation *g, struct shm *shm)
{
	atomic_store_explicit(&shm->shared->frozen, 0, memory_order_relaxed);
	for (unsigned i = 0; i < g->config->n_backends; i++) {
		if (!backend_is_up(shm, g->rows[i]))
			backend_set_up(shm, g->rows[i], true, clock_wall_us());
	}
}

void
generation_share_listeners(struct generation *g, bool shared)
{
	if (g->listener != NULL)
		g->listener->shared = shared;
	if (g->admin != NULL)
		g->admin->shared = shared;
}

void
generation_stop_listening(struct generation *g)
{
	listener_release(&g->listener);
	listener_release(&g->admin);
}
