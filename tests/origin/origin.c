/*
 * origin: a small backend for demonstrations, system tests and benchmarks.  One
 * process, one epoll loop, HTTP/1.0 and 1.1 with keep-alive and pipelining.  It
 * owns everything it does and uses nothing of src/, so that it can judge it: a
 * request that is framed in two ways, has no Host or a broken line gets 400.
 *
 *	origin [-n NAME] [-q] PORT|0 ...
 *
 * Each port is told on stdout (not with -q).  What a path does is in `routes`; all others greet.
 * A connection goes through the steps at the end of the file; `out` is filled
 * by them and emptied when there is nothing else to do.  Ends on TERM and INT.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { IN_BYTES = 65536, HEAD_MAX = IN_BYTES / 2, OUT_BYTES = 65536, PIECE = 16384 };
enum { PERIOD = 64, PATTERN_BYTES = PERIOD * 4096, EVENTS = 256, EXTRA = 512, LISTENERS_MAX = 64 };

enum at { AT_HEAD, AT_BODY, AT_ANSWER, AT_SEND, AT_LINGER };
enum next { AGAIN, WAIT_IN, WAIT_OUT, WAIT_TIME, GONE };
enum framing { NONE, LENGTH, CHUNKED, CLOSE };
enum chunk { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER };

struct end {
	int fd;
	bool listens;
};

struct conn {
	struct end end;
	struct conn *next, *prev; /* in the list of those that wait for a time, sorted */
	uint64_t due_ms;          /* 0: in no list */
	uint32_t events;
	enum at at;
	/* the request; its head stays at in[head] until it is answered */
	size_t head, head_bytes;
	const struct route *route;
	bool head_only, http11, keep, expects, has_host, echo, paused, half_closed, dry;
	enum framing body;
	uint64_t body_left;
	enum chunk chunk;
	/* the answer's body */
	enum framing framing;
	uint64_t left, sent;
	uint64_t number[2]; /* of the path */
	size_t in_at, in_n, out_at, out_n;
	char in[IN_BYTES];
	char out[OUT_BYTES + EXTRA];
};

struct route {
	const char *path;
	int numbers; /* behind it */
	enum framing framing;
	enum next (*run)(struct conn *);
};

static const char *name = "origin";
static char pattern[PATTERN_BYTES + PERIOD];
static struct conn timed = { .next = &timed, .prev = &timed }; /* the list's ends */
static struct conn *spare;
static struct end listeners[LISTENERS_MAX];
static unsigned n_listeners;
static uint64_t served, now_ms;
static int loop;

static void
await(struct conn *c, uint64_t ms)
{
	struct conn *before = timed.prev;

	c->due_ms = now_ms + (ms ? ms : 1);
	while (before != &timed && before->due_ms > c->due_ms)
		before = before->prev;
	c->prev = before;
	c->next = before->next;
	c->prev->next = c->next->prev = c;
}

static void
forget_time(struct conn *c)
{
	if (c->due_ms == 0)
		return;
	c->prev->next = c->next;
	c->next->prev = c->prev;
	c->due_ms = 0;
}

/* Into out; the callers see to it that EXTRA octets are always enough for what is no body. */
__attribute__((format(printf, 2, 3))) static void
say(struct conn *c, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(c->out + c->out_n, sizeof(c->out) - c->out_n, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(c->out) - c->out_n)
		c->out_n += (size_t)n;
}

static size_t
room(const struct conn *c)
{
	return c->out_n < OUT_BYTES ? OUT_BYTES - c->out_n : 0;
}

static void
put(struct conn *c, const char *p, size_t n)
{
	memcpy(c->out + c->out_n, p, n);
	c->out_n += n;
}

/* Part of the answer's body; the caller has looked at room. */
static void
put_piece(struct conn *c, const char *p, size_t n)
{
	if (c->framing == CHUNKED)
		say(c, "%zx\r\n", n);
	put(c, p, n);
	if (c->framing == CHUNKED)
		put(c, "\r\n", 2);
}

