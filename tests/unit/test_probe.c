/*
 * Probes against a backend on the loopback that answers as a script says, in
 * this process: one loop turns both.  Waiting ends with the event or with
 * Check's own limit for a test; nothing is asserted about how long it took.
 */
#include "../../src/health/probe.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/sock.h"
#include "ballast/base/version.h"
#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { SHORT_US = 200000, LONG_US = 20000000, SEEN_MAX = 65536, LONG_PATH = 30000 };

/* The one backend. */
static struct {
	int listener, conn;
	char seen[SEEN_MAX];
	size_t n_seen, at;
	const char *answer;
	size_t answer_bytes;
	size_t step; /* octets sent in one turn of the loop, 0: all at once */
	bool close;  /* when all is sent */
} backend;

static struct poller *poller;
static struct timeouts timeouts;
static uint64_t now_us;
static struct prober prober;
static struct probe probe;
static struct config config;
static struct config_backend configured;
static char path[LONG_PATH + 1];
static int result, results;

static void
on_done(struct probe *p, int r)
{
	ck_assert(!p->running);
	result = r;
	results++;
}

static int
listen_at(struct addr *a, int backlog)
{
	int fd;

	ck_assert_ptr_null(addr_parse_listen(a, "127.0.0.1:0"));
	fd = sock_listen(a, backlog, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(sock_name(fd, a), 0);
	return fd;
}

static void
make_prober(uint64_t timeout_us)
{
	prober = (struct prober){ .poller = poller, .timeouts = &timeouts, .now_us = &now_us };
	timeouts_init(&timeouts);
	config.backends = &configured;
	config.n_backends = 1;
	config.health.timeout_us = timeout_us;
	ck_assert_int_eq(prober_init(&prober, &config), 0);
	probe_init(&probe, &prober, &configured, NULL);
	probe.done = on_done;
}

static void
set_up(void)
{
	static char host[] = "127.0.0.1";

	memset(&backend, 0, sizeof(backend));
	backend.conn = -1;
	configured = (struct config_backend){ .host = host, .path = path, .n_addrs = 1 };
	backend.listener = listen_at(&configured.addrs[0], 16);
	configured.port = addr_port(&configured.addrs[0]);
	strcpy(path, "/up?now");
	poller = poller_create(POLLER_AUTO, 4);
	ck_assert_ptr_nonnull(poller);
	now_us = clock_now_us();
	results = 0;
	make_prober(LONG_US);
}

static void
tear_down(void)
{
	probe_abort(&probe);
	prober_free(&prober);
	poller_destroy(poller);
	fd_close(&backend.listener);
	fd_close(&backend.conn);
}

static void
answer_with(const char *answer, size_t step, bool close)
{
	backend.answer = answer;
	backend.answer_bytes = strlen(answer);
	backend.step = step;
	backend.close = close;
	backend.at = backend.n_seen = 0;
}

static void
send_some(void)
{
	size_t n = backend.answer_bytes - backend.at;
	ssize_t put;

	if (backend.step > 0 && n > backend.step)
		n = backend.step;
	put = n > 0 ? sock_send(backend.conn, backend.answer + backend.at, n) : 0;
	backend.at += put > 0 ? (size_t)put : 0;
	if (backend.at == backend.answer_bytes && backend.close)
		fd_close(&backend.conn);
}

/* The backend's part of a turn: takes a connection, the request, and answers it. */
static void
serve(void)
{
	struct addr peer;
	ssize_t got;

	if (backend.conn < 0 && backend.n_seen == 0)
		backend.conn = sock_accept(backend.listener, &peer);
	if (backend.conn < 0)
		return;
	got = sock_recv(backend.conn, backend.seen + backend.n_seen, SEEN_MAX - backend.n_seen);
	backend.n_seen += got > 0 ? (size_t)got : 0;
	if (memmem(backend.seen, backend.n_seen, "\r\n\r\n", 4) != NULL)
		send_some();
}

static void
turn(void)
{
	int rc = poller_turn(poller, timeouts_next_ms(&timeouts, clock_now_us(), 1), &now_us);

	ck_assert_int_ge(rc, 0);
	timeouts_expire(&timeouts, now_us);
	serve();
}

static int
probed(void)
{
	results = 0;
	now_us = clock_now_us();
	probe_start(&probe);
	while (results == 0)
		turn();
	ck_assert_int_eq(results, 1);
	return result;
}

static const struct answer {
	const char *text;
	bool close;
	int result;
} answers[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, 200 },
	{ "HTTP/1.1 200 OK\r\n\r\nuntil the end", true, 200 },
	{ "HTTP/1.0 200\r\n\r\n", true, 200 },
	{ "HTTP/1.1 204 No Content\r\n\r\n", false, 204 },
	{ "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true, 404 },
	{ "HTTP/1.1 503 Service Unavailable\r\n\r\n", true, 503 },
	{ "HTTP/1.1 101 Switching Protocols\r\n\r\n", false, 101 },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", false, 200 },
	{ "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
	  "HTTP/1.1 500 Oh\r\nA: b\r\n\r\n",
		false, 500 },
	{ "HTTP/1.1 100 Continue\r\n\r\n", true, -ECONNRESET },
	{ "HTTP/1.1 100 Continue\r\n\r\nnonsense", false, -EPROTO },
	{ "", true, -ECONNRESET },
	{ "HTTP/1.1 200 OK\r\nContent-Le", true, -ECONNRESET },
	{ "SSH-2.0-OpenSSH_9.2", false, -EPROTO },
	{ "HTTQ", false, -EPROTO },
	{ "HTTP/1.1 2000 OK\r\n\r\n", false, -EPROTO },
	{ "HTTP/1.1 200 OK\nA: b\n\n", false, -EPROTO },
	{ "HTTP/2 200\r\n\r\n", false, -EPROTO },
	{ "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", false, -EPROTO },
};

START_TEST(an_answer_in_one_piece_gives_its_status_or_what_was_wrong)
{
	answer_with(answers[_i].text, 0, answers[_i].close);
	ck_assert_int_eq(probed(), answers[_i].result);
}
END_TEST

START_TEST(an_answer_in_single_octets_gives_the_same)
{
	answer_with(answers[_i].text, 1, answers[_i].close);
	ck_assert_int_eq(probed(), answers[_i].result);
}
END_TEST

START_TEST(the_request_is_what_a_backend_expects)
{
	char expected[512];

	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, true);
	ck_assert_int_eq(probed(), 200);
	snprintf(expected, sizeof(expected),
		"GET /up?now HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: "
		"ballast-health/" BALLAST_VERSION "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		configured.port);
	ck_assert_uint_eq(backend.n_seen, strlen(expected));
	ck_assert_mem_eq(backend.seen, expected, backend.n_seen);
}
END_TEST

START_TEST(an_ipv6_host_stands_in_brackets)
{
	static char host[] = "::1";

	configured.host = host;
	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, true);
	ck_assert_int_eq(probed(), 200);
	ck_assert_ptr_nonnull(memmem(backend.seen, backend.n_seen, "Host: [::1]:", 12));
}
END_TEST

