/*
 * Numbers with and without units: what is read, what is refused, and that what
 * is printed reads back to the same value.
 */
#include "../../src/config/units.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

struct row {
	const char *text;
	enum unit_fault fault;
	double value;
};

static void
check_rows(enum unit_fault (*parse)(double *, const char *), const struct row *rows, int n)
{
	double value;
	int i;

	for (i = 0; i < n; i++) {
		value = -12345;
		ck_assert_msg(parse(&value, rows[i].text) == rows[i].fault, "\"%s\": other fault",
			rows[i].text);
		if (rows[i].fault == UNIT_FINE)
			ck_assert_msg(value == rows[i].value, "\"%s\" is %f", rows[i].text, value);
	}
}

#define CHECK_ROWS(parse, rows) check_rows(parse, rows, (int)(sizeof(rows) / sizeof((rows)[0])))

START_TEST(a_count_is_digits_and_nothing_else)
{
	static const struct row rows[] = {
		{ "0", UNIT_FINE, 0 },
		{ "16", UNIT_FINE, 16 },
		{ "-1", UNIT_FINE, -1 },
		{ "-0", UNIT_FINE, 0 },
		{ "007", UNIT_FINE, 7 },
		{ "999999999999999", UNIT_FINE, 999999999999999.0 },
		{ "9999999999999999", UNIT_NO_NUMBER, 0 },
		{ "", UNIT_NO_NUMBER, 0 },
		{ "-", UNIT_NO_NUMBER, 0 },
		{ "--1", UNIT_NO_NUMBER, 0 },
		{ "+1", UNIT_NO_NUMBER, 0 },
		{ " 1", UNIT_NO_NUMBER, 0 },
		{ "1 ", UNIT_UNKNOWN, 0 },
		{ "1.0", UNIT_NO_NUMBER, 0 },
		{ "0x10", UNIT_UNKNOWN, 0 },
		{ "1e3", UNIT_UNKNOWN, 0 },
		{ "two", UNIT_NO_NUMBER, 0 },
		{ "inf", UNIT_NO_NUMBER, 0 },
		{ "nan", UNIT_NO_NUMBER, 0 },
	};

	CHECK_ROWS(unit_parse_count, rows);
}
END_TEST

START_TEST(a_decimal_has_a_point_and_no_exponent)
{
	static const struct row rows[] = {
		{ "10", UNIT_FINE, 10 },
		{ "0.1", UNIT_FINE, 0.1 },
		{ "2.50", UNIT_FINE, 2.5 },
		{ "-0.5", UNIT_FINE, -0.5 },
		{ "0.001", UNIT_FINE, 0.001 },
		{ ".5", UNIT_NO_NUMBER, 0 },
		{ "5.", UNIT_NO_NUMBER, 0 },
		{ "0,5", UNIT_UNKNOWN, 0 },
		{ "1.2.3", UNIT_UNKNOWN, 0 },
		{ "0.0000000000000001", UNIT_NO_NUMBER, 0 },
		{ "1e-3", UNIT_UNKNOWN, 0 },
	};

	CHECK_ROWS(unit_parse_decimal, rows);
}
END_TEST

START_TEST(a_duration_needs_its_unit)
{
	static const struct row rows[] = {
		{ "1ms", UNIT_FINE, 1e3 },
		{ "5s", UNIT_FINE, 5e6 },
		{ "1.5s", UNIT_FINE, 1.5e6 },
		{ "0.1s", UNIT_FINE, 1e5 },
		{ "2m", UNIT_FINE, 120e6 },
		{ "1h", UNIT_FINE, 3600e6 },
		{ "0.5ms", UNIT_FINE, 500 },
		{ "0", UNIT_FINE, 0 },
		{ "0s", UNIT_FINE, 0 },
		{ "-5s", UNIT_FINE, -5e6 },
		{ "5", UNIT_MISSING, 0 },
		{ "0.5", UNIT_MISSING, 0 },
		{ "5S", UNIT_UNKNOWN, 0 },
		{ "5 s", UNIT_UNKNOWN, 0 },
		{ "5sec", UNIT_UNKNOWN, 0 },
		{ "5d", UNIT_UNKNOWN, 0 },
		{ "5k", UNIT_UNKNOWN, 0 },
		{ "1h30m", UNIT_UNKNOWN, 0 },
		{ "s", UNIT_NO_NUMBER, 0 },
		{ "", UNIT_NO_NUMBER, 0 },
	};

	CHECK_ROWS(unit_parse_duration, rows);
}
END_TEST

