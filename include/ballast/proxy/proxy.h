/*
 * The proxy: everything one worker needs to carry traffic, from accept to the
 * access log.  It owns the client and upstream connections and their memory;
 * the worker owns the loop (poller, timeouts) and calls in here.
 */
#ifndef BALLAST_PROXY_PROXY_H
#define BALLAST_PROXY_PROXY_H

#include "ballast/balance/balance.h"
#include "ballast/base/poller.h"
#include "ballast/base/timeout.h"
#include "ballast/config/config.h"
#include "ballast/shm/slot.h"

struct proxy;

struct proxy_setup {
	const struct config *config;
	struct shm *shm;
	struct slot *slot;
	struct balance *balance; /* candidate i is config->backends[i] */
	struct poller *poller;
	struct timeouts *
		timeouts; /* the proxy sets the limits below PROXY_LIMITS; the rest is the worker's */
	int listener;     /* closed when the proxy retires or ends, as the bells are */
	/* Eventfds, by which workers 1 .. n_bells of the generation call each other. */
	const int *bells;
	unsigned n_bells;
	/* The queue of connections that are handed over: where to read and to write; -1: there is none. */
	int handover[2];
	int access_log; /* descriptor, or -1: off */
	const struct addr
		*admin; /* the master's Unix socket; NULL: the metrics path is not public */
};

enum { PROXY_LIMITS = 15 };

/* Of struct flight: "head", "admit", ... */
const char *proxy_step_name(unsigned step);
/* Takes all memory, begins to accept.  NULL with errno. */
struct proxy *proxy_create(const struct proxy_setup *);
void proxy_destroy(struct proxy *);

/* Descriptors a worker needs for so many connections, its poller included. */
uint32_t proxy_descriptors(const struct config *);
/* All the memory that proxy_create takes, at most, and how much of it one connection with its exchange may hold. */
size_t proxy_memory_bytes(const struct config *);
size_t proxy_connection_bytes(const struct config *);
/*
 * Clients at once: limits.connections, or as many as this process's limit of descriptors lets have a backend each.
 */
uint32_t proxy_clients_max(const struct config *);
/* About once a second: memory that a crowd used goes back to the system; a connection that a dead worker was woken for is taken. */
void proxy_beat(struct proxy *);
/* To be given to poller_turn: the time of the current turn. */
uint64_t *proxy_now(struct proxy *);
/* After each poller_turn: what was closed is freed, the access log written. */
void proxy_turn_over(struct proxy *);
void proxy_set_access_log(struct proxy *, int fd);

/* Takes what waits in the listener's queue: when the last process closes it, those would be reset. */
void proxy_accept_rest(struct proxy *);
/* The service ends: hands nothing over any more, and takes what waits in the queue, since nobody else will. */
void proxy_take_handed(struct proxy *);
/* No new connections. */
void proxy_retire(struct proxy *);
/* After proxy_retire: each connection that is idle, now or later, goes to the workers that have not retired. */
void proxy_hand_over(struct proxy *);
/* Something lies in the queue of what is handed over. */
bool proxy_queue_waits(const struct proxy *);
/* No new connections, and idle ones end now. */
void proxy_drain(struct proxy *);
/* After retire or drain: nothing is left. */
bool proxy_is_empty(const struct proxy *);
/* Ends all that is left; returns how many exchanges were cut. */
unsigned proxy_cut(struct proxy *);

#endif
