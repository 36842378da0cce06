/*
 * The master's own HTTP on real sockets.  Client and master share this process:
 * the test turns the master's loop by hand, so nothing has to be waited for,
 * and time limits pass by telling the timers a later time.
 */
#include "../../src/master/admin.h"

#include <errno.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ballast/base/clock.h"
#include "ballast/base/sock.h"

#include "admin_world.h"
#include "harness.h"

#define N(table)  (sizeof(table) / sizeof((table)[0]))
#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { TURNS_MAX = 2000, ANSWER_MAX = 4 << 20 };

static struct world world;
static struct poller *poller;
static struct timeouts timeouts;
static struct admin *admin;
static struct addr at;
static int listener;
static char answer[ANSWER_MAX];

static void
begin(int engine, uint32_t max_backends)
{
	world_begin(&world, max_backends);
	poller = poller_create(engine == 0 ? POLLER_POLL : POLLER_EPOLL, ADMIN_WATCHES);
	timeouts_init(&timeouts);
	admin = admin_create(poller, &timeouts, &world.view);
	ck_assert(poller != NULL && admin != NULL);
	ck_assert_ptr_null(addr_parse_listen(&at, "127.0.0.1:0"));
	listener = sock_listen(&at, 128, 0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(sock_name(listener, &at), 0);
	ck_assert_int_eq(admin_serve(admin, listener, false), 0);
}

static void
end(void)
{
	admin_unserve(admin, listener);
	admin_destroy(admin);
	poller_destroy(poller);
	fd_close(&listener);
	world_end(&world);
}

static void
turn(int timeout_ms)
{
	uint64_t now_us;

	ck_assert_int_ge(poller_turn(poller, timeout_ms, &now_us), 0);
	timeouts_expire(&timeouts, now_us);
	admin_turn_over(admin);
}

static void
turn_until_quiet(void)
{
	uint64_t now_us;

	for (int i = 0; i < TURNS_MAX; i++) {
		int woken = poller_turn(poller, 0, &now_us);

		admin_turn_over(admin);
		if (woken == 0)
			return;
	}
	ck_abort_msg("the loop never came to rest");
}

static void
let_limits_pass(void)
{
	timeouts_expire(&timeouts, clock_now_us() + UINT64_C(5100000));
	turn(0);
}

static int
client_open(void)
{
	bool in_progress;
	int fd = sock_connect(&at, &in_progress);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	ck_assert_int_eq(sock_send(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int
client_saying(const char *text)
{
	int fd = client_open();

	say(fd, text);
	return fd;
}

/* One receive while the master turns; 0 at the end, -errno of a reset. */
static ssize_t
receive(int fd, char *into, size_t room)
{
	for (int i = 0; i < TURNS_MAX; i++) {
		ssize_t n = sock_recv(fd, into, room);

		if (n != -EAGAIN)
			return n;
		turn(1);
	}
	ck_abort_msg("no answer came");
	return -ETIMEDOUT;
}

static size_t
body_length(void)
{
	const char *at_field = strstr(answer, "\r\nContent-Length: ");

	ck_assert_msg(at_field != NULL, "no length in: %s", answer);
	return strtoul(at_field + strlen("\r\nContent-Length: "), NULL, 10);
}

/* Reads exactly one answer into `answer`, its body behind its head; returns its status. */
static int
hear_answer(int fd, bool to_head)
{
	size_t n = 0, want;
	char *body;

	while (n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4) != 0) {
		ck_assert_int_eq(receive(fd, answer + n, 1), 1);
		answer[++n] = '\0';
	}
	body = answer + n;
	want = to_head ? 0 : body_length();
	ck_assert_uint_lt(n + want, sizeof(answer));
	while (want > 0) {
		ssize_t got = receive(fd, answer + n, want);

		ck_assert_int_gt(got, 0);
		n += (size_t)got;
		want -= (size_t)got;
	}
	answer[n] = '\0';
	ck_assert_int_eq(strncmp(answer, "HTTP/1.1 ", 9), 0);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nDate: "));
	ck_assert(to_head || strlen(body) == body_length());
	return atoi(answer + 9);
}

static const char *
body(void)
{
	return strstr(answer, "\r\n\r\n") + 4;
}

static bool
is_closed(int fd)
{
	char octet;
	ssize_t n = receive(fd, &octet, 1);

	return n == 0 || n == -ECONNRESET;
}

static bool
is_open(int fd)
{
	char octet;

	turn_until_quiet();
	return sock_recv(fd, &octet, 1) == -EAGAIN;
}

START_TEST(every_path_has_its_answer)
{
	static const struct {
		const char *path, *accept;
		int status;
		const char *type, *start;
	} rows[] = {
#define TEXT "text/plain; version=0.0.4; charset=utf-8"
#define OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"
		{ "/metrics", NULL, 200, TEXT, "# HELP lb_requests_total " },
		{ "/here", NULL, 200, TEXT, "# HELP lb_requests_total " },
		{ "/metrics?name=x", NULL, 200, TEXT, "# HELP lb_" },
		{ "http://x/metrics", NULL, 200, TEXT, "# HELP lb_" },
		{ "/metrics", "*/*", 200, TEXT, "# HELP lb_" },
		{ "/metrics", "application/openmetrics-text", 200, OPEN, "# HELP lb_requests " },
		{ "/metrics",
			"application/openmetrics-text;version=1.0.0,application/"
			"openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/"
			"*;q=0.1",
			200, OPEN, "# HELP lb_requests " },
		{ "/metrics", "text/plain;q=0.5, Application/OpenMetrics-Text;q=0.6", 200, OPEN,
			"# HELP lb_requests " },
		{ "/metrics", "text/plain, application/openmetrics-text;q=0.6", 200, TEXT,
			"# HELP lb_" },
		{ "/metrics", "application/openmetrics-text; q=0", 200, TEXT, "# HELP lb_" },
		{ "/metrics", "application/openmetrics-textual", 200, TEXT, "# HELP lb_" },
		{ "/metrics", ",;=, ;q", 200, TEXT, "# HELP lb_" },
		{ "/status", NULL, 200, "application/json", "{\"version\":\"" },
		{ "/livez", NULL, 200, "text/plain", "ok\n" },
		{ "/readyz", NULL, 200, "text/plain", "ok\n" },
		{ "/", NULL, 404, "text/plain", "404 Not Found\n" },
		{ "/metrics/", NULL, 404, "text/plain", "404 " },
		{ "/Metrics", NULL, 404, "text/plain", "404 " },
		{ "/status%20", NULL, 404, "text/plain", "404 " },
		{ "http://x?metrics", NULL, 404, "text/plain", "404 " },
	};
	char request[512], type[128];
	int fd;

	begin(_i, 8);
	fd = client_open();
	for (size_t i = 0; i < N(rows); i++) {
		snprintf(request, sizeof(request),
			"GET %s HTTP/1.1\r\nHost: x\r\nVia: 1.1 ballast\r\n%s%s%s\r\n",
			rows[i].path, rows[i].accept ? "accept: " : "",
			rows[i].accept ? rows[i].accept : "", rows[i].accept ? "\r\n" : "");
		say(fd, request);
		ck_assert_msg(hear_answer(fd, false) == rows[i].status, "row %zu: %s", i, answer);
		snprintf(type, sizeof(type), "\r\nContent-Type: %s\r\n", rows[i].type);
		ck_assert_msg(strstr(answer, type) != NULL, "row %zu: %.300s", i, answer);
		ck_assert_msg(strncmp(body(), rows[i].start, strlen(rows[i].start)) == 0,
			"row %zu: %.300s", i, answer);
	}
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(readiness_and_liveness_turn_503)
{
	int fd;

	begin(_i, 8);
	fd = client_open();
	world.view.draining = true;
	say(fd, GET("/readyz") GET("/livez"));
	ck_assert_int_eq(hear_answer(fd, false), 503);
	ck_assert_str_eq(body(), "draining\n");
	ck_assert_int_eq(hear_answer(fd, false), 200);
	world.view.draining = false;
	slot_fold(&world.shm, world.worker);
	say(fd, GET("/readyz") GET("/livez"));
	ck_assert_int_eq(hear_answer(fd, false), 503);
	ck_assert_int_eq(hear_answer(fd, false), 503);
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(a_request_may_come_octet_by_octet)
{
	static const char *const requests[] = { "\r\n" GET("/livez"), "\r\n" GET("/readyz") };
	int fd;

	begin(_i, 8);
	fd = client_open();
	for (size_t i = 0; i < N(requests); i++) {
		for (const char *p = requests[i]; *p != '\0'; p++) {
			ck_assert_msg(is_open(fd), "answered before: %s", p);
			say(fd, (char[]){ *p, '\0' });
		}
		ck_assert_int_eq(hear_answer(fd, false), 200);
	}
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	int fd;

	begin(_i, 8);
	fd = client_saying(GET("/livez") GET("/metrics") GET("/nothing") GET("/status")
			GET("/metrics") GET("/readyz") "GET /livez HTTP/1.1\r\nHost: x\r\n"
						       "Connection: close\r\n\r\n" GET("/livez"));
	ck_assert_int_eq(hear_answer(fd, false), 200);
	ck_assert_str_eq(body(), "ok\n");
	ck_assert_int_eq(hear_answer(fd, false), 200);
	ck_assert_ptr_nonnull(strstr(body(), "lb_workers 1\n"));
	ck_assert_int_eq(hear_answer(fd, false), 404);
	ck_assert_int_eq(hear_answer(fd, false), 200);
	ck_assert_int_eq(*body(), '{');
	ck_assert_int_eq(hear_answer(fd, false), 200);
	ck_assert_int_eq(hear_answer(fd, false), 200);
	ck_assert_ptr_null(strstr(answer, "Connection: close"));
	ck_assert_int_eq(hear_answer(fd, false), 200);
	ck_assert_ptr_nonnull(strstr(answer, "Connection: close"));
	ck_assert(is_closed(fd));
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(head_says_the_length_and_sends_no_body)
{
	int fd;

	begin(_i, 8);
	fd = client_saying("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
			   "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n" GET("/livez"));
	ck_assert_int_eq(hear_answer(fd, true), 200);
	ck_assert_uint_gt(body_length(), 1000);
	ck_assert_int_eq(hear_answer(fd, true), 200);
	ck_assert_uint_eq(body_length(), 3);
	ck_assert_int_eq(hear_answer(fd, false), 200);
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(what_is_not_understood_is_refused)
{
	static const struct {
		const char *request;
		int status;
		bool closes;
	} rows[] = {
		{ "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405, false },
		{ "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405, false },
		{ "get /livez HTTP/1.1\r\nHost: x\r\n\r\n", 405, false },
		{ "DELETE /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, false },
		{ "POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405, true },
		{ "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405, true },
		{ "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 200, false },
		{ "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 413, true },
		{ "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 413,
			true },
		{ "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: "
		  "2\r\n\r\n",
			400, true },
		{ "GET /livez HTTP/1.1\r\n\r\n", 400, true },
		{ "GET /livez HTTP/2.0\r\nHost: x\r\n\r\n", 505, true },
		{ "GET /livez HTTP/1.0\r\n\r\n", 200, true },
		{ "GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, true },
		{ "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, true },
		{ "\x16\x03\x01\r\n\r\n", 400, true },
		{ "\r\n\r\n", 400, true },
		{ "GET /livez HTTP/1.1\nHost: x\n\n", 400, true },
	};

	begin(_i, 8);
	for (size_t i = 0; i < N(rows); i++) {
		int fd = client_saying(rows[i].request);
		int status = hear_answer(fd, false);

		ck_assert_msg(status == rows[i].status, "row %zu: %s", i, answer);
		ck_assert_msg(
			(status == 405) == (strstr(answer, "\r\nAllow: GET, HEAD\r\n") != NULL),
			"row %zu: %s", i, answer);
		ck_assert_msg(
			rows[i].closes == (strstr(answer, "\r\nConnection: close\r\n") != NULL),
			"row %zu: %s", i, answer);
		ck_assert_msg(rows[i].closes ? is_closed(fd) : is_open(fd), "row %zu", i);
		fd_close(&fd);
	}
	end();
}
END_TEST

START_TEST(a_head_that_does_not_fit_is_refused)
{
	static char request[ADMIN_HEAD_MAX + 64];
	size_t n;
	int fd;

	begin(_i, 8);
	/* Exactly as much as fits is fine. */
	n = (size_t)sprintf(request, "GET /livez HTTP/1.1\r\nHost: x\r\nX: ");
	memset(request + n, 'x', ADMIN_HEAD_MAX - n);
	strcpy(request + ADMIN_HEAD_MAX - 4, "\r\n\r\n");
	fd = client_saying(request);
	ck_assert_int_eq(hear_answer(fd, false), 200);
	fd_close(&fd);

	memset(request + n, 'x', ADMIN_HEAD_MAX - n);
	fd = client_saying(request);
	ck_assert_int_eq(hear_answer(fd, false), 431);
	ck_assert(is_closed(fd));
	fd_close(&fd);

	memset(request, 'x', ADMIN_HEAD_MAX);
	request[ADMIN_HEAD_MAX] = '\0';
	fd = client_saying(request);
	ck_assert_int_eq(hear_answer(fd, false), 414);
	fd_close(&fd);

	n = (size_t)sprintf(request, "GET /livez HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 300; i++)
		n += (size_t)sprintf(request + n, "X: %d\r\n", i);
	strcpy(request + n, "\r\n");
	fd = client_saying(request);
	ck_assert_int_eq(hear_answer(fd, false), 431);
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(an_answer_survives_what_the_client_goes_on_sending)
{
	static char flood[64 << 10];
	int fd;

	begin(_i, 8);
	memset(flood, 'f', sizeof(flood));
	fd = client_saying("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n");
	sock_send(fd, flood, sizeof(flood));
	turn_until_quiet();
	sock_send(fd, flood, sizeof(flood));
	ck_assert_int_eq(hear_answer(fd, false), 405);
	ck_assert(is_closed(fd));
	/* It has seen the end; when it does not close, we do. */
	let_limits_pass();
	ck_assert_int_eq(poller_watched(poller), 1);
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(a_half_closed_client_gets_its_answers)
{
	int fd;

	begin(_i, 8);
	fd = client_saying(GET("/livez") GET("/metrics") GET("/readyz"));
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(hear_answer(fd, false), 200);
	ck_assert(is_closed(fd));
	fd_close(&fd);
	end();
}
END_TEST

static void
begin_with_big_page(int engine)
{
	char url[64];

	begin(engine, 1000);
	for (unsigned i = 2; i < 1000; i++) {
		snprintf(url, sizeof(url), "http://10.0.%u.%u:80", i / 256, i % 256);
		ck_assert_int_ge(backend_assign(&world.shm, url, 1, 1), 0);
	}
}

static int
slow_client(void)
{
	int small = 4096, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	ck_assert_int_eq(connect(fd, &at.sa, at.len), 0);
	fd_nonblocking(fd);
	say(fd, GET("/metrics") GET("/livez"));
	return fd;
}

START_TEST(a_slow_client_holds_up_nobody_and_gets_all)
{
	int slow, fast;

	begin_with_big_page(_i);
	/* The kernel would swallow the page whole otherwise. */
	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &(int){ 16384 }, sizeof(int));
	slow = slow_client();
	turn_until_quiet();
	fast = client_saying(GET("/livez"));
	ck_assert_int_eq(hear_answer(fast, false), 200);
	ck_assert_int_eq(hear_answer(slow, false), 200);
	ck_assert_uint_gt(body_length(), 1 << 20);
	ck_assert_ptr_nonnull(strstr(body(), "\nprocess_start_time_seconds "));
	ck_assert_int_eq(hear_answer(slow, false), 200);
	ck_assert_str_eq(body(), "ok\n");
	fd_close(&slow);
	fd_close(&fast);
	end();
}
END_TEST

START_TEST(a_client_that_takes_nothing_is_cut_and_told_so)
{
	ssize_t n;
	size_t total = 0;
	int slow;

	begin_with_big_page(_i);
	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &(int){ 16384 }, sizeof(int));
	slow = slow_client();
	turn_until_quiet();
	ck_assert_uint_eq(poller_watched(poller), 2);
	let_limits_pass();
	ck_assert_uint_eq(poller_watched(poller), 1);
	while ((n = receive(slow, answer, sizeof(answer))) > 0)
		total += (size_t)n;
	ck_assert_int_eq(n, -ECONNRESET);
	ck_assert_uint_lt(total, 1 << 20);
	fd_close(&slow);
	end();
}
END_TEST

START_TEST(silent_and_half_said_connections_end_with_the_limit)
{
	static const char *const rows[] = { "", "GET /li", GET("/livez"), GET("/livez") "GET /" };

	begin(_i, 8);
	for (size_t i = 0; i < N(rows); i++) {
		int fd = client_saying(rows[i]);

		if (strstr(rows[i], "\r\n\r\n") != NULL)
			ck_assert_int_eq(hear_answer(fd, false), 200);
		ck_assert_msg(is_open(fd), "row %zu", i);
		ck_assert_uint_eq(poller_watched(poller), 2);
		let_limits_pass();
		ck_assert_msg(is_closed(fd), "row %zu", i);
		ck_assert_uint_eq(poller_watched(poller), 1);
		fd_close(&fd);
	}
	end();
}
END_TEST

enum { CROWD = 40, OVER = CROWD - ADMIN_CONNECTIONS_MAX };

START_TEST(the_longest_idle_makes_room)
{
	int fds[CROWD];

	begin(_i, 8);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = client_saying(GET("/livez"));
		ck_assert_int_eq(hear_answer(fds[i], false), 200);
	}
	ck_assert_uint_eq(poller_watched(poller), ADMIN_CONNECTIONS_MAX + 1);
	for (int i = 0; i < OVER; i++)
		ck_assert_msg(is_closed(fds[i]), "%d", i);
	for (int i = OVER; i < CROWD; i++) {
		say(fds[i], GET("/metrics"));
		ck_assert_int_eq(hear_answer(fds[i], false), 200);
	}
	for (int i = 0; i < CROWD; i++)
		fd_close(&fds[i]);
	end();
}
END_TEST

START_TEST(a_crowd_at_once_is_answered_one_by_one)
{
	int fds[CROWD];

	begin(_i, 8);
	for (int i = 0; i < CROWD; i++)
		fds[i] = client_saying(
			"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < CROWD; i++) {
		ck_assert_int_eq(hear_answer(fds[i], false), 200);
		fd_close(&fds[i]);
	}
	end();
}
END_TEST

START_TEST(half_requests_do_not_lock_others_out)
{
	int fds[CROWD], fd;

	begin(_i, 8);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = client_saying("GET /livez HT");
		turn_until_quiet();
	}
	fd = client_open();
	turn_until_quiet();
	say(fd, GET("/livez"));
	ck_assert_int_eq(hear_answer(fd, false), 200);
	ck_assert_uint_eq(poller_watched(poller), ADMIN_CONNECTIONS_MAX + 1);
	for (int i = 0; i < CROWD; i++)
		fd_close(&fds[i]);
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(clients_that_take_nothing_do_not_lock_others_out)
{
	int fds[ADMIN_CONNECTIONS_MAX], fd;

	begin_with_big_page(_i);
	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &(int){ 16384 }, sizeof(int));
	for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
		fds[i] = slow_client();
		turn_until_quiet();
	}
	ck_assert_uint_eq(poller_watched(poller), ADMIN_CONNECTIONS_MAX + 1);
	fd = client_saying(GET("/livez"));
	ck_assert_int_eq(hear_answer(fd, false), 200);
	fd_close(&fd);
	for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
		fd_close(&fds[i]);
	end();
}
END_TEST

START_TEST(one_page_is_written_per_turn)
{
	enum { WAITING = 5 };
	int fds[WAITING];
	char octet;

	begin(_i, 8);
	for (int i = 0; i < WAITING; i++) {
		fds[i] = client_open();
		turn_until_quiet();
	}
	for (int i = 0; i < WAITING; i++)
		say(fds[i], GET("/metrics"));
	for (int turns = 1; turns <= WAITING; turns++) {
		int answered = 0;

		turn(0);
		for (int i = 0; i < WAITING; i++)
			answered += recv(fds[i], &octet, 1, MSG_PEEK) == 1;
		ck_assert_int_eq(answered, turns);
	}
	for (int i = 0; i < WAITING; i++)
		fd_close(&fds[i]);
	end();
}
END_TEST

START_TEST(an_unserved_listener_keeps_its_connections)
{
	int old, fresh;

	begin(_i, 8);
	old = client_saying(GET("/livez"));
	ck_assert_int_eq(hear_answer(old, false), 200);
	admin_unserve(admin, listener);
	fresh = client_saying(GET("/livez"));
	ck_assert(is_open(fresh));
	say(old, GET("/livez"));
	ck_assert_int_eq(hear_answer(old, false), 200);
	ck_assert_int_eq(admin_serve(admin, listener, false), 0);
	ck_assert_int_eq(hear_answer(fresh, false), 200);
	fd_close(&old);
	fd_close(&fresh);
	end();
}
END_TEST

START_TEST(listeners_are_bounded)
{
	int others[ADMIN_LISTENERS_MAX];
	struct addr any;

	begin(_i, 8);
	ck_assert_ptr_null(addr_parse_listen(&any, "127.0.0.1:0"));
	for (int i = 0; i < ADMIN_LISTENERS_MAX; i++) {
		others[i] = sock_listen(&any, 8, 0);
		ck_assert_int_ge(others[i], 0);
		ck_assert_int_eq(admin_serve(admin, others[i], false),
			i < ADMIN_LISTENERS_MAX - 1 ? 0 : -ENOSPC);
	}
	for (int i = 0; i < ADMIN_LISTENERS_MAX; i++) {
		admin_unserve(admin, others[i]);
		fd_close(&others[i]);
	}
	end();
}
END_TEST

START_TEST(without_descriptors_it_waits_and_comes_back)
{
	struct rlimit before, none;
	int fd;

	begin(_i, 8);
	fd = client_saying(GET("/livez"));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3; /* what is open stays open, nothing more can be opened */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn_until_quiet(); /* does not spin */
	ck_assert_uint_eq(poller_watched(poller), 1);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	let_limits_pass();
	ck_assert_int_eq(hear_answer(fd, false), 200);
	fd_close(&fd);
	end();
}
END_TEST

/* Another user's request over the Unix socket: its answer's first line, or nothing. */
static void
ask_as(uid_t uid, const struct addr *local, int to)
{
	char said[16];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ssize_t n;

	if (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0 ||
		connect(fd, &local->sa, local->len) < 0 || write(to, "c", 1) != 1)
		_exit(2);
	if (send(fd, GET("/livez"), strlen(GET("/livez")), MSG_NOSIGNAL) < 0)
		_exit(1);
	n = read(fd, said, sizeof(said));
	_exit(n > 12 && memcmp(said, "HTTP/1.1 200", 12) == 0 ? 0 : 1);
}

static int
status_of_asking_as(uid_t uid, const struct addr *local)
{
	int status = -1, pipe_fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(pipe_fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		ask_as(uid, local, pipe_fds[1]);
	for (int i = 0; i < TURNS_MAX * 5 && waitpid(pid, &status, WNOHANG) == 0; i++)
		turn(1);
	fd_close(&pipe_fds[0]);
	fd_close(&pipe_fds[1]);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(strangers_are_refused_at_the_unix_socket)
{
	static const struct {
		uid_t uid, worker_uid;
		int status;
	} rows[] = {
		{ 65533, 65534, 1 },
		{ 65534, 65534, 0 },
		{ 0, 65534, 0 },
	};
	char dir[] = "/tmp/ballast-unit-XXXXXX", path[64];
	struct addr local;
	int fd, own;

	begin(_i, 8);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/sock", dir);
	ck_assert_ptr_null(addr_parse_unix(&local, path));
	fd = sock_listen(&local, 8, 0666);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(admin_serve(admin, fd, true), 0);
	own = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(own, &local.sa, local.len), 0);
	say(own, GET("/livez"));
	ck_assert_int_eq(hear_answer(own, false), 200);
	for (size_t i = 0; geteuid() == 0 && i < N(rows); i++) {
		world.view.worker_uid = rows[i].worker_uid;
		ck_assert_msg(
			status_of_asking_as(rows[i].uid, &local) == rows[i].status, "row %zu", i);
	}
	admin_unserve(admin, fd);
	fd_close(&fd);
	fd_close(&own);
	unlink(path);
	rmdir(dir);
	end();
}
END_TEST

START_TEST(a_child_leaves_the_masters_connections_alone)
{
	int fd, status;
	pid_t pid;

	begin(_i, 8);
	fd = client_saying(GET("/livez"));
	ck_assert_int_eq(hear_answer(fd, false), 200);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		admin_close_in_child(admin);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	say(fd, GET("/metrics"));
	ck_assert_int_eq(hear_answer(fd, false), 200);
	fd_close(&fd);
	end();
}
END_TEST

START_TEST(it_ends_with_work_in_every_state)
{
	int fds[4];

	begin_with_big_page(_i);
	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &(int){ 16384 }, sizeof(int));
	fds[0] = slow_client();
	turn_until_quiet();
	fds[1] = client_saying("GET /");
	fds[2] = client_saying("nonsense\r\n\r\n");
	turn_until_quiet();
	fds[3] = client_saying(GET("/metrics"));
	turn(0);
	end();
	for (int i = 0; i < 4; i++)
		fd_close(&fds[i]);
}
END_TEST

static void
add(TCase *t, const TTest *test)
{
	tcase_add_loop_test(t, test, 0, 2); /* on both engines */
}

int
main(void)
{
	Suite *s = suite_create("admin");
	TCase *t = tcase_create("admin");

	tcase_set_timeout(t, 60);
	add(t, every_path_has_its_answer);
	add(t, readiness_and_liveness_turn_503);
	add(t, a_request_may_come_octet_by_octet);
	add(t, pipelined_requests_are_answered_in_order);
	add(t, head_says_the_length_and_sends_no_body);
	add(t, what_is_not_understood_is_refused);
	add(t, a_head_that_does_not_fit_is_refused);
	add(t, an_answer_survives_what_the_client_goes_on_sending);
	add(t, a_half_closed_client_gets_its_answers);
	add(t, a_slow_client_holds_up_nobody_and_gets_all);
	add(t, a_client_that_takes_nothing_is_cut_and_told_so);
	add(t, silent_and_half_said_connections_end_with_the_limit);
	add(t, the_longest_idle_makes_room);
	add(t, a_crowd_at_once_is_answered_one_by_one);
	add(t, half_requests_do_not_lock_others_out);
	add(t, clients_that_take_nothing_do_not_lock_others_out);
	add(t, one_page_is_written_per_turn);
	add(t, an_unserved_listener_keeps_its_connections);
	add(t, listeners_are_bounded);
	/* valgrind accepts beyond the limit, closes, and then says EMFILE: no kernel does so. */
	if (getenv("VALGRIND_LOGS") == NULL)
		add(t, without_descriptors_it_waits_and_comes_back);
	add(t, strangers_are_refused_at_the_unix_socket);
	add(t, a_child_leaves_the_masters_connections_alone);
	add(t, it_ends_with_work_in_every_state);
	suite_add_tcase(s, t);
	return unit_main(s);
}
