/*
 * From one generation to the next, in the master: read, open, fork, wait until
 * all new workers are ready, then let the old ones go; complete when these take
 * no connection any more.  Invariant: until the new ones are ready nothing that
 * serves has changed, and whatever fails before that leaves the current
 * generation as it was.  A HUP during a reload is one more reload afterwards,
 * however many came.
 */
#include "private.h"

#include <string.h>

#include "ballast/base/clock.h"
#include "ballast/proxy/proxy.h"
#include "ballast/shm/backend.h"

#include "daemon.h"

#define READY_WITHIN_US     (UINT64_C(60) * 1000000)
#define TAKE_OVER_WITHIN_US UINT64_C(1000000)

static bool
had_row(const struct generation *g, uint16_t row)
{
	for (unsigned i = 0; g != NULL && i < g->config->n_backends; i++) {
		if (g->rows[i] == row)
			return true;
	}
	return false;
}

static void
log_backends(const struct generation *g, const struct generation *before)
{
	const struct config *c = g->config;

	for (unsigned i = 0; i < c->n_backends; i++) {
		if (!had_row(before, g->rows[i]))
			log_info("backend registered", LOG_STR("backend", c->backends[i].url),
				LOG_INT("weight", c->backends[i].weight));
	}
	for (unsigned i = 0; before != NULL && i < before->config->n_backends; i++) {
		if (!had_row(g, before->rows[i]))
			log_info("backend removed",
				LOG_STR("backend", before->config->backends[i].url));
	}
}

static void
warn_of_descriptors(const struct config *c)
{
	uint32_t most = proxy_clients_max(c);

	if (most < c->limits.connections)
		log_warn("limits.connections cannot be reached with so few open files",
			LOG_INT("connections", most), LOG_INT("wanted", c->limits.connections));
}

static void
move_admin(struct master *m, const struct generation *g, const struct generation *before)
{
	const struct listener *old = before == NULL ? NULL : before->admin;
	char text[ADDR_TEXT];
	int rc;

	if (old == g->admin)
		return;
	if (old != NULL)
		admin_unserve(m->admin, old->fd);
	if (g->admin == NULL)
		return;
	rc = admin_serve(m->admin, g->admin->fd, false);
	if (rc < 0)
		log_error("cannot serve admin.listen", LOG_STR("error", strerror(-rc)));
	else
		log_info("admin listening", LOG_STR("address", addr_text(&g->admin->bound, text)),
			LOG_INT("port", addr_port(&g->admin->bound)));
}

void
generation_present(struct master *m, struct generation *g, const struct generation *before)
{
	generation_publish(g, &m->shm);
	m->view.config = g->config;
	m->view.rows = g->rows;
	move_admin(m, g, before);
	log_backends(g, before);
	warn_of_descriptors(g->config);
}

/* One attempt is over; whoever waits for it looks at reload_at_us, so that comes last. */
static void
conclude(struct master *m, bool ok)
{
	m->view.reload_ok = ok;
	m->view.reload_wall_us = clock_wall_us();
	atomic_store_explicit(
		&m->shm.shared->reload_at_us, m->view.reload_wall_us, memory_order_release);
	notify("READY=1");
}

static void
refuse(struct master *m, struct err *why)
{
	log_errors(LEVEL_ERROR, "reload failed, the old configuration stays", why);
	err_free(why);
	conclude(m, false);
}

static void
warn_of_restart(const struct config *now, const struct config *next)
{
	if (next->rate_limit.on && now->rate_limit.max_clients != next->rate_limit.max_clients)
		log_warn("rate_limit.max_clients takes effect at the next restart",
			LOG_INT("max_clients", next->rate_limit.max_clients));
}

