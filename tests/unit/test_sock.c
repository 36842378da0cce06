/*
 * Sockets on the loopback and in a scratch directory: what a listener, a
 * connect and a cut look like to the callers above, all non-blocking.
 */
#include "ballast/base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static char dir[] = "/tmp/ballast-test-sock-XXXXXX";
static char path[64];

static void
set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
}

static void
tear_down(void)
{
	unlink(path);
	rmdir(dir);
	memcpy(strrchr(dir, '-'), "-XXXXXX", 8);
}

static struct addr
addr_of(const char *text)
{
	struct addr a;
	const char *why = addr_parse_listen(&a, text);

	ck_assert_msg(why == NULL, "%s: %s", text, why);
	return a;
}

static int
listen_on(const char *text, struct addr *bound)
{
	struct addr a = addr_of(text);
	int fd = sock_listen(&a, 16, 0);

	ck_assert_msg(fd >= 0, "%s: %s", text, strerror(-fd));
	ck_assert_int_eq(sock_name(fd, bound), 0);
	return fd;
}

static void
await(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	ck_assert_int_eq(poll(&p, 1, -1), 1);
}

/* Both ends of a fresh TCP connection. */
static void
connected(int ends[2])
{
	struct addr a, peer;
	int listener = listen_on("127.0.0.1:0", &a);
	bool in_progress;

	ends[0] = sock_connect(&a, &in_progress);
	ck_assert_int_ge(ends[0], 0);
	await(listener, POLLIN);
	ends[1] = sock_accept(listener, &peer);
	ck_assert_int_ge(ends[1], 0);
	await(ends[0], POLLOUT);
	ck_assert_int_eq(sock_connect_result(ends[0]), 0);
	close(listener);
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static bool
is_nonblocking_and_cloexec(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

START_TEST(closing_leaves_minus_one_and_may_be_repeated)
{
	int fd = dup(STDERR_FILENO), copy = fd;

	fd_close(&fd);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(fcntl(copy, F_GETFD), -1);
	fd_close(&fd);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(descriptor_flags_are_set_and_taken_back)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fd_nonblocking(ends[0]), 0);
	ck_assert_int_eq(fd_cloexec(ends[0], true), 0);
	ck_assert(is_nonblocking_and_cloexec(ends[0]));
	ck_assert_int_eq(fd_cloexec(ends[0], false), 0);
	ck_assert_int_eq(fcntl(ends[0], F_GETFD) & FD_CLOEXEC, 0);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	ck_assert_int_eq(fd_nonblocking(-1), -EBADF);
	ck_assert_int_eq(fd_cloexec(-1, true), -EBADF);
}
END_TEST

START_TEST(one_more_descriptor_is_asked_for_and_given_back)
{
	struct rlimit limit, none;
	int fd = open("/dev/null", O_RDONLY), next = dup(fd);

	close(next);
	ck_assert_int_eq(fd_one_more(fd), 0);
	ck_assert_int_eq(dup(fd), next);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ (rlim_t)next, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(fd_one_more(fd), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(fd);
	ck_assert_int_eq(fd_one_more(-1), -EBADF);
}
END_TEST

START_TEST(an_accepted_socket_has_inherited_its_options)
{
	struct addr a, peer, near;
	int listener = listen_on("127.0.0.1:0", &a), client, accepted;
	bool in_progress;

	ck_assert(is_nonblocking_and_cloexec(listener));
	ck_assert_int_eq(sock_accept(listener, &peer), -EAGAIN);
	client = sock_connect(&a, &in_progress);
	ck_assert_int_ge(client, 0);
	ck_assert(is_nonblocking_and_cloexec(client));
	ck_assert_int_ne(option(client, IPPROTO_TCP, TCP_NODELAY), 0);
	await(listener, POLLIN);
	accepted = sock_accept(listener, &peer);
	ck_assert(is_nonblocking_and_cloexec(accepted));
	ck_assert_int_ne(option(accepted, IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_ne(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(option(accepted, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 512 << 10);
	ck_assert_int_eq(sock_name(client, &near), 0);
	ck_assert(addr_eq(&peer, &near));
	fd_close(&client);
	fd_close(&accepted);
	fd_close(&listener);
}
END_TEST

START_TEST(the_any_address_takes_ipv4_too)
{
	struct addr a, peer, v4 = addr_of("127.0.0.1:0");
	int listener = listen_on(":0", &a), client, accepted;
	bool in_progress;
	struct ip ip;

	v4.in.sin_port = htons(addr_port(&a));
	client = sock_connect(&v4, &in_progress);
	ck_assert_int_ge(client, 0);
	await(listener, POLLIN);
	accepted = sock_accept(listener, &peer);
	ck_assert_int_ge(accepted, 0);
	ip = ip_of_addr(&peer);
	ck_assert(ip_is_v4(&ip)); /* mapped or not: one identity */
	fd_close(&client);
	fd_close(&accepted);
	fd_close(&listener);
}
END_TEST

START_TEST(a_port_in_use_is_refused)
{
	struct addr a;
	int listener = listen_on("127.0.0.1:0", &a);

	ck_assert_int_eq(sock_listen(&a, 16, 0), -EADDRINUSE);
	fd_close(&listener);
	listener = sock_listen(&a, 16, 0); /* and free again at once */
	ck_assert_int_ge(listener, 0);
	fd_close(&listener);
}
END_TEST

START_TEST(a_refused_connect_is_told_at_once_or_when_writable)
{
	struct addr a = addr_of("127.0.0.1:0");
	int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	bool in_progress;

	ck_assert_int_eq(bind(holder, &a.sa, a.len), 0); /* keeps the port, listens to nobody */
	ck_assert_int_eq(sock_name(holder, &a), 0);
	fd = sock_connect(&a, &in_progress);
	if (fd >= 0) {
		ck_assert(in_progress);
		await(fd, POLLOUT);
		ck_assert_int_eq(sock_connect_result(fd), -ECONNREFUSED);
		ck_assert_int_eq(sock_connect_result(fd), 0); /* told once */
	} else {
		ck_assert_int_eq(fd, -ECONNREFUSED);
	}
	fd_close(&fd);
	fd_close(&holder);
}
END_TEST

START_TEST(a_unix_listener_has_the_mode_whatever_the_umask)
{
	static const mode_t modes[] = { 0600, 0660, 0666 };
	char text[80];

	snprintf(text, sizeof(text), "unix:%s", path);
	umask(077);
	for (size_t i = 0; i < N(modes); i++) {
		struct addr a = addr_of(text);
		int fd = sock_listen(&a, 16, modes[i]);
		struct stat st;

		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_uint_eq(st.st_mode & 07777, modes[i]);
		fd_close(&fd); /* the file stays, stale: the next one replaces it */
	}
}
END_TEST

START_TEST(a_unix_listener_that_lives_is_not_replaced)
{
	struct addr a, peer;
	bool in_progress;
	int first, c;

	ck_assert_ptr_null(addr_parse_unix(&a, path));
	first = sock_listen(&a, 16, 0600);
	ck_assert_int_ge(first, 0);
	ck_assert_int_eq(sock_listen(&a, 16, 0600), -EADDRINUSE);
	c = sock_accept(first, &peer); /* the attempt knocked */
	fd_close(&c);
	c = sock_connect(&a, &in_progress);
	ck_assert_int_ge(c, 0);
	ck_assert(!in_progress);
	fd_close(&c);
	fd_close(&first);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_not_replaced)
{
	struct addr a;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	fd_close(&fd);
	ck_assert_ptr_null(addr_parse_unix(&a, path));
	ck_assert_int_eq(sock_listen(&a, 16, 0600), -EADDRINUSE);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(octets_go_over_and_an_empty_socket_says_again)
{
	struct iovec parts[] = { { .iov_base = (char[]){ 'a', 'b' }, .iov_len = 2 },
		{ .iov_base = (char[]){ 'c' }, .iov_len = 1 } };
	char buf[8] = "";
	int ends[2];

	connected(ends);
	ck_assert_int_eq(sock_recv(ends[1], buf, sizeof(buf)), -EAGAIN);
	ck_assert_int_eq(sock_sendv(ends[0], parts, 2), 3);
	await(ends[1], POLLIN);
	ck_assert_int_eq(sock_recv(ends[1], buf, sizeof(buf)), 3);
	ck_assert_str_eq(buf, "abc");
	ck_assert_int_eq(sock_send(ends[1], "xy", 2), 2);
	fd_close(&ends[1]);
	await(ends[0], POLLIN);
	ck_assert_int_eq(sock_recv(ends[0], buf, sizeof(buf)), 2);
	await(ends[0], POLLIN);
	ck_assert_int_eq(sock_recv(ends[0], buf, sizeof(buf)), 0);
	fd_close(&ends[0]);
}
END_TEST

START_TEST(sending_to_a_cut_socket_is_an_error_and_no_signal)
{
	char buf[8];
	int ends[2];

	connected(ends);
	sock_reset_on_close(ends[1]);
	fd_close(&ends[1]);
	await(ends[0], POLLIN);
	ck_assert_int_eq(sock_recv(ends[0], buf, sizeof(buf)), -ECONNRESET); /* a cut, not an end */
	ck_assert_int_eq(sock_send(ends[0], "x", 1), -EPIPE);
	fd_close(&ends[0]);
}
END_TEST

START_TEST(only_an_open_and_silent_connection_is_quiet)
{
	char buf[8];
	int ends[2];

	connected(ends);
	ck_assert(sock_is_quiet(ends[0]));
	ck_assert_int_eq(sock_send(ends[1], "x", 1), 1);
	await(ends[0], POLLIN);
	ck_assert(!sock_is_quiet(ends[0]));
	ck_assert_int_eq(sock_recv(ends[0], buf, sizeof(buf)), 1); /* it was only looked at */
	ck_assert(sock_is_quiet(ends[0]));
	fd_close(&ends[1]);
	await(ends[0], POLLIN);
	ck_assert(!sock_is_quiet(ends[0]));
	fd_close(&ends[0]);
	ck_assert(!sock_is_quiet(-1));
}
END_TEST

START_TEST(what_a_reader_takes_is_no_longer_unsent)
{
	char buf[4096] = { 0 };
	uint32_t full;
	int ends[2];

	connected(ends);
	ck_assert_uint_eq(sock_unsent(ends[0]), 0);
	while (sock_send(ends[0], buf, sizeof(buf)) > 0)
		continue;
	full = sock_unsent(ends[0]);
	ck_assert_uint_gt(full, 0);
	while (sock_unsent(ends[0]) >= full) { /* until the test's own time is over */
		await(ends[1], POLLIN);
		ck_assert_int_gt(sock_recv(ends[1], buf, sizeof(buf)), 0);
	}
	fd_close(&ends[1]);
	fd_close(&ends[0]);
	ck_assert_uint_eq(sock_unsent(-1), 0);
}
END_TEST

START_TEST(a_pipe_takes_what_it_can_keep_without_a_reader)
{
	static char page[4096];
	int ends[2], room;

	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	ck_assert(!fd_is_file(ends[1]));
	ck_assert(fd_takes(ends[1], PIPE_BUF));
	ck_assert(fd_takes(ends[1], PIPE_BUF + 1)); /* it is empty */
	ck_assert_int_eq(write(ends[1], page, 1), 1);
	ck_assert(fd_takes(ends[1], PIPE_BUF));
	ck_assert(!fd_takes(ends[1], PIPE_BUF + 1));
	for (room = 0; room < 1024 && write(ends[1], page, sizeof(page)) > 0; room++)
		continue;
	ck_assert_int_gt(room, 0);
	ck_assert(!fd_takes(ends[1], 1));
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sock");
	TCase *t = tcase_create("sock");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, closing_leaves_minus_one_and_may_be_repeated);
	tcase_add_test(t, descriptor_flags_are_set_and_taken_back);
	tcase_add_test(t, one_more_descriptor_is_asked_for_and_given_back);
	tcase_add_test(t, an_accepted_socket_has_inherited_its_options);
	tcase_add_test(t, the_any_address_takes_ipv4_too);
	tcase_add_test(t, a_port_in_use_is_refused);
	tcase_add_test(t, a_refused_connect_is_told_at_once_or_when_writable);
	tcase_add_test(t, a_unix_listener_has_the_mode_whatever_the_umask);
	tcase_add_test(t, a_unix_listener_that_lives_is_not_replaced);
	tcase_add_test(t, a_file_that_is_no_socket_is_not_replaced);
	tcase_add_test(t, octets_go_over_and_an_empty_socket_says_again);
	tcase_add_test(t, sending_to_a_cut_socket_is_an_error_and_no_signal);
	tcase_add_test(t, only_an_open_and_silent_connection_is_quiet);
	tcase_add_test(t, what_a_reader_takes_is_no_longer_unsent);
	tcase_add_test(t, a_pipe_takes_what_it_can_keep_without_a_reader);
	suite_add_tcase(s, t);
	return unit_main(s);
}
