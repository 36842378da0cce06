/*
 * The log: the shape of both formats, that nothing from outside gets through
 * unescaped at any cut, that a line too long stays valid, and where lines go.
 * Each test logs into a file of its own under a scratch directory.
 */
#include "ballast/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guarded.h"
#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static char dir[] = "/tmp/ballast-test-log-XXXXXX";
static char path[64], moved[64];
static char got[65536];

static void
set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
}

static void
tear_down(void)
{
	log_close();
	unlink(path);
	unlink(moved);
	rmdir(dir);
	memcpy(strrchr(dir, '-'), "-XXXXXX", 8);
}

static const char *
content(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, got, sizeof(got) - 1) : 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(n, 0);
	got[n] = '\0';
	close(fd);
	return got;
}

static void
open_json(void)
{
	ck_assert_int_eq(log_open(LEVEL_INFO, LOG_JSON, path), 0);
}

START_TEST(json_has_level_ts_caller_msg_and_fields)
{
	unsigned long long seconds;
	unsigned micros;
	int after = 0;

	open_json();
	log_write(LEVEL_WARN, "src/master/reload.c:33", "config loaded",
		(const struct log_field[]){ LOG_STR("file", "a.yaml"), LOG_INT("n", -5),
			LOG_FLOAT("s", 0.25), LOG_BOOL("ok", true), LOG_BOOL("bad", false),
			LOG_SPAN("part", "abcdef", 3), LOG_STR("none", NULL),
			{ .kind = LOG_END } });
	content(path);
	ck_assert_int_eq(
		sscanf(got, "{\"level\":\"warn\",\"ts\":%llu.%6u%n", &seconds, &micros, &after), 2);
	ck_assert_uint_gt(seconds, 1600000000);
	ck_assert_str_eq(got + after,
		",\"caller\":\"master/reload.c:33\",\"msg\":\"config loaded\","
		"\"file\":\"a.yaml\",\"n\":-5,\"s\":0.25,\"ok\":true,\"bad\":false,"
		"\"part\":\"abc\",\"none\":null}\n");
}
END_TEST

START_TEST(numbers_that_json_lacks_become_null)
{
	open_json();
	log_info("m", LOG_FLOAT("a", (double)NAN), LOG_FLOAT("b", (double)INFINITY),
		LOG_INT("c", INT64_MIN));
	ck_assert_ptr_nonnull(
		strstr(content(path), ",\"a\":null,\"b\":null,\"c\":-9223372036854775808}\n"));
}
END_TEST

START_TEST(console_has_time_level_caller_msg_and_fields)
{
	int after = 0;

	ck_assert_int_eq(log_open(LEVEL_INFO, LOG_CONSOLE, path), 0);
	log_write(LEVEL_ERROR, "src/a.c:1", "went\nwrong",
		(const struct log_field[]){ LOG_STR("k", "v\033[31m"), { .kind = LOG_END } });
	log_write(
		LEVEL_INFO, "src/a.c:2", "fine", (const struct log_field[]){ { .kind = LOG_END } });
	content(path);
	sscanf(got, "%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3d%*5[+0-9-]%n", &after);
	ck_assert_int_eq(after, 28);
	ck_assert_ptr_nonnull(
		strstr(got, "\tERROR\ta.c:1\twent\\nwrong\t{\"k\":\"v\\u001b[31m\"}\n"));
	ck_assert_ptr_nonnull(strstr(got, "\tINFO\ta.c:2\tfine\n"));
	ck_assert_ptr_null(strchr(got, '\033')); /* a file is no terminal: no colours */
}
END_TEST

START_TEST(what_is_below_the_level_is_not_written)
{
	open_json();
	log_debug("no");
	ck_assert(!log_enabled(LEVEL_DEBUG));
	log_set_level(LEVEL_ERROR);
	log_warn("no");
	ck_assert_str_eq(content(path), "");
	log_at(LEVEL_FATAL, "yes");
	ck_assert_ptr_nonnull(strstr(content(path), "\"level\":\"fatal\""));
}
END_TEST

