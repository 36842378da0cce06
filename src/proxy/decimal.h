/*
 * Decimal numbers for the lines of the access log, two digits at a time and
 * without printf, which costs more than the rest of a line.  Pure.
 */
#ifndef BALLAST_PROXY_DECIMAL_H
#define BALLAST_PROXY_DECIMAL_H

#include <stdint.h>

enum { DECIMAL_MAX = 20 }; /* digits of UINT64_MAX */

/* As %llu writes it.  Returns its end. */
char *decimal_put(char *at, uint64_t);
/* Microseconds as seconds: what %.6f writes of them.  Returns its end. */
char *decimal_put_seconds(char *at, uint64_t us);

#endif
