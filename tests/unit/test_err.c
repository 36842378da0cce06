/*
 * The operator's errors: the form of a line, the cap, one line per error
 * whatever the words in it, and the guess at what was meant.
 */
#include "ballast/base/err.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static char *
printed(const struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	err_print(e, out);
	fclose(out);
	return text;
}

START_TEST(errors_print_in_order_with_their_place)
{
	struct err e;
	char *text;

	err_init(&e);
	ck_assert(!err_any(&e));
	err_add_at(&e, (struct err_place){ "c.yaml", 14, 11 }, "bad \"%s\"; known: %d", "x", 7);
	err_add_at(&e, (struct err_place){ "c.yaml", 3, 0 }, "whole line");
	err_add_at(&e, (struct err_place){ "c.yaml", 0, 9 }, "whole file");
	err_add(&e, "LB_PORT is wrong");
	ck_assert(err_any(&e));
	ck_assert_uint_eq(e.count, 4);
	text = printed(&e);
	ck_assert_str_eq(text, "c.yaml:14:11: bad \"x\"; known: 7\nc.yaml:3: whole line\n"
			       "c.yaml: whole file\nLB_PORT is wrong\n");
	free(text);
	err_free(&e);
	ck_assert(!err_any(&e));
}
END_TEST

START_TEST(more_errors_than_the_cap_are_counted)
{
	struct err e;
	char *text;
	unsigned lines = 0;

	err_init(&e);
	for (unsigned i = 0; i < ERR_MAX + 7; i++)
		err_add(&e, "error %u", i);
	ck_assert_uint_eq(e.count, ERR_MAX + 7);
	text = printed(&e);
	for (char *p = text; *p != '\0'; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, ERR_MAX + 1);
	ck_assert_ptr_nonnull(strstr(text, "error 99\nand 7 more\n"));
	free(text);
	err_free(&e);
}
END_TEST

START_TEST(an_error_stays_one_line_whatever_it_quotes)
{
	struct err e;
	char *text;

	err_init(&e);
	err_add_at(&e, (struct err_place){ "a\nb", 1, 1 }, "\"%s\"", "x\ny\033[31m\r\x7f\xc3\xa9");
	text = printed(&e);
	ck_assert_str_eq(text, "a?b:1:1: \"x?y?[31m??\xc3\xa9\"\n");
	free(text);
	err_free(&e);
}
END_TEST

START_TEST(a_long_error_is_kept_whole)
{
	static char word[20001];
	struct err e;
	char *text;

	memset(word, 'w', sizeof(word) - 1);
	err_init(&e);
	err_add(&e, "%s", word);
	text = printed(&e);
	ck_assert_uint_eq(strlen(text), sizeof(word));
	free(text);
	err_free(&e);
}
END_TEST

START_TEST(freeing_twice_and_using_again_is_fine)
{
	struct err e;

	err_init(&e);
	err_add(&e, "one");
	err_free(&e);
	err_free(&e);
	err_add(&e, "two");
	ck_assert_str_eq(e.first->text, "two");
	err_free(&e);
}
END_TEST

START_TEST(the_nearest_word_is_found_within_a_third)
{
	static const char *const words[] = { "round-robin", "least-connection", "burst", "off",
		"on" };
	static const struct {
		const char *word, *want;
	} rows[] = {
		{ "round-robin", "round-robin" },
		{ "round-robni", "round-robin" },            /* swap */
		{ "round_robin", "round-robin" },            /* replace */
		{ "roundrobin", "round-robin" },             /* drop */
		{ "least-connections", "least-connection" }, /* insert */
		{ "rnuod-rboin", "round-robin" },            /* 3 of 11 */
		{ "xxxnd-robin", "round-robin" },
		{ "xxxxd-robin", NULL },
		{ "bursst", "burst" },
		{ "brust", "burst" },
		{ "bxrxt", NULL },
		{ "of", "off" }, /* "on" is as near, but behind */
		{ "fof", "off" },
		{ "x", NULL },
		{ "", NULL },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789", NULL },
	};

	for (size_t i = 0; i < N(rows); i++) {
		const char *got = err_nearest(rows[i].word, words, N(words));

		if (rows[i].want == NULL)
			ck_assert_msg(got == NULL, "%s became %s", rows[i].word, got);
		else
			ck_assert_msg(got != NULL && strcmp(got, rows[i].want) == 0, "%s became %s",
				rows[i].word, got != NULL ? got : "nothing");
	}
	ck_assert_ptr_null(err_nearest("burst", words, 0));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("err");
	TCase *t = tcase_create("err");

	tcase_add_test(t, errors_print_in_order_with_their_place);
	tcase_add_test(t, more_errors_than_the_cap_are_counted);
	tcase_add_test(t, an_error_stays_one_line_whatever_it_quotes);
	tcase_add_test(t, a_long_error_is_kept_whole);
	tcase_add_test(t, freeing_twice_and_using_again_is_fine);
	tcase_add_test(t, the_nearest_word_is_found_within_a_third);
	suite_add_tcase(s, t);
	return unit_main(s);
}
