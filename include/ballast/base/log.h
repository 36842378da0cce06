/*
 * Structured log in the shape of zap: JSON (level, ts, caller, msg, fields) or
 * console (time, LEVEL, caller, msg, fields).  One line, one write(2), at once;
 * nothing that came from outside reaches it unescaped.
 *
 *	log_info("backend registered", LOG_STR("backend", url), LOG_INT("weight", w));
 */
#ifndef BALLAST_BASE_LOG_H
#define BALLAST_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR, LEVEL_FATAL };
/* AUTO: LOG_ENV=prod means JSON, else console. */
enum log_format { LOG_AUTO, LOG_JSON, LOG_CONSOLE };
enum log_kind { LOG_END, LOG_KIND_STR, LOG_KIND_INT, LOG_KIND_FLOAT, LOG_KIND_BOOL };

struct log_field {
	enum log_kind kind;
	const char *name;
	const char *text;
	size_t text_len;
	int64_t number;
	double real;
};

#define LOG_STR(name_, text_)                                                                      \
	((struct log_field){                                                                       \
		.kind = LOG_KIND_STR, .name = (name_), .text = (text_), .text_len = (size_t)-1 })
#define LOG_SPAN(name_, p_, n_)                                                                    \
	((struct log_field){                                                                       \
		.kind = LOG_KIND_STR, .name = (name_), .text = (p_), .text_len = (n_) })
#define LOG_INT(name_, v_)                                                                         \
	((struct log_field){ .kind = LOG_KIND_INT, .name = (name_), .number = (int64_t)(v_) })
#define LOG_FLOAT(name_, v_)                                                                       \
	((struct log_field){ .kind = LOG_KIND_FLOAT, .name = (name_), .real = (v_) })
#define LOG_BOOL(name_, v_)                                                                        \
	((struct log_field){ .kind = LOG_KIND_BOOL, .name = (name_), .number = (v_) })

#define LOG_STRINGIFY_(x) #x
#define LOG_STRINGIFY(x)  LOG_STRINGIFY_(x)
#define LOG_CALLER        (__FILE__ ":" LOG_STRINGIFY(__LINE__))
#define log_at(level_, msg_, ...)                                                                  \
	log_write((level_), LOG_CALLER, (msg_),                                                    \
		(const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ .kind = LOG_END } })
#define log_debug(...) log_at(LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_at(LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_at(LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LEVEL_ERROR, __VA_ARGS__)

/* Before log_open: console on stderr, level info. */
/* output: "stderr", "stdout" or a path (opened 0640, appended).  0 or -errno, then the old output stays. */
int log_open(enum log_level, enum log_format, const char *output);
int log_reopen(void); /* the same path again, after rotation */
/*
 * In a process that may open nothing: this descriptor takes the place of the log file; it is closed here.
 * -1 (it was lost for want of a free number): the old file stays.
 */
void log_replace(int fd);
/* As every log of ours is opened: 0640, appended, close-on-exec, never blocking.  -errno. */
int log_open_file(const char *path);
void log_close(void);
int log_fd(void);
void log_set_level(enum log_level);
bool log_enabled(enum log_level);
/* A leading "src/" of caller is not shown. */
void log_write(enum log_level, const char *caller, const char *msg, const struct log_field *);
bool log_level_parse(enum log_level *, const char *);
const char *log_level_name(enum log_level);
bool log_format_parse(enum log_format *, const char *);
enum log_format log_format_resolve(enum log_format); /* AUTO becomes JSON or CONSOLE */

/*
 * JSON string escaping (RFC 8259 7) without the quotes: control characters, quote,
 * backslash, DEL and every octet over 0x7f that is not valid UTF-8 (as \u00XX).
 * Writes at most cap octets, never cuts inside an escape; returns the length.
 */
size_t log_escape_json(char *out, size_t cap, const char *text, size_t len);
/*
 * Copies the octets at the front of text that stand for themselves in JSON and in quotes: printable ASCII
 * but quote and backslash.  Returns how many they are; of out's n octets those behind them are spoiled.
 */
size_t log_copy_plain(char *out, const char *text, size_t n);

#endif
