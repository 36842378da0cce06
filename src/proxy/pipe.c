/*
 * Pipes, through which the kernel moves a large body from one socket to the other
 * without a copy into the worker and out again (splice(2)).  A worker owns a few;
 * an exchange holds one only while octets lie in it, so a handful serves many.
 * Invariant: a pipe in the pool is empty: one that is given back with octets in it,
 * because its exchange was cut, is closed, and nobody else ever sees them.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void
pipes_init(struct proxy *p, uint32_t n)
{
	for (uint32_t i = 0; i < n && i < PIPES_MAX; i++) {
		p->pipes[i] = (struct pipe){ .in = -1, .out = -1, .next = p->free_pipes };
		p->free_pipes = &p->pipes[i];
	}
}

static void
close_ends(struct pipe *pipe)
{
	fd_close(&pipe->in);
	fd_close(&pipe->out);
	pipe->held = 0;
}

void
pipes_close(struct proxy *p)
{
	for (struct pipe *pipe = p->free_pipes; pipe != NULL; pipe = pipe->next)
		close_ends(pipe);
	p->free_pipes = NULL;
}

/* The kernel bounds what all pipes of a user may hold (pipe(7)): a small one would cost more than it saves. */
static bool
open_ends(struct pipe *pipe)
{
	int fds[2];

	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return false;
	pipe->out = fds[0];
	pipe->in = fds[1];
	if (fcntl(pipe->in, F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES)
		return true;
	close_ends(pipe);
	return false;
}

struct pipe *
pipe_take(struct proxy *p)
{
	struct pipe *pipe = p->free_pipes;

	if (pipe == NULL || (pipe->in < 0 && !open_ends(pipe)))
		return NULL;
	p->free_pipes = pipe->next;
	return pipe;
}

void
pipe_give(struct proxy *p, struct pipe **held)
{
	struct pipe *pipe = *held;

	if (pipe == NULL)
		return;
	if (pipe->held > 0)
		close_ends(pipe);
	pipe->next = p->free_pipes;
	p->free_pipes = pipe;
	*held = NULL;
}

ssize_t
pipe_fill(struct pipe *pipe, int fd, size_t n)
{
	ssize_t got;

	do
		got = splice(fd, NULL, pipe->in, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	pipe->held += (uint32_t)got;
	return got;
}

ssize_t
pipe_drain(struct pipe *pipe, int fd)
{
	ssize_t put;

	do
		put = splice(
			pipe->out, NULL, fd, NULL, pipe->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return -errno;
	pipe->held -= (uint32_t)put;
	return put;
}
