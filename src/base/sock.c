/*
 * Sockets and descriptors, in every process.  Each function is one intention,
 * retried over EINTR, that answers with a value or -errno.  All sockets made
 * here are non-blocking and close-on-exec.  Nothing here logs or waits.
 */
#include "ballast/base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd); /* never retried: on Linux the descriptor is gone even after EINTR */
	*fd = -1;
}

bool
fd_is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

bool
fd_takes(int fd, size_t n)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int unread = 0;

	if (poll(&p, 1, 0) != 1)
		return false;
	return n <= PIPE_BUF || ioctl(fd, FIONREAD, &unread) < 0 || unread == 0;
}

static int
fd_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);

	if (flags < 0)
		return -errno;
	flags = on ? flags | flag : flags & ~flag;
	return fcntl(fd, set, flags) < 0 ? -errno : 0;
}

int
fd_nonblocking(int fd)
{
	return fd_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, true);
}

int
fd_cloexec(int fd, bool on)
{
	return fd_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int
fd_one_more(int open)
{
	int copy = fcntl(open, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	close(copy);
	return 0;
}

static int
sock_new(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int
set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Closes and hands the error on: the way out of every half-made socket. */
static int
give_up(int fd, int error)
{
	fd_close(&fd);
	return error;
}

/* A listener that nobody accepts from any more refuses; a live one lets us in or is full (EAGAIN). */
static bool
unix_is_stale(const struct addr *a)
{
	struct stat st;
	int fd, rc;

	if (lstat(a->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = sock_new(AF_UNIX);
	if (fd < 0)
		return false;
	rc = connect(fd, &a->sa, a->len) < 0 ? errno : 0;
	fd_close(&fd);
	return rc == ECONNREFUSED;
}

/*
 * The socket file never exists with more rights than `mode`: fchmod on an
 * unbound Unix socket sets the rights bind(2) will create the file with; the
 * chmod afterwards undoes what the umask took away.
 */
static int
listen_unix(const struct addr *a, int backlog, mode_t mode)
{
	int fd = sock_new(AF_UNIX);
	int rc;

	if (fd < 0)
		return fd;
	if (fchmod(fd, mode) < 0)
		return give_up(fd, -errno);
	rc = bind(fd, &a->sa, a->len) < 0 ? -errno : 0;
	if (rc == -EADDRINUSE && unix_is_stale(a)) {
		unlink(a->un.sun_path);
		rc = bind(fd, &a->sa, a->len) < 0 ? -errno : 0;
	}
	if (rc < 0)
		return give_up(fd, rc);
	if (chmod(a->un.sun_path, mode) < 0 || listen(fd, backlog) < 0) {
		rc = -errno;
		unlink(a->un.sun_path);
		return give_up(fd, rc);
	}
	return fd;
}

/* Without it thousands of clients that do not read hold megabytes each in the kernel; a fast one has none unsent. */
enum { NOTSENT_MAX = 512 << 10 };

/* Those whom a listener lets in inherit them. */
static int
inet_options(int fd, int family)
{
	int rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (rc == 0 && family == AF_INET6)
		rc = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (rc == 0)
		rc = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (rc == 0)
		rc = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	(void)set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_MAX);
	return rc;
}

static int
listen_inet(const struct addr *a, int backlog)
{
	int fd = sock_new(a->sa.sa_family);
	int rc;

	if (fd < 0)
		return fd;
	rc = inet_options(fd, a->sa.sa_family);
	if (rc < 0)
		return give_up(fd, rc);
	if (bind(fd, &a->sa, a->len) < 0 || listen(fd, backlog) < 0)
		return give_up(fd, -errno);
	return fd;
}

static bool
is_any6(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

static bool
means_no_ipv6(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

int
sock_listen(const struct addr *a, int backlog, mode_t mode)
{
	struct addr any4 = { .len = sizeof(any4.in) };
	int fd;

	if (a->sa.sa_family == AF_UNIX)
		return listen_unix(a, backlog, mode);
	fd = listen_inet(a, backlog);
	if (!means_no_ipv6(fd) || !is_any6(a))
		return fd;
	any4.in.sin_family = AF_INET;
	any4.in.sin_port = a->in6.sin6_port;
	return listen_inet(&any4, backlog);
}

int
sock_accept(int listener, struct addr *peer)
{
	int fd;

	do {
		peer->len = sizeof(peer->storage);
		fd = accept4(listener, &peer->sa, &peer->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int
sock_peer(int fd, struct addr *peer)
{
	peer->len = sizeof(peer->storage);
	return getpeername(fd, &peer->sa, &peer->len) < 0 ? -errno : 0;
}

int
sock_connect(const struct addr *a, bool *in_progress)
{
	int fd = sock_new(a->sa.sa_family);

	*in_progress = false;
	if (fd < 0)
		return fd;
	if (a->sa.sa_family != AF_UNIX)
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* slower without, not wrong */
	if (connect(fd, &a->sa, a->len) == 0)
		return fd;
	/* An interrupted connect goes on by itself, as one that was never going to wait does. */
	if (errno != EINPROGRESS && errno != EINTR)
		return give_up(fd, -errno);
	*in_progress = true;
	return fd;
}

int
sock_connect_result(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

ssize_t
sock_recv(int fd, void *buf, size_t n)
{
	ssize_t got;

	do
		got = recv(fd, buf, n, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t
send_with(int fd, const void *buf, size_t n, int flags)
{
	ssize_t put;

	do
		put = send(fd, buf, n, MSG_NOSIGNAL | flags);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : put;
}

ssize_t
sock_send(int fd, const void *buf, size_t n)
{
	return send_with(fd, buf, n, 0);
}

ssize_t
sock_send_last(int fd, const void *buf, size_t n)
{
	return send_with(fd, buf, n, MSG_MORE);
}

ssize_t
sock_sendv(int fd, const struct iovec *iov, int n)
{
	/* sendmsg promises not to write through the vector, but its struct cannot say so. */
	union {
		const struct iovec *given;
		struct iovec *taken;
	} vector = { .given = iov };
	struct msghdr msg = { .msg_iov = vector.taken, .msg_iovlen = (size_t)n };
	ssize_t put;

	do
		put = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : put;
}

bool
sock_is_quiet(int fd)
{
	char octet;
	ssize_t got;

	do
		got = recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool
sock_is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

uint32_t
sock_unsent(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCOUTQ, &n) < 0 || n < 0 ? 0 : (uint32_t)n;
}

void
sock_reset_on_close(int fd)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

int
sock_name(int fd, struct addr *a)
{
	a->len = sizeof(a->storage);
	return getsockname(fd, &a->sa, &a->len) < 0 ? -errno : 0;
}