static void
begin(struct conn *c, int status, enum framing framing, uint64_t length)
{
	bool bodiless = status == 204 || status == 304;

	if (framing == CHUNKED && !c->http11)
		framing = CLOSE;
	c->framing = framing;
	c->keep = c->keep && framing != CLOSE;
	c->left = c->head_only || bodiless ? 0 : length;
	c->sent = 0;
	say(c, "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nX-Origin: %s\r\n", status,
		status < 400 ? "Fine" : "Not so", name);
	if (framing == LENGTH && status != 204)
		say(c, "Content-Length: %llu\r\n", (unsigned long long)length);
	if (framing == CHUNKED)
		say(c, "Transfer-Encoding: chunked\r\n");
	if (!c->keep || !c->http11)
		say(c, "Connection: %s\r\n", c->keep ? "keep-alive" : "close");
	put(c, "\r\n", 2);
}

/* The answer is whole in out, or on its way. */
static enum next
finish(struct conn *c)
{
	c->paused = c->echo = false;
	c->at = c->keep ? AT_HEAD : AT_LINGER;
	return AGAIN;
}

static enum next
answer(struct conn *c, int status, const char *text, size_t n)
{
	begin(c, status, LENGTH, n);
	if (c->left > 0)
		put(c, text, n);
	c->left = 0;
	return finish(c);
}

static enum next
refuse(struct conn *c, int status, const char *why)
{
	c->keep = false;
	return answer(c, status, why, strlen(why));
}

/* -- routes: once the whole request is here -- */

static enum next
route_pattern(struct conn *c)
{
	begin(c, 200, c->route->framing, c->number[0]);
	c->at = AT_SEND;
	return AGAIN;
}

static enum next
route_status(struct conn *c)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%d\n", (int)c->number[0]);

	if (c->number[0] < 200 || c->number[0] > 999)
		return refuse(c, 400, "a status from 200 to 999\n");
	return answer(c, (int)c->number[0], text, (size_t)n);
}

/* True once so much time has passed since the first call. */
static bool
has_slept(struct conn *c, uint64_t ms)
{
	if (!c->paused)
		await(c, ms);
	c->paused = c->due_ms > 0;
	return !c->paused;
}

static enum next
route_sleep(struct conn *c)
{
	return has_slept(c, c->number[0]) ? answer(c, 200, "slept\n", 6) : WAIT_TIME;
}

static enum next
route_headers(struct conn *c)
{
	return answer(c, 200, c->in + c->head, c->head_bytes);
}

static enum next
route_count(struct conn *c)
{
	char text[32];

	served--; /* to ask changes nothing */
	return answer(
		c, 200, text, (size_t)snprintf(text, sizeof(text), "%ju\n", (uintmax_t)served));
}

static enum next
route_hello(struct conn *c)
{
	char text[128];

	return answer(
		c, 200, text, (size_t)snprintf(text, sizeof(text), "hello from %.100s\n", name));
}

/* Its body has gone out while it came in. */
static enum next
route_echo(struct conn *c)
{
	if (c->framing == CHUNKED && !c->head_only)
		put(c, "0\r\n\r\n", 5);
	return finish(c);
}

static const struct route routes[] = {
	{ "/bytes", 1, LENGTH, route_pattern },    /* so many octets, with Content-Length */
	{ "/chunked", 1, CHUNKED, route_pattern }, /* in chunks */
	{ "/close", 1, CLOSE, route_pattern },     /* until the connection closes */
	{ "/drip", 2, LENGTH, route_pattern },     /* one in so many milliseconds */
	{ "/status", 1, LENGTH, route_status },    /* with that status */
	{ "/sleep", 1, LENGTH, route_sleep },      /* after so many milliseconds */
	{ "/headers", 0, LENGTH, route_headers },  /* the request's head */
	{ "/count", 0, LENGTH, route_count },      /* requests served, without such ones */
	{ "/echo", 0, LENGTH, route_echo },        /* the request's body, framed as it came */
	{ "", 0, LENGTH, route_hello },
};

