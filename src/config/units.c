/*
 * Numbers with and without units.  Own code instead of strtod, which takes
 * "inf", "0x1p3" and a decimal comma where the locale says so.  At most 15
 * digits, so that the mantissa is exact in a double.  Used at load, by the master.
 */
#include "units.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 15 };

struct unit {
	const char *name;
	double factor;
};

static const struct unit durations[] = {
	{ "ms", 1e3 },
	{ "s", 1e6 },
	{ "m", 60e6 },
	{ "h", 3600e6 },
	{ NULL, 0 },
};

static const struct unit sizes[] = {
	{ "k", 1024.0 },
	{ "m", 1024.0 * 1024 },
	{ "g", 1024.0 * 1024 * 1024 },
	{ NULL, 0 },
};

static const struct unit shares[] = {
	{ "%", 1 },
	{ NULL, 0 },
};

static int
digits(double *mantissa, const char **p)
{
	int n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++, n++)
		*mantissa = *mantissa * 10 + (**p - '0');
	return n;
}

/* [-]digits[.digits]; returns what follows, or NULL. */
static const char *
scan_number(double *value, const char *p)
{
	double mantissa = 0, scale = 1;
	int before, after = 0, i;
	int negative = *p == '-';

	p += negative;
	before = digits(&mantissa, &p);
	if (before == 0)
		return NULL;
	if (*p == '.') {
		p++;
		after = digits(&mantissa, &p);
		if (after == 0)
			return NULL;
	}
	if (before + after > DIGITS_MAX)
		return NULL;
	for (i = 0; i < after; i++)
		scale *= 10;
	*value = mantissa == 0 ? 0 : (negative ? -mantissa : mantissa) / scale;
	return p;
}

enum unit_fault
unit_parse_decimal(double *value, const char *text)
{
	const char *rest = scan_number(value, text);

	if (rest == NULL)
		return UNIT_NO_NUMBER;
	return *rest == '\0' ? UNIT_FINE : UNIT_UNKNOWN;
}

enum unit_fault
unit_parse_count(double *value, const char *text)
{
	if (strchr(text, '.') != NULL)
		return UNIT_NO_NUMBER;
	return unit_parse_decimal(value, text);
}

/*
 * Beyond 2^53 every double is whole.  A little more than nothing does not
 * become 0, which may mean "no limit".
 */
static double
nearest_whole(double v)
{
	if (v > -0.5 && v < 0.5)
		return v;
	return v > -9e15 && v < 9e15 ? (double)(int64_t)(v < 0 ? v - 0.5 : v + 0.5) : v;
}

static enum unit_fault
parse_with_unit(double *value, const char *text, const struct unit *units)
{
	const char *rest = scan_number(value, text);

	if (rest == NULL)
		return UNIT_NO_NUMBER;
	if (*rest == '\0')
		return *value == 0 ? UNIT_FINE : UNIT_MISSING;
	for (; units->name != NULL; units++) {
		if (strcmp(rest, units->name) == 0) {
			*value = nearest_whole(*value * units->factor);
			return UNIT_FINE;
		}
	}
	return UNIT_UNKNOWN;
}

enum unit_fault
unit_parse_duration(double *us, const char *text)
{
	return parse_with_unit(us, text, durations);
}

enum unit_fault
unit_parse_size(double *bytes, const char *text)
{
	return parse_with_unit(bytes, text, sizes);
}

enum unit_fault
unit_parse_share(double *percent, const char *text)
{
	return parse_with_unit(percent, text, shares);
}

/* The fewest decimals that read back to the same number. */
const char *
unit_print_decimal(char out[UNIT_TEXT], double value)
{
	double back = 0;
	int decimals;

	for (decimals = 0; decimals <= DIGITS_MAX; decimals++) {
		snprintf(out, UNIT_TEXT, "%.*f", decimals, value);
		if (unit_parse_decimal(&back, out) == UNIT_FINE && back == value)
			break;
	}
	return out;
}

/*
 * The largest unit without decimals; the smallest with as many as it takes to
 * read back to the same value when there is none.
 */
static const char *
print_with_unit(char out[UNIT_TEXT], uint64_t value, const struct unit *units)
{
	const struct unit *best = units, *u;
	double back = -1;
	int decimals;

	for (u = units; u->name != NULL; u++)
		if (value % (uint64_t)u->factor == 0)
			best = u;
	for (decimals = 0; decimals <= DIGITS_MAX && back != (double)value; decimals++) {
		snprintf(out, UNIT_TEXT, "%.*f%s", decimals, (double)value / best->factor,
			value > 0 ? best->name : "");
		if (parse_with_unit(&back, out, units) != UNIT_FINE)
			break;
	}
	return out;
}

const char *
unit_print_duration(char out[UNIT_TEXT], uint64_t us)
{
	return print_with_unit(out, us, durations);
}

const char *
unit_print_size(char out[UNIT_TEXT], uint64_t bytes)
{
	return print_with_unit(out, bytes, sizes);
}

const char *
unit_print_share(char out[UNIT_TEXT], uint64_t percent)
{
	return print_with_unit(out, percent, shares);
}
