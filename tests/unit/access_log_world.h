/*
 * A proxy with one exchange that is over and may have a line in the access log,
 * which is a pipe that the test reads.  Time is given, never waited for.
 */
#ifndef BALLAST_TESTS_UNIT_ACCESS_LOG_WORLD_H
#define BALLAST_TESTS_UNIT_ACCESS_LOG_WORLD_H

#include "../../src/proxy/private.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define N(table) (sizeof(table) / sizeof((table)[0]))

#define START_US UINT64_C(5000000000)

static struct proxy proxy;
static struct config config;
static struct timeouts timeouts;
static struct slot slot;
static struct target targets[2];
static struct client client;
static struct note note;
static struct exchange exchange;
static int ends[2]; /* of the pipe that lines go to, [0] being read */

static inline struct ip
ip_of(const char *text)
{
	struct ip ip;

	ck_assert(ip_parse(&ip, text, strlen(text)));
	return ip;
}

static inline void
note_set(struct note_text *t, const char *text, size_t n)
{
	t->n = (uint16_t)n;
	memcpy(t->text, text, n);
}

static inline void
note_begin(void)
{
	static const char uri[] = "/a?b=\"c\"\\\x01\xff";

	memset(&note, 0, sizeof(note));
	note.uri_n = sizeof(uri) - 1;
	memcpy(note.uri, uri, sizeof(uri) - 1);
	note_set(&note.method, "GET", 3);
	note_set(&note.host, "shop.example", 12);
	note_set(&note.user_agent, "Mozilla/5.0 (X11; \xe2\x82\xac)", 22);
}

static inline void
set_up(void)
{
	memset(&proxy, 0, sizeof(proxy));
	memset(&exchange, 0, sizeof(exchange));
	memset(&client, 0, sizeof(client));
	timeouts_init(&timeouts);
	timeouts_set(&timeouts, LIMIT_ACCESS_LOG, LOG_LATE_US);
	targets[0].url = "http://10.0.0.1:8080";
	targets[1].url = "http://[2001:db8::1]:8080";
	atomic_store(&slot.number, 7);
	proxy.config = &config;
	proxy.timeouts = &timeouts;
	proxy.slot = &slot;
	proxy.targets = targets;
	proxy.now_us = START_US;
	proxy.log = malloc(LOG_BATCH);
	client.ip = ip_of("192.0.2.7");
	client.ip_text_n = (uint8_t)ip_text(&client.ip, client.ip_text);
	client.port = 40000;
	note_begin();
	exchange = (struct exchange){ .proxy = &proxy,
		.client = &client,
		.note = &note,
		.ip = client.ip,
		.minor = 1,
		.status = 200,
		.attempts = 1,
		.bytes_in = 90,
		.bytes_out = 1234,
		.t_start = START_US - 2500 };
	memcpy(exchange.request_id, "0123456789abcdef0123456789abcdef", 32);
	ck_assert_int_eq(pipe2(ends, O_DIRECT | O_CLOEXEC), 0);
	ck_assert_int_eq(
		fd_nonblocking(ends[0]), 0); /* the other end may be anybody's: it blocks */
	access_log_open(&proxy, ends[1]);
}

static inline void
tear_down(void)
{
	close(ends[0]);
	close(ends[1]);
	free(proxy.log);
}

static inline const char *
made(char *(*format)(char *, const struct exchange *))
{
	static char line[LOG_LINE_MAX + 1];

	*format(line, &exchange) = '\0';
	return line;
}

static inline void
note_fill(void)
{
	struct note_text *texts[] = { &note.method, &note.host, &note.user_agent, &note.referer,
		&note.request_id };

	note.uri_n = NOTE_URI;
	memset(note.uri, '\x01', NOTE_URI);
	for (size_t i = 0; i < N(texts); i++) {
		texts[i]->n = NOTE_TEXT;
		memset(texts[i]->text, '\xff', NOTE_TEXT);
	}
}

#endif