static struct generation *
next_generation(struct master *m, struct err *why)
{
	struct generation_setup setup = {
		.number = generation_number(&m->shm),
		.oldest = slots_oldest_generation(&m->shm, m->current->number),
		.previous = m->current,
		.listener = m->current->listener,
		.admin = m->current->admin,
		.workers = m->wanted,
		.shm = &m->shm,
	};

	if (slots_newest_generation(&m->shm, setup.oldest) <= m->current->number)
		backend_forget_failed(&m->shm, m->current->number);
	if (!config_load_again(&setup.config, m->current->config, m->request, why))
		return NULL;
	if (!log_apply(setup.config, why)) {
		config_free(setup.config);
		return NULL;
	}
	warn_of_restart(m->current->config, setup.config);
	return generation_create(&setup, why);
}

static void
take_log_back(const struct master *m)
{
	struct err none;

	err_init(&none);
	log_apply(m->current->config, &none);
	err_free(&none);
}

static void
begin(struct master *m)
{
	struct err why;

	m->reload_wanted = false;
	log_info("reload begins", LOG_INT("generation", generation_last_number(&m->shm) + 1));
	notify_reloading(m->now_us);
	err_init(&why);
	m->pending = next_generation(m, &why);
	if (m->pending == NULL) {
		take_log_back(m);
		refuse(m, &why);
		return;
	}
	err_free(&why);
	m->pending_deadline_us = m->now_us + READY_WITHIN_US;
	log_info("config loaded", LOG_STR("file", m->pending->config->file),
		LOG_INT("generation", m->pending->number),
		LOG_INT("backends", m->pending->config->n_backends));
}

static void
announce_listener(const struct generation *g, const struct generation *before)
{
	char text[ADDR_TEXT];

	if (g->listener != before->listener)
		log_info("load balancer listening",
			LOG_STR("address", addr_text(&g->listener->bound, text)),
			LOG_INT("port", addr_port(&g->listener->bound)));
}

/* Nothing that comes in from now on meets the old configuration. */
static void
complete(struct master *m)
{
	m->taking_over = false;
	log_info("reload completed", LOG_INT("generation", m->current->number),
		LOG_INT("workers", m->wanted));
	conclude(m, true);
}

/* The old listener closes with the old workers' own copies: they take nothing new. */
static void
commit(struct master *m)
{
	struct generation *before = m->current;

	m->current = m->pending;
	m->pending = NULL;
	generation_present(m, m->current, before);
	announce_listener(m->current, before);
	children_retire(&m->children, before, m->now_us);
	generation_stop_listening(before);
	generation_release(&before);
	m->taking_over = true;
	m->take_over_deadline_us = m->now_us + TAKE_OVER_WITHIN_US;
}

/* Of those that are told to leave, one that is stopped takes nothing either: it is not waited for. */
static void
look_at_former(struct master *m)
{
	if (m->now_us >= m->take_over_deadline_us ||
		!children_accept(&m->children, m->current->number))
		complete(m);
}

static void
give_up(struct master *m, const char *reason)
{
	uint32_t oldest = slots_oldest_generation(&m->shm, m->current->number);
	struct err why;

	children_abandon(&m->children, m->pending, m->now_us);
	generation_release(&m->pending);
	generation_restore(m->current, &m->shm, oldest);
	take_log_back(m);
	err_init(&why);
	err_add(&why, "%s", reason);
	refuse(m, &why);
}

static void
look_at_pending(struct master *m)
{
	if (children_ready(&m->children, m->pending, ROLE_WORKER) >= m->wanted)
		commit(m);
	else if (backoff_is_hopeless(&m->pending->workers))
		give_up(m, "the new workers keep dying before they are ready");
	else if (m->now_us >= m->pending_deadline_us)
		give_up(m, "the new workers did not become ready in time");
}

/* Former generations that still drain may hold the slots; their drain time bounds the wait. */
static bool
has_room(const struct master *m)
{
	return slots_free(&m->shm) > m->wanted;
}

void
reload_progress(struct master *m)
{
	if (m->pending != NULL)
		look_at_pending(m);
	else if (m->taking_over)
		look_at_former(m);
	else if (m->reload_wanted && has_room(m))
		begin(m);
}
