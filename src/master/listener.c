/*
 * Listeners, in the master, which alone opens and closes them: a worker that
 * dies or leaves takes no queued connection with it.  Counted by holds: one per
 * generation that serves it.
 */
#include "listener.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/base/sock.h"

enum { BACKLOG = 4096, CLIENTS_MAY_CONNECT = 0666 };

struct listener *
listener_open(const struct addr *a, const char *what, struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l));
	char text[ADDR_TEXT];

	if (l == NULL) {
		err_add(err, "%s: out of memory", what);
		return NULL;
	}
	l->fd = sock_listen(a, BACKLOG, CLIENTS_MAY_CONNECT);
	if (l->fd < 0) {
		err_add(err, "%s: cannot listen on %s: %s", what, addr_text(a, text),
			strerror(-l->fd));
		free(l);
		return NULL;
	}
	l->holds = 1;
	l->configured = *a;
	if (sock_name(l->fd, &l->bound) < 0)
		l->bound = *a;
	return l;
}

struct listener *
listener_inherit(int fd, const struct addr *configured)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		fd_close(&fd);
		return NULL;
	}
	*l = (struct listener){ .fd = fd, .holds = 1, .shared = true, .configured = *configured };
	if (sock_name(l->fd, &l->bound) < 0)
		l->bound = *configured;
	return l;
}

struct listener *
listener_hold(struct listener *l)
{
	l->holds++;
	return l;
}

void
listener_release(struct listener **held)
{
	struct listener *l = *held;

	*held = NULL;
	if (l == NULL || --l->holds > 0)
		return;
	if (!l->shared && addr_is_local_socket(&l->configured))
		unlink(l->configured.un.sun_path);
	fd_close(&l->fd);
	free(l);
}
