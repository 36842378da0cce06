/*
 * The access log: a line for each exchange that is over, and when lines are written.  Runs in workers.
 * Owns the batch, not the descriptor.  What a client sent is escaped.  There is no printf here: its
 * conversions alone would cost twice what all the rest of a request does.
 *
 * A line that comes after a quiet time is written at the end of its turn.  Those that follow on its heels
 * gather until they are LOG_FULL octets, or the oldest has waited for LOG_LATE_US, by a timer in case
 * nothing else wakes the worker.  So a worker that is killed takes the lines of its last LOG_LATE_US with
 * it; one that ends in any other way, or is given another file, writes what it has.
 * Invariants: the batch holds whole lines and has room for one more; log_late is armed while lines wait, only.
 */
#include "private.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "ballast/base/log.h"
#include "decimal.h"

enum {
	NOTE_MAX = NOTE_URI + 5 * NOTE_TEXT,
	URL_MAX = 1024, /* of a backend's URL, escaped */
	REST_MAX = 768, /* names, numbers and punctuation */
	JSON_ESCAPE = sizeof("\\u00ff") - 1,
	LINE_NEEDS = JSON_ESCAPE * NOTE_MAX + URL_MAX + REST_MAX,
	/* A pipe keeps only PIPE_BUF octets together: it is written to while the last line is likely to fit in. */
	PIPE_FULL = PIPE_BUF - 1024,
};
_Static_assert((int)LINE_NEEDS <= (int)LOG_LINE_MAX, "no line is cut");

static const struct note no_note;

static const struct note *
note_of(const struct exchange *x)
{
	return x->note != NULL ? x->note : &no_note;
}

/* ---- text; each call returns its end */

static inline char *
put(char *at, const char *text, size_t n)
{
	memcpy(at, text, n);
	return at + n;
}

/* Of a literal; a few moves, when its length is known here. */
static inline __attribute__((always_inline)) char *
put_text(char *at, const char *literal)
{
	return put(at, literal, strlen(literal));
}

static char *
put_escaped(char *at, const char *text, size_t n)
{
	size_t plain = log_copy_plain(
		at, text, n); /* nearly always all of it, and then one call is enough */

	at += plain;
	n -= plain;
	return n == 0 ? at : at + log_escape_json(at, JSON_ESCAPE * n, text + plain, n);
}

static char *
put_ip(char *at, const struct exchange *x)
{
	const struct client *c = x->client;

	if (memcmp(&x->ip, &c->ip, sizeof(x->ip)) != 0)
		return at + ip_text(&x->ip, at);
	memcpy(at, c->ip_text, sizeof(c->ip_text)); /* of a fixed length: a few moves */
	return at + c->ip_text_n;
}

/* ---- JSON */

static uint64_t
time_between(uint64_t from, uint64_t to)
{
	return from != 0 && to > from ? to - from : 0;
}

static char *
put_request_id(char *at, const struct exchange *x)
{
	const struct note_text *given = &note_of(x)->request_id;

	return given->n > 0 ? put_escaped(at, given->text, given->n)
			    : put(at, x->request_id, sizeof(x->request_id));
}

static char *
put_request(char *at, const struct exchange *x)
{
	const struct note *n = note_of(x);

	at = put_text(at, "{\"ts\":");
	at = decimal_put_seconds(at, proxy_wall_us(x->proxy));
	at = put_text(at, ",\"request_id\":\"");
	at = put_request_id(at, x);
	at = put_text(at, "\",\"client_ip\":\"");
	at = put_ip(at, x);
	at = put_text(at, "\",\"client_port\":");
	at = decimal_put(at, x->client->port);
	at = put_text(at, ",\"method\":\"");
	at = put_escaped(at, n->method.text, n->method.n);
	at = put_text(at, "\",\"host\":\"");
	at = put_escaped(at, n->host.text, n->host.n);
	at = put_text(at, "\",\"uri\":\"");
	at = put_escaped(at, n->uri, n->uri_n);
	at = put_text(at, "\",\"proto\":\"HTTP/1.");
	return decimal_put(at, x->minor);
}

static char *
put_backend(char *at, const struct exchange *x)
{
	const char *url = x->attempts > 0 ? x->proxy->targets[x->target].url : "none";

	at = put_text(at, ",\"backend\":\"");
	at += log_escape_json(at, URL_MAX, url, strlen(url));
	at = put_text(at, "\",\"attempts\":");
	return decimal_put(at, x->attempts);
}

static char *
put_response(char *at, const struct exchange *x)
{
	at = put_text(at, "\",\"status\":");
	at = decimal_put(at, (unsigned)x->status);
	at = put_text(at, ",\"bytes_in\":");
	at = decimal_put(at, x->bytes_in + x->up.bytes);
	at = put_text(at, ",\"bytes_out\":");
	at = decimal_put(at, x->bytes_out);
	at = put_backend(at, x);
	at = put_text(at, ",\"t_total\":");
	at = decimal_put_seconds(at, time_between(x->t_start, x->proxy->now_us));
	at = put_text(at, ",\"t_connect\":");
	at = decimal_put_seconds(at, time_between(x->t_picked, x->t_connected));
	at = put_text(at, ",\"t_first_byte\":");
	return decimal_put_seconds(at, time_between(x->t_start, x->t_first_byte));
}

