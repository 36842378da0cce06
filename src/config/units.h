/*
 * Numbers as an operator writes them: 20, 0.5, 1.5s, 16k.  Pure functions over
 * text, independent of the locale, the same in both directions: what is printed
 * reads back to the same value.
 */
#ifndef BALLAST_CONFIG_UNITS_H
#define BALLAST_CONFIG_UNITS_H

#include <stdint.h>

enum unit_fault {
	UNIT_FINE,
	UNIT_NO_NUMBER, /* no number at its start, or more than 15 digits */
	UNIT_MISSING,   /* a bare number where a unit is needed; 0 needs none */
	UNIT_UNKNOWN,   /* a number, then something else */
};

enum { UNIT_TEXT = 40 };

/* A whole number; may be negative, the range is the caller's. */
enum unit_fault unit_parse_count(double *, const char *text);
/* A decimal number without exponent. */
enum unit_fault unit_parse_decimal(double *, const char *text);
/* Microseconds, of ms s m h. */
enum unit_fault unit_parse_duration(double *us, const char *text);
/* Bytes, of k m g: powers of 1024. */
enum unit_fault unit_parse_size(double *bytes, const char *text);

/* Hundredths, of %. */
enum unit_fault unit_parse_share(double *percent, const char *text);

/* Each returns out. */
const char *unit_print_decimal(char out[UNIT_TEXT], double);
const char *unit_print_duration(char out[UNIT_TEXT], uint64_t us);
const char *unit_print_size(char out[UNIT_TEXT], uint64_t bytes);
const char *unit_print_share(char out[UNIT_TEXT], uint64_t percent);

#endif
