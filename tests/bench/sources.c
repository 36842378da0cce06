/*
 * sources: a client with very many addresses, for `make bench-growth`.  Each
 * request comes on a connection of its own from another address of 127.0.0.0/8:
 * what a rate limiter must tell apart, end to end.
 *
 *	sources PORT ADDRESSES REQUESTS [FIRST]
 *
 * One process, one connection at a time.  Prints `sources requests=N failures=N`.  Connections end
 * by a reset, so that no port is held in TIME_WAIT.  Address i is 127.1.0.0 + i; requests go round
 * through them from FIRST on, in steps, so that neighbours do not follow each other.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STRIDE = 7919, FIRST_ADDRESS = 0x7f010000, ADDRESSES_MAX = 0x00fe0000 };

static const char request[] = "GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
static const char good[] = "HTTP/1.1 200 ";

static struct sockaddr_in
address(uint32_t host, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(host), .sin_port = htons(port)
	};
}

/* Resets at its close; its port is chosen at connect, when both ends are known. */
static int
open_from(uint32_t host)
{
	const struct linger abort = { 1, 0 };
	const struct timeval patience = { 30, 0 };
	struct sockaddr_in own = address(host, 0);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (fd >= 0 && bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0)
		return fd;
	fprintf(stderr, "sources: %s\n", strerror(errno));
	exit(1);
}

/* True once a good answer has begun: it is small, so all of it is there. */
static bool
ask(int fd, const struct sockaddr_in *to)
{
	char answer[4096];
	ssize_t n;

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ||
		send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		return false;
	n = recv(fd, answer, sizeof(answer), 0);
	return n >= (ssize_t)sizeof(good) - 1 && memcmp(answer, good, sizeof(good) - 1) == 0;
}

int
main(int argc, char **argv)
{
	unsigned long numbers[4] = { 0 }, failures = 0;

	for (int i = 0; i < 4 && i + 1 < argc; i++)
		numbers[i] = strtoul(argv[i + 1], NULL, 10);
	if (argc < 4 || numbers[1] < 1 || numbers[1] > ADDRESSES_MAX) {
		fprintf(stderr, "usage: sources PORT ADDRESSES REQUESTS [FIRST]\n");
		return 2;
	}
	for (unsigned long i = 0; i < numbers[2]; i++) {
		unsigned long which = (numbers[3] + i) * STRIDE % numbers[1];
		struct sockaddr_in to = address(INADDR_LOOPBACK, (uint16_t)numbers[0]);
		int fd = open_from(FIRST_ADDRESS + (uint32_t)which);

		failures += !ask(fd, &to);
		close(fd);
	}
	printf("sources requests=%lu failures=%lu\n", numbers[2], failures);
	return 0;
}
