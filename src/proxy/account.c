/*
 * Facts become counters and the access-log line.  Lines are gathered and written
 * with one write per turn of the loop; what the client sent is escaped.  Nothing is formatted when
 * nobody reads it: without an access log only counters move.
 */
#include "private.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_CLIENT_LEFT = 499 }; /* nothing was sent to it; the number is nginx's */

/* xorshift128+ (Vigna 2014), seeded by the kernel: unique, not secret. */
static uint64_t
random_next(uint64_t s[2])
{
	uint64_t a = s[0], b = s[1];

	s[0] = b;
	a ^= a << 23;
	s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return s[1] + b;
}

void
request_id_make(struct proxy *p, char out[32])
{
	static const char hex[] = "0123456789abcdef";

	for (int half = 0; half < 2; half++) {
		uint64_t r = random_next(p->random);

		for (int i = 0; i < 16; i++, r >>= 4)
			*out++ = hex[r & 15];
	}
}

static void
note_text(struct note_text *n, struct span s)
{
	n->n = (uint16_t)(s.n < NOTE_TEXT ? s.n : NOTE_TEXT);
	if (n->n > 0)
		memcpy(n->text, s.p, n->n);
}

static struct span
value_of(const struct head *h, enum name_id id)
{
	const struct field *f = head_first(h, id);

	return f != NULL ? f->value : (struct span){ NULL, 0 };
}

static void
note_request_id(struct exchange *x, const struct head *h)
{
	struct span given = x->trusted ? value_of(h, NAME_X_REQUEST_ID) : (struct span){ NULL, 0 };

	note_text(&x->note->request_id,
		given.n > 0 ? given : (struct span){ x->request_id, sizeof(x->request_id) });
}

void
account_note(struct exchange *x, const struct head *h)
{
	struct proxy *p = x->proxy;
	struct note *n;

	if (p->log_fd < 0)
		return;
	n = x->note = slab_take(&p->notes);
	if (n == NULL)
		return;
	n->uri_n = (uint16_t)(h->target.n < NOTE_URI ? h->target.n : NOTE_URI);
	memcpy(n->uri, h->target.p, n->uri_n);
	note_text(&n->method, h->method_text);
	note_text(&n->host, h->host);
	note_text(&n->user_agent, value_of(h, NAME_USER_AGENT));
	note_text(&n->referer, value_of(h, NAME_REFERER));
	note_request_id(x, h);
}

void
account_note_line(struct exchange *x, struct span head)
{
	struct proxy *p = x->proxy;
	const char *end = memchr(head.p, '\n', head.n);
	struct span line = { head.p, end != NULL ? (size_t)(end - head.p) : head.n };
	const char *space = memchr(line.p, ' ', line.n);
	struct note *n = p->log_fd >= 0 ? slab_take(&p->notes) : NULL;

	/* A refused HEAD, too, is answered without content (RFC 9110 9.3.2). */
	if (space != NULL)
		x->method = (uint8_t)method_lookup(span_between(line.p, space));
	if (n == NULL)
		return;
	x->note = n;
	n->uri_n = n->method.n = n->host.n = n->user_agent.n = n->referer.n = 0;
	note_text(&n->request_id, (struct span){ x->request_id, sizeof(x->request_id) });
	if (space == NULL)
		return;
	note_text(&n->method, span_between(line.p, space));
	line = span_trim(span_between(space, line.p + line.n));
	space = memchr(line.p, ' ', line.n);
	line.n = space != NULL ? (size_t)(space - line.p) : line.n;
	n->uri_n = (uint16_t)(line.n < NOTE_URI ? line.n : NOTE_URI);
	memcpy(n->uri, line.p, n->uri_n);
}

/* ---- one line */

struct line {
	char *at;
	char *end; /* room for the closing octets stays behind it */
};

static void put(struct line *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
put(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->at, (size_t)(l->end - l->at), fmt, ap);
	va_end(ap);
	l->at += n < l->end - l->at ? n : 0;
}

static void
put_json(struct line *l, const char *name, const char *text, size_t n)
{
	put(l, ",\"%s\":\"", name);
	l->at += log_escape_json(l->at, (size_t)(l->end - l->at), text, n);
	put(l, "\"");
}

/* Combined format: \xHH for what is not printable, and for quote and backslash. */
static void
put_quoted(struct line *l, const char *text, size_t n)
{
	put(l, "\"");
	for (size_t i = 0; i < n && l->end - l->at > 8; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			put(l, "\\x%02X", c);
		else
			*l->at++ = (char)c;
	}
	put(l, "\"");
}

static double
seconds_between(uint64_t from, uint64_t to)
{
	return from != 0 && to > from ? (double)(to - from) / 1e6 : 0.0;
}

static const struct note no_note;

static const char *
target_url(const struct exchange *x)
{
	return x->attempts > 0 ? x->proxy->targets[x->target].url : "none";
}

static const char *
flag_of(const struct exchange *x)
{
	return failure_row((enum failure)x->failure)->flag;
}

