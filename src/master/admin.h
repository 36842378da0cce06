/*
 * The master's own HTTP: /metrics, /status, /livez, /readyz on admin.listen and
 * on the instance's Unix socket (over which a worker relays the metrics path of lb_port).
 * Small, non-blocking, bounded connections; shares the master's poller and timers.
 */
#ifndef BALLAST_MASTER_ADMIN_H
#define BALLAST_MASTER_ADMIN_H

#include "ballast/base/poller.h"
#include "ballast/base/timeout.h"
#include "ballast/config/config.h"
#include "ballast/shm/slot.h"

/* What is shown besides the shared memory.  The master's, who updates it; admin keeps a pointer. */
struct admin_view {
	const struct shm *shm;
	const struct config *config; /* of the newest good generation; replaced at reload */
	const uint16_t *rows;        /* backend row of config->backends[i] */
	uint64_t started_wall_us;
	uint64_t reload_wall_us; /* of the last attempt */
	bool reload_ok;          /* of the last attempt; true at start */
	bool draining;
	unsigned workers_wanted;
	uid_t worker_uid; /* may connect to the Unix socket, besides root and the master's euid */
};

struct admin;

enum {
	ADMIN_LIMIT = TIMEOUT_LIMITS - 1
}; /* the timer queue that admin uses (it sets its duration itself) */

enum {
	ADMIN_CONNECTIONS_MAX = 32,
	ADMIN_LISTENERS_MAX = 8,
	ADMIN_WATCHES = ADMIN_CONNECTIONS_MAX + ADMIN_LISTENERS_MAX, /* of the poller's capacity */
	ADMIN_HEAD_MAX = 8192, /* octets of a request's head */
};

/*
 * NULL with errno.  Connections are bounded (ADMIN_CONNECTIONS_MAX); when all are taken a new one
 * takes the place of the one that is missed least: the longest idle, else the slowest to send its
 * request, else the slowest to take its answer.
 */
struct admin *admin_create(struct poller *, struct timeouts *, const struct admin_view *);
/*
 * Serves a listening descriptor (owned by the caller).  local: a Unix socket, whose peers' uid is
 * checked (SO_PEERCRED).  0 or -errno (-ENOSPC: ADMIN_LISTENERS_MAX are served).
 */
int admin_serve(struct admin *, int listener, bool local);
/* Connections that came through it are served on. */
void admin_unserve(struct admin *, int listener);
/* Another master answers from here on: no listener is served, connections end with the answer that they wait for. */
void admin_leave(struct admin *);
/* It does not: the control socket is served again.  Not in the turn of admin_leave. */
int admin_return(struct admin *, int local);
/* Nobody waits for an answer any more. */
bool admin_is_quiet(const struct admin *);
/*
 * After every poller_turn: frees what was closed in it, and answers one of the requests for a page
 * that takes long to write (/metrics, /status).  One per turn, so that no number of them keeps the
 * master from its work.
 */
void admin_turn_over(struct admin *);
/* NULL is ignored by both.  Frees everything; listeners stay open, they are the caller's. */
void admin_destroy(struct admin *);
/* The same in a child after fork: closes the connections' descriptors, leaves the poller alone. */
void admin_close_in_child(struct admin *);

#endif
