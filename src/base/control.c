/*
 * The pipe between the master and one child: SOCK_SEQPACKET keeps messages
 * apart, so one octet is one message, and a closed end reads as an empty one.
 * A number lies behind the octet; a descriptor travels as SCM_RIGHTS (unix(7)).
 * Used in master, workers and checker.  Owns nothing: the descriptors are the caller's.
 */
#include "ballast/base/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "ballast/base/sock.h"

int
control_pair(int fds[2])
{
	int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;

	return socketpair(AF_UNIX, type, 0, fds) < 0 ? -errno : 0;
}

/*
 * Of what the kernel hands over we take one descriptor.  The room is padded, so the length that is offered must
 * not be (CMSG_LEN): a child that was taken over would otherwise fill its master's table with seconds.
 */
union passage {
	char room[CMSG_SPACE(sizeof(int))];
	struct cmsghdr aligned;
};

static int
send_message(int fd, struct msghdr *m)
{
	ssize_t put;

	do
		put = sendmsg(fd, m, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : 0;
}

int
control_send(int fd, enum control message)
{
	char octet = (char)message;
	struct iovec v = { &octet, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return send_message(fd, &m);
}

static int
send_fd(int fd, struct iovec v, int passed)
{
	union passage p = { .aligned = { .cmsg_len = CMSG_LEN(sizeof(int)),
				    .cmsg_level = SOL_SOCKET,
				    .cmsg_type = SCM_RIGHTS } };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = p.room,
		.msg_controllen = sizeof(p.room) };

	memcpy(CMSG_DATA(&p.aligned), &passed, sizeof(passed));
	return send_message(fd, &m);
}

int
control_send_fd(int fd, enum control message, int passed)
{
	char octet = (char)message;

	return send_fd(fd, (struct iovec){ &octet, 1 }, passed);
}

enum { NUMBERED = 1 + sizeof(uint64_t) };

int
control_send_fd_with(int fd, enum control message, int passed, uint64_t number)
{
	char text[NUMBERED] = { (char)message };

	memcpy(text + 1, &number, sizeof(number));
	return send_fd(fd, (struct iovec){ text, sizeof(text) }, passed);
}

static enum control
control_of(char octet)
{
	switch (octet) {
	case CONTROL_READY:
	case CONTROL_RETIRE:
	case CONTROL_DRAIN:
	case CONTROL_LEAVING:
	case CONTROL_CLIENT:
	case CONTROL_NEWCOMER:
	case CONTROL_OVER:
	case CONTROL_TAKEN:
	case CONTROL_LOG:
	case CONTROL_ACCESS_LOG:
		return (enum control)octet;
	default:
		return CONTROL_NONE;
	}
}

static int
passed_with(struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* Without a place for a descriptor none is taken in. */
static ssize_t
receive(int fd, char text[NUMBERED], int *passed)
{
	struct iovec v = { text, NUMBERED };
	union passage p;
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t got;

	if (passed != NULL) {
		m.msg_control = p.room;
		m.msg_controllen = CMSG_LEN(sizeof(int));
	}
	do
		got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (passed != NULL)
		*passed = got < 0 ? -1 : passed_with(&m);
	return got;
}

enum control
control_next_with(int fd, int *passed, uint64_t *number)
{
	char text[NUMBERED];
	ssize_t got = receive(fd, text, passed);

	*number = 0;
	if (got == NUMBERED)
		memcpy(number, text + 1, sizeof(*number));
	if (got > 0)
		return control_of(text[0]);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return CONTROL_NONE;
	if (passed != NULL)
		fd_close(passed);
	return CONTROL_EOF;
}

enum control
control_next(int fd, int *passed)
{
	uint64_t number;

	return control_next_with(fd, passed, &number);
}
