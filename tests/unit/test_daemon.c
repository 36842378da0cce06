/*
 * The daemon's duties, on real files and sockets: the pidfile's lock, the
 * runtime directory, systemd's datagrams, log files given to another user.
 */
#include "../../src/master/daemon.h"

#include <bsd/libutil.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../src/master/pidfile.h"
#include "../../src/master/privileges.h"

#include "harness.h"

static char dir[64];

static const char *
in_dir(const char *name)
{
	static char path[4][160];
	static unsigned next;
	char *out = path[next++ % 4];

	snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
	return out;
}

static void
make_dir(void)
{
	strcpy(dir, "/tmp/ballast-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
remove_dir(void)
{
	static const char *const names[] = { "pid", "sock", "log", "other", "link", "a/b/c", "a/b",
		"a", "d" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove(in_dir(names[i]));
	ck_assert_int_eq(rmdir(dir), 0);
}

/* A process that locks the pidfile, says so, and keeps it until *release is closed. */
static pid_t
hold_elsewhere(const char *path, int *release)
{
	int said[2], held[2];
	char octet;
	pid_t pid;

	ck_assert_int_eq(pipe(said), 0);
	ck_assert_int_eq(pipe(held), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct pidfh *lock = pidfile_open(path, 0644, NULL);

		close(held[1]);
		if (lock == NULL || pidfile_write(lock) < 0 || write(said[1], "", 1) != 1)
			_exit(1);
		_exit(read(held[0], &octet, 1) != 0);
	}
	close(held[0]);
	close(said[1]);
	ck_assert_int_eq(read(said[0], &octet, 1), 1);
	close(said[0]);
	*release = held[1];
	return pid;
}

static void
let_go(pid_t pid, int release)
{
	int status;

	close(release);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(a_second_instance_is_told_the_pid_of_the_first)
{
	char expected[256];
	struct err err;
	int release;
	pid_t pid;

	pid = hold_elsewhere(in_dir("pid"), &release);
	err_init(&err);
	ck_assert_ptr_null(pidfile_lock(in_dir("pid"), &err));
	snprintf(expected, sizeof(expected), "another instance is running: pid %ld holds %s",
		(long)pid, in_dir("pid"));
	ck_assert_uint_eq(err.count, 1);
	ck_assert_str_eq(err.first->text, expected);
	err_free(&err);
	let_go(pid, release);
}
END_TEST

static pid_t
somebody_dead(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

/* A lock as a killed master leaves it in a child: the text, none or the pid of somebody who is gone. */
static struct pidfh *
hold_for_the_dead(pid_t dead)
{
	struct pidfh *lock = pidfile_open(in_dir("pid"), 0644, NULL);

	ck_assert_ptr_nonnull(lock);
	if (dead > 0)
		ck_assert_int_gt(dprintf(pidfile_fileno(lock), "%ld", (long)dead), 0);
	return lock;
}

/* Hands the lock to a child that lets go late, but long before a start gives up. */
static pid_t
leave_to_a_slow_child(struct pidfh *lock)
{
	static const struct timespec slow = { .tv_nsec = 600 * 1000000L };
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		nanosleep(&slow, NULL);
		pidfile_close(lock);
		_exit(0);
	}
	pidfile_close(lock);
	return pid;
}

static void
start_after_a_slow_child(pid_t dead)
{
	pid_t child = leave_to_a_slow_child(hold_for_the_dead(dead));
	struct pidfh *lock;
	struct err err;

	err_init(&err);
	lock = pidfile_lock(in_dir("pid"), &err);
	ck_assert_ptr_nonnull(lock);
	ck_assert(!err_any(&err));
	ck_assert_int_eq(pidfile_remove(lock), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

START_TEST(a_lock_that_a_killed_master_left_in_its_child_is_waited_for)
{
	start_after_a_slow_child(somebody_dead());
	start_after_a_slow_child(0); /* killed before it wrote */
}
END_TEST

START_TEST(who_is_dead_is_not_said_to_run)
{
	char expected[256];
	struct err err;
	pid_t dead = somebody_dead();
	struct pidfh *lock = hold_for_the_dead(dead);

	err_init(&err);
	ck_assert_ptr_null(pidfile_lock(in_dir("pid"), &err));
	snprintf(expected, sizeof(expected),
		"another instance is leaving: %s is held, though pid %ld is gone", in_dir("pid"),
		(long)dead);
	ck_assert_str_eq(err.first->text, expected);
	err_free(&err);
	ck_assert_int_eq(pidfile_remove(lock), 0);
}
END_TEST

START_TEST(the_holder_of_a_pidfile_is_found_by_its_lock)
{
	int release;
	pid_t pid;

	ck_assert_int_eq(pidfile_holder(in_dir("pid")), 0);
	pid = hold_elsewhere(in_dir("pid"), &release);
	ck_assert_int_eq(pidfile_holder(in_dir("pid")), pid);
	let_go(pid, release);
	ck_assert_int_eq(
		access(in_dir("pid"), F_OK), 0); /* the text is still there, the lock is not */
	ck_assert_int_eq(pidfile_holder(in_dir("pid")), 0);
}
END_TEST

/* As after an exec: another descriptor of the same open file. */
START_TEST(an_inherited_pidfile_is_locked_until_its_last_holder_leaves)
{
	struct pidfile first = { .fd = -1 }, next = { .fd = -1 };
	char text[32];
	struct stat st;
	const char *path = in_dir("pid");
	struct err err;

	err_init(&err);
	ck_assert(pidfile_take(&first, path, &err));
	ck_assert_int_eq(pwrite(first.fd, "1234567890\n", 11, 0), 11);
	ck_assert(pidfile_inherit(&next, dup(first.fd), path, &err));
	pidfile_leave(&first);
	ck_assert_int_eq(pidfile_holder(path), 1234567890);
	ck_assert_int_eq(pidfile_tell(&next), 0);
	ck_assert_int_eq(pidfile_holder(path), getpid());
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, snprintf(text, sizeof(text), "%ld", (long)getpid()));
	pidfile_remove_ours(&next);
	ck_assert_int_eq(next.fd, -1);
	ck_assert_int_eq(access(path, F_OK), -1);
	err_free(&err);
}
END_TEST

START_TEST(an_inherited_pidfile_that_is_another_file_is_refused)
{
	struct pidfile first = { .fd = -1 }, next = { .fd = -1 };
	struct err err;

	err_init(&err);
	ck_assert(pidfile_take(&first, in_dir("pid"), &err));
	ck_assert(!pidfile_inherit(&next, dup(first.fd), in_dir("other"), &err));
	ck_assert(err_any(&err));
	ck_assert_int_eq(next.fd, -1);
	rename(in_dir("pid"), in_dir("other"));
	pidfile_remove_ours(&first); /* what lies there is not ours any more */
	ck_assert_int_eq(access(in_dir("other"), F_OK), 0);
	err_free(&err);
}
END_TEST

START_TEST(a_master_that_has_not_written_its_pid_is_starting)
{
	struct pidfh *lock;
	struct err err;

	err_init(&err);
	lock = pidfile_lock(in_dir("pid"), &err);
	ck_assert_ptr_nonnull(lock);
	ck_assert_int_eq(pidfile_holder(in_dir("pid")), -EAGAIN);
	ck_assert_int_eq(pidfile_write(lock), 0);
	ck_assert_int_eq(pidfile_holder(in_dir("pid")), getpid());
	ck_assert_int_eq(pidfile_remove(lock), 0);
	ck_assert_int_eq(access(in_dir("pid"), F_OK), -1);
}
END_TEST

START_TEST(a_pidfile_in_no_directory_is_a_clear_error)
{
	struct err err;

	err_init(&err);
	ck_assert_ptr_null(pidfile_lock(in_dir("no/pid"), &err));
	ck_assert_ptr_nonnull(strstr(err.first->text, "No such file or directory"));
	err_free(&err);
}
END_TEST

static mode_t
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_mode & 07777;
}

START_TEST(a_runtime_directory_is_made_with_exact_rights)
{
	struct err err;
	mode_t before = umask(0077);

	err_init(&err);
	ck_assert(runtime_dir_prepare(in_dir("a/b/c"), 0755, &err));
	ck_assert(runtime_dir_prepare(in_dir("d"), 0700, &err));
	umask(before);
	ck_assert_uint_eq(mode_of(in_dir("a/b/c")), 0755);
	ck_assert_uint_eq(mode_of(in_dir("d")), 0700);
	ck_assert(runtime_dir_prepare(in_dir("d"), 0755, &err)); /* there already: left as it is */
	ck_assert_uint_eq(mode_of(in_dir("d")), 0700);
	ck_assert(!err_any(&err));
}
END_TEST

START_TEST(a_runtime_directory_that_others_can_write_is_refused)
{
	struct err err;

	ck_assert_int_eq(mkdir(in_dir("d"), 0700), 0);
	ck_assert_int_eq(chmod(in_dir("d"), 0777), 0);
	err_init(&err);
	ck_assert(!runtime_dir_prepare(in_dir("d"), 0700, &err));
	ck_assert_ptr_nonnull(strstr(err.first->text, "can be written by others"));
	err_free(&err);
}
END_TEST

START_TEST(a_file_is_no_runtime_directory)
{
	struct err err;
	int fd = open(in_dir("log"), O_CREAT | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
	err_init(&err);
	ck_assert(!runtime_dir_prepare(in_dir("log"), 0700, &err));
	ck_assert_ptr_nonnull(strstr(err.first->text, "is not a directory"));
	err_free(&err);
}
END_TEST

static int
listen_for_notes(const char *path, bool abstract)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(a.sun_path, path, strlen(path));
	if (abstract)
		a.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

START_TEST(systemd_is_told_over_both_kinds_of_socket)
{
	for (int abstract = 0; abstract <= 1; abstract++) {
		char name[160], got[128] = "";
		int fd;

		snprintf(name, sizeof(name), "%s%ld", abstract ? "@ballast-unit-" : in_dir("sock"),
			(long)getpid());
		fd = listen_for_notes(name, abstract);
		ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
		notify("READY=1");
		ck_assert_int_eq(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 7);
		ck_assert_str_eq(got, "READY=1");
		notify_reloading(12345);
		ck_assert_int_gt(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 0);
		ck_assert_str_eq(got, "RELOADING=1\nMONOTONIC_USEC=12345");
		close(fd);
		remove(name);
	}
}
END_TEST

START_TEST(a_useless_notify_socket_does_no_harm)
{
	static const char *const useless[] = { "", "/", "relative", "/nowhere/at/all", "@" };
	char longest[200];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
		setenv("NOTIFY_SOCKET", useless[i], 1);
		notify("READY=1");
	}
	setenv("NOTIFY_SOCKET", longest, 1);
	notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	notify("READY=1");
}
END_TEST

START_TEST(open_files_rise_to_the_hard_limit)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(open_files_raise(128), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, 128);
	ck_assert_int_eq(open_files_raise(0), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, limit.rlim_max);
}
END_TEST

/*
 * In the child the launcher's side is played for real: its exit status is what an init script
 * sees.
 */
static int
launch(const char *reason, bool ready)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int launcher = daemon_begin();

		if (launcher < 0)
			_exit(99);
		if (ready)
			daemon_ready(&launcher);
		else if (reason != NULL)
			daemon_failed(&launcher, reason);
		_exit(launcher >= 0 ? 0 : 7);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(a_launcher_tells_how_the_start_went)
{
	ck_assert_int_eq(launch(NULL, true), 0);
	ck_assert_int_eq(launch("the reason", false), 1);
	ck_assert_int_eq(launch(NULL, false), 1); /* the daemon died without a word */
}
END_TEST

START_TEST(unknown_users_and_groups_are_errors)
{
	struct identity id;
	struct err err;

	err_init(&err);
	ck_assert(!identity_resolve(&id, "no-such-user-here", "no-such-group-here", &err));
	ck_assert_uint_eq(err.count, 2);
	ck_assert_ptr_nonnull(strstr(err.first->text, "user \"no-such-user-here\" is unknown"));
	err_free(&err);
}
END_TEST

START_TEST(root_gives_its_children_the_user_nobody_unless_told_otherwise)
{
	struct identity id;
	struct err err;

	err_init(&err);
	ck_assert(identity_resolve(&id, NULL, NULL, &err));
	if (geteuid() != 0) {
		ck_assert(!id.drop);
		ck_assert_uint_eq(id.uid, geteuid());
		return;
	}
	ck_assert(id.drop);
	ck_assert_uint_ne(id.uid, 0);
	ck_assert(identity_resolve(&id, "root", NULL, &err));
	ck_assert(!id.drop);
}
END_TEST

static Suite *
daemon_suite(void)
{
	Suite *s = suite_create("daemon");
	TCase *t = tcase_create("daemon");

	tcase_add_checked_fixture(t, make_dir, remove_dir);
	tcase_add_test(t, a_second_instance_is_told_the_pid_of_the_first);
	tcase_add_test(t, a_lock_that_a_killed_master_left_in_its_child_is_waited_for);
	tcase_add_test(t, who_is_dead_is_not_said_to_run);
	tcase_add_test(t, the_holder_of_a_pidfile_is_found_by_its_lock);
	tcase_add_test(t, an_inherited_pidfile_is_locked_until_its_last_holder_leaves);
	tcase_add_test(t, an_inherited_pidfile_that_is_another_file_is_refused);
	tcase_add_test(t, a_master_that_has_not_written_its_pid_is_starting);
	tcase_add_test(t, a_pidfile_in_no_directory_is_a_clear_error);
	tcase_add_test(t, a_runtime_directory_is_made_with_exact_rights);
	tcase_add_test(t, a_runtime_directory_that_others_can_write_is_refused);
	tcase_add_test(t, a_file_is_no_runtime_directory);
	tcase_add_test(t, systemd_is_told_over_both_kinds_of_socket);
	tcase_add_test(t, a_useless_notify_socket_does_no_harm);
	tcase_add_test(t, open_files_rise_to_the_hard_limit);
	tcase_add_test(t, a_launcher_tells_how_the_start_went);
	tcase_add_test(t, unknown_users_and_groups_are_errors);
	tcase_add_test(t, root_gives_its_children_the_user_nobody_unless_told_otherwise);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return unit_main(daemon_suite());
}
