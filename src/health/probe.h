/*
 * One probe: connect, GET, the head of the answer.  Non-blocking, on the
 * checker's poller; every address of the backend in turn until one takes the connection.
 */
#ifndef BALLAST_SRC_HEALTH_PROBE_H
#define BALLAST_SRC_HEALTH_PROBE_H

#include "ballast/base/poller.h"
#include "ballast/base/slab.h"
#include "ballast/base/timeout.h"
#include "ballast/config/config.h"

enum {
	PROBE_HEAD_MIN =
		16384, /* an answer's head may be so large, or as limits.header_bytes says */
	PROBE_INTERIM_MAX = 16, /* heads of interim answers */
	PROBE_REST_MAX = 65536, /* of what follows it: read only to let the backend end in peace */
};

/* Limits that a prober sets in the timeouts it is given. */
enum probe_limit {
	LIMIT_REST,
	LIMIT_SHARE, /* + the number of addresses: what one of them may take */
	PROBE_LIMITS = LIMIT_SHARE + CONFIG_ADDRS_MAX + 1
};

/* What all probes share.  The first three are set by its owner. */
struct prober {
	struct poller *poller;
	struct timeouts *timeouts;
	const uint64_t *now_us;
	struct slab buffers; /* one for each probe that is running */
	size_t head_max;
};

struct probe {
	struct watch watch;
	struct timer timer;
	struct prober *prober;
	/* A status 100-599, or -errno.  The probe does not run any more, but must not be started in it. */
	void (*done)(struct probe *, int result);
	const struct config_backend *backend;
	const char *path;
	unsigned address, failed; /* `address` is where it begins: the one that answered last */
	unsigned interim;
	bool running, connecting;
	char *buffer; /* the request until it is sent, then the answer */
	size_t bytes, sent, got, scanned;
	size_t rest; /* octets behind the head */
};

/* For the backends of a configuration, each probed once at a time.  0 or -errno. */
int prober_init(struct prober *, const struct config *);
/* What it takes of memory, at most. */
size_t prober_bytes(const struct config *);
void prober_free(struct prober *);

/* All but `done`, which is the caller's. */
void probe_init(struct probe *, struct prober *, const struct config_backend *, const char *path);
/* May call done() before it returns. */
void probe_start(struct probe *);
/* Without calling done(). */
void probe_abort(struct probe *);
/* For want of something in this process or machine: such a result says nothing about the backend. */
bool probe_was_hindered(int result);

#endif
