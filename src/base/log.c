/*
 * The log, in every process: a line is put together on the stack and written
 * with one write(2), so lines of several processes never mix and none is lost
 * with a process.  Owns the descriptor of a log file, not stdout or stderr.
 * Invariants: a line never grows over LINE_MAX_BYTES, stays valid JSON when it
 * is cut, and holds no octet from outside unescaped.  A line that cannot be
 * written is dropped: the log never stops the service.
 */
#include "ballast/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/sock.h"

enum { LINE_MAX_BYTES = 8192, LINE_END_BYTES = 2, NUMBER_TEXT = 32 };

static const char *const level_names[] = { "debug", "info", "warn", "error", "fatal" };
static const char *const level_words[] = { "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };
static const char *const level_colours[] = { "35", "34", "33", "31", "31" };
static const char *const format_names[] = { "auto", "json", "console" };

enum { N_LEVELS = sizeof(level_names) / sizeof(level_names[0]) };
enum { N_FORMATS = sizeof(format_names) / sizeof(format_names[0]) };

static struct {
	int fd;
	enum log_level level;
	enum log_format format;
	bool colours;
	bool is_pipe;        /* or anything else that is no regular file */
	char path[PATH_MAX]; /* empty: a standard stream, which is never closed or reopened */
} sink = { .fd = STDERR_FILENO, .level = LEVEL_INFO, .format = LOG_CONSOLE };

/* Room for the end of the line is kept aside; `full` says that something did not fit. */
struct line {
	size_t n;
	bool full;
	char text[LINE_MAX_BYTES];
};

enum { LINE_BODY_BYTES = LINE_MAX_BYTES - LINE_END_BYTES };

static void
put(struct line *l, const char *text, size_t len)
{
	if (l->full || len > LINE_BODY_BYTES - l->n) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->n, text, len);
	l->n += len;
}

