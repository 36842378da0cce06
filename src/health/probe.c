/*
 * A probe on its way.  Runs in the checker; owns one connection, and one buffer
 * while it is running.  Its time limit is the checker's: what takes too long is
 * aborted from there; of that time an address that is silent gets its share and
 * the next one is tried.  Never keeps a connection: a probe asks what a new client
 * would meet.  But it reads on for a moment after its result, since a close with
 * unread octets is a reset, and the backend's log would be full of them.
 */
#include "probe.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ballast/base/owner.h"
#include "ballast/base/sock.h"
#include "ballast/base/version.h"
#include "ballast/http/parse.h"

static int
write_request(char *out, size_t room, const struct config_backend *b, const char *path)
{
	bool v6 = strchr(b->host, ':') != NULL;

	return snprintf(out, room,
		"GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUser-Agent: ballast-health/" BALLAST_VERSION
		"\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		path != NULL ? path : b->path, v6 ? "[" : "", b->host, v6 ? "]" : "", b->port);
}

/* The largest request of all, with its NUL. */
static size_t
request_bytes(const struct config *c)
{
	size_t most = 0;
	char cut[1];

	for (unsigned i = 0; i < c->n_backends; i++) {
		int need = write_request(cut, sizeof(cut), &c->backends[i], c->health.path);

		if (need >= 0 && (size_t)need >= most)
			most = (size_t)need + 1;
	}
	return most;
}

static size_t
head_max(const struct config *c)
{
	return c->limits.header_bytes < PROBE_HEAD_MIN ? PROBE_HEAD_MIN : c->limits.header_bytes;
}

static size_t
buffer_bytes(const struct config *c)
{
	size_t request = request_bytes(c);

	return request > head_max(c) ? request : head_max(c);
}

size_t
prober_bytes(const struct config *c)
{
	return slab_bytes(c->n_backends, buffer_bytes(c));
}

int
prober_init(struct prober *pr, const struct config *c)
{
	pr->head_max = head_max(c);
	timeouts_set(pr->timeouts, LIMIT_REST, c->health.timeout_us);
	for (unsigned addrs = 2; addrs <= CONFIG_ADDRS_MAX; addrs++)
		timeouts_set(pr->timeouts, LIMIT_SHARE + addrs, c->health.timeout_us / addrs);
	return slab_init(&pr->buffers, c->n_backends, buffer_bytes(c));
}

void
prober_free(struct prober *pr)
{
	slab_free_all(&pr->buffers);
}

static void
hang_up(struct probe *p)
{
	int fd = p->watch.fd;

	timer_disarm(&p->timer);
	if (fd < 0)
		return;
	poller_remove(p->prober->poller, &p->watch);
	fd_close(&fd);
}

static void
give_buffer(struct probe *p)
{
	if (p->buffer != NULL)
		slab_give(&p->prober->buffers, p->buffer);
	p->buffer = NULL;
}

void
probe_abort(struct probe *p)
{
	hang_up(p);
	give_buffer(p);
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
	struct prober *pr = p->prober;
	const struct config_backend *b = p->backend;
	int fd = sock_connect(&b->addrs[p->address], &p->connecting);
	int rc;

	if (fd < 0)
		return fd;
	p->connecting =
		true; /* also when it is over already: the result is asked for in one place */
	p->watch.ready = 0;
	rc = poller_add(pr->poller, &p->watch, fd, POLLER_OUT);
	if (rc < 0)
		fd_close(&fd);
	else if (p->failed + 1 < b->n_addrs) /* the last one has all the time that is left */
		timer_arm(pr->timeouts, &p->timer, LIMIT_SHARE + b->n_addrs, *pr->now_us);
	return rc;
}

/* The next address after one that did not take the connection. */
static void
dial_on(struct probe *p, int error)
{
	hang_up(p);
	while (error < 0 && !probe_was_hindered(error) && ++p->failed < p->backend->n_addrs) {
		p->address = (p->address + 1) % p->backend->n_addrs;
		error = dial(p);
	}
	if (error < 0)
		end(p, error);
}

bool
probe_was_hindered(int result)
{
	return result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM ||
	       result == -ENOSPC;
}

void
probe_start(struct probe *p)
{
	int rc;

	assert(!p->running);
	hang_up(p);
	p->running = true;
	p->failed = p->interim = 0;
	p->bytes = p->sent = p->got = p->scanned = p->rest = 0;
	p->buffer = slab_take(&p->prober->buffers);
	rc = p->buffer != NULL ? dial(p) : -ENOMEM;
	if (rc < 0)
		dial_on(p, rc);
}

/* True while there is more to do. */
static bool
send_request(struct probe *p)
{
	while (p->sent < p->bytes) {
		ssize_t n = sock_send(p->watch.fd, p->buffer + p->sent, p->bytes - p->sent);

		if (n == -EAGAIN) {
			watch_clear(&p->watch, POLLER_OUT);
			return false;
		}
		if (n < 0) {
			end(p, (int)n);
			return false;
		}
		p->sent += (size_t)n;
	}
	poller_want(p->prober->poller, &p->watch, POLLER_IN);
	return true;
}

/* Nobody need wait for the end of a line that does not begin as an answer does. */
static bool
may_be_http(const struct probe *p)
{
	size_t n = p->got < 5 ? p->got : 5;

	return memcmp(p->buffer, "HTTP/", n) == 0;
}

/* 0: more is needed; else the result. */
static int
judge_head(struct probe *p)
{
	static struct head head;

	while (may_be_http(p)) {
		size_t n = parse_end_of_head(p->buffer, p->got, &p->scanned);

		if (n == 0)
			return p->got == p->prober->head_max ? -EMSGSIZE : 0;
		if (parse_response(&head, p->buffer, n, HEAD_FIELDS_MAX) != 0)
			return -EPROTO;
		if (head.status >= 200 || head.status == 101)
			return head.status;
		if (++p->interim > PROBE_INTERIM_MAX)
			break;
		memmove(p->buffer, p->buffer + n, p->got - n);
		p->got -= n;
		p->scanned = 0;
	}
	return -EPROTO;
}

static void
read_rest(struct probe *p)
{
	char bin[16384];

	while (p->rest < PROBE_REST_MAX) {
		ssize_t n = sock_recv(p->watch.fd, bin, sizeof(bin));

		if (n == -EAGAIN) {
			watch_clear(&p->watch, POLLER_IN);
			return;
		}
		if (n <= 0)
			break;
		p->rest += (size_t)n;
	}
	hang_up(p);
}

static void
answered(struct probe *p, int status)
{
	struct prober *pr = p->prober;

	p->running = false;
	give_buffer(p);
	timer_arm(pr->timeouts, &p->timer, LIMIT_REST, *pr->now_us);
	read_rest(p);
	p->done(p, status);
}

static void
read_answer(struct probe *p)
{
	for (;;) {
		ssize_t n =
			sock_recv(p->watch.fd, p->buffer + p->got, p->prober->head_max - p->got);
		int result;

		if (n == -EAGAIN) {
			watch_clear(&p->watch, POLLER_IN);
			return;
		}
		if (n <= 0) {
			end(p, n < 0 ? (int)n : -ECONNRESET);
			return;
		}
		p->got += (size_t)n;
		result = judge_head(p);
		if (result > 0)
			answered(p, result);
		else if (result < 0)
			end(p, result);
		if (result != 0)
			return;
	}
}

/* False when this address did not take the connection. */
static bool
connected(struct probe *p)
{
	int rc = sock_connect_result(p->watch.fd);

	if (rc < 0) {
		dial_on(p, rc);
		return false;
	}
	timer_disarm(&p->timer);
	p->connecting = false;
	p->bytes = (size_t)write_request(
		p->buffer, p->prober->buffers.object_bytes, p->backend, p->path);
	return true;
}

static void
probe_wake(struct watch *w)
{
	struct probe *p = OWNER(w, struct probe, watch);

	if (!p->running)
		read_rest(p);
	else if ((!p->connecting || connected(p)) && send_request(p))
		read_answer(p);
}

static void
probe_timer(struct timer *t)
{
	struct probe *p = OWNER(t, struct probe, timer);

	if (p->running)
		dial_on(p, -ETIMEDOUT);
	else
		hang_up(p);
}

void
probe_init(struct probe *p, struct prober *pr, const struct config_backend *b, const char *path)
{
	*p = (struct probe){
		.watch = { .wake = probe_wake, .fd = -1 },
		.timer = { .expired = probe_timer },
		.prober = pr,
		.backend = b,
		.path = path,
	};
}
