/*
 * The pipe between the master and one child: SOCK_SEQPACKET keeps messages
 * apart, so one octet is one message, and a closed end reads as an empty one.
 * Used in master, workers and checker.  Owns nothing: the descriptors are the caller's.
 */
#include "ballast/base/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

int
control_pair(int fds[2])
{
	int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;

	return socketpair(AF_UNIX, type, 0, fds) < 0 ? -errno : 0;
}

int
control_send(int fd, enum control message)
{
	char octet = (char)message;
	ssize_t put;

	do
		put = send(fd, &octet, 1, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : 0;
}

static enum control
control_of(char octet)
{
	switch (octet) {
	case CONTROL_READY:
	case CONTROL_RETIRE:
	case CONTROL_DRAIN:
	case CONTROL_LEAVING:
	case CONTROL_REOPEN:
		return (enum control)octet;
	default:
		return CONTROL_NONE;
	}
}

enum control
control_next(int fd)
{
	char octet;
	ssize_t got;

	do
		got = recv(fd, &octet, 1, 0);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		return control_of(octet);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return CONTROL_NONE;
	return CONTROL_EOF;
}