static void
puts_line(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

static void
put_escaped(struct line *l, const char *text, size_t len, size_t keep)
{
	size_t room = LINE_BODY_BYTES - l->n;

	if (!l->full && room > keep)
		l->n += log_escape_json(l->text + l->n, room - keep, text, len);
}

/* Cut to what fits, but always closed. */
static void
put_string(struct line *l, const char *text, size_t len)
{
	if (LINE_BODY_BYTES - l->n < 2)
		l->full = true;
	put(l, "\"", 1);
	put_escaped(l, text, len, 1);
	put(l, "\"", 1);
}

static void
put_int(struct line *l, int64_t value)
{
	char text[NUMBER_TEXT];
	int len = snprintf(text, sizeof(text), "%lld", (long long)value);

	put(l, text, (size_t)len);
}

static void
put_real(struct line *l, double value)
{
	char text[NUMBER_TEXT];
	int len = snprintf(text, sizeof(text), "%.9g", value);

	if (isfinite(value))
		put(l, text, (size_t)len);
	else
		puts_line(l, "null"); /* JSON has no word for these */
}

static void
put_value(struct line *l, const struct log_field *f)
{
	switch (f->kind) {
	case LOG_KIND_STR:
		if (f->text == NULL)
			puts_line(l, "null");
		else
			put_string(l, f->text,
				f->text_len == SIZE_MAX ? strlen(f->text) : f->text_len);
		break;
	case LOG_KIND_INT:
		put_int(l, f->number);
		break;
	case LOG_KIND_FLOAT:
		put_real(l, f->real);
		break;
	case LOG_KIND_BOOL:
		puts_line(l, f->number != 0 ? "true" : "false");
		break;
	case LOG_END:
		break;
	}
}

/* Names are words of this program and need no escape. */
static void
put_name(struct line *l, const char *name)
{
	put(l, "\"", 1);
	puts_line(l, name);
	put(l, "\":", 2);
}

/* A field whose name or number no longer fits is left out with all behind it; a text is cut. */
static void
put_fields(struct line *l, const struct log_field *f, bool first)
{
	for (; f->kind != LOG_END && !l->full; f++) {
		size_t mark = l->n;

		if (!first)
			put(l, ",", 1);
		first = false;
		put_name(l, f->name);
		put_value(l, f);
		if (l->full)
			l->n = mark;
	}
}

static const char *
caller_name(const char *caller)
{
	return strncmp(caller, "src/", 4) == 0 ? caller + 4 : caller;
}

static void
json_line(struct line *l, enum log_level level, const char *caller, const char *msg)
{
	uint64_t wall_us = clock_wall_us();
	char ts[NUMBER_TEXT];

	snprintf(ts, sizeof(ts), "%llu.%06u", (unsigned long long)(wall_us / 1000000u),
		(unsigned)(wall_us % 1000000u));
	puts_line(l, "{\"level\":\"");
	puts_line(l, log_level_name(level));
	puts_line(l, "\",\"ts\":");
	puts_line(l, ts);
	puts_line(l, ",\"caller\":");
	put_string(l, caller_name(caller), strlen(caller_name(caller)));
	puts_line(l, ",\"msg\":");
	put_string(l, msg, strlen(msg));
}

/* ISO 8601 in local time with milliseconds and offset, as zap writes it. */
static void
put_local_time(struct line *l)
{
	uint64_t wall_us = clock_wall_us();
	time_t seconds = (time_t)(wall_us / 1000000u);
	char date[NUMBER_TEXT], zone[NUMBER_TEXT], text[3 * NUMBER_TEXT];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(text, sizeof(text), "%s.%03u%s", date, (unsigned)(wall_us / 1000u % 1000u), zone);
	puts_line(l, text);
}

static void
put_level(struct line *l, enum log_level level)
{
	if (sink.colours) {
		puts_line(l, "\033[");
		puts_line(l, level_colours[level]);
		put(l, "m", 1);
	}
	puts_line(l, level_words[level]);
	if (sink.colours)
		puts_line(l, "\033[0m");
}

static void
console_line(struct line *l, enum log_level level, const char *caller, const char *msg)
{
	put_local_time(l);
	put(l, "\t", 1);
	put_level(l, level);
	put(l, "\t", 1);
	puts_line(l, caller_name(caller));
	put(l, "\t", 1);
	put_escaped(l, msg, strlen(msg), 0);
}

/* The two octets of LINE_END_BYTES are spent here. */
static void
end_line(struct line *l, bool brace)
{
	if (brace)
		l->text[l->n++] = '}';
	l->text[l->n++] = '\n';
}

static void
write_line(const struct line *l)
{
	ssize_t put_bytes;

	if (sink.is_pipe && !fd_takes(sink.fd, l->n))
		return; /* a reader that is stuck must not stop us: the line is lost */
	do
		put_bytes = write(sink.fd, l->text, l->n);
	while (put_bytes < 0 && errno == EINTR);
}

void
log_write(enum log_level level, const char *caller, const char *msg, const struct log_field *fields)
{
	int saved = errno; /* whoever logs an error still wants to act on it */
	bool braces = sink.format == LOG_JSON || fields->kind != LOG_END;
	struct line l;

	if (!log_enabled(level))
		return;
	l.n = 0;
	l.full = false;
	if (sink.format == LOG_JSON) {
		json_line(&l, level, caller, msg);
		put_fields(&l, fields, false);
	} else {
		console_line(&l, level, caller, msg);
		if (braces)
			put(&l, "\t{", 2);
		braces = braces && !l.full;
		put_fields(&l, fields, true);
	}
	end_line(&l, braces);
	write_line(&l);
	errno = saved;
}

/* A FIFO without a reader is an error, and a full one loses lines instead of blocking a worker. */
int
log_open_file(const char *path)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd;

	do
		fd = open(path, flags, 0640);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static bool
wants_colours(int fd)
{
	const char *no = getenv("NO_COLOR"); /* no-color.org: set and not empty */

	return (no == NULL || no[0] == '\0') && isatty(fd);
}

static void
close_file(void)
{
	if (sink.path[0] != '\0')
		close(sink.fd);
	sink.path[0] = '\0';
	sink.fd = STDERR_FILENO;
}

static int
standard_stream(const char *output)
{
	if (strcmp(output, "stderr") == 0)
		return STDERR_FILENO;
	return strcmp(output, "stdout") == 0 ? STDOUT_FILENO : -1;
}

int
log_open(enum log_level level, enum log_format format, const char *output)
{
	int standard = standard_stream(output);
	size_t len = strlen(output);
	int fd = standard;

	if (len >= sizeof(sink.path))
		return -ENAMETOOLONG;
	if (standard < 0)
		fd = log_open_file(output);
	if (fd < 0)
		return fd;
	close_file();
	if (standard < 0)
		memcpy(sink.path, output, len + 1);
	sink.fd = fd;
	sink.level = level;
	sink.format = log_format_resolve(format);
	sink.colours = wants_colours(fd);
	sink.is_pipe = !fd_is_file(fd);
	return 0;
}

void
log_replace(int fd)
{
	if (fd < 0)
		return;
	if (sink.path[0] == '\0') { /* a standard stream stays */
		close(fd);
		return;
	}
	close(sink.fd);
	sink.fd = fd;
	sink.is_pipe = !fd_is_file(fd);
}

int
log_reopen(void)
{
	int fd;

	if (sink.path[0] == '\0')
		return 0;
	fd = log_open_file(sink.path);
	if (fd < 0)
		return fd;
	log_replace(fd);
	return 0;
}

void
log_close(void)
{
	close_file();
	sink.colours = false;
}

int
log_fd(void)
{
	return sink.fd;
}

void
log_set_level(enum log_level level)
{
	sink.level = level;
}

bool
log_enabled(enum log_level level)
{
	return level >= sink.level;
}

static int
find_name(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (strcasecmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

bool
log_level_parse(enum log_level *level, const char *name)
{
	int i = find_name(level_names, N_LEVELS, name);

	if (i >= 0)
		*level = (enum log_level)i;
	return i >= 0;
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level];
}

bool
log_format_parse(enum log_format *format, const char *name)
{
	int i = find_name(format_names, N_FORMATS, name);

	if (i >= 0)
		*format = (enum log_format)i;
	return i >= 0;
}

enum log_format
log_format_resolve(enum log_format format)
{
	const char *env = getenv("LOG_ENV");

	if (format != LOG_AUTO)
		return format;
	return env != NULL && strcmp(env, "prod") == 0 ? LOG_JSON : LOG_CONSOLE;
}
