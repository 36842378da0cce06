/*
 * The start and the end of an instance, in the master: everything that is taken
 * once and given back once.  Order matters: the pidfile's lock comes before
 * anything another instance might own (shared memory and socket of that name are
 * then stale by definition) and goes last.
 */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/owner.h"
#include "ballast/base/sandbox.h"
#include "ballast/base/signals.h"
#include "ballast/base/sock.h"
#include "ballast/shm/flight.h"
#include "ballast/shm/metrics.h"
#include "ballast/shm/rate.h"

#include "daemon.h"

enum {
	SEGMENT_SOFT_MAX =
		12 * 1024 * 1024, /* beyond it, no more slots than two generations need */
	GENERATIONS_MAX = 8,
	SPARE_SLOTS = 2,
	FLIGHTS = 2048, /* rows of a worker, 128 octets each */
	FLIGHTS_LEAST = 256,
	FLIGHTS_SOFT_MAX = 8 * 1024 * 1024, /* octets of all rows of two generations */
	ADMIN_BACKLOG = 128,
	POLLER_SPARE = 128,      /* descriptors of admin, signals, listeners */
	HEIR_PATIENCE_MS = 3000, /* such children leave the port as soon as their loop turns */
};
#define SWEEP_US (UINT64_C(1800) * 1000000)

void
log_errors(enum log_level level, const char *msg, const struct err *err)
{
	for (const struct err_line *l = err->first; l != NULL; l = l->next)
		log_at(level, msg, LOG_STR("error", l->text));
}

bool
log_apply(const struct config *config, struct err *err)
{
	int rc = log_open(config->log_level, config->log_format, config->log_output);

	if (rc < 0) {
		err_add(err, "log.output: cannot open %s: %s", config->log_output, strerror(-rc));
		return false;
	}
	return true;
}

bool
instance_of(struct instance *in, const struct config *config, bool drops, struct err *err)
{
	struct instance_place at = {
		.pidfile = config->process.pidfile,
		.config_file = config->file,
		.runtime_dir = config->process.runtime_dir,
		.shared_with_user = drops,
	};
	int rc = instance_name(in, &at);

	if (rc < 0)
		err_add(err, "pidfile: %s", strerror(-rc));
	return rc == 0;
}

/* Children of another user must be able to enter: the socket has its own rights. */
static mode_t
runtime_dir_mode(const struct identity *id)
{
	return id->drop ? 0755 : 0700;
}

/*
 * An explicit pidfile elsewhere can do without runtime_dir: its socket then lies beside the
 * pidfile.
 */
static bool
prepare_dir(const struct master *m, const struct config *config, struct err *err)
{
	struct err ignored;
	bool made;

	if (config->process.pidfile == NULL)
		return runtime_dir_prepare(
			config->process.runtime_dir, runtime_dir_mode(&m->identity), err);
	err_init(&ignored);
	made = runtime_dir_prepare(
		config->process.runtime_dir, runtime_dir_mode(&m->identity), &ignored);
	if (!made)
		log_errors(LEVEL_DEBUG, "runtime_dir is not used", &ignored);
	err_free(&ignored);
	return true;
}

static uint32_t
slots_at_least(const struct config *config)
{
	return 2 * (config->process.workers + 1) + SPARE_SLOTS + 1;
}

/*
 * An exchange beyond these is carried as well, and counted when it is lost; only what it was is not known then.  Many
 * workers have fewer each, so that all of it stays small beside the /dev/shm of a container.
 */
static uint32_t
flights_for(const struct config *config)
{
	uint32_t n = FLIGHTS_SOFT_MAX / (slots_at_least(config) * (uint32_t)sizeof(struct flight));

	n = n > FLIGHTS ? FLIGHTS : n < FLIGHTS_LEAST ? FLIGHTS_LEAST : n;
	return config->limits.connections < n ? config->limits.connections : n;
}