static bool
read_number(const char **p, const char *end, uint64_t *value)
{
	const char *start = *p;

	for (*value = 0; *p < end && isdigit((unsigned char)**p); (*p)++) {
		if (*value > UINT64_MAX / 100)
			return false;
		*value = *value * 10 + (uint64_t)(**p - '0');
	}
	return *p > start;
}

static bool
matches(struct conn *c, const char *p, const char *end)
{
	size_t n = strlen(c->route->path);

	if ((size_t)(end - p) < n || memcmp(p, c->route->path, n) != 0)
		return false;
	p += n;
	c->number[1] = 0;
	for (int i = 0; i < c->route->numbers; i++) {
		if (p == end || *p++ != '/' || !read_number(&p, end, &c->number[i]))
			return false;
	}
	return p == end || n == 0;
}

static enum next
step_answer(struct conn *c)
{
	return c->route->run(c);
}

/* -- the request -- */

static bool
has_word(const char *p, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= n; i++) {
		if (strncasecmp(p + i, word, len) == 0)
			return true;
	}
	return false;
}

static bool
take_length(struct conn *c, const char *p, const char *end)
{
	if (c->body != NONE || !read_number(&p, end, &c->body_left) || p != end)
		return false;
	c->body = LENGTH;
	return true;
}

static bool
take_coding(struct conn *c, const char *p, size_t n)
{
	if (c->body != NONE || !c->http11 || n != 7 || !has_word(p, n, "chunked"))
		return false;
	c->body = CHUNKED;
	return true;
}

static bool
take_field(struct conn *c, const char *p, const char *end)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));
	size_t n = colon == NULL ? 0 : (size_t)(colon - p);
	const char *value = colon + 1;

	if (n == 0 || memchr(p, ' ', n) != NULL || memchr(p, '\n', (size_t)(end - p)) != NULL)
		return false;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	if (n == 14 && strncasecmp(p, "content-length", n) == 0)
		return take_length(c, value, end);
	if (n == 17 && strncasecmp(p, "transfer-encoding", n) == 0)
		return take_coding(c, value, (size_t)(end - value));
	if (n == 10 && strncasecmp(p, "connection", n) == 0)
		c->keep = c->http11 ? !has_word(value, (size_t)(end - value), "close")
				    : has_word(value, (size_t)(end - value), "keep-alive");
	if (n == 6 && strncasecmp(p, "expect", n) == 0)
		c->expects = c->http11;
	if (n == 4 && strncasecmp(p, "host", n) == 0 && c->has_host)
		return false;
	c->has_host |= n == 4 && strncasecmp(p, "host", n) == 0;
	return true;
}

static bool
take_request_line(struct conn *c, const char *p, const char *end)
{
	const char *target = memchr(p, ' ', (size_t)(end - p));
	const char *version =
		target == NULL ? NULL : memchr(target + 1, ' ', (size_t)(end - target - 1));
	const char *query;

	if (version == NULL || end - version != 9 || memcmp(version, " HTTP/1.", 8) != 0)
		return false;
	c->http11 = c->keep = version[8] != '0';
	c->head_only = target - p == 4 && memcmp(p, "HEAD", 4) == 0;
	query = memchr(target, '?', (size_t)(version - target));
	for (c->route = routes; !matches(c, target + 1, query == NULL ? version : query);)
		c->route++;
	return true;
}

/* in[head..head + bytes) is a head with its empty line. */
static bool
take_head(struct conn *c, size_t bytes)
{
	const char *p = c->in + c->head, *end = p + bytes - 2, *eol = memmem(p, bytes, "\r\n", 2);
	bool good = take_request_line(c, p, eol);

	c->head_bytes = bytes;
	for (p = eol + 2; good && p < end; p = eol + 2) {
		eol = memmem(p, (size_t)(end - p), "\r\n", 2);
		good = take_field(c, p, eol);
	}
	return good && (c->has_host || !c->http11);
}