START_TEST(logging_leaves_errno_alone)
{
	open_json();
	errno = ENOENT;
	log_info("m");
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(octets_are_escaped_as_rfc_8259_wants)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} rows[] = {
		{ "plain /~ ok", 11, "plain /~ ok" },
		{ "\"\\\n\r\t", 5, "\\\"\\\\\\n\\r\\t" },
		{ "\0\x01\x1f\x7f\b\f", 6, "\\u0000\\u0001\\u001f\\u007f\\u0008\\u000c" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
			"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xff\x80x", 3, "\\u00ff\\u0080x" },
		{ "\xc3(", 2, "\\u00c3(" },                     /* no tail */
		{ "\xc3", 1, "\\u00c3" },                       /* cut */
		{ "\xe2\x82", 2, "\\u00e2\\u0082" },            /* cut */
		{ "\xc0\xaf", 2, "\\u00c0\\u00af" },            /* overlong */
		{ "\xe0\x9f\xbf", 3, "\\u00e0\\u009f\\u00bf" }, /* overlong */
		{ "\xed\xa0\x80", 3, "\\u00ed\\u00a0\\u0080" }, /* surrogate */
		{ "\xf0\x8f\xbf\xbf", 4, "\\u00f0\\u008f\\u00bf\\u00bf" },
		{ "\xf4\x90\x80\x80", 4, "\\u00f4\\u0090\\u0080\\u0080" }, /* over U+10FFFF */
		{ "\xf5\x80\x80\x80", 4, "\\u00f5\\u0080\\u0080\\u0080" },
		{ "\xf4\x8f\xbf\xbf\xee\x80\x80", 7, "\xf4\x8f\xbf\xbf\xee\x80\x80" },
		{ "\xc2\x9b"
		  "31m\xc2\xa0",
			7, "\\u009b31m\xc2\xa0" }, /* a terminal's CSI */
		{ "", 0, "" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		char out[128];
		size_t n = log_escape_json(out, sizeof(out) - 1, rows[i].in, rows[i].len);

		out[n] = '\0';
		ck_assert_msg(strcmp(out, rows[i].out) == 0, "row %zu: %s", i, out);
	}
}
END_TEST