/*
 * Two generations fit in any case, with one worker more than asked for (TTIN); as many as eight
 * do when that costs little.
 */
static uint32_t
slots_for(const struct config *config)
{
	uint32_t generation = config->process.workers + 1; /* with the checker */
	uint32_t least = slots_at_least(config);
	uint32_t most = GENERATIONS_MAX * generation + SPARE_SLOTS + 1;
	size_t affordable = SEGMENT_SOFT_MAX /
			    slot_block_bytes(config->process.max_backends, flights_for(config));

	if (affordable < least)
		return least;
	return affordable < most ? (uint32_t)affordable : most;
}

static struct shm_shape
shape_for(const struct config *config)
{
	return (struct shm_shape){
		.max_backends = config->process.max_backends,
		.slots = slots_for(config),
		/* Also when it is off: a reload may switch it on. */
		.rate_rows = config->rate_limit.max_clients,
		.flights = flights_for(config),
	};
}

size_t
master_segment_bytes(const struct config *config)
{
	struct shm_shape shape = shape_for(config);

	return shm_bytes_needed(&shape);
}

static bool
open_segment(struct master *m, const struct config *config, struct err *err)
{
	struct shm_shape shape = shape_for(config);
	int rc = heritage_open_segment(m, &shape);

	if (rc < 0) {
		err_add(err, "shared memory /dev/shm%s, %zu bytes: %s%s", m->instance.shm_name,
			shm_bytes_needed(&shape), strerror(-rc),
			rc == -ENOSPC ? "; make /dev/shm larger or max_backends smaller" : "");
		return false;
	}
	m->slot = slot_claim(&m->shm, ROLE_MASTER, 0, 0);
	if (m->slot == NULL) {
		err_add(err,
			"shared memory: no slot is free, former programs still drain; try later");
		return false;
	}
	atomic_store_explicit(&m->slot->pid, getpid(), memory_order_relaxed);
	atomic_store_explicit(&m->slot->started_us, clock_wall_us(), memory_order_relaxed);
	slot_set_state(m->slot, SLOT_READY);
	return true;
}

static int
open_local_at(struct master *m, const char *path)
{
	int rc;

	if (path[0] == '\0' || addr_parse_unix(&m->local, path) != NULL)
		return -ENAMETOOLONG;
	m->local_fd = sock_listen(&m->local, ADMIN_BACKLOG, 0600);
	if (m->local_fd < 0)
		return m->local_fd;
	rc = m->identity.drop && lchown(path, m->identity.uid, (gid_t)-1) < 0 ? -errno : 0;
	if (rc < 0)
		fd_close(&m->local_fd);
	return rc;
}

static bool
is_place(const struct instance *in, const struct addr *a)
{
	for (unsigned i = 0; i < INSTANCE_SOCKETS; i++) {
		if (in->sockets[i][0] != '\0' && strcmp(in->sockets[i], a->un.sun_path) == 0)
			return true;
	}
	return false;
}

/* The former master's, where runtime_dir is still the same: who is connecting to it is not refused. */
static int
inherit_local(struct master *m)
{
	struct addr a;

	if (m->heritage.local < 0 || sock_name(m->heritage.local, &a) < 0 ||
		!addr_is_local_socket(&a) || !is_place(&m->instance, &a))
		return -ENOENT;
	m->local = a;
	m->local_fd = m->heritage.local;
	m->heritage.local = -1;
	return 0;
}

/* Ours by the pidfile's lock: a socket that is still there was left by a killed master. */
static bool
open_local(struct master *m, struct err *err)
{
	int rc = inherit_local(m);

	for (unsigned i = 0; i < INSTANCE_SOCKETS && rc < 0; i++)
		rc = open_local_at(m, m->instance.sockets[i]);
	if (rc < 0)
		err_add(err, "cannot make the control socket %s: %s; name another runtime_dir",
			m->instance.sockets[0][0] != '\0' ? m->instance.sockets[0]
							  : "(path too long)",
			strerror(-rc));
	return rc == 0;
}

