/*
 * When lines of the access log are written, and how many at once: to a file, and
 * to a pipe, which keeps only so many octets together.
 */
#include "access_log_world.h"

#include <limits.h>

#include "harness.h"
#include "scratch.h"

static char got[1 << 20];

/* Lines that have arrived since the last call, by one read for each write. */
static unsigned
arrived(unsigned *writes)
{
	unsigned lines = 0;
	ssize_t n;

	*writes = 0;
	while ((n = read(ends[0], got, sizeof(got))) > 0) {
		ck_assert_int_le(n, PIPE_BUF);
		ck_assert_int_eq(got[n - 1], '\n');
		ck_assert_int_eq(got[0], '{');
		++*writes;
		for (ssize_t i = 0; i < n; i++)
			lines += got[i] == '\n';
	}
	return lines;
}

static unsigned
lines_arrived(void)
{
	unsigned writes;

	return arrived(&writes);
}

static void
turn_over_at(uint64_t now_us)
{
	proxy.now_us = now_us;
	timeouts_expire(&timeouts, now_us);
	access_log_turn_over(&proxy);
}

START_TEST(after_a_quiet_time_a_line_is_written_at_the_end_of_its_turn)
{
	for (uint64_t now = START_US; now < START_US + 10 * LOG_LATE_US; now += LOG_LATE_US) {
		proxy.now_us = now;
		access_log_add(&exchange);
		ck_assert_uint_eq(lines_arrived(), 0);
		access_log_turn_over(&proxy);
		ck_assert_uint_eq(lines_arrived(), 1);
		ck_assert_int_eq(timeouts_next_ms(&timeouts, now, -1), -1);
	}
}
END_TEST

START_TEST(lines_on_its_heels_wait_for_their_time_and_no_longer)
{
	access_log_add(&exchange);
	turn_over_at(START_US);
	ck_assert_uint_eq(lines_arrived(), 1);
	for (uint64_t after = 1; after < LOG_LATE_US; after += LOG_LATE_US / 4) {
		proxy.now_us = START_US + after;
		access_log_add(&exchange);
		turn_over_at(START_US + after);
		ck_assert_uint_eq(lines_arrived(), 0);
	}
	/* Nobody else wakes the worker: the timer does. */
	ck_assert_int_eq(timeouts_next_ms(&timeouts, START_US + 1, 1000), LOG_LATE_US / 1000);
	proxy.now_us = START_US + 1 + LOG_LATE_US;
	timeouts_expire(&timeouts, proxy.now_us);
	ck_assert_uint_eq(lines_arrived(), 4);
	ck_assert_int_eq(timeouts_next_ms(&timeouts, proxy.now_us, -1), -1);
}
END_TEST

/* Even when no turn is turned over after it. */
START_TEST(a_line_that_comes_late_in_a_turn_is_not_forgotten)
{
	turn_over_at(START_US);
	access_log_add(&exchange);
	ck_assert_int_eq(timeouts_next_ms(&timeouts, START_US, 1000), LOG_LATE_US / 1000);
	timeouts_expire(&timeouts, START_US + LOG_LATE_US);
	ck_assert_uint_eq(lines_arrived(), 1);
}
END_TEST

static void
add_lines(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		access_log_add(&exchange);
}

START_TEST(a_pipe_gets_whole_lines_and_as_many_as_it_keeps_together)
{
	unsigned writes;

	add_lines(100);
	access_log_flush(&proxy);
	ck_assert_uint_eq(arrived(&writes), 100);
	ck_assert_uint_lt(writes, 100 / 5);
	note.uri_n = NOTE_URI;
	memset(note.uri, 'u', NOTE_URI);
	add_lines(4); /* of which three are too much for a pipe */
	access_log_flush(&proxy);
	ck_assert_uint_eq(arrived(&writes), 4);
}
END_TEST

START_TEST(a_line_too_long_for_a_pipe_goes_to_an_empty_one_or_not_at_all)
{
	size_t all = 0;

	add_lines(1);
	note_fill();
	add_lines(1);
	ck_assert_uint_eq(
		lines_arrived(), 1); /* the first, which was not read before the second came */
	add_lines(1);
	for (ssize_t n; (n = read(ends[0], got, sizeof(got))) > 0;)
		all += (size_t)n;
	ck_assert_uint_eq(all, strlen(made(access_log_json)));
}
END_TEST

START_TEST(a_stuck_reader_loses_lines_and_blocks_nobody)
{
	unsigned lines;

	add_lines(10000);
	lines = lines_arrived();
	ck_assert_uint_gt(lines, 100);
	ck_assert_uint_lt(lines, 10000);
	access_log_flush(&proxy);
	lines_arrived();
	access_log_add(&exchange);
	access_log_flush(&proxy);
	ck_assert_uint_eq(lines_arrived(), 1); /* heard again, it gets them again */
}
END_TEST

/* Without a name any more. */
static int
temporary(void)
{
	int fd;

	scratch_enter();
	fd = open("access.log", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	scratch_leave();
	return fd;
}

static size_t
size_of(int fd)
{
	return (size_t)lseek(fd, 0, SEEK_END);
}

START_TEST(a_file_gets_full_batches_and_every_line)
{
	int fd = temporary();
	size_t line = strlen(made(access_log_json)), sizes = 0, written = 0;

	access_log_open(&proxy, fd);
	for (size_t i = 1; i <= 1000; i++) {
		access_log_add(&exchange);
		if (size_of(fd) == written)
			continue;
		ck_assert_uint_eq(size_of(fd), i * line);
		ck_assert_uint_ge(size_of(fd) - written, LOG_FULL);
		ck_assert_uint_lt(size_of(fd) - written, LOG_FULL + line);
		written = size_of(fd);
		sizes++;
	}
	ck_assert_uint_gt(sizes, 3);
	access_log_flush(&proxy);
	ck_assert_uint_eq(size_of(fd), 1000 * line);
	close(fd);
}
END_TEST

START_TEST(what_waits_goes_to_the_old_file_and_what_comes_to_the_new_one)
{
	int old = temporary(), new = temporary();
	size_t line = strlen(made(access_log_json));

	access_log_open(&proxy, old);
	add_lines(3);
	proxy_set_access_log(&proxy, new);
	ck_assert_uint_eq(size_of(old), 3 * line);
	access_log_add(&exchange);
	access_log_flush(&proxy);
	ck_assert_uint_eq(size_of(old), 3 * line);
	ck_assert_uint_eq(size_of(new), line);
	close(old);
	close(new);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("access_log_batch");
	TCase *t = tcase_create("access_log_batch");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, after_a_quiet_time_a_line_is_written_at_the_end_of_its_turn);
	tcase_add_test(t, lines_on_its_heels_wait_for_their_time_and_no_longer);
	tcase_add_test(t, a_line_that_comes_late_in_a_turn_is_not_forgotten);
	tcase_add_test(t, a_pipe_gets_whole_lines_and_as_many_as_it_keeps_together);
	tcase_add_test(t, a_line_too_long_for_a_pipe_goes_to_an_empty_one_or_not_at_all);
	tcase_add_test(t, a_stuck_reader_loses_lines_and_blocks_nobody);
	tcase_add_test(t, a_file_gets_full_batches_and_every_line);
	tcase_add_test(t, what_waits_goes_to_the_old_file_and_what_comes_to_the_new_one);
	suite_add_tcase(s, t);
	return unit_main(s);
}
