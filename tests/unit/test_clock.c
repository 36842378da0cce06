/*
 * Time: the monotonic clock never goes back, and the HTTP date is the one of
 * RFC 9110 for every second that is asked for, in any order.
 */
#include "ballast/base/clock.h"

#include <string.h>
#include <time.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

START_TEST(the_monotonic_clock_never_goes_back)
{
	uint64_t last = clock_now_us();

	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_now_us();

		ck_assert_uint_ge(now, last);
		last = now;
	}
}
END_TEST

START_TEST(the_wall_clock_is_the_systems)
{
	time_t before = time(NULL);
	uint64_t wall_s = clock_wall_us() / 1000000u;
	time_t after = time(NULL);

	ck_assert_uint_ge(wall_s + 1, (uint64_t)before); /* time(2) may lag by a tick */
	ck_assert_uint_le(wall_s, (uint64_t)after + 1);
}
END_TEST

START_TEST(the_date_is_an_imf_fixdate)
{
	static const struct {
		uint64_t wall_us;
		const char *date;
	} rows[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
		{ 784111777000000, "Sun, 06 Nov 1994 08:49:37 GMT" },
		{ 784111777999999, "Sun, 06 Nov 1994 08:49:37 GMT" },
		{ 784111778000000, "Sun, 06 Nov 1994 08:49:38 GMT" },
		{ 951782400000000, "Tue, 29 Feb 2000 00:00:00 GMT" },
		{ 1735689599000000, "Tue, 31 Dec 2024 23:59:59 GMT" },
		{ 4102444800000000, "Fri, 01 Jan 2100 00:00:00 GMT" },
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		const char *date = clock_http_date(rows[i].wall_us);

		ck_assert_str_eq(date, rows[i].date);
		ck_assert_uint_eq(strlen(date), CLOCK_DATE_LEN);
	}
}
END_TEST

START_TEST(the_date_does_not_follow_the_time_zone)
{
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	ck_assert_str_eq(clock_http_date(784111777000000), "Sun, 06 Nov 1994 08:49:37 GMT");
	unsetenv("TZ");
	tzset();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("clock");
	TCase *t = tcase_create("clock");

	tcase_add_test(t, the_monotonic_clock_never_goes_back);
	tcase_add_test(t, the_wall_clock_is_the_systems);
	tcase_add_test(t, the_date_is_an_imf_fixdate);
	tcase_add_test(t, the_date_does_not_follow_the_time_zone);
	suite_add_tcase(s, t);
	return unit_main(s);
}