char *
access_log_json(char *at, const struct exchange *x)
{
	const struct note *n = note_of(x);

	at = put_request(at, x);
	at = put_response(at, x);
	at = put_text(at, ",\"flags\":\"");
	at = stpcpy(at, failure_row((enum failure)x->failure)->flag);
	at = put_text(at, "\",\"worker\":");
	at = decimal_put(at, atomic_load_explicit(&x->proxy->slot->number, memory_order_relaxed));
	at = put_text(at, ",\"user_agent\":\"");
	at = put_escaped(at, n->user_agent.text, n->user_agent.n);
	at = put_text(at, "\",\"referer\":\"");
	at = put_escaped(at, n->referer.text, n->referer.n);
	return put_text(at, "\"}\n");
}

/* ---- combined */

/* \xHH stands for what is not printable, and for quote and backslash. */
static char *
put_quotable(char *at, const char *text, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0;; i++) {
		size_t plain = log_copy_plain(at, text + i, n - i);

		at += plain;
		i += plain;
		if (i == n)
			return at;
		at = put_text(at, "\\x");
		*at++ = hex[(unsigned char)text[i] >> 4];
		*at++ = hex[(unsigned char)text[i] & 15];
	}
}

static char *
put_quotable_or_dash(char *at, const struct note_text *t)
{
	return t->n > 0 ? put_quotable(at, t->text, t->n) : put_text(at, "-");
}

/* Made once a second. */
static char *
put_date(char *at, struct proxy *p)
{
	uint64_t now_s = proxy_wall_us(p) / 1000000;
	time_t now = (time_t)now_s;
	struct tm tm;

	if (now_s != p->log_date_s) {
		localtime_r(&now, &tm);
		p->log_date_n =
			strftime(p->log_date, sizeof(p->log_date), "%d/%b/%Y:%H:%M:%S %z", &tm);
		p->log_date_s = now_s;
	}
	return put(at, p->log_date, p->log_date_n);
}

char *
access_log_combined(char *at, const struct exchange *x)
{
	const struct note *n = note_of(x);

	at = put_ip(at, x);
	at = put_text(at, " - - [");
	at = put_date(at, x->proxy);
	at = put_text(at, "] \"");
	at = put_quotable(at, n->method.text, n->method.n);
	*at++ = ' ';
	at = put_quotable(at, n->uri, n->uri_n);
	at = put_text(at, " HTTP/1.");
	at = decimal_put(at, x->minor);
	at = put_text(at, "\" ");
	at = decimal_put(at, (unsigned)x->status);
	*at++ = ' ';
	at = decimal_put(at, x->bytes_out);
	at = put_text(at, " \"");
	at = put_quotable_or_dash(at, &n->referer);
	at = put_text(at, "\" \"");
	at = put_quotable_or_dash(at, &n->user_agent);
	return put_text(at, "\"\n");
}

/* ---- the batch */

void
access_log_add(struct exchange *x)
{
	struct proxy *p = x->proxy;
	char *at = p->log + p->log_n;

	at = p->config->access_log.format == ACCESS_JSON ? access_log_json(at, x)
							 : access_log_combined(at, x);
	p->log_n = (size_t)(at - p->log);
	if (p->log_n >= (p->log_is_pipe ? PIPE_FULL : LOG_FULL))
		access_log_flush(p);
	else if (!timer_is_armed(&p->log_late))
		timer_arm(p->timeouts, &p->log_late, LIMIT_ACCESS_LOG, p->now_us);
}

/*
 * How much of the batch one write takes.  A file takes all of it.  A pipe is shared with the other workers
 * and keeps only PIPE_BUF octets together: whole lines up to that, and none when its reader does not read.
 */
static size_t
writable_now(const struct proxy *p, size_t done)
{
	size_t n = p->log_n - done;
	const char *from = p->log + done;
	const char *end;

	if (!p->log_is_pipe)
		return n;
	if (n > PIPE_BUF) {
		end = memrchr(from, '\n', PIPE_BUF);
		if (end == NULL)
			end = memchr(from, '\n', n); /* one long line */
		n = (size_t)(end - from) + 1;
	}
	return fd_takes(p->log_fd, n) ? n : 0;
}

/* A full disk, a reader that is gone or stuck loses lines, never requests. */
void
access_log_flush(struct proxy *p)
{
	size_t done = 0;

	while (p->log_fd >= 0 && done < p->log_n) {
		size_t want = writable_now(p, done);
		ssize_t n = want > 0 ? write(p->log_fd, p->log + done, want) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	p->log_n = 0;
	p->log_written_us = p->now_us;
	timer_disarm(&p->log_late);
}

static void
late(struct timer *t)
{
	access_log_flush(OWNER(t, struct proxy, log_late));
}

void
access_log_turn_over(struct proxy *p)
{
	if (p->log_n > 0 && p->now_us - p->log_written_us >= LOG_LATE_US)
		access_log_flush(p);
}

void
access_log_open(struct proxy *p, int fd)
{
	p->log_fd = fd;
	p->log_is_pipe = fd >= 0 && !fd_is_file(fd);
	p->log_late.expired = late;
}