static void
put_line_json(struct line *l, const struct exchange *x, const struct note *n)
{
	struct proxy *p = x->proxy;
	uint64_t wall = proxy_wall_us(p);
	char ip[IP_TEXT];
	size_t ip_n = ip_text(&x->ip, ip);

	put(l, "{\"ts\":%llu.%06llu", (unsigned long long)(wall / 1000000),
		(unsigned long long)(wall % 1000000));
	put_json(l, "request_id", n->request_id.text, n->request_id.n);
	put_json(l, "client_ip", ip, ip_n);
	put(l, ",\"client_port\":%u", x->client->port);
	put_json(l, "method", n->method.text, n->method.n);
	put_json(l, "host", n->host.text, n->host.n);
	put_json(l, "uri", n->uri, n->uri_n);
	put(l, ",\"proto\":\"HTTP/1.%u\",\"status\":%d", x->minor, x->status);
	put(l, ",\"bytes_in\":%llu,\"bytes_out\":%llu",
		(unsigned long long)(x->bytes_in + x->up.bytes), (unsigned long long)x->bytes_out);
	put_json(l, "backend", target_url(x), strlen(target_url(x)));
	put(l, ",\"attempts\":%u,\"t_total\":%.6f", x->attempts,
		seconds_between(x->t_start, p->now_us));
	put(l, ",\"t_connect\":%.6f,\"t_first_byte\":%.6f",
		seconds_between(x->t_picked, x->t_connected),
		seconds_between(x->t_start, x->t_first_byte));
	put(l, ",\"flags\":\"%s\",\"worker\":%u", flag_of(x), atomic_load(&p->slot->number));
	put_json(l, "user_agent", n->user_agent.text, n->user_agent.n);
	put_json(l, "referer", n->referer.text, n->referer.n);
	l->end += 4;
	put(l, "}\n");
}

static void
put_line_combined(struct line *l, const struct exchange *x, const struct note *n)
{
	time_t now = (time_t)(proxy_wall_us(x->proxy) / 1000000);
	char ip[IP_TEXT], when[64], request[NOTE_URI + NOTE_TEXT + 16];
	struct tm tm;
	int request_n;

	ip_text(&x->ip, ip);
	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S %z", &tm);
	request_n = snprintf(request, sizeof(request), "%.*s %.*s HTTP/1.%u", n->method.n,
		n->method.text, n->uri_n, n->uri, x->minor);
	put(l, "%s - - [%s] ", ip, when);
	put_quoted(l, request, (size_t)request_n);
	put(l, " %d %llu ", x->status, (unsigned long long)x->bytes_out);
	put_quoted(l, n->referer.n ? n->referer.text : "-", n->referer.n ? n->referer.n : 1);
	put(l, " ");
	put_quoted(l, n->user_agent.n ? n->user_agent.text : "-",
		n->user_agent.n ? n->user_agent.n : 1);
	l->end += 4;
	put(l, "\n");
}

static void
log_line(struct exchange *x)
{
	struct proxy *p = x->proxy;
	const struct note *n = x->note != NULL ? x->note : &no_note;
	struct line l;

	if (LOG_BATCH - p->log_n < LOG_LINE_MAX)
		account_flush(p);
	l = (struct line){ p->log + p->log_n, p->log + p->log_n + LOG_LINE_MAX - 8 };
	if (p->config->access_log.format == ACCESS_JSON)
		put_line_json(&l, x, n);
	else
		put_line_combined(&l, x, n);
	p->log_n = (size_t)(l.at - p->log);
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
account_flush(struct proxy *p)
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
}

void
account_open(struct proxy *p, int fd)
{
	p->log_fd = fd;
	p->log_is_pipe = fd >= 0 && !fd_is_file(fd);
}

/* A connection that brought no octet of a request, or one more use of the metrics path, is nobody's exchange. */
static bool
is_worth_counting(const struct exchange *x)
{
	return !x->internal && (x->bytes_in > 0 || x->failure != FAIL_CLIENT_LEFT);
}

void
account_exchange(struct exchange *x)
{
	struct proxy *p = x->proxy;
	unsigned row = x->attempts > 0 ? p->targets[x->target].row : BACKEND_NONE;

	metrics_count(p->shm, p->slot, COUNTER_BYTES_OUT, x->bytes_out);
	if (x->failure == FAIL_DRAIN_CUT)
		metrics_count(p->shm, p->slot, COUNTER_DRAIN_CUTS, 1);
	if (x->limited)
		metrics_count(p->shm, p->slot, COUNTER_RATE_LIMITED, 1);
	if (!is_worth_counting(x))
		return;
	if (x->status == 0)
		x->status = x->failure == FAIL_DRAIN_CUT ? 503 : STATUS_CLIENT_LEFT;
	metrics_request(
		p->shm, p->slot, row, (enum method)x->method, x->status, p->now_us - x->t_start);
	if (p->log_fd >= 0)
		log_line(x);
}
