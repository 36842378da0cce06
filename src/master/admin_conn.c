/*
 * One connection of the master's own HTTP: reads a head, has it judged, sends
 * the answer, and begins again.  Runs in the master, so nothing waits: one
 * receive or one request per wake, and pages that take long to write stand in a
 * queue from which one per turn is served.
 * Invariants: an open connection stands in the ring and has a timer armed; a
 * request is answered before the next one is looked at; a closed one keeps its
 * memory until the turn is over.
 */
#include "admin_conn.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ballast/base/clock.h"
#include "ballast/base/owner.h"
#include "ballast/base/sock.h"

static void
ring_append(struct conn *c)
{
	struct admin *a = c->admin;

	c->next = NULL;
	c->prev = a->last;
	if (a->last != NULL)
		a->last->next = c;
	else
		a->first = c;
	a->last = c;
}

static void
ring_take(struct conn *c)
{
	struct admin *a = c->admin;

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		a->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		a->last = c->prev;
}

/* It got on: it has the whole limit again and is the last whose place others may have. */
static void
made_progress(struct conn *c)
{
	ring_take(c);
	ring_append(c);
	timer_arm(c->admin->timeouts, &c->timer, ADMIN_LIMIT, clock_now_us());
}

static void
drop_page(struct conn *c)
{
	free(c->page);
	c->page = NULL;
	c->page_bytes = 0;
}

void
conn_close(struct conn *c)
{
	int fd = c->watch.fd;

	poller_remove(c->admin->poller, &c->watch);
	fd_close(&fd);
	timer_disarm(&c->timer);
	ring_take(c);
	drop_page(c);
	c->state = CONN_GONE;
	c->admin->n_open--;
}

/* A client that was cut in its answer must not take it for whole. */
void
conn_cut(struct conn *c)
{
	if (c->state == CONN_WRITING)
		sock_reset_on_close(c->watch.fd);
	conn_close(c);
}

static void
timed_out(struct timer *t)
{
	conn_cut(OWNER(t, struct conn, timer));
}

static void
linger(struct conn *c)
{
	c->state = CONN_LINGERING;
	made_progress(c);
	if (shutdown(c->watch.fd, SHUT_WR) < 0)
		conn_close(c);
	else
		poller_want(c->admin->poller, &c->watch, POLLER_IN);
}

/* What was pipelined is looked at in the next turn: others come between. */
static void
next_request(struct conn *c)
{
	c->state = CONN_READING;
	c->answered = true;
	c->led_in = false;
	c->scanned = 0;
	made_progress(c);
	if (c->n_in > 0)
		c->watch.ready |= POLLER_IN;
	poller_want(c->admin->poller, &c->watch, POLLER_IN);
}

static ssize_t
send_rest(struct conn *c)
{
	struct iovec v[2] = {
		{ .iov_base = c->out, .iov_len = c->head_bytes },
		{ .iov_base = c->page, .iov_len = c->page_bytes },
	};

	if (c->sent >= c->head_bytes)
		return sock_send(c->watch.fd, c->page + (c->sent - c->head_bytes),
			c->page_bytes - (c->sent - c->head_bytes));
	v[0].iov_base = c->out + c->sent;
	v[0].iov_len -= c->sent;
	return sock_sendv(c->watch.fd, v, c->page_bytes > 0 ? 2 : 1);
}

static bool
is_sent(const struct conn *c)
{
	return c->sent == c->head_bytes + c->page_bytes;
}

static void
flush(struct conn *c)
{
	while (!is_sent(c)) {
		ssize_t n = send_rest(c);

		if (n == -EAGAIN) {
			watch_clear(&c->watch, POLLER_OUT);
			poller_want(c->admin->poller, &c->watch, POLLER_OUT);
			return;
		}
		if (n < 0) {
			conn_close(c);
			return;
		}
		c->sent += (size_t)n;
		made_progress(c);
	}
	drop_page(c);
	if (c->answer.close)
		linger(c);
	else
		next_request(c);
}

static void
respond(struct conn *c, char *page)
{
	c->answer.close = c->answer.close || c->admin->leaving;
	c->head_bytes = answer_write(c->out, &c->answer, page);
	c->sent = 0;
	c->page = page;
	c->page_bytes = page != NULL && !c->answer.head_only ? strlen(page) : 0;
	c->state = CONN_WRITING;
	flush(c);
}

/* Ready for what it wants: the poller does not wait as long as anybody stands in the queue. */
static void
enqueue(struct conn *c)
{
	c->state = CONN_QUEUED;
	made_progress(c);
	c->watch.ready |= POLLER_OUT;
	poller_want(c->admin->poller, &c->watch, POLLER_OUT);
}

