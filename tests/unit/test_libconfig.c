/*
 * ballast.cfg -> node tree: the same tree as from YAML, with the column that
 * libconfig does not know, and clear lines for what is refused.
 */
#include "../../src/config/tree.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

static struct err err;

static void
setup(void)
{
	err_init(&err);
}

static void
teardown(void)
{
	err_free(&err);
}

static struct node *
read_text(const char *text)
{
	return read_libconfig("t.cfg", text, strlen(text), &err);
}

START_TEST(every_type_becomes_text_with_its_place)
{
	static const struct {
		const char *key, *text;
		unsigned line, column;
	} rows[] = {
		{ "i", "3", 1, 1 },
		{ "h", "16", 2, 3 },
		{ "l", "5000000000", 3, 1 },
		{ "f", "1.5", 3, 18 },
		{ "b", "true", 4, 1 },
		{ "s", "x y", 6, 1 },
	};
	struct node *root = read_text("i = 3;\n  h = 0x10\nl = 5000000000L; f = 1.5;\nb = true;\n"
				      "# s = 1\ns = \"x\" \" y\";\n");
	size_t i;

	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(root->n, 6);
	for (i = 0; i < 6; i++) {
		const struct node *n = node_member(root, rows[i].key);

		ck_assert_ptr_nonnull(n);
		ck_assert_int_eq(n->kind, NODE_SCALAR);
		ck_assert_str_eq(n->text, rows[i].text);
		ck_assert_msg(n->line == rows[i].line && n->column == rows[i].column, "%s %u:%u",
			rows[i].key, n->line, n->column);
	}
	node_free(root);
}
END_TEST

START_TEST(groups_are_maps_and_arrays_and_lists_are_lists)
{
	struct node *root = read_text("g = { a = 1; };\na = [1, 2];\nl = (\"x\", (3));\n");

	ck_assert_ptr_nonnull(root);
	ck_assert_int_eq(node_member(root, "g")->kind, NODE_MAP);
	ck_assert_str_eq(node_member(root, "g")->first->key, "a");
	ck_assert_int_eq(node_member(root, "a")->kind, NODE_LIST);
	ck_assert_uint_eq(node_member(root, "a")->n, 2);
	ck_assert_int_eq(node_member(root, "l")->kind, NODE_LIST);
	ck_assert_int_eq(node_member(root, "l")->last->kind, NODE_LIST);
	node_free(root);
}
END_TEST

START_TEST(a_name_inside_another_is_not_taken_for_it)
{
	struct node *root = read_text("users = 1; new-user = 2; user = 3;\n");

	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(node_member(root, "user")->column, 26);
	node_free(root);
}
END_TEST

START_TEST(an_empty_file_is_an_empty_map)
{
	struct node *root = read_text("# nothing\n");

	ck_assert_ptr_nonnull(root);
	ck_assert_int_eq(root->kind, NODE_MAP);
	ck_assert_uint_eq(root->n, 0);
	node_free(root);
}
END_TEST

START_TEST(what_is_wrong_gives_one_line)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{ "a = 1;\n  b = ;\n",
			"t.cfg:2:3: not valid libconfig: syntax error; a setting is written name "
			"= value; (a text in double quotes)" },
		{ "a = 1;\nb = auto;\n",
			"t.cfg:2:1: not valid libconfig: syntax error; a setting is written name "
			"= value; (a text in double quotes)" },
		{ "a = 1;\na = 2;\n", "t.cfg:2:1: a setting is given twice; keep one of them" },
		{ "a = 1;\n@include \"/etc/passwd\"\n",
			"t.cfg:2:1: @include is not supported; write all settings here" },
		{ "@include \"other.cfg\"\n",
			"t.cfg:1:1: @include is not supported; write all settings here" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_ptr_null(read_text(rows[i].text));
		ck_assert_uint_eq(err.count, 1);
		ck_assert_str_eq(err.first->text, rows[i].line);
		err_free(&err);
	}
}
END_TEST

START_TEST(a_nul_is_refused)
{
	ck_assert_ptr_null(read_libconfig("t.cfg", "a = 1;\0b", 8, &err));
	ck_assert_str_eq(err.first->text, "t.cfg: not a text file: it holds a NUL");
}
END_TEST

START_TEST(nesting_and_number_are_bounded)
{
	char *text = malloc(1 << 20);
	size_t n = 0;
	int i;

	n += (size_t)sprintf(text, "a = ");
	for (i = 0; i < 40; i++)
		text[n++] = '(';
	for (i = 0; i < 40; i++)
		text[n++] = ')';
	strcpy(text + n, ";");
	ck_assert_ptr_null(read_text(text));
	ck_assert_ptr_nonnull(strstr(err.first->text, "nested deeper than 32 levels"));
	err_free(&err);
	memset(text, '(', 200000);
	strcpy(text + 200000, "\n");
	memcpy(text, "a = ", 4);
	ck_assert_ptr_null(read_text(text));
	ck_assert_uint_eq(err.count, 1);
	err_free(&err);
	for (n = 0, i = 0; i <= TREE_NODES_MAX; i++)
		n += (size_t)sprintf(text + n, "a%d = 1;\n", i);
	ck_assert_ptr_null(read_text(text));
	ck_assert_str_eq(
		err.first->text, "t.cfg: more than 10000 settings; there are not that many");
	free(text);
}
END_TEST

START_TEST(lines_of_decoration_are_no_settings)
{
	char *text = malloc(1 << 20);
	struct node *root;

	memset(text, '=', 100000);
	text[0] = '#';
	strcpy(text + 100000, "\na = 1;\n");
	root = read_text(text);
	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(root->n, 1);
	ck_assert_uint_eq(root->first->line, 2);
	node_free(root);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("libconfig");
	TCase *c = tcase_create("libconfig");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, every_type_becomes_text_with_its_place);
	tcase_add_test(c, groups_are_maps_and_arrays_and_lists_are_lists);
	tcase_add_test(c, a_name_inside_another_is_not_taken_for_it);
	tcase_add_test(c, an_empty_file_is_an_empty_map);
	tcase_add_test(c, what_is_wrong_gives_one_line);
	tcase_add_test(c, a_nul_is_refused);
	tcase_add_test(c, nesting_and_number_are_bounded);
	tcase_add_test(c, lines_of_decoration_are_no_settings);
	suite_add_tcase(s, c);
	return unit_main(s);
}