static bool
is_tail(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

START_TEST(no_cap_cuts_inside_an_escape_or_a_character)
{
	static const char in[] = "a\"b\x01\xe2\x82\xac\xff\n\xf0\x9f\x98\x80z";
	char whole[128];
	size_t full = log_escape_json(whole, sizeof(whole), in, sizeof(in) - 1);

	for (size_t cap = 0; cap <= full; cap++) {
		char out[128];
		size_t n = log_escape_json(out, cap, in, sizeof(in) - 1);

		ck_assert_uint_le(n, cap);
		ck_assert_mem_eq(out, whole, n);
		ck_assert(n == full || !is_tail(whole[n]));
		ck_assert(n == 0 || whole[n - 1] != '\\' || (n > 1 && whole[n - 2] == '\\'));
		ck_assert(cap - n < 6);
	}
	ck_assert_uint_gt(full, sizeof(in));
}
END_TEST

static bool
stands_for_itself(int c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* The octet c at `at` of n, and nothing to be read behind them. */
static void
check_plain(int c, size_t at, size_t n)
{
	char text[80], out[80];
	size_t want = stands_for_itself(c) ? n : at;
	struct guarded g;

	memset(text, 'p', sizeof(text));
	memset(out, '#', sizeof(out));
	text[at] = (char)c;
	g = guarded_copy(text, n);
	ck_assert_uint_eq(log_copy_plain(out, g.p, n), want);
	ck_assert_mem_eq(out, text, want);
	ck_assert_int_eq(out[n], '#');
	guarded_free(&g);
}

START_TEST(plain_octets_are_told_from_others_wherever_they_stand)
{
	for (int c = 0; c < 256; c++) {
		check_plain(c, 0, 1);
		check_plain(c, 15, 16);
		for (size_t at = 0; at < 19; at++)
			check_plain(c, at, 19); /* the last 16 overlap */
		for (size_t at = 0; at < 11; at++)
			check_plain(c, at, 11); /* the last 8 */
	}
	for (size_t n = 1; n < 79; n++)
		for (size_t at = 0; at < n; at++)
			check_plain('"', at, n);
	ck_assert_uint_eq(log_copy_plain(NULL, NULL, 0), 0);
}
END_TEST

/* Neighbours must not be taken for what they are not: the sums of eight octets carry. */
START_TEST(octets_beside_others_keep_their_meaning)
{
	static const unsigned char edges[] = { 0x00, 0x1f, 0x20, '"' - 1, '"', '"' + 1, '\\' - 1,
		'\\', '\\' + 1, 0x7e, 0x7f, 0x80, 0xff };

	for (size_t i = 0; i < N(edges) * N(edges) * N(edges); i++) {
		const unsigned char three[3] = { edges[i % N(edges)],
			edges[i / N(edges) % N(edges)], edges[i / N(edges) / N(edges)] };

		for (size_t at = 0; at < 5; at++) {
			char text[8] = "pppppppp", out[8];
			size_t want = 0;

			memcpy(text + at, three, 3);
			while (want < 8 && stands_for_itself((unsigned char)text[want]))
				want++;
			ck_assert_uint_eq(log_copy_plain(out, text, 8), want);
		}
	}
}
END_TEST

/* Strict enough for ours: strings closed, escapes known, no control octet, one brace pair. */
static bool
is_one_json_line(const char *s)
{
	bool inside = false;

	if (*s++ != '{')
		return false;
	for (; *s != '\0' && (inside || *s != '}'); s++) {
		if ((unsigned char)*s < 0x20)
			return false;
		if (inside && *s == '\\' && strchr("\"\\nrtu", *++s) == NULL)
			return false;
		else if (*s == '"' && s[-1] != '\\')
			inside = !inside;
	}
	return !inside && strcmp(s, "}\n") == 0;
}

START_TEST(a_line_too_long_is_cut_inside_a_field_and_stays_valid)
{
	static char big[20000];
	static const char fill[] = { 'x', '\n', '\x01' };

	for (size_t k = 0; k < N(fill); k++) {
		memset(big, fill[k], sizeof(big));
		for (size_t len = 7900; len < 8300; len += 1) {
			unlink(path);
			open_json();
			log_write(LEVEL_INFO, "c", "m",
				(const struct log_field[]){ LOG_SPAN("big", big, len),
					LOG_INT("n", 123456), LOG_STR("last", "abc"),
					{ .kind = LOG_END } });
			content(path);
			ck_assert_uint_le(strlen(got), 8192);
			ck_assert_msg(is_one_json_line(got), "fill %zu, length %zu", k, len);
		}
	}
	ck_assert_uint_gt(strlen(got), 8180);
}
END_TEST

START_TEST(a_message_too_long_is_cut_in_both_formats)
{
	static char msg[20001];

	memset(msg, 'm', sizeof(msg) - 1);
	open_json();
	log_info(msg, LOG_INT("n", 1));
	ck_assert(is_one_json_line(content(path)));
	ck_assert_uint_eq(strlen(got), 8192);
	unlink(path);
	ck_assert_int_eq(log_open(LEVEL_INFO, LOG_CONSOLE, path), 0);
	log_info(msg, LOG_INT("n", 1));
	content(path);
	ck_assert_uint_le(strlen(got), 8192);
	ck_assert_ptr_eq(strchr(got, '\n'), got + strlen(got) - 1);
	ck_assert_ptr_null(strchr(got, '}'));
}
END_TEST

START_TEST(reopening_follows_a_rotation)
{
	struct stat st;

	open_json();
	log_info("before");
	ck_assert_int_eq(rename(path, moved), 0);
	log_info("between");
	ck_assert_int_eq(log_reopen(), 0);
	log_info("after");
	ck_assert_int_ne(fcntl(log_fd(), F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_ptr_nonnull(strstr(content(moved), "between"));
	ck_assert_ptr_null(strstr(got, "after"));
	ck_assert_ptr_nonnull(strstr(content(path), "after"));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07137, 0);
}
END_TEST

START_TEST(a_passed_descriptor_takes_the_place_of_the_file)
{
	open_json();
	ck_assert_int_eq(rename(path, moved), 0);
	log_replace(-1); /* lost on its way: the old file stays */
	log_info("before");
	log_replace(log_open_file(path));
	log_info("after");
	ck_assert_ptr_nonnull(strstr(content(moved), "before"));
	ck_assert_ptr_null(strstr(got, "after"));
	ck_assert_ptr_nonnull(strstr(content(path), "after"));
}
END_TEST

START_TEST(an_output_that_cannot_be_opened_leaves_the_old_one)
{
	char bad[80];

	snprintf(bad, sizeof(bad), "%s/none/log", dir);
	open_json();
	ck_assert_int_eq(log_open(LEVEL_FATAL, LOG_CONSOLE, bad), -ENOENT);
	log_info("still here");
	ck_assert_ptr_nonnull(strstr(content(path), ",\"msg\":\"still here\"}\n"));
}
END_TEST

START_TEST(a_fifo_without_a_reader_is_an_error_and_blocks_nobody)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(log_open(LEVEL_INFO, LOG_JSON, path), -ENXIO);
}
END_TEST

START_TEST(standard_streams_are_used_but_never_closed)
{
	ck_assert_int_eq(log_open(LEVEL_INFO, LOG_JSON, "stdout"), 0);
	ck_assert_int_eq(log_fd(), STDOUT_FILENO);
	ck_assert_int_eq(log_reopen(), 0);
	ck_assert_int_eq(log_open(LEVEL_INFO, LOG_JSON, "stderr"), 0);
	ck_assert_int_eq(log_fd(), STDERR_FILENO);
	log_close();
	ck_assert_int_ge(fcntl(STDOUT_FILENO, F_GETFD), 0);
	ck_assert_int_ge(fcntl(STDERR_FILENO, F_GETFD), 0);
}
END_TEST

START_TEST(levels_and_formats_have_names)
{
	enum log_level level = LEVEL_FATAL;
	enum log_format format = LOG_CONSOLE;

	for (int i = LEVEL_DEBUG; i <= LEVEL_FATAL; i++) {
		ck_assert(log_level_parse(&level, log_level_name((enum log_level)i)));
		ck_assert_int_eq((int)level, i);
	}
	ck_assert(log_level_parse(&level, "WARN"));
	ck_assert(!log_level_parse(&level, "loud"));
	ck_assert(!log_level_parse(&level, ""));
	ck_assert_int_eq(level, LEVEL_WARN);
	ck_assert(log_format_parse(&format, "json"));
	ck_assert_int_eq(format, LOG_JSON);
	ck_assert(!log_format_parse(&format, "xml"));
}
END_TEST

START_TEST(auto_follows_log_env)
{
	setenv("LOG_ENV", "prod", 1);
	ck_assert_int_eq(log_format_resolve(LOG_AUTO), LOG_JSON);
	ck_assert_int_eq(log_format_resolve(LOG_CONSOLE), LOG_CONSOLE);
	setenv("LOG_ENV", "dev", 1);
	ck_assert_int_eq(log_format_resolve(LOG_AUTO), LOG_CONSOLE);
	ck_assert_int_eq(log_format_resolve(LOG_JSON), LOG_JSON);
	unsetenv("LOG_ENV");
	ck_assert_int_eq(log_format_resolve(LOG_AUTO), LOG_CONSOLE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, json_has_level_ts_caller_msg_and_fields);
	tcase_add_test(t, numbers_that_json_lacks_become_null);
	tcase_add_test(t, console_has_time_level_caller_msg_and_fields);
	tcase_add_test(t, what_is_below_the_level_is_not_written);
	tcase_add_test(t, logging_leaves_errno_alone);
	tcase_add_test(t, octets_are_escaped_as_rfc_8259_wants);
	tcase_add_test(t, no_cap_cuts_inside_an_escape_or_a_character);
	tcase_add_test(t, plain_octets_are_told_from_others_wherever_they_stand);
	tcase_add_test(t, octets_beside_others_keep_their_meaning);
	tcase_add_test(t, a_line_too_long_is_cut_inside_a_field_and_stays_valid);
	tcase_add_test(t, a_message_too_long_is_cut_in_both_formats);
	tcase_add_test(t, reopening_follows_a_rotation);
	tcase_add_test(t, a_passed_descriptor_takes_the_place_of_the_file);
	tcase_add_test(t, an_output_that_cannot_be_opened_leaves_the_old_one);
	tcase_add_test(t, a_fifo_without_a_reader_is_an_error_and_blocks_nobody);
	tcase_add_test(t, standard_streams_are_used_but_never_closed);
	tcase_add_test(t, levels_and_formats_have_names);
	tcase_add_test(t, auto_follows_log_env);
	suite_add_tcase(s, t);
	return unit_main(s);
}
