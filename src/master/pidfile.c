/*
 * The pidfile, in the master: libbsd locks it, and what libbsd cannot do is done
 * on its descriptor.  It is written once the instance serves; the text before
 * that is nobody's.  Owns the descriptor, not the path.
 */
#include "pidfile.h"

#include <bsd/libutil.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ballast/base/sock.h"

#include "daemon.h"

bool
pidfile_take(struct pidfile *p, const char *path, struct err *err)
{
	struct pidfh *lock = pidfile_lock(path, err);

	if (lock != NULL)
		*p = (struct pidfile){ .lock = lock, .fd = pidfile_fileno(lock), .path = path };
	return lock != NULL;
}

static bool
is_at(int fd, const char *path)
{
	struct stat open, there;

	return fstat(fd, &open) == 0 && stat(path, &there) == 0 && open.st_dev == there.st_dev &&
	       open.st_ino == there.st_ino;
}

bool
pidfile_inherit(struct pidfile *p, int fd, const char *path, struct err *err)
{
	*p = (struct pidfile){ .fd = fd, .path = path };
	if (is_at(fd, path))
		return true;
	err_add(err, "pidfile: the running instance has another one than %s; restart for that",
		path);
	pidfile_leave(p);
	return false;
}

/* A number with the end of a longer one is a stranger's: better none for a moment. */
static int
make_room(int fd, int len)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_size > len && ftruncate(fd, 0) < 0 ? -errno : 0;
}

/* Without a line's end: libbsd, which reads it for who comes second, takes digits only. */
int
pidfile_tell(const struct pidfile *p)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld", (long)getpid());
	int rc = make_room(p->fd, len);

	if (rc < 0)
		return rc;
	return pwrite(p->fd, text, (size_t)len, 0) == len ? 0 : -errno;
}

bool
pidfile_names_us(const struct pidfile *p)
{
	char text[32];
	ssize_t len = pread(p->fd, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return strtol(text, NULL, 10) == (long)getpid();
}

void
pidfile_leave(struct pidfile *p)
{
	if (p->lock != NULL)
		pidfile_close(p->lock);
	else
		fd_close(&p->fd);
	*p = (struct pidfile){ .fd = -1 };
}

void
pidfile_remove_ours(struct pidfile *p)
{
	if (p->fd >= 0 && is_at(p->fd, p->path))
		unlink(p->path);
	pidfile_leave(p);
}
