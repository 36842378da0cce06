/*
 * Names and methods: every row of the tables is found, whatever the case, and
 * nothing else is.
 */
#include "harness.h"

#include <ctype.h>
#include <string.h>

#include "ballast/http/names.h"

struct row {
	enum name_id id;
	const char *text;
	unsigned flags;
};

static const struct row rows[] = {
#define NAME(id, text, flags) { NAME_##id, text, flags },
#include "ballast/http/names.def"
#undef NAME
};

enum { N_ROWS = sizeof(rows) / sizeof(*rows) };

START_TEST(every_row_is_found_by_its_name)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		enum name_id want = rows[i].text[0] != '\0' ? rows[i].id : NAME_OTHER;

		ck_assert_msg(name_lookup(span_of(rows[i].text)) == want, "%s", rows[i].text);
		ck_assert_uint_eq(name_flags(rows[i].id), rows[i].flags);
	}
}
END_TEST

START_TEST(case_of_a_name_does_not_matter)
{
	char upper[64], lower[64];

	for (unsigned i = 0; i < N_ROWS; i++) {
		size_t n = strlen(rows[i].text);

		for (size_t k = 0; k <= n; k++) {
			upper[k] = (char)toupper((unsigned char)rows[i].text[k]);
			lower[k] = (char)tolower((unsigned char)rows[i].text[k]);
		}
		ck_assert_int_eq(name_lookup(span_of(upper)), name_lookup(span_of(rows[i].text)));
		ck_assert_int_eq(name_lookup(span_of(lower)), name_lookup(span_of(rows[i].text)));
	}
}
END_TEST

START_TEST(one_wrong_octet_is_another_name)
{
	char text[64];

	for (unsigned i = 0; i < N_ROWS; i++) {
		size_t n = strlen(rows[i].text);

		for (size_t k = 0; k < n; k++) {
			for (unsigned octet = 0; octet < 256; octet++) {
				if (tolower((int)octet) == tolower((unsigned char)rows[i].text[k]))
					continue;
				memcpy(text, rows[i].text, n);
				text[k] = (char)octet;
				ck_assert_msg(name_lookup((struct span){ text, n }) != rows[i].id,
					"%s with %02x at %zu", rows[i].text, octet, k);
			}
		}
	}
}
END_TEST

START_TEST(longer_and_shorter_names_are_other_names)
{
	char text[64];

	for (unsigned i = 0; i < N_ROWS; i++) {
		size_t n = strlen(rows[i].text);

		if (n == 0)
			continue;
		memcpy(text, rows[i].text, n);
		text[n] = text[n - 1];
		ck_assert_int_eq(name_lookup((struct span){ text, n + 1 }), NAME_OTHER);
		ck_assert_int_eq(name_lookup((struct span){ text + 1, n - 1 }), NAME_OTHER);
	}
	ck_assert_int_eq(name_lookup((struct span){ NULL, 0 }), NAME_OTHER);
	ck_assert_int_eq(name_lookup(SPAN("X-Unheard-Of")), NAME_OTHER);
	ck_assert_uint_eq(name_flags(NAME_OTHER), 0);
}
END_TEST

START_TEST(methods_are_found_and_case_sensitive)
{
	static const struct {
		const char *text;
		enum method method;
		int idempotent;
	} table[] = {
#define METHOD(id, text, idempotent) { text, METHOD_##id, idempotent },
#include "ballast/http/methods.def"
#undef METHOD
		{ "get", METHOD_OTHER, 0 },
		{ "GETT", METHOD_OTHER, 0 },
		{ "GE", METHOD_OTHER, 0 },
		{ "BREW", METHOD_OTHER, 0 },
		{ "", METHOD_OTHER, 0 },
		{ "other", METHOD_OTHER, 0 },
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(*table); i++) {
		enum method m = method_lookup(span_of(table[i].text));

		ck_assert_msg(m == table[i].method, "%s", table[i].text);
		ck_assert_int_eq(method_is_idempotent(m), table[i].idempotent);
		ck_assert_str_eq(method_text(m), m != METHOD_OTHER ? table[i].text : "other");
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("names");
	TCase *tc = tcase_create("names");

	tcase_add_test(tc, every_row_is_found_by_its_name);
	tcase_add_test(tc, case_of_a_name_does_not_matter);
	tcase_add_test(tc, one_wrong_octet_is_another_name);
	tcase_add_test(tc, longer_and_shorter_names_are_other_names);
	tcase_add_test(tc, methods_are_found_and_case_sensitive);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
