/*
 * The sandbox, in children of its own: what a worker does goes on working, what
 * it never does is refused, said in the log, and ends the process by SIGSYS.
 */
#include "ballast/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/log.h"

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static char said[16384];
static pid_t parent;
static enum log_format format = LOG_JSON;

/* Runs act in a sandboxed child whose log ends up in said[]; its wait status. */
static int
in_sandbox(void (*act)(void))
{
	int pipe_fds[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	ck_assert_int_eq(pipe(pipe_fds), 0);
	parent = getpid();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		if (log_open(LEVEL_INFO, format, "stderr") < 0 || sandbox_enter() < 0)
			_exit(99);
		act();
		_exit(0);
	}
	close(pipe_fds[1]);
	while (n < sizeof(said) - 1 &&
		(got = read(pipe_fds[0], said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	close(pipe_fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* ---- refused */

static void
execute(void)
{
	char word[] = "true";
	char *const arguments[] = { word, NULL };

	syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, NULL, 0);
}

static void
become_root(void)
{
	syscall(SYS_setuid, 0);
}

static void
read_the_parent(void)
{
	syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0);
}

static void
open_a_raw_socket(void)
{
	socket(AF_PACKET, SOCK_RAW, 0);
}

static void
remove_a_file(void)
{
	syscall(SYS_unlinkat, AT_FDCWD, "/nonexistent/file", 0);
}

static void
listen_elsewhere(void)
{
	syscall(SYS_listen, 0, 1);
}

static void
make_a_filter_of_its_own(void)
{
	syscall(SYS_seccomp, 0, 0, NULL);
}

struct refusal {
	void (*act)(void);
	const char *call;
};

static void
check_refused(const struct refusal *r)
{
	int status = in_sandbox(r->act);
	char name[64];

	snprintf(name, sizeof(name), "\"call\":\"%s\"", r->call);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: status %#x, %s",
		r->call, (unsigned)status, said);
	ck_assert_ptr_nonnull(strstr(said, "system call refused"));
	ck_assert_msg(strstr(said, name) != NULL, "%s not in %s", name, said);
}

static const struct refusal refused[] = {
	{ execute, "execveat" },
	{ become_root, "setuid" },
	{ read_the_parent, "process_vm_readv" },
	{ open_a_raw_socket, "socket" },
	{ remove_a_file, "unlinkat" },
	{ listen_elsewhere, "listen" },
	{ make_a_filter_of_its_own, "seccomp" },
};

START_TEST(a_call_that_is_not_listed_ends_the_process_and_is_named)
{
	check_refused(&refused[_i]);
}
END_TEST

#ifndef BALLAST_INSTRUMENTED /* what sanitizers need is let through in their builds */

static void
read_a_file(void)
{
	int fd = open("/etc/passwd", O_RDONLY);

	_exit(fd >= 0 ? 0 : 1);
}

static void
start_a_process(void)
{
	_exit(fork() == 0 ? 0 : 1);
}

static void
signal_another(void)
{
	kill(parent, 0);
}

static void
signal_another_thread(void)
{
	syscall(SYS_tgkill, parent, parent, SIGURG);
}

static void
run_data(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
make_data_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void
ignore_the_refusal(void)
{
	signal(SIGSYS, SIG_IGN);
}

static const struct refusal plain_refused[] = {
	{ read_a_file, "openat" },
	{ start_a_process, "clone" },
	{ signal_another, "kill" },
	{ signal_another_thread, "tgkill" },
	{ run_data, "mmap" },
	{ make_data_code, "mprotect" },
	{ ignore_the_refusal, "rt_sigaction" },
};

START_TEST(nor_any_that_reaches_files_processes_or_code)
{
	check_refused(&plain_refused[_i]);
}
END_TEST

#endif

/* ---- let through */

static int
must(int value)
{
	if (value < 0) {
		log_error("failed", LOG_STR("error", strerror(errno)));
		_exit(1);
	}
	return value;
}

static int
listener_of(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)at, len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static int listener;
static struct sockaddr_in listening;

static void
accept_and_exchange(void)
{
	char got[8];
	int client = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), server;
	struct pollfd p = { .events = POLLIN };

	(void)connect(client, (const struct sockaddr *)&listening, sizeof(listening));
	server = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	must((int)send(server, "hello", 5, MSG_NOSIGNAL));
	p.fd = client;
	must(poll(&p, 1, 10000) == 1 ? 0 : -1);
	must(recv(client, got, sizeof(got), 0) == 5 ? 0 : -1);
	must(shutdown(client, SHUT_WR));
	close(server);
}

static void
change_over_to_epoll(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int fd = must(epoll_create1(EPOLL_CLOEXEC));

	must(epoll_ctl(fd, EPOLL_CTL_ADD, listener, &e));
	must(epoll_wait(fd, &e, 1, 0));
}

static void
take_much_memory(void)
{
	for (size_t bytes = 16; bytes < 64u << 20; bytes *= 4) {
		char *p = malloc(bytes);

		must(p == NULL ? -1 : 0);
		memset(p, 1, bytes);
		p = realloc(p, 2 * bytes);
		must(p == NULL ? -1 : 0);
		free(p);
	}
}

static void
log_on_the_console(void)
{
	log_info("time of day");
	must((int)(clock_now_us() & 1));
	must((int)(clock_wall_us() & 1));
}

static void
exit_as_a_program(void)
{
	exit(0);
}

static const struct {
	void (*act)(void);
} allowed[] = { { accept_and_exchange }, { change_over_to_epoll }, { take_much_memory },
	{ log_on_the_console }, { exit_as_a_program } };

START_TEST(what_a_worker_does_goes_on)
{
	int status;

	listener = listener_of(&listening);
	format = allowed[_i].act == log_on_the_console ? LOG_CONSOLE : LOG_JSON;
	status = in_sandbox(allowed[_i].act);
	ck_assert_msg(
		WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x: %s", (unsigned)status, said);
	ck_assert_ptr_null(strstr(said, "refused"));
	close(listener);
}
END_TEST

static void
assertion_fails(void)
{
	abort();
}

START_TEST(an_assertion_still_ends_it_by_abort)
{
	int status = in_sandbox(assertion_fails);

	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%#x: %s",
		(unsigned)status, said);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("sandbox");

	if (!sandbox_is_available()) {
		fputs("this kernel has no seccomp filters\n", stderr);
		return EXIT_FAILURE;
	}
	tcase_add_loop_test(
		t, a_call_that_is_not_listed_ends_the_process_and_is_named, 0, (int)N(refused));
#ifndef BALLAST_INSTRUMENTED
	tcase_add_loop_test(
		t, nor_any_that_reaches_files_processes_or_code, 0, (int)N(plain_refused));
#endif
	tcase_add_loop_test(t, what_a_worker_does_goes_on, 0, (int)N(allowed));
	tcase_add_test(t, an_assertion_still_ends_it_by_abort);
	suite_add_tcase(s, t);
	return unit_main(s);
}