START_TEST(a_path_of_any_length_is_asked_for)
{
	prober_free(&prober);
	memset(path, 'x', LONG_PATH);
	path[0] = '/';
	path[LONG_PATH] = '\0';
	make_prober(LONG_US);
	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, true);
	ck_assert_int_eq(probed(), 200);
	ck_assert_uint_gt(backend.n_seen, LONG_PATH);
	ck_assert_mem_eq(backend.seen + 4, path, LONG_PATH);
}
END_TEST

/* Of exactly so many octets. */
static const char *
head_of(size_t bytes)
{
	static char text[4 * PROBE_HEAD_MIN];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nA: ");

	memset(text + n, 'a', bytes - (size_t)n);
	memcpy(text + bytes - 4, "\r\n\r\n", 5);
	return text;
}

static const struct {
	uint32_t header_bytes;
	size_t most;
} head_limits[] = { { 0, PROBE_HEAD_MIN }, { 1024, PROBE_HEAD_MIN }, { 40000, 40000 } };

START_TEST(a_head_may_be_as_large_as_for_a_client_and_no_larger)
{
	prober_free(&prober);
	config.limits.header_bytes = head_limits[_i].header_bytes;
	make_prober(LONG_US);
	answer_with(head_of(head_limits[_i].most), 1000, true);
	ck_assert_int_eq(probed(), 200);
	fd_close(&backend.conn);
	answer_with(head_of(head_limits[_i].most + 1), 1000, true);
	ck_assert_int_eq(probed(), -EMSGSIZE);
}
END_TEST