static bool
open_children(struct master *m, const struct config *config, struct err *err)
{
	int rc;

	m->wanted = config->process.workers;
	m->children = (struct children){
		.poller = m->poller,
		.shm = &m->shm,
		.identity = &m->identity,
		.admin = &m->local,
		.ledger = m->slot,
		.heritage = m->heritage.ledger,
		.handover = { m->heritage.handover[0], m->heritage.handover[1] },
	};
	rc = children_init(&m->children);
	m->heritage.handover[0] = m->heritage.handover[1] = -1;
	if (rc < 0)
		err_add(err, "cannot make the table of children: %s", strerror(-rc));
	return rc == 0;
}

static void
wake_on_signal(struct watch *w)
{
	(void)w; /* the loop reads them after the turn, when nothing is half done */
}

static bool
open_loop(struct master *m, struct err *err)
{
	static const int heard[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTTIN,
		SIGTTOU, SIGCHLD, SIGWINCH };
	int fd = signals_open(heard, sizeof(heard) / sizeof(heard[0]));

	m->signals = (struct watch){ .wake = wake_on_signal, .fd = -1 };
	m->poller = poller_create(POLLER_POLL, m->shm.n_slots + POLLER_SPARE);
	if (fd >= 0 && m->poller != NULL && poller_add(m->poller, &m->signals, fd, POLLER_IN) == 0)
		return true;
	err_add(err, "cannot set up the event loop: %s", strerror(fd < 0 ? -fd : errno));
	fd_close(&fd);
	return false;
}

static void
wake_on_tick(struct timer *t)
{
	(void)t; /* the loop looks at everything once per turn */
}

static void
sweep(struct timer *t)
{
	struct master *m = OWNER(t, struct master, sweep);

	rate_sweep(&m->shm, m->now_us);
	timer_arm(&m->timeouts, &m->sweep, MASTER_SWEEP, m->now_us);
}

static void
watch_children(struct timer *t)
{
	struct master *m = OWNER(t, struct master, watch);

	children_watch(&m->children, m->now_us);
	timer_arm(&m->timeouts, &m->watch, MASTER_WATCH, m->now_us);
}

static void
open_timers(struct master *m)
{
	timeouts_init(&m->timeouts);
	timeouts_set(&m->timeouts, MASTER_TICK, TICK_US);
	timeouts_set(&m->timeouts, MASTER_SWEEP, SWEEP_US);
	timeouts_set(&m->timeouts, MASTER_WATCH, CHILDREN_WATCH_US);
	m->tick.expired = wake_on_tick;
	m->sweep.expired = sweep;
	m->watch.expired = watch_children;
	m->now_us = clock_now_us();
	timer_arm(&m->timeouts, &m->sweep, MASTER_SWEEP, m->now_us);
	timer_arm(&m->timeouts, &m->watch, MASTER_WATCH, m->now_us);
}

static bool
open_generation(struct master *m, struct config *config, struct err *err)
{
	struct generation_setup setup = {
		.number = generation_number(&m->shm),
		.config = config,
		.listener = m->heritage.listener,
		.admin = m->heritage.admin,
		.workers = m->wanted,
		.shm = &m->shm,
		.patience_ms = m->heir ? HEIR_PATIENCE_MS : 0,
	};

	setup.oldest = slots_oldest_generation(&m->shm, setup.number);
	m->current = generation_create(&setup, err);
	return m->current != NULL;
}

static bool
open_admin(struct master *m, struct err *err)
{
	int rc;

	m->view = (struct admin_view){
		.shm = &m->shm,
		.config = m->current->config,
		.rows = m->current->rows,
		.started_wall_us = clock_wall_us(),
		.reload_wall_us = clock_wall_us(),
		.reload_ok = true,
		.workers_wanted = m->wanted,
		.worker_uid = m->identity.uid,
	};
	m->admin = admin_create(m->poller, &m->timeouts, &m->view);
	rc = m->admin == NULL ? -errno : m->guest ? 0 : admin_serve(m->admin, m->local_fd, true);
	if (rc < 0)
		err_add(err, "cannot serve the control socket: %s", strerror(-rc));
	return rc == 0;
}