/* Receives behind in_n; a short receive was the last one of this turn. */
static enum next
fill(struct conn *c)
{
	ssize_t got;

	if (c->dry)
		return WAIT_IN;
	got = recv(c->end.fd, c->in + c->in_n, IN_BYTES - c->in_n, 0);
	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR) ? WAIT_IN : GONE;
	c->dry = (size_t)got < IN_BYTES - c->in_n;
	c->in_n += (size_t)got;
	return AGAIN;
}

/* The request's head to the front, so that its body has the rest of the buffer. */
static void
move_to_front(struct conn *c)
{
	size_t by = c->head;

	memmove(c->in, c->in + by, c->in_n - by);
	c->head = 0;
	c->in_at -= by;
	c->in_n -= by;
}

static enum next
step_head(struct conn *c)
{
	const char *p = c->in + c->in_at, *blank = memmem(p, c->in_n - c->in_at, "\r\n\r\n", 4);

	c->head = c->in_at;
	if (blank == NULL && c->in_n - c->in_at > HEAD_MAX)
		return refuse(c, 431, "head too large\n");
	if (blank == NULL) {
		move_to_front(c);
		return fill(c);
	}
	if (room(c) < HEAD_MAX + EXTRA)
		return WAIT_OUT;
	served++;
	c->expects = c->has_host = c->echo = c->paused = c->half_closed = c->head_only = false;
	c->body = NONE;
	c->body_left = 0;
	c->chunk = CHUNK_SIZE;
	if (blank + 4 - p > HEAD_MAX || !take_head(c, (size_t)(blank + 4 - p)))
		return refuse(c, 400, "bad request\n");
	c->in_at += c->head_bytes;
	if (c->body != NONE)
		move_to_front(c);
	if (c->body != NONE && c->expects)
		say(c, "HTTP/1.1 100 Continue\r\n\r\n");
	c->echo = c->route->run == route_echo;
	if (c->echo)
		begin(c, 200, c->body == CHUNKED ? CHUNKED : LENGTH, c->body_left);
	c->at = c->body == NONE ? AT_ANSWER : AT_BODY;
	return AGAIN;
}

/* What stands between the data of chunks, a line at a time; false when it may not be there. */
static bool
take_chunk_line(struct conn *c, const char *p, size_t n)
{
	char *end;

	if (c->chunk == CHUNK_END) {
		c->chunk = CHUNK_SIZE;
		return n == 0;
	}
	if (c->chunk == CHUNK_TRAILER) {
		c->body = n == 0 ? NONE : CHUNKED;
		return true;
	}
	c->body_left = strtoull(p, &end, 16);
	c->chunk = c->body_left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
	return isxdigit((unsigned char)*p) && (p[1] | 32) != 'x' && end <= p + n && end - p < 16 &&
	       (*end == ';' || *end == '\r');
}

static enum next
take_line(struct conn *c)
{
	const char *p = c->in + c->in_at, *eol = memmem(p, c->in_n - c->in_at, "\r\n", 2);

	if (eol == NULL && c->in_n == IN_BYTES) {
		memmove(c->in + c->head_bytes, p, c->in_n - c->in_at);
		c->in_n -= c->in_at - c->head_bytes;
		c->in_at = c->head_bytes;
	}
	if (eol == NULL && c->in_n < IN_BYTES)
		return fill(c);
	if (eol == NULL || !take_chunk_line(c, p, (size_t)(eol - p))) {
		c->keep = false;
		return c->echo ? finish(c) : refuse(c, 400, "bad chunk\n");
	}
	c->in_at = (size_t)(eol + 2 - c->in);
	return AGAIN;
}