START_TEST(a_size_counts_in_powers_of_1024)
{
	static const struct row rows[] = {
		{ "1k", UNIT_FINE, 1024 },
		{ "1.5k", UNIT_FINE, 1536 },
		{ "16m", UNIT_FINE, 16777216 },
		{ "1g", UNIT_FINE, 1073741824 },
		{ "0", UNIT_FINE, 0 },
		{ "16", UNIT_MISSING, 0 },
		{ "16K", UNIT_UNKNOWN, 0 },
		{ "16kb", UNIT_UNKNOWN, 0 },
		{ "16s", UNIT_UNKNOWN, 0 },
		{ "999999999999999g", UNIT_FINE, 999999999999999.0 * 1073741824 },
	};

	CHECK_ROWS(unit_parse_size, rows);
}
END_TEST

START_TEST(a_share_is_in_hundredths)
{
	char out[UNIT_TEXT];
	double percent;

	ck_assert_int_eq(unit_parse_share(&percent, "50%"), UNIT_FINE);
	ck_assert(percent > 49.9 && percent < 50.1);
	ck_assert_int_eq(unit_parse_share(&percent, "0"), UNIT_FINE);
	ck_assert_int_eq(unit_parse_share(&percent, "50"), UNIT_MISSING);
	ck_assert_int_eq(unit_parse_share(&percent, "50s"), UNIT_UNKNOWN);
	ck_assert_int_eq(unit_parse_share(&percent, "%"), UNIT_NO_NUMBER);
	ck_assert_str_eq(unit_print_share(out, 50), "50%");
}
END_TEST

START_TEST(printed_durations_are_short)
{
	static const struct {
		uint64_t us;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ 500, "0.5ms" },
		{ 1, "0.001ms" },
		{ 1000, "1ms" },
		{ 1500000, "1500ms" },
		{ 2000000, "2s" },
		{ 60000000, "1m" },
		{ 90000000, "90s" },
		{ 3600000000, "1h" },
		{ 86400000000, "24h" },
	};
	char out[UNIT_TEXT];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_str_eq(unit_print_duration(out, rows[i].us), rows[i].text);
}
END_TEST

START_TEST(what_is_printed_reads_back_to_the_same_value)
{
	uint64_t seed = 42;
	char out[UNIT_TEXT];
	double value;
	int i;

	for (i = 0; i < 2000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t us = (seed >> 20) % 86400000000u;
		uint64_t bytes = (seed >> 13) % (1u << 30);
		double decimal = (double)(seed >> 44) / 1000;

		ck_assert_int_eq(
			unit_parse_duration(&value, unit_print_duration(out, us)), UNIT_FINE);
		ck_assert_msg((uint64_t)value == us, "%s", out);
		ck_assert_int_eq(unit_parse_size(&value, unit_print_size(out, bytes)), UNIT_FINE);
		ck_assert_msg((uint64_t)value == bytes, "%s", out);
		ck_assert_int_eq(
			unit_parse_decimal(&value, unit_print_decimal(out, decimal)), UNIT_FINE);
		ck_assert_msg(value == decimal, "%s", out);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("units");
	TCase *c = tcase_create("units");

	tcase_add_test(c, a_count_is_digits_and_nothing_else);
	tcase_add_test(c, a_decimal_has_a_point_and_no_exponent);
	tcase_add_test(c, a_duration_needs_its_unit);
	tcase_add_test(c, a_size_counts_in_powers_of_1024);
	tcase_add_test(c, a_share_is_in_hundredths);
	tcase_add_test(c, printed_durations_are_short);
	tcase_add_test(c, what_is_printed_reads_back_to_the_same_value);
	suite_add_tcase(s, c);
	return unit_main(s);
}
