/*
 * Numbers as text, see decimal.h.  A file of its own, so that they are called:
 * a line has a dozen of them, and code that is fetched anew after each system
 * call costs more than a call does.
 */
#include "decimal.h"

#include <stddef.h>
#include <string.h>

static char *
put_pair(char *at, unsigned below_100)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	memcpy(at, pairs + 2 * (size_t)below_100, 2);
	return at + 2;
}

/* At most DECIMAL_MAX / 2 deep. */
char *
decimal_put(char *at, uint64_t v)
{
	if (v < 10) {
		*at = (char)('0' + v);
		return at + 1;
	}
	if (v >= 100)
		at = decimal_put(at, v / 100);
	return put_pair(at, (unsigned)(v % 100));
}

char *
decimal_put_seconds(char *at, uint64_t us)
{
	unsigned fraction = (unsigned)(us % 1000000);

	at = decimal_put(at, us / 1000000);
	*at++ = '.';
	at = put_pair(at, fraction / 10000);
	at = put_pair(at, fraction / 100 % 100);
	return put_pair(at, fraction % 100);
}