static bool
open_pidfile(struct master *m, struct err *err)
{
	int fd = m->heritage.pidfile;

	m->heritage.pidfile = -1;
	if (m->heritage.given)
		return pidfile_inherit(&m->pidfile, fd, m->instance.pidfile, err);
	return pidfile_take(&m->pidfile, m->instance.pidfile, err);
}

static bool
watch_former(struct master *m, struct err *err)
{
	int rc = heritage_watch(m);

	if (rc < 0)
		err_add(err, "cannot listen to the former master: %s", strerror(-rc));
	return rc == 0;
}

/* Before the configuration changes hands, so that a failure leaves it with us to free. */
static bool
open_instance(struct master *m, const struct config *config, struct err *err)
{
	int rc = open_files_raise(config->process.max_open_files);

	if (config->process.sandbox == SANDBOX_AUTO && !sandbox_is_available())
		log_warn("no sandbox: this kernel has no seccomp filters");
	if (rc < 0)
		log_warn("max_open_files cannot be reached", LOG_STR("error", strerror(-rc)));
	if (!prepare_dir(m, config, err) ||
		!instance_of(&m->instance, config, m->identity.drop, err))
		return false;
	m->heir = !m->heritage.given && access(m->instance.pidfile, F_OK) == 0;
	return open_pidfile(m, err) && open_segment(m, config, err) && open_loop(m, err) &&
	       open_local(m, err) && open_children(m, config, err) && watch_former(m, err);
}

bool
master_open(struct master *m, struct config *config, struct err *err)
{
	bool opened =
		identity_resolve(&m->identity, config->process.user, config->process.group, err) &&
		log_apply(config, err) && open_instance(m, config, err);

	if (!opened) {
		config_free(config);
		return false;
	}
	open_timers(m);
	return open_generation(m, config, err) && open_admin(m, err);
}

static void
close_local(struct master *m)
{
	if (m->local_fd < 0)
		return;
	if (m->admin != NULL)
		admin_unserve(m->admin, m->local_fd);
	fd_close(&m->local_fd);
	if (!m->guest)
		unlink(m->local.un.sun_path);
}

static void
close_loop(struct master *m)
{
	int fd = m->signals.fd;

	if (m->poller == NULL)
		return;
	if (fd >= 0)
		poller_remove(m->poller, &m->signals);
	fd_close(&fd);
	poller_destroy(m->poller);
}

/* The segment of an instance that is not ours stays, and in it nothing of us. */
static void
close_segment(struct master *m)
{
	char name[48];

	if (m->shm.base == NULL)
		return;
	if (m->guest && m->slot != NULL)
		slot_fold(&m->shm, m->slot);
	shm_detach(&m->shm);
	heritage_segment_name(m, name);
	if (!m->guest)
		shm_remove(m->instance.shm_name);
	else if (m->own_segment)
		shm_remove(name);
}

void
master_close(struct master *m)
{
	if (m->guest && m->shm.base != NULL)
		upgrade_conclude(m);
	upgrade_free(m);
	heritage_free(m);
	close_local(m);
	if (m->admin != NULL && m->current != NULL && m->current->admin != NULL)
		admin_unserve(m->admin, m->current->admin->fd);
	if (m->admin != NULL)
		admin_destroy(m->admin);
	generation_release(&m->pending);
	generation_release(&m->current);
	children_free(&m->children);
	close_loop(m);
	close_segment(m);
	if (m->guest)
		pidfile_leave(&m->pidfile);
	else
		pidfile_remove_ours(&m->pidfile);
}