/* Data of the body, as far as there is room for its echo. */
static enum next
take_data(struct conn *c)
{
	size_t n = c->in_n - c->in_at;

	if (n > c->body_left)
		n = (size_t)c->body_left;
	if (c->echo && !c->head_only) {
		if (n > room(c))
			n = room(c);
		if (n == 0)
			return WAIT_OUT;
		put_piece(c, c->in + c->in_at, n);
	}
	c->in_at += n;
	c->body_left -= n;
	if (c->body_left == 0 && c->body == CHUNKED)
		c->chunk = CHUNK_END;
	return AGAIN;
}

static enum next
step_body(struct conn *c)
{
	if (c->body == NONE || (c->body == LENGTH && c->body_left == 0)) {
		c->at = AT_ANSWER;
		return AGAIN;
	}
	if (c->in_at == c->in_n) {
		c->in_at = c->in_n = c->head_bytes;
		return fill(c);
	}
	return c->body == LENGTH || c->chunk == CHUNK_DATA ? take_data(c) : take_line(c);
}

/* -- the answer -- */

static bool
is_plain(const struct conn *c)
{
	return c->at == AT_SEND && c->framing != CHUNKED && c->number[1] == 0 && c->left > 0;
}

static enum next
send_drop(struct conn *c)
{
	if (room(c) == 0)
		return WAIT_OUT;
	if (!has_slept(c, c->number[1]))
		return WAIT_TIME;
	put_piece(c, pattern + c->sent % PERIOD, 1);
	c->left--;
	c->sent++;
	return AGAIN;
}

static enum next
step_send(struct conn *c)
{
	size_t n = c->left < PIECE ? (size_t)c->left : PIECE;

	if (c->left > 0 && c->number[1] > 0)
		return send_drop(c);
	if (is_plain(c) || room(c) < PIECE)
		return WAIT_OUT;
	if (c->left == 0) {
		if (c->framing == CHUNKED && !c->head_only)
			put(c, "0\r\n\r\n", 5);
		return finish(c);
	}
	put_piece(c, pattern + c->sent % PERIOD, n);
	c->left -= n;
	c->sent += n;
	return AGAIN;
}

/* Says that it is over and reads on to the end: a close with unread octets would cut the answer off. */
static enum next
step_linger(struct conn *c)
{
	if (c->out_at < c->out_n)
		return WAIT_OUT;
	if (!c->half_closed)
		shutdown(c->end.fd, SHUT_WR);
	c->half_closed = true;
	c->in_at = c->in_n = 0;
	return fill(c);
}

static enum next (*const steps[])(struct conn *) = {
	[AT_HEAD] = step_head,
	[AT_BODY] = step_body,
	[AT_ANSWER] = step_answer,
	[AT_SEND] = step_send,
	[AT_LINGER] = step_linger,
};

static void
account(struct conn *c, size_t put_bytes)
{
	size_t own = c->out_n - c->out_at;

	if (put_bytes < own) {
		c->out_at += put_bytes;
		return;
	}
	c->out_at = c->out_n = 0;
	c->left -= put_bytes - own;
	c->sent += put_bytes - own;
}

