/*
 * A whole proxy in this process, between a client and a backend that are played
 * here over loopback: what a client drips octet by octet, or sends in a flood,
 * costs in proportion to its octets.  Only the proxy's turns are counted.
 * Each subject has a world of its own; nothing in it has a time limit that
 * a slow machine could reach.
 */
#include "bounds.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/sock.h"
#include "ballast/proxy/proxy.h"
#include "ballast/shm/backend.h"

enum { TURN_MS = 30000, OUTSIDE_MS = 20, DRAIN_BYTES = 1 << 16 };

struct world {
	struct config config;
	struct config_backend backend;
	struct cidr trusted[1];
	struct shm shm;
	struct balance balance;
	struct poller *poller;
	struct timeouts timeouts;
	struct proxy *proxy;
	int client, door, backend_fd; /* door: where the backend listens */
};

static void
hour(uint64_t *limit)
{
	*limit = UINT64_C(3600000000);
}

static void
configure(struct world *w)
{
	struct config *c = &w->config;

	c->backends = &w->backend;
	c->n_backends = 1;
	c->limits.connections = 4;
	c->limits.header_bytes = 65536;
	c->limits.headers = 1000;
	c->trusted_proxies = w->trusted;
	c->n_trusted_proxies = 1;
	must(cidr_parse(&w->trusted[0], "127.0.0.0/8") == NULL, "a network");
	hour(&c->timeouts.request_header_us);
	hour(&c->timeouts.request_body_us);
	hour(&c->timeouts.client_write_us);
	hour(&c->timeouts.keep_alive_us);
	hour(&c->timeouts.connect_us);
	hour(&c->timeouts.response_header_us);
	hour(&c->timeouts.response_body_us);
}

static int
listener(struct addr *bound)
{
	struct addr any;
	int fd;

	must(addr_parse_listen(&any, "127.0.0.1:0") == NULL, "an address");
	fd = sock_listen(&any, 16, 0);
	must(fd >= 0 && sock_name(fd, bound) == 0, "a listener");
	return fd;
}

static void
share(struct world *w)
{
	const struct shm_shape shape = { .max_backends = 2, .slots = 2, .rate_rows = 8 };
	const struct candidate candidate = { 0, 1 };
	char name[64];

	snprintf(name, sizeof(name), "/ballast-bounds-%d", getpid());
	must(shm_create(&w->shm, name, &shape, (gid_t)-1) == 0, "shared memory");
	shm_remove(name);
	must(backend_assign(&w->shm, "http://127.0.0.1", 1, 1) == 0, "a row");
	must(balance_init(&w->balance, &w->shm, strategy_find("round-robin"), &candidate, 1) == 0,
		"a balance");
}

static struct world *
world_open(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct proxy_setup setup = { .access_log = -1, .handover = { -1, -1 } };
	struct addr here;
	bool connecting;

	must(w != NULL, "memory");
	configure(w);
	share(w);
	w->door = listener(&w->backend.addrs[0]);
	w->backend.n_addrs = 1;
	w->backend.url = strdup("http://127.0.0.1");
	w->backend_fd = -1;
	timeouts_init(&w->timeouts);
	w->poller = poller_create(POLLER_EPOLL, proxy_descriptors(&w->config));
	must(w->poller != NULL, "a poller");
	setup.config = &w->config;
	setup.shm = &w->shm;
	setup.slot = slot_claim(&w->shm, ROLE_WORKER, 1, 1);
	setup.balance = &w->balance;
	setup.poller = w->poller;
	setup.timeouts = &w->timeouts;
	setup.listener = listener(&here);
	w->proxy = proxy_create(&setup);
	must(w->proxy != NULL, "a proxy");
	w->client = sock_connect(&here, &connecting);
	must(w->client >= 0, "a client");
	return w;
}

static void
world_close(struct world *w)
{
	fd_close(&w->client);
	fd_close(&w->backend_fd);
	fd_close(&w->door);
	proxy_cut(w->proxy);
	proxy_destroy(w->proxy);
	poller_destroy(w->poller);
	balance_free(&w->balance);
	shm_detach(&w->shm);
	free(w->backend.url);
	free(w);
}

/* One turn; how many watches were woken. */
static int
turn(struct world *w, int wait_ms)
{
	int woken;

	counting(true);
	woken = poller_turn(w->poller, wait_ms, proxy_now(w->proxy));
	timeouts_expire(&w->timeouts, *proxy_now(w->proxy));
	proxy_turn_over(w->proxy);
	counting(false);
	must(woken >= 0, "a turn");
	return woken;
}

/* What has come is thrown away.  How much it was. */
static size_t
swallow(int fd)
{
	static char sink[DRAIN_BYTES];
	size_t all = 0;
	ssize_t n;

	while (fd >= 0 && (n = sock_recv(fd, sink, sizeof(sink))) > 0)
		all += (size_t)n;
	return all;
}

static void
let_in(struct world *w)
{
	struct addr peer;

	if (w->backend_fd < 0)
		w->backend_fd = sock_accept(w->door, &peer);
	if (w->backend_fd < 0)
		w->backend_fd = -1;
}

/* Turns until nothing happens any more.  What went to the backend and to the client meanwhile. */
static size_t
settle(struct world *w)
{
	size_t moved = 0;

	do {
		let_in(w);
		moved += swallow(w->backend_fd) + swallow(w->client);
	} while (turn(w, 0) > 0);
	return moved + swallow(w->backend_fd) + swallow(w->client);
}

