/*
 * One probe: connect, GET, the head of the answer.  Non-blocking, on the
 * checker's poller; every address of the backend in turn until one takes the connection.
 */
#ifndef BALLAST_SRC_HEALTH_PROBE_H
#define BALLAST_SRC_HEALTH_PROBE_H

#include "ballast/base/addr.h"
#include "ballast/base/poller.h"
#include "ballast/http/parse.h"

enum { PROBE_REQUEST_MAX = 2048, PROBE_HEAD_MAX = 8192 };

struct probe {
	struct watch watch;
	struct poller *poller;
	void (*done)(struct probe *,
		int result); /* a status 100-599, or -errno; the connection is closed */
	const struct addr *addrs;
	unsigned n_addrs, address,
		failed; /* `address` is where it begins: the one that answered last */
	bool running, connecting;
	uint32_t request_bytes, sent, got, scanned;
	char request[PROBE_REQUEST_MAX];
	char head[PROBE_HEAD_MAX];
};

/* The request is made once.  False when it does not fit. */
bool probe_init(struct probe *, struct poller *, const struct addr *, unsigned n_addrs);
bool probe_set_request(struct probe *, const char *host, uint16_t port, const char *path);
/* May call done() before it returns. */
void probe_start(struct probe *);
/* Without calling done(). */
void probe_abort(struct probe *);

#endif