START_TEST(interim_answers_are_passed_over_but_not_without_end)
{
	static const char interim[] = "HTTP/1.1 103 Early Hints\r\n\r\n";
	static char text[(PROBE_INTERIM_MAX + 2) * sizeof(interim)];

	for (int i = 0; i < PROBE_INTERIM_MAX; i++)
		strcat(text, interim);
	strcat(text, "HTTP/1.1 200 OK\r\n\r\n");
	answer_with(text, 0, true);
	ck_assert_int_eq(probed(), 200);
	fd_close(&backend.conn);
	memmove(text + strlen(interim), text, strlen(text) + 1);
	memcpy(text, interim, strlen(interim));
	answer_with(text, 0, false);
	ck_assert_int_eq(probed(), -EPROTO);
}
END_TEST

START_TEST(nobody_listening_is_a_refused_connect)
{
	fd_close(&backend.listener);
	ck_assert_int_eq(probed(), -ECONNREFUSED);
	backend.listener = -1;
}
END_TEST

START_TEST(an_address_that_refuses_is_passed_over_and_the_good_one_comes_first_next_time)
{
	struct addr nobody;
	int fd = listen_at(&nobody, 1);

	fd_close(&fd);
	configured.addrs[1] = configured.addrs[0];
	configured.addrs[0] = nobody;
	configured.n_addrs = 2;
	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, true);
	ck_assert_int_eq(probed(), 200);
	ck_assert_uint_eq(probe.failed, 1);
	while (probe.watch.fd >= 0)
		turn();
	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, true);
	ck_assert_int_eq(probed(), 200);
	ck_assert_uint_eq(probe.failed, 0);
}
END_TEST

static void
hurry(void)
{
	prober_free(&prober);
	make_prober(SHORT_US);
}

/* A listener whose queue is full lets nobody in and refuses nobody: connects to it hang. */
static int
fill_queue(const struct addr *a, int fds[8])
{
	int n = 0;
	bool in_progress;

	while (n < 8) {
		fds[n] = sock_connect(a, &in_progress);
		ck_assert_int_ge(fds[n++], 0);
	}
	return n;
}

START_TEST(an_address_that_is_silent_has_only_its_share_of_the_time)
{
	struct addr silent;
	int listener = listen_at(&silent, 0), fds[8];
	int n = fill_queue(&silent, fds);

	hurry();
	configured.addrs[1] = configured.addrs[0];
	configured.addrs[0] = silent;
	configured.n_addrs = 2;
	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, true);
	ck_assert_int_eq(probed(), 200);
	ck_assert_uint_eq(probe.address, 1);
	while (n > 0)
		close(fds[--n]);
	close(listener);
}
END_TEST

START_TEST(the_only_address_is_not_given_up_before_the_owner_does)
{
	struct addr silent;
	int listener = listen_at(&silent, 0), fds[8];
	int n = fill_queue(&silent, fds);

	configured.addrs[0] = silent;
	probe_start(&probe);
	ck_assert(!timer_is_armed(&probe.timer));
	probe_abort(&probe);
	ck_assert_int_eq(results, 0);
	while (n > 0)
		close(fds[--n]);
	close(listener);
}
END_TEST

START_TEST(an_aborted_probe_says_nothing_and_may_be_started_again)
{
	answer_with("HTTP/1.1 20", 0, false);
	probe_start(&probe);
	while (backend.at < backend.answer_bytes)
		turn();
	turn();
	probe_abort(&probe);
	ck_assert_int_eq(results, 0);
	ck_assert_int_eq(probe.watch.fd, -1);
	ck_assert_uint_eq(prober.buffers.in_use, 0);
	ck_assert_uint_eq(poller_watched(poller), 0);
	fd_close(&backend.conn);
	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, true);
	ck_assert_int_eq(probed(), 200);
}
END_TEST

/* The request has been read, so only the answer's rest could make the close a reset. */
static bool
was_reset(int fd)
{
	char octet;
	ssize_t got;

	while ((got = sock_recv(fd, &octet, 1)) == -EAGAIN)
		turn();
	return got < 0;
}

START_TEST(what_follows_the_head_is_read_so_that_the_backend_is_not_cut)
{
	static char text[40000] = "HTTP/1.1 200 OK\r\n\r\n";

	memset(text + strlen(text), 'b', sizeof(text) - 1 - strlen(text));
	answer_with(text, 0, false);
	backend.answer_bytes = sizeof(text) - 1;
	backend.step = 1000;
	ck_assert_int_eq(probed(), 200);
	ck_assert_int_ge(probe.watch.fd, 0);
	while (backend.at < backend.answer_bytes)
		turn();
	shutdown(backend.conn, SHUT_WR);
	ck_assert(!was_reset(backend.conn));
	ck_assert_int_eq(probe.watch.fd, -1);
}
END_TEST

