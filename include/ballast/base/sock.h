/*
 * Sockets and descriptors: thin, non-blocking, close-on-exec, EINTR handled.
 * Functions return a value >= 0 or -errno; a low layer never logs.
 */
#ifndef BALLAST_BASE_SOCK_H
#define BALLAST_BASE_SOCK_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "ballast/base/addr.h"

/* Closes when open and leaves -1. */
void fd_close(int *fd);
/* Is it a regular file?  Everything else may keep its writer waiting. */
bool fd_is_file(int fd);
/*
 * Would a blocking write of n octets to it return at once?  For what is not a regular file, and shared, so that
 * O_NONBLOCK is not ours to set.  A pipe that is ready takes PIPE_BUF octets (pipe(7)); more only when it is empty.
 */
bool fd_takes(int fd, size_t n);
int fd_nonblocking(int fd);
int fd_cloexec(int fd, bool on);
/* Could this process have one descriptor more at this moment?  Asked with a copy of an open one.  0 or -errno (-EMFILE). */
int fd_one_more(int open);

/*
 * A listening socket: SO_REUSEADDR, backlog, non-blocking.  TCP_NODELAY and
 * SO_KEEPALIVE are set here because accepted sockets inherit them: no system
 * call per connection.  [::] also takes IPv4; without IPv6 on the machine it becomes 0.0.0.0.
 * A Unix socket gets `mode` and replaces a stale socket file that nobody listens on (else -EADDRINUSE).
 */
int sock_listen(const struct addr *, int backlog, mode_t mode);
/* The next queued connection, non-blocking, or -errno (-EAGAIN when none). */
int sock_accept(int listener, struct addr *peer);
/* The other end of a connection.  0 or -errno (-ENOTCONN: it is gone). */
int sock_peer(int fd, struct addr *peer);
/*
 * Starts a connect.  *in_progress tells whether the result is still to come
 * (then sock_connect_result once writable).  TCP_NODELAY is set.
 */
int sock_connect(const struct addr *, bool *in_progress);
int sock_connect_result(int fd); /* 0 or -errno */

ssize_t sock_recv(int fd, void *, size_t);       /* bytes, 0 at end, -errno */
ssize_t sock_send(int fd, const void *, size_t); /* MSG_NOSIGNAL */
/* The caller shuts down or closes right after it took all: the last octets and the end share a segment. */
ssize_t sock_send_last(int fd, const void *, size_t);
ssize_t sock_sendv(int fd, const struct iovec *, int n);
/* True when a pooled connection is neither closed nor has anything to read (MSG_PEEK). */
bool sock_is_quiet(int fd);
/* Is there something to read, or on a listener somebody to accept, at this moment? */
bool sock_is_readable(int fd);
/* Octets written that the other side has not acknowledged yet; 0 when that cannot be told. */
uint32_t sock_unsent(int fd);
/* The next close sends RST: the other side sees a cut, not an end. */
void sock_reset_on_close(int fd);
int sock_name(int fd, struct addr *); /* own address */

#endif
