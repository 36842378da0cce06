/*
 * The worker process: one loop, one place where it blocks.  It owns the poller
 * and the timers; the proxy does the work.  It ends when it was told to (the
 * control pipe, TERM) or when the master is gone (the pipe's end), after its
 * exchanges are over or the drain time is.  TERM retires this one worker, as the
 * pipe's RETIRE does; only DRAIN, or the master's end, is the end of the service.
 */
#include "ballast/worker/worker.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "ballast/base/clock.h"
#include "ballast/base/control.h"
#include "ballast/base/log.h"
#include "ballast/base/owner.h"
#include "ballast/base/sandbox.h"
#include "ballast/base/signals.h"
#include "ballast/base/sock.h"
#include "ballast/proxy/proxy.h"

enum {
	LIMIT_DRAIN = PROXY_LIMITS,
	LIMIT_IDLE_GRACE,
	BEAT_MS = 1000,
	BEAT_US = 900000,
	IDLE_GRACE_US = 200000
};

struct worker {
	const struct worker_setup *setup;
	struct poller *poller;
	struct proxy *proxy;
	struct timeouts timeouts;
	struct timer drain, idle_grace;
	struct watch control, signals;
	int access_log;
	uint64_t beat_us;
	struct lag lag; /* how long turns took */
	bool leaving;
	bool service_over; /* not this worker alone leaves */
	bool drain_over;
	bool broken; /* it cannot wait any more */
};

/*
 * What a worker has beside its tables: the data of program and libraries, stack, the heap it
 * inherited.  Measured at 0.6 MiB, and below 2 KiB for each backend of the configuration.
 */
enum { PROCESS_BYTES = 2 << 20, BACKEND_BYTES = 2 << 10 };

size_t
worker_memory_bytes(const struct config *cfg)
{
	return proxy_memory_bytes(cfg) +
	       poller_bytes(cfg->process.event_engine, proxy_descriptors(cfg)) +
	       sizeof(struct worker) + PROCESS_BYTES + cfg->n_backends * (size_t)BACKEND_BYTES;
}

/* The slot says so only when nothing new is taken any more: a reload is complete then. */
static void
leave(struct worker *w)
{
	proxy_accept_rest(w->proxy); /* nobody else may be left to take them */
	proxy_retire(w->proxy);
	slot_set_state(w->setup->slot, SLOT_DRAINING);
	if (w->leaving)
		return;
	w->leaving = true;
	(void)control_send(w->setup->control, CONTROL_LEAVING);
	timer_arm(&w->timeouts, &w->drain, LIMIT_DRAIN, *proxy_now(w->proxy));
	w->drain_over = w->setup->config->timeouts.drain_us == 0;
}

/* The others live on: what is idle is theirs, and so is what waits in the queue. */
static void
retire(struct worker *w)
{
	leave(w);
	proxy_hand_over(w->proxy);
}

/*
 * When the service ends, a connection that is idle at this moment may have its next request on the way: for a
 * moment it is still answered, and told to close.
 */
static void
end_service(struct worker *w)
{
	w->service_over = true;
	proxy_take_handed(w->proxy);
	leave(w);
	if (!timer_is_armed(&w->idle_grace))
		timer_arm(&w->timeouts, &w->idle_grace, LIMIT_IDLE_GRACE, *proxy_now(w->proxy));
}

static void
drain_expired(struct timer *t)
{
	OWNER(t, struct worker, drain)->drain_over = true;
}

static void
idle_grace_expired(struct timer *t)
{
	proxy_drain(OWNER(t, struct worker, idle_grace)->proxy);
}

static void
take_access_log(struct worker *w, int fd)
{
	proxy_set_access_log(w->proxy, fd);
	fd_close(&w->access_log);
	w->access_log = fd;
}

static bool
another_master_serves(const struct worker *w)
{
	return slots_strangers_serve(w->setup->shm, w->setup->master);
}

/* In the middle of an upgrade the other master's workers go on, and what is idle is theirs. */
static void
master_is_gone(struct worker *w)
{
	if (another_master_serves(w))
		retire(w);
	else
		end_service(w);
}

static void
control_wake(struct watch *watch)
{
	struct worker *w = OWNER(watch, struct worker, control);
	enum control message;
	int passed;

	while ((message = control_next(watch->fd, &passed)) != CONTROL_NONE) {
		switch (message) {
		case CONTROL_RETIRE:
			retire(w);
			break;
		case CONTROL_LOG:
			log_replace(passed);
			break;
		case CONTROL_ACCESS_LOG:
			if (passed >= 0)
				take_access_log(w, passed);
			break;
		case CONTROL_EOF:
			poller_remove(w->poller, watch);
			master_is_gone(w);
			return;
		case CONTROL_DRAIN:
			end_service(w);
			break;
		default:
			fd_close(&passed);
		}
	}
	watch_clear(watch, POLLER_IN);
}

/*
 * Only TERM means something to a worker; the rest is the terminal's or the operator's word to the master.  It means
 * this one alone: that the service ends is the master's word.
 */
static void
signals_wake(struct watch *watch)
{
	struct worker *w = OWNER(watch, struct worker, signals);
	int signal;

	while ((signal = signals_next(watch->fd, NULL)) != 0) {
		if (signal == SIGTERM)
			retire(w);
	}
	watch_clear(watch, POLLER_IN);
}