START_TEST(an_answer_without_end_is_left_at_last)
{
	static char text[PROBE_REST_MAX + 20000] = "HTTP/1.1 200 OK\r\n\r\n";

	memset(text + strlen(text), 'b', sizeof(text) - 1 - strlen(text));
	answer_with(text, 5000, false);
	ck_assert_int_eq(probed(), 200);
	while (probe.watch.fd >= 0)
		turn();
	ck_assert_uint_ge(probe.rest, PROBE_REST_MAX);
}
END_TEST

START_TEST(a_backend_that_never_closes_is_left_when_the_time_is_over)
{
	hurry();
	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, false);
	ck_assert_int_eq(probed(), 200);
	ck_assert_int_ge(probe.watch.fd, 0);
	while (probe.watch.fd >= 0)
		turn();
	ck_assert_int_ge(backend.conn, 0);
}
END_TEST

START_TEST(a_probe_may_start_while_the_rest_of_the_last_one_is_read)
{
	answer_with("HTTP/1.1 200 OK\r\n\r\n", 0, false);
	ck_assert_int_eq(probed(), 200);
	ck_assert_int_ge(probe.watch.fd, 0);
	fd_close(&backend.conn);
	answer_with("HTTP/1.1 201 OK\r\n\r\n", 0, true);
	ck_assert_int_eq(probed(), 201);
	ck_assert_uint_le(poller_watched(poller), 1);
}
END_TEST

START_TEST(want_of_descriptors_is_not_the_backends_fault)
{
	struct rlimit old, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	probe_start(&probe);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(results, 1);
	ck_assert_int_eq(result, -EMFILE);
	ck_assert(probe_was_hindered(result));
	ck_assert(!probe_was_hindered(-ECONNREFUSED) && !probe_was_hindered(-ETIMEDOUT));
	ck_assert(!probe_was_hindered(200));
}
END_TEST

static int
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

START_TEST(a_hundred_probes_leave_no_descriptor)
{
	int before = open_descriptors();

	for (unsigned i = 0; i < 100; i++) {
		const struct answer *a = &answers[i % N(answers)];

		answer_with(a->text, 0, a->close);
		ck_assert_int_eq(probed(), a->result);
		probe_abort(&probe);
		fd_close(&backend.conn);
	}
	ck_assert_int_eq(open_descriptors(), before);
	ck_assert_uint_eq(prober.buffers.in_use, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("probe");
	TCase *tc = tcase_create("probe");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(
		tc, an_answer_in_one_piece_gives_its_status_or_what_was_wrong, 0, N(answers));
	tcase_add_loop_test(tc, an_answer_in_single_octets_gives_the_same, 0, N(answers));
	tcase_add_test(tc, the_request_is_what_a_backend_expects);
	tcase_add_test(tc, an_ipv6_host_stands_in_brackets);
	tcase_add_test(tc, a_path_of_any_length_is_asked_for);
	tcase_add_loop_test(
		tc, a_head_may_be_as_large_as_for_a_client_and_no_larger, 0, N(head_limits));
	tcase_add_test(tc, interim_answers_are_passed_over_but_not_without_end);
	tcase_add_test(tc, nobody_listening_is_a_refused_connect);
	tcase_add_test(
		tc, an_address_that_refuses_is_passed_over_and_the_good_one_comes_first_next_time);
	tcase_add_test(tc, an_address_that_is_silent_has_only_its_share_of_the_time);
	tcase_add_test(tc, the_only_address_is_not_given_up_before_the_owner_does);
	tcase_add_test(tc, an_aborted_probe_says_nothing_and_may_be_started_again);
	tcase_add_test(tc, what_follows_the_head_is_read_so_that_the_backend_is_not_cut);
	tcase_add_test(tc, an_answer_without_end_is_left_at_last);
	tcase_add_test(tc, a_backend_that_never_closes_is_left_when_the_time_is_over);
	tcase_add_test(tc, a_probe_may_start_while_the_rest_of_the_last_one_is_read);
	tcase_add_test(tc, want_of_descriptors_is_not_the_backends_fault);
	tcase_add_test(tc, a_hundred_probes_leave_no_descriptor);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
