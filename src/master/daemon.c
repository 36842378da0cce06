/*
 * The daemon's duties, in the master (and, for daemon_begin, in the process that
 * launches it).  The launcher and the daemon share a pipe: one NUL says "traffic
 * is served", text is the reason why not, and an end without either means that
 * the daemon died.  The pidfile is libbsd's: its lock, not its text, tells
 * whether an instance runs.  The working directory stays, so that relative paths
 * in a configuration mean the same at every reload.
 */
#include "daemon.h"

#include <bsd/libutil.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/process.h"
#include "ballast/base/sock.h"

enum { LOCK_PATIENCE_MS = 200, ORPHAN_PATIENCE_MS = 3000, LOCK_PAUSE_MS = 20 };

static ssize_t
read_all(int fd, char *out, size_t cap)
{
	size_t len = 0;
	ssize_t got;

	do {
		got = read(fd, out + len, cap - len);
		if (got > 0)
			len += (size_t)got;
	} while ((got > 0 && len < cap) || (got < 0 && errno == EINTR));
	return (ssize_t)len;
}

static void
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, text, len);

		if (put < 0 && errno != EINTR)
			return; /* the launcher is gone: nobody waits */
		if (put > 0) {
			text += put;
			len -= (size_t)put;
		}
	}
}

/* _exit: the daemon shares our stdio buffers and exit handlers, they are run there. */
_Noreturn static void
launcher_wait(int fd)
{
	char said[1024];
	ssize_t len = read_all(fd, said, sizeof(said) - 1);

	if (len > 0 && said[0] == '\0')
		_exit(EXIT_SUCCESS);
	said[len] = '\0';
	fprintf(stderr, "ballast: %s\n", len > 0 ? said : "the daemon ended before it was ready");
	_exit(EXIT_FAILURE);
}

/* A terminal or a pipe kept open would hold up whoever waits for its end. */
static void
leave_streams(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	if (!fd_is_file(STDOUT_FILENO))
		dup2(null, STDOUT_FILENO);
	if (!fd_is_file(STDERR_FILENO))
		dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

/* The second fork gives up the session's leadership: no terminal can ever become ours again. */
static void
become_daemon(void)
{
	pid_t pid;

	setsid();
	pid = fork();
	if (pid != 0)
		_exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	leave_streams();
}

int
daemon_begin(void)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		int error = errno;

		close(fds[0]);
		close(fds[1]);
		return -error;
	}
	if (pid > 0) {
		close(fds[1]);
		launcher_wait(fds[0]);
	}
	close(fds[0]);
	become_daemon();
	return fds[1];
}

void
daemon_ready(int *launcher)
{
	if (*launcher >= 0)
		write_all(*launcher, "", 1);
	fd_close(launcher);
}

void
daemon_failed(int *launcher, const char *reason)
{
	if (*launcher >= 0)
		write_all(*launcher, reason, strlen(reason));
	fd_close(launcher);
}

static void
pause_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000L };

	nanosleep(&ts, NULL);
}

static bool
is_held(int error)
{
	return error == EEXIST || error == EAGAIN;
}

/*
 * A command that looks whether we run holds the lock for a moment.  So does a child that its master, killed just
 * then, had forked: it lets go as soon as it gets to run, which on a busy machine takes longer.  Then nobody alive
 * is named.
 */
static uint64_t
lock_patience_us(pid_t holder)
{
	return UINT64_C(1000) * (process_is_there(holder) ? LOCK_PATIENCE_MS : ORPHAN_PATIENCE_MS);
}

static struct pidfh *
try_lock(const char *path, pid_t *holder, int *error)
{
	struct pidfh *lock;

	*holder = -1;
	lock = pidfile_open(path, 0644, holder);
	*error = errno;
	return lock;
}

static void
tell_holder(const char *path, pid_t holder, struct err *err)
{
	if (process_is_there(holder))
		err_add(err, "another instance is running: pid %ld holds %s", (long)holder, path);
	else if (holder > 0)
		err_add(err, "another instance is leaving: %s is held, though pid %ld is gone",
			path, (long)holder);
	else
		err_add(err, "another instance is starting: it holds %s", path);
}

struct pidfh *
pidfile_lock(const char *path, struct err *err)
{
	uint64_t begun_us = clock_now_us();
	struct pidfh *lock;
	pid_t holder;
	int error;

	while ((lock = try_lock(path, &holder, &error)) == NULL && is_held(error) &&
		clock_now_us() - begun_us < lock_patience_us(holder))
		pause_ms(LOCK_PAUSE_MS);
	if (lock == NULL && is_held(error))
		tell_holder(path, holder, err);
	else if (lock == NULL)
		err_add(err, "cannot open the pidfile %s: %s", path, strerror(error));
	return lock;
}

static pid_t
pid_in(int fd)
{
	char text[32];
	ssize_t len = read_all(fd, text, sizeof(text) - 1);
	long pid;

	text[len] = '\0';
	pid = strtol(text, NULL, 10);
	return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : -EAGAIN;
}

pid_t
pidfile_holder(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	pid_t pid;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		pid = 0; /* the lock goes with the close */
	else if (errno == EWOULDBLOCK)
		pid = pid_in(fd);
	else
		pid = -errno;
	close(fd);
	return pid;
}

/* mkdir -p: a parent that is missing gets ordinary rights, as from an administrator's hand. */
static int
make_dir(const char *path, mode_t mode)
{
	char part[4096];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		part[i] = '/';
	}
	return mkdir(path, mode) < 0 ? -errno : 0;
}

/* In /tmp anybody may have made a directory of our name: then what we put there would be theirs. */
bool
runtime_dir_prepare(const char *path, mode_t mode, struct err *err)
{
	int made = make_dir(path, mode);
	struct stat st;

	if (made == 0 && chmod(path, mode) == 0) /* whatever the umask took away */
		return true;
	if (made < 0 && made != -EEXIST) {
		err_add(err, "cannot make runtime_dir %s: %s", path, strerror(-made));
		return false;
	}
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		err_add(err, "runtime_dir %s is not a directory", path);
		return false;
	}
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH) != 0) {
		err_add(err, "runtime_dir %s can be written by others; it must be ours alone",
			path);
		return false;
	}
	return true;
}

void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = path == NULL ? 0 : strlen(path);
	socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	int fd;

	if (len < 2 || len >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@') /* an abstract socket */
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, to_len);
	close(fd);
}

void
notify_reloading(uint64_t now_us)
{
	char state[80];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)now_us);
	notify(state);
}

int
open_files_raise(uint32_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = wanted == 0 ? limit.rlim_max : wanted;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_max = limit.rlim_cur; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max; /* as many as there are */
	setrlimit(RLIMIT_NOFILE, &limit);
	return -EPERM;
}
