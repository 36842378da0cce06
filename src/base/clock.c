/*
 * Time: two clocks and the HTTP date.  Runs in every process.  The date is
 * kept per process and formatted anew at most once per second; it is written
 * without strftime, so that no locale can change it.
 */
#include "ballast/base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

static uint64_t
read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t
clock_now_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

uint64_t
clock_boot_us(void)
{
	return read_us(CLOCK_BOOTTIME);
}

static void
format_date(char *out, size_t cap, uint64_t wall_s)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)wall_s;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(out, cap, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
		months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

const char *
clock_http_date(uint64_t wall_us)
{
	static char text[64]; /* roomier than CLOCK_DATE_LEN for the sake of format warnings */
	static uint64_t kept_s = UINT64_MAX;
	uint64_t now_s = wall_us / 1000000u;

	if (now_s != kept_s) {
		format_date(text, sizeof(text), now_s);
		kept_s = now_s;
	}
	return text;
}
