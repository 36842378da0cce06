/*
 * A probe on its way.  Runs in the checker; owns one connection while it is
 * running.  Its time limit is the checker's: what takes too long is aborted from there.
 * Never keeps a connection: a probe asks what a new client would meet.
 */
#include "probe.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ballast/base/sock.h"
#include "ballast/base/version.h"

#define OWNER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static void probe_wake(struct watch *);

bool
probe_init(struct probe *p, struct poller *poller, const struct addr *addrs, unsigned n_addrs)
{
	memset(p, 0, sizeof(*p));
	p->poller = poller;
	p->addrs = addrs;
	p->n_addrs = n_addrs;
	p->watch = (struct watch){ .wake = probe_wake, .fd = -1 };
	return n_addrs > 0;
}

bool
probe_set_request(struct probe *p, const char *host, uint16_t port, const char *path)
{
	bool v6 = strchr(host, ':') != NULL;
	int n = snprintf(p->request, sizeof(p->request),
		"GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUser-Agent: ballast-health/" BALLAST_VERSION
		"\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		path, v6 ? "[" : "", host, v6 ? "]" : "", port);

	p->request_bytes = (uint32_t)n;
	return n > 0 && (size_t)n < sizeof(p->request);
}

static void
hang_up(struct probe *p)
{
	int fd = p->watch.fd;

	if (fd < 0)
		return;
	poller_remove(p->poller, &p->watch);
	fd_close(&fd);
}

void
probe_abort(struct probe *p)
{
	hang_up(p);
	p->running = false;
}

static void
end(struct probe *p, int result)
{
	probe_abort(p);
	p->done(p, result);
}

static int
dial(struct probe *p)
{
	int fd = sock_connect(&p->addrs[p->address], &p->connecting);
	int rc;

	if (fd < 0)
		return fd;
	p->watch.ready = 0;
	rc = poller_add(p->poller, &p->watch, fd, POLLER_OUT);
	if (rc < 0)
		fd_close(&fd);
	return rc;
}

/* The next address after one that did not take the connection. */
static void
dial_on(struct probe *p, int error)
{
	hang_up(p);
	while (error < 0 && ++p->failed < p->n_addrs) {
		p->address = (p->address + 1) % p->n_addrs;
		error = dial(p);
	}
	if (error < 0)
		end(p, error);
}

void
probe_start(struct probe *p)
{
	int rc;

	p->running = true;
	p->failed = p->sent = p->got = p->scanned = 0;
	rc = dial(p);
	if (rc < 0)
		dial_on(p, rc);
}

/* True while there is more to do. */
static bool
send_request(struct probe *p)
{
	ssize_t n;

	if (p->sent == p->request_bytes)
		return true;
	n = sock_send(p->watch.fd, p->request + p->sent, p->request_bytes - p->sent);
	if (n == -EAGAIN) {
		watch_clear(&p->watch, POLLER_OUT);
		return false;
	}
	if (n < 0) {
		end(p, (int)n);
		return false;
	}
	p->sent += (uint32_t)n;
	poller_want(p->poller, &p->watch, p->sent == p->request_bytes ? POLLER_IN : POLLER_OUT);
	return p->sent == p->request_bytes;
}

/* 0: more is needed; else the result. */
static int
judge_head(struct probe *p)
{
	static struct head head;

	for (;;) {
		size_t scanned = p->scanned;
		size_t n = parse_end_of_head(p->head, p->got, &scanned);

		p->scanned = (uint32_t)scanned;
		if (n == 0)
			return p->got == sizeof(p->head) ? -EMSGSIZE : 0;
		if (parse_response(&head, p->head, n, HEAD_FIELDS_MAX) != 0)
			return -EPROTO;
		if (head.status >= 200 || head.status == 101)
			return head.status;
		memmove(p->head, p->head + n, p->got - n);
		p->got -= (uint32_t)n;
		p->scanned = 0;
	}
}

static void
read_answer(struct probe *p)
{
	for (;;) {
		ssize_t n = sock_recv(p->watch.fd, p->head + p->got, sizeof(p->head) - p->got);
		int result;

		if (n == -EAGAIN) {
			watch_clear(&p->watch, POLLER_IN);
			return;
		}
		if (n <= 0) {
			end(p, n < 0 ? (int)n : -ECONNRESET);
			return;
		}
		p->got += (uint32_t)n;
		result = judge_head(p);
		if (result != 0) {
			end(p, result);
			return;
		}
	}
}

static void
probe_wake(struct watch *w)
{
	struct probe *p = OWNER(w, struct probe, watch);

	if (p->connecting) {
		int rc = sock_connect_result(w->fd);

		if (rc < 0) {
			dial_on(p, rc);
			return;
		}
		p->connecting = false;
	}
	if (send_request(p))
		read_answer(p);
}