void
conn_answer_next(struct admin *a)
{
	struct conn *c = a->first;
	char *page;

	while (c != NULL && c->state != CONN_QUEUED)
		c = c->next;
	if (c == NULL)
		return;
	page = answer_page(a->view, c->answer.page);
	if (page == NULL)
		c->answer = answer_refusing(503);
	respond(c, page);
}

static void
consume(struct conn *c, size_t n)
{
	c->n_in -= n;
	memmove(c->in, c->in + n, c->n_in);
	c->scanned = 0;
}

static void
skip_empty_line(struct conn *c)
{
	size_t n = c->led_in ? 0 : parse_skip_empty_line(c->in, c->n_in);

	if (n == 0)
		return;
	c->led_in = true;
	consume(c, n);
}

static void
take_request(struct conn *c, size_t n)
{
	struct head *h = &c->admin->head;
	int parsed = parse_request(h, c->in, n, ADMIN_FIELDS_MAX);

	c->answer = answer_to(c->admin->view, h, parsed);
	consume(c, n);
	if (c->answer.page == ADMIN_PAGE_NONE)
		respond(c, NULL);
	else
		enqueue(c);
}

/* False: more of the request is needed. */
static bool
take_from_buffer(struct conn *c)
{
	size_t n;

	skip_empty_line(c);
	n = parse_end_of_head(c->in, c->n_in, &c->scanned);
	if (n > 0) {
		take_request(c, n);
		return true;
	}
	if (c->n_in < sizeof(c->in))
		return false;
	c->answer = answer_refusing(parse_too_large(c->in, c->n_in));
	respond(c, NULL);
	return true;
}

/* False: nothing came, or the end did and the connection is closed. */
static bool
fill(struct conn *c, char *into, size_t room)
{
	ssize_t n = sock_recv(c->watch.fd, into, room);

	if (n == -EAGAIN) {
		watch_clear(&c->watch, POLLER_IN);
		return false;
	}
	if (n <= 0) {
		conn_close(c);
		return false;
	}
	if ((size_t)n < room)
		watch_read_short(&c->watch);
	c->n_in += (size_t)n;
	return true;
}

static void
receive(struct conn *c)
{
	if (take_from_buffer(c))
		return;
	if (fill(c, c->in + c->n_in, sizeof(c->in) - c->n_in))
		take_from_buffer(c);
}

static void
discard(struct conn *c)
{
	c->n_in = 0;
	fill(c, c->in, sizeof(c->in));
}

static void
conn_wake(struct watch *w)
{
	struct conn *c = (struct conn *)w;

	if (c->state == CONN_READING)
		receive(c);
	else if (c->state == CONN_WRITING)
		flush(c);
	else if (c->state == CONN_LINGERING)
		discard(c);
}

/* The first read is tried at once: clients have mostly sent their request with the connect. */
void
conn_open(struct conn *c, struct admin *a, int fd)
{
	c->watch = (struct watch){ .wake = conn_wake, .fd = -1 };
	c->timer = (struct timer){ .expired = timed_out };
	c->admin = a;
	if (poller_add(a->poller, &c->watch, fd, POLLER_IN) < 0) {
		fd_close(&fd);
		return;
	}
	c->state = CONN_READING;
	c->answered = c->led_in = false;
	c->n_in = c->scanned = 0;
	c->page = NULL;
	c->page_bytes = 0;
	a->n_open++;
	ring_append(c);
	timer_arm(a->timeouts, &c->timer, ADMIN_LIMIT, clock_now_us());
	receive(c);
}

struct conn *
conn_find_free(struct admin *a)
{
	for (unsigned i = 0; i < ADMIN_CONNS; i++)
		if (a->conns[i].state == CONN_FREE)
			return &a->conns[i];
	return NULL;
}

static bool
is_idle(const struct conn *c)
{
	return c->state == CONN_LINGERING ||
	       (c->state == CONN_READING && c->answered && c->n_in == 0);
}

static bool
is_reading(const struct conn *c)
{
	return c->state == CONN_READING;
}

static bool
is_writing(const struct conn *c)
{
	return c->state == CONN_WRITING;
}

void
conn_close_idle(struct admin *a)
{
	for (unsigned i = 0; i < ADMIN_CONNS; i++)
		if (a->conns[i].state == CONN_READING && is_idle(&a->conns[i]))
			conn_close(&a->conns[i]);
}

/* Not idle before the first answer, else a flood of half requests would push out who just came. */
struct conn *
conn_find_least_missed(struct admin *a)
{
	static bool (*const missed_least[])(
		const struct conn *) = { is_idle, is_reading, is_writing };

	for (size_t i = 0; i < sizeof(missed_least) / sizeof(missed_least[0]); i++)
		for (struct conn *c = a->first; c != NULL; c = c->next)
			if (missed_least[i](c))
				return c;
	return NULL;
}
