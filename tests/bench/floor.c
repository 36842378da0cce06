/*
 * floor: a relay that parses nothing, the yardstick of `make bench`: what this
 * kernel charges for moving the bytes.  N processes, each with a listener of
 * its own (SO_REUSEPORT) and a stack of connections to the origins that were
 * opened beforehand; each client is tied to one of them.  One recv and one send
 * per direction, or with -s a splice into and one out of a pipe; level-triggered epoll.
 *
 *	floor [-s] [-n PROCESSES] [-p POOL] PORT ORIGIN_PORT ...
 *
 * Loopback only.  It knows no HTTP: it cannot tell whether an answer is still to come, so when a
 * client leaves, the origin's connection is replaced by a new one.  Part of no product.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 65536, PIPE_BYTES = 262144, EVENTS = 256, PROCESSES_MAX = 16 };

struct pair;

struct side { /* and the direction that begins here */
	struct pair *pair;
	struct side *other;
	int fd;
	uint32_t events;
	int pipe[2];
	char *rest; /* what the other side did not take at once */
	size_t at, held;
};

struct pair {
	struct side client, origin;
	struct pair *next;
};

static struct pair *warm;
static bool splicing;
static int loop, listener;
static char **origins;
static int n_origins, turn;

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in
address(const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	a.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	return a;
}

static void
watch(struct side *s, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (op == EPOLL_CTL_MOD && s->events == events)
		return;
	must(epoll_ctl(loop, op, s->fd, &e) == 0, "epoll_ctl");
	s->events = events;
}

static void
attach(struct side *s, int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->fd = fd;
	s->held = 0;
	watch(s, EPOLL_CTL_ADD, EPOLLIN);
}

static void
open_origin(struct pair *p)
{
	struct sockaddr_in a = address(origins[turn++ % n_origins]);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "origin");
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
	attach(&p->origin, fd);
	p->next = warm;
	warm = p;
}

static void
open_side(struct side *s, struct pair *p, struct side *other)
{
	*s = (struct side){ .pair = p, .other = other, .fd = -1, .pipe = { -1, -1 } };
	if (!splicing)
		return;
	must(pipe2(s->pipe, O_NONBLOCK | O_CLOEXEC) == 0, "pipe2");
	fcntl(s->pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* where not allowed, it stays as it is */
}

static void
open_pair(void)
{
	struct pair *p = malloc(sizeof(*p));

	must(p != NULL, "malloc");
	open_side(&p->client, p, &p->origin);
	open_side(&p->origin, p, &p->client);
	open_origin(p);
}

static void
close_side(struct side *s)
{
	close(s->fd);
	s->fd = -1;
	if (splicing && s->held > 0) { /* the pipe is used again, so it must be empty */
		close(s->pipe[0]);
		close(s->pipe[1]);
		open_side(s, s->pair, s->other);
	}
}

/* Bytes that left `from` for good, or -1. */
static ssize_t
pass(struct side *from)
{
	if (splicing)
		return splice(from->pipe[0], NULL, from->other->fd, NULL, from->held,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	return send(from->other->fd, from->rest + from->at, from->held, MSG_NOSIGNAL);
}

static bool
flush(struct side *from)
{
	ssize_t n = from->held > 0 ? pass(from) : 0;

	if (n < 0)
		return errno == EAGAIN;
	from->at += (size_t)n;
	from->held -= (size_t)n;
	return true;
}

/* What is left of the one buffer all share is kept aside. */
static void
keep(struct side *from, const char *p, size_t n)
{
	if (from->rest == NULL)
		from->rest = malloc(PIECE);
	must(from->rest != NULL, "malloc");
	memcpy(from->rest, p, n);
	from->at = 0;
	from->held = n;
}

/* False at the end. */
static bool
move_copied(struct side *from)
{
	static char piece[PIECE];
	ssize_t got = recv(from->fd, piece, sizeof(piece), 0), sent;

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	sent = send(from->other->fd, piece, (size_t)got, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		return false;
	if (sent < got)
		keep(from, piece + (sent > 0 ? sent : 0), (size_t)(got - (sent > 0 ? sent : 0)));
	return true;
}

static bool
move_spliced(struct side *from)
{
	ssize_t got = splice(
		from->fd, NULL, from->pipe[1], NULL, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	from->held = (size_t)got;
	return flush(from);
}

static bool
move(struct side *from)
{
	if (from->held > 0) /* told of the other side only */
		return true;
	return splicing ? move_spliced(from) : move_copied(from);
}

static void
interest(struct side *s)
{
	watch(s, EPOLL_CTL_MOD, (s->held == 0 ? EPOLLIN : 0) | (s->other->held > 0 ? EPOLLOUT : 0));
}

static void
part(struct pair *p)
{
	close_side(&p->client);
	close_side(&p->origin);
	open_origin(p);
}

/* A warm connection: the event was for the one before it, unless its origin spoke or left. */
static void
expect_silence(int fd)
{
	char octet;

	must(recv(fd, &octet, 1, MSG_PEEK) < 0 && errno == EAGAIN, "an origin spoke or left");
}

static void
serve(struct side *s, uint32_t events)
{
	bool good = true;

	if (s->pair->client.fd < 0) {
		expect_silence(s->pair->origin.fd);
		return;
	}
	if (events & EPOLLOUT)
		good = flush(s->other);
	if (good && (events & EPOLLIN))
		good = move(s);
	if (!good || (events & (EPOLLERR | EPOLLHUP))) {
		part(s->pair);
		return;
	}
	interest(s);
	interest(s->other);
}

static void
take_clients(void)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (warm == NULL)
			open_pair();
		struct pair *p = warm;

		warm = p->next;
		attach(&p->client, fd);
	}
}

static int
open_listener(const char *port)
{
	struct sockaddr_in a = address(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 4096) == 0, "listen");
	return fd;
}

static void
run(int pool, pid_t parent)
{
	struct epoll_event events[EVENTS], e = { .events = EPOLLIN, .data.ptr = NULL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(getppid() == parent, "parent");
	loop = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < pool; i++)
		open_pair();
	must(epoll_ctl(loop, EPOLL_CTL_ADD, listener, &e) == 0, "epoll_ctl");
	for (;;) {
		int n = epoll_wait(loop, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				take_clients();
			else
				serve(events[i].data.ptr, events[i].events);
		}
	}
}

int
main(int argc, char **argv)
{
	int option, pool = 64, processes = 2, listeners[PROCESSES_MAX];
	pid_t parent = getpid();

	while ((option = getopt(argc, argv, "sn:p:")) != -1) {
		splicing |= option == 's';
		if (option == 'n')
			processes = (int)strtol(optarg, NULL, 10);
		if (option == 'p')
			pool = (int)strtol(optarg, NULL, 10);
	}
	origins = argv + optind + 1;
	n_origins = argc - optind - 1;
	if (n_origins < 1 || processes < 1 || processes > PROCESSES_MAX) {
		fprintf(stderr,
			"usage: floor [-s] [-n PROCESSES] [-p POOL] PORT ORIGIN_PORT ...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < processes; i++)
		listeners[i] = open_listener(argv[optind]);
	for (int i = 0; i < processes; i++) {
		pid_t child = fork();

		must(child >= 0, "fork");
		listener = listeners[i];
		for (int j = 0; child == 0 && j < processes; j++)
			if (j != i)
				close(listeners[j]);
		if (child == 0)
			run(pool, parent);
	}
	for (int i = 0; i < processes; i++)
		close(listeners[i]);
	wait(NULL); /* they never end by themselves: one that did has said why, and all end */
	return 1;
}
