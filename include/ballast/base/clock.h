/*
 * Time.  Monotonic microseconds (CLOCK_MONOTONIC: the same in all processes of
 * a machine, so it may be compared through shared memory) and the wall clock.
 * A process reads the clock once per turn of its loop and passes `now` down.
 */
#ifndef BALLAST_BASE_CLOCK_H
#define BALLAST_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_now_us(void);
uint64_t clock_wall_us(void); /* since the epoch */
uint64_t clock_boot_us(void); /* monotonic, too, but counts on while the machine sleeps */

enum { CLOCK_DATE_LEN = 29 };
/*
 * IMF-fixdate (RFC 9110 5.6.7), e.g. "Sun, 06 Nov 1994 08:49:37 GMT", made once
 * per second and kept; exactly CLOCK_DATE_LEN octets, NUL-terminated.
 */
const char *clock_http_date(uint64_t wall_us);

#endif