/* Octet by octet from `fd`; each is dealt with before the next. */
static size_t
drip(struct world *w, int fd, const char *p, size_t n)
{
	size_t moved = 0;

	for (size_t i = 0; i < n; i++) {
		must(sock_send(fd, p + i, 1) == 1, "room for an octet");
		turn(w, TURN_MS);
		moved += settle(w);
	}
	return moved;
}

/* Not in the proxy's turns: how often those look in vain would be counted, and depend on the machine. */
static void
wait_outside(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, OUTSIDE_MS);
}

static void
wait_for_backend(struct world *w)
{
	turn(w, TURN_MS);
	settle(w);
	while (w->backend_fd < 0) {
		wait_outside(w->door);
		settle(w);
	}
}

/* ---- subjects; run() is called counting */

static struct world *
begin(void)
{
	struct world *w;

	counting(false);
	w = world_open();
	while (proxy_is_empty(w->proxy))
		turn(w, TURN_MS);
	return w;
}

static void
end(struct world *w)
{
	world_close(w);
	counting(true);
}

static void
client_drips(const struct input *in)
{
	struct world *w = begin();

	must(drip(w, w->client, in->text, in->n) > 0, "an octet that went on");
	end(w);
}

static void
backend_drips(const struct input *in)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct world *w = begin();

	must(sock_send(w->client, get, sizeof(get) - 1) == sizeof(get) - 1, "a request that goes");
	wait_for_backend(w);
	must(drip(w, w->backend_fd, in->text, in->n) > 0, "an octet that went on");
	end(w);
}

/* As much as there is room for, until all is gone and the last answer is here. */
static void
client_floods(const struct input *in)
{
	struct world *w = begin();
	size_t answers = 0, sent = 0;

	while (sent < in->n || answers < in->size * sizeof("HTTP/1.1 200 OK")) {
		ssize_t n = sent < in->n ? sock_send(w->client, in->text + sent, in->n - sent) : 0;
		size_t got;

		sent += n > 0 ? (size_t)n : 0;
		got = settle(w);
		if (got == 0)
			wait_outside(w->client);
		answers += got;
	}
	end(w);
}

static void
make_head(struct input *in)
{
	put(in, "GET / HTTP/1.1\r\nHost: a\r\nX-Some: ");
	put_times(in, in->size, "x");
	put(in, "\r\n\r\n");
}

#define CHUNKED "Transfer-Encoding: chunked\r\n"

static void
make_chunks(struct input *in)
{
	put(in, "POST / HTTP/1.1\r\nHost: a\r\n" CHUNKED "\r\n");
	put_times(in, in->size, "1\r\nx\r\n");
	put(in, "0\r\n\r\n");
}

static void
make_trailers(struct input *in)
{
	put(in, "POST / HTTP/1.1\r\nHost: a\r\n" CHUNKED "\r\n0\r\n");
	put_times(in, in->size, "A: b\r\n");
	put(in, "\r\n");
}

static void
make_extension(struct input *in)
{
	put(in, "POST / HTTP/1.1\r\nHost: a\r\n" CHUNKED "\r\n1;a=");
	put_times(in, in->size, "x");
	put(in, "\r\nx\r\n0\r\n\r\n");
}

static void
make_forwarded_for(struct input *in)
{
	put(in, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1");
	put_times(in, in->size, ", 127.0.0.1");
	put(in, "\r\n\r\n");
}

static void
make_answer_head(struct input *in)
{
	put(in, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Some: ");
	put_times(in, in->size, "x");
	put(in, "\r\n\r\n");
}

static void
make_answer_chunks(struct input *in)
{
	put(in, "HTTP/1.1 200 OK\r\n" CHUNKED "\r\n");
	put_times(in, in->size, "1\r\nx\r\n");
	put(in, "0\r\n\r\n");
}

static void
make_interims(struct input *in)
{
	put_times(in, in->size, "HTTP/1.1 102 x\r\n\r\n");
	put(in, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* Answered by the proxy itself, one after the other, out of one buffer. */
static void
make_flood(struct input *in)
{
	put_times(in, in->size, "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
}

/* In one go; only that a request like this costs no more than its octets is of interest. */
static void
client_asks(const struct input *in)
{
	struct world *w = begin();

	must(sock_send(w->client, in->text, in->n) == (ssize_t)in->n, "a request that goes");
	wait_for_backend(w);
	settle(w);
	end(w);
}

static const struct subject rows[] = {
	{ "proxy-a-head-octet-by-octet", 2000, make_head, client_drips },
	{ "proxy-one-octet-chunks-octet-by-octet", 250, make_chunks, client_drips },
	{ "proxy-trailers-octet-by-octet", 200, make_trailers, client_drips },
	{ "proxy-a-chunk-extension-octet-by-octet", 900, make_extension, client_drips },
	{ "proxy-an-answers-head-octet-by-octet", 2000, make_answer_head, backend_drips },
	{ "proxy-an-answers-one-octet-chunks-octet-by-octet", 250, make_answer_chunks,
		backend_drips },
	{ "proxy-interim-answers-octet-by-octet", 7, make_interims, backend_drips },
	{ "proxy-a-chain-of-trusted-proxies", 300, make_forwarded_for, client_asks },
	{ "proxy-a-flood-of-requests", 500, make_flood, client_floods },
};

struct subjects
subjects_proxy(void)
{
	return (struct subjects){ rows, sizeof(rows) / sizeof(rows[0]) };
}