static int
watch_master(struct worker *w)
{
	int fd = signals_open_in_child();
	int rc;

	if (fd < 0)
		return fd;
	w->signals = (struct watch){ .wake = signals_wake, .fd = -1 };
	w->control = (struct watch){ .wake = control_wake, .fd = -1 };
	rc = poller_add(w->poller, &w->signals, fd, POLLER_IN);
	if (rc == 0)
		rc = poller_add(w->poller, &w->control, w->setup->control, POLLER_IN);
	return rc;
}

/*
 * For the kernel a worker is no interactive program: it need not run at once when it wakes.  A little later it finds
 * more events, which one wait then tells of.  Where that is refused, it is as quick as any other process.
 */
static void
take_policy(const struct config *config)
{
	const struct sched_param none = { 0 };

	if (config->process.scheduling == SCHEDULING_BATCH &&
		sched_setscheduler(0, SCHED_BATCH, &none) < 0)
		log_debug("scheduling as batch is refused", LOG_STR("error", strerror(errno)));
}

static int
start(struct worker *w)
{
	const struct worker_setup *s = w->setup;
	struct proxy_setup ps = {
		.config = s->config,
		.shm = s->shm,
		.slot = s->slot,
		.balance = s->balance,
		.timeouts = &w->timeouts,
		.listener = s->listener,
		.bells = s->bells,
		.n_bells = s->n_bells,
		.handover = { s->handover[0], s->handover[1] },
		.access_log = s->access_log,
		.admin = s->admin,
	};
	int rc;

	take_policy(s->config);
	timeouts_init(&w->timeouts);
	timeouts_set(&w->timeouts, LIMIT_DRAIN, s->config->timeouts.drain_us);
	timeouts_set(&w->timeouts, LIMIT_IDLE_GRACE, IDLE_GRACE_US);
	w->drain.expired = drain_expired;
	w->idle_grace.expired = idle_grace_expired;
	w->access_log = s->access_log;
	w->poller = poller_create(s->config->process.event_engine, proxy_descriptors(s->config));
	if (w->poller == NULL)
		return -errno;
	rc = watch_master(w);
	if (rc < 0)
		return rc;
	ps.poller = w->poller;
	w->proxy = proxy_create(&ps);
	if (w->proxy == NULL)
		return -errno;
	rc = s->sandbox ? sandbox_enter() : 0;
	if (rc < 0)
		return rc;
	/* The first beat: from here on silence is counted. */
	atomic_store_explicit(&s->slot->beat_us, clock_now_us(), memory_order_relaxed);
	slot_set_state(s->slot, SLOT_READY);
	return control_send(s->control, CONTROL_READY);
}

static void
stop(struct worker *w)
{
	int signals = w->signals.fd;

	if (w->proxy != NULL)
		proxy_destroy(w->proxy);
	if (w->poller != NULL)
		poller_destroy(w->poller);
	if (signals > 0)
		fd_close(&signals);
}

static bool
service_is_over(const struct worker *w)
{
	if (atomic_load(&w->setup->shm->shared->draining) != 0)
		return true;
	return w->service_over && !another_master_serves(w);
}

/*
 * One that retires may put a client into the queue when it does not know yet that the service has ended, and all who
 * do have looked there.  So it asks once more behind that, and whoever drains looks again for as long as it lives.
 */
static void
look_once_more(struct worker *w)
{
	if (w->control.fd >= 0)
		control_wake(&w->control);
	if (service_is_over(w))
		end_service(w);
}

/*
 * What one has put in belongs to those who serve.  When all were told to retire at the same moment (a TERM to each process) there
 * is nobody until the master has forked successors, or has said that the service ends: so long the last one stays.
 */
static bool
queue_has_a_reader(const struct worker *w)
{
	return w->service_over || !proxy_queue_waits(w->proxy) ||
	       slots_others_serve(w->setup->shm, w->setup->slot);
}

static bool
nothing_is_left(struct worker *w)
{
	if (!proxy_is_empty(w->proxy))
		return false;
	look_once_more(w);
	return proxy_is_empty(w->proxy) && queue_has_a_reader(w);
}

static void
beat(struct worker *w, uint64_t now_us)
{
	if (now_us - w->beat_us < BEAT_US)
		return;
	w->beat_us = now_us;
	proxy_beat(w->proxy);
	if (w->leaving)
		look_once_more(w);
}

static void
turn(struct worker *w)
{
	uint64_t *now = proxy_now(w->proxy);
	uint64_t done_us;
	int wait_ms = timeouts_next_ms(&w->timeouts, clock_now_us(), BEAT_MS);
	int rc = poller_turn(w->poller, wait_ms, now);

	if (rc < 0) {
		log_error("waiting for events failed", LOG_STR("error", strerror(-rc)));
		w->broken = true; /* better replaced than spinning */
	}
	timeouts_expire(&w->timeouts, *now);
	proxy_turn_over(w->proxy);
	beat(w, *now);
	done_us = clock_now_us();
	slot_beat(w->setup->slot, &w->lag, done_us - *now, done_us);
}

enum worker_exit
worker_run(const struct worker_setup *setup)
{
	struct worker w = { .setup = setup };
	enum worker_exit status = WORKER_DONE;
	int rc = start(&w);

	if (rc < 0) {
		log_error("worker cannot start", LOG_STR("error", strerror(-rc)));
		stop(&w);
		return WORKER_FAILED;
	}
	while (!w.broken && !(w.leaving && (w.drain_over || nothing_is_left(&w))))
		turn(&w);
	if (proxy_cut(w.proxy) > 0)
		status = WORKER_CUT;
	stop(&w);
	return w.broken ? WORKER_FAILED : status;
}