/* Sends out, and the pattern behind it.  False when the connection is broken. */
static bool
flush(struct conn *c, bool *blocked)
{
	*blocked = false;
	while (c->out_at < c->out_n || is_plain(c)) {
		struct iovec v[2] = { { c->out + c->out_at, c->out_n - c->out_at },
			{ pattern + c->sent % PERIOD, 0 } };
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
		ssize_t n;

		if (is_plain(c))
			v[1].iov_len = c->left < PATTERN_BYTES ? (size_t)c->left : PATTERN_BYTES;
		n = sendmsg(c->end.fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		*blocked = n < 0 && errno == EAGAIN;
		if (n < 0)
			return *blocked;
		account(c, (size_t)n);
	}
	return true;
}

static void
end_conn(struct conn *c)
{
	forget_time(c);
	close(c->end.fd);
	c->next = spare;
	spare = c;
}

static void
want(struct conn *c, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (c->events != events)
		epoll_ctl(loop, EPOLL_CTL_MOD, c->end.fd, &e);
	c->events = events;
}

static void
serve(struct conn *c)
{
	bool blocked = false;
	enum next next;

	c->dry = false;
	do {
		next = steps[c->at](c);
		if (next != AGAIN && !flush(c, &blocked))
			next = GONE;
	} while (next == AGAIN || (next == WAIT_OUT && !blocked));
	if (next == GONE)
		end_conn(c);
	else if (blocked)
		want(c, EPOLLOUT);
	else
		want(c, next == WAIT_IN ? EPOLLIN : 0);
}

/* Connections are used again and again; NULL when there is no memory. */
static struct conn *
new_conn(int fd)
{
	struct conn *c;

	if (spare == NULL)
		spare = calloc(1, sizeof(*spare));
	c = spare;
	if (c == NULL)
		return NULL;
	spare = c->next;
	memset(c, 0, offsetof(struct conn, in));
	c->end.fd = fd;
	c->events = EPOLLIN;
	return c;
}

static void
take_connections(const struct end *listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = new_conn(fd);
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (c == NULL)
			close(fd);
		else if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e) < 0)
			end_conn(c);
		else
			serve(c);
	}
}

static void
listen_on(const char *text, bool quiet)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	struct end *l = &listeners[n_listeners];
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = l };
	char *end;
	unsigned long port = strtoul(text, &end, 10);
	int one = 1;

	if (*end != '\0' || end == text || port > 65535 || n_listeners + 1 == LISTENERS_MAX) {
		fprintf(stderr, "origin: %s is no port (or one too many)\n", text);
		exit(2);
	}
	a.sin_port = htons((uint16_t)port);
	l->listens = true;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l->fd, (struct sockaddr *)&a, len) < 0 || listen(l->fd, 4096) < 0 ||
		getsockname(l->fd, (struct sockaddr *)&a, &len) < 0 ||
		epoll_ctl(loop, EPOLL_CTL_ADD, l->fd, &e) < 0) {
		fprintf(stderr, "origin: port %s: %s\n", text, strerror(errno));
		exit(1);
	}
	n_listeners++;
	if (!quiet)
		printf("origin %s listening on 127.0.0.1:%d\n", name, ntohs(a.sin_port));
}

static void
leave(int signal)
{
	(void)signal;
	_exit(0);
}

static void
prepare(void)
{
	struct rlimit files;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] =
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+\n"[i %
											    PERIOD];
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGTERM, leave);
	signal(SIGINT, leave);
	signal(SIGPIPE, SIG_IGN);
	loop = epoll_create1(EPOLL_CLOEXEC);
}

static void
read_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int
wait_ms(void)
{
	if (timed.next == &timed)
		return -1;
	if (timed.next->due_ms <= now_ms)
		return 0;
	return timed.next->due_ms - now_ms < 60000 ? (int)(timed.next->due_ms - now_ms) : 60000;
}

static void
turn(void)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(loop, events, EVENTS, wait_ms());

	read_clock();
	for (int i = 0; i < n; i++) {
		struct end *end = events[i].data.ptr;

		if (end->listens)
			take_connections(end);
		else if (events[i].events & (EPOLLERR | EPOLLHUP))
			end_conn(events[i].data.ptr);
		else
			serve(events[i].data.ptr);
	}
	while (timed.next != &timed && timed.next->due_ms <= now_ms) {
		struct conn *c = timed.next;

		forget_time(c);
		serve(c);
	}
}

int
main(int argc, char **argv)
{
	bool quiet = false;
	int option;

	while ((option = getopt(argc, argv, "n:q")) != -1) {
		if (option == '?')
			return 2;
		if (option == 'n')
			name = optarg;
		quiet |= option == 'q';
	}
	if (optind == argc) {
		fprintf(stderr, "usage: origin [-n NAME] [-q] PORT|0 ...\n");
		return 2;
	}
	prepare();
	read_clock();
	for (int i = optind; i < argc; i++)
		listen_on(argv[i], quiet);
	fflush(stdout);
	for (;;)
		turn();
}
