/*
 * config.yaml -> node tree: what the tree holds, and that whatever is in the
 * file, reading ends at the caps with one clear line.
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
	return read_yaml("t.yaml", text, strlen(text), &err);
}

static unsigned
count_nodes(const struct node *n)
{
	unsigned sum = 1 + (n->key != NULL);

	for (n = n->first; n != NULL; n = n->next)
		sum += count_nodes(n);
	return sum;
}

START_TEST(a_tree_has_kinds_texts_and_places)
{
	struct node *root = read_text("a: 1\nb:\n  - x\n  - {c: \"y z\"}\nd:\ne: ~\nf: \"\"\n");
	const struct node *b, *c;

	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(err.count, 0);
	ck_assert_int_eq(root->kind, NODE_MAP);
	ck_assert_uint_eq(root->n, 5);
	ck_assert_str_eq(root->first->key, "a");
	ck_assert_str_eq(root->first->text, "1");
	ck_assert_uint_eq(root->first->line, 1);
	ck_assert_uint_eq(root->first->column, 4);
	b = node_member(root, "b");
	ck_assert_int_eq(b->kind, NODE_LIST);
	ck_assert_uint_eq(b->key_line, 2);
	ck_assert_uint_eq(b->key_column, 1);
	ck_assert_str_eq(b->first->text, "x");
	c = node_member(b->last, "c");
	ck_assert_str_eq(c->text, "y z");
	ck_assert_uint_eq(c->line, 4);
	ck_assert_uint_eq(c->column, 9);
	ck_assert_int_eq(node_member(root, "d")->kind, NODE_NULL);
	ck_assert_int_eq(node_member(root, "e")->kind, NODE_NULL);
	ck_assert_int_eq(node_member(root, "f")->kind, NODE_SCALAR);
	ck_assert_ptr_null(node_member(root, "g"));
	node_free(root);
}
END_TEST

START_TEST(an_empty_file_is_an_empty_map)
{
	static const char *const texts[] = { "", "\n\n", "# nothing\n", "\xef\xbb\xbf",
		"\xef\xbb\xbf# nothing" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct node *root = read_text(texts[i]);

		ck_assert_ptr_nonnull(root);
		ck_assert_int_eq(root->kind, NODE_MAP);
		ck_assert_uint_eq(root->n, 0);
		node_free(root);
	}
	ck_assert_uint_eq(err.count, 0);
}
END_TEST

START_TEST(a_byte_order_mark_is_passed_over)
{
	struct node *root = read_text("\xef\xbb\xbf"
				      "a: 1\n");

	ck_assert_ptr_nonnull(root);
	ck_assert_str_eq(root->first->key, "a");
	ck_assert_uint_eq(root->first->key_column, 1);
	node_free(root);
}
END_TEST

START_TEST(what_is_not_plain_is_refused_with_its_place)
{
	static const struct {
		const char *text;
		const char *line;
		bool readable;
	} rows[] = {
		{ "a: &x 1\n",
			"t.yaml:1:4: anchors are not supported; write the value out where it is "
			"used",
			true },
		{ "a: &x [1]\nb: 2\n",
			"t.yaml:1:4: anchors are not supported; write the value out where it is "
			"used",
			true },
		{ "a: &x {b: 1}\n",
			"t.yaml:1:4: anchors are not supported; write the value out where it is "
			"used",
			true },
		{ "b: 1\na: *x\n",
			"t.yaml:2:4: aliases are not supported; write the value out where it is "
			"used",
			true },
		{ "*x : 1\n",
			"t.yaml:1:1: aliases are not supported; write the value out where it is "
			"used",
			false },
		{ "a: !!int 1\n", "t.yaml:1:4: tags are not supported; write the plain value",
			true },
		{ "a: ! 1\n", "t.yaml:1:4: tags are not supported; write the plain value", true },
		{ "!!map {a: 1}\n", "t.yaml:1:1: tags are not supported; write the plain value",
			true },
		{ "a: !x [1]\n", "t.yaml:1:4: tags are not supported; write the plain value",
			true },
		{ "a: 1\n---\nb: 2\n",
			"t.yaml:2:1: a second document begins here; a configuration is one "
			"document",
			false },
		{ "a: 1\n...\nb: 2\n", NULL, false },
		{ "a: 1\n...\n---\nb: 2\n",
			"t.yaml:3:1: a second document begins here; a configuration is one "
			"document",
			false },
		{ "a: 1\nb: 2\na: 3\n",
			"t.yaml:3:1: key \"a\" is given twice, first in line 1; keep one of them",
			true },
		{ "x:\n  a: 1\n  a: [2]\n",
			"t.yaml:3:3: key \"a\" is given twice, first in line 2; keep one of them",
			true },
		{ "? [a, b]\n: 1\n", "t.yaml:1:3: a key is a list; a key must be a word", false },
		{ "? {a: b}\n: 1\n", "t.yaml:1:3: a key is a mapping; a key must be a word",
			false },
		{ "a: \"x\\0y\"\n", "t.yaml:1:4: a value holds a NUL; write text", true },
		{ "a:\n\t- b\n", "t.yaml:2:1: the line is indented with a tab; YAML wants spaces",
			false },
		{ "a:\n  b: 1\n\tc: 2\n",
			"t.yaml:3:1: the line is indented with a tab; YAML wants spaces", false },
		{ "a: \xff\n",
			"t.yaml:1:4: not a text file: invalid leading UTF-8 octet; write UTF-8 "
			"without control characters",
			false },
		{ "b: 1\na: \x01\n",
			"t.yaml:2:4: not a text file: control characters are not allowed; write "
			"UTF-8 without control characters",
			false },
		{ "a: \"x\n",
			"t.yaml:2:1: not valid YAML: found unexpected end of stream while "
			"scanning a quoted scalar; look at indentation and quotes here and above",
			false },
		{ "a: [1, 2\nb: 3\n", NULL, false },
		{ "a: 1\n b: 2\n", NULL, false },
		{ "a: %x\n", NULL, false },
		{ "- a\nb: 1\n", NULL, false },
		{ "a: b: c\n", NULL, false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct node *root = read_text(rows[i].text);

		ck_assert_msg(err.count == 1, "%s: %u errors", rows[i].text, err.count);
		if (rows[i].line != NULL)
			ck_assert_str_eq(err.first->text, rows[i].line);
		else
			ck_assert_ptr_nonnull(strstr(err.first->text, "not valid YAML: "));
		ck_assert_msg((root != NULL) == rows[i].readable, "%s", rows[i].text);
		node_free(root);
		err_free(&err);
	}
}
END_TEST

START_TEST(a_duplicate_key_is_marked_so_that_it_is_read_once)
{
	struct node *root = read_text("a: 1\na: 2\n");

	ck_assert_ptr_nonnull(root);
	ck_assert(!root->first->repeated);
	ck_assert(root->last->repeated);
	node_free(root);
}
END_TEST

static char *
repeat(const char *word, size_t n)
{
	size_t len = strlen(word), i;
	char *text = malloc(n * len + 1);

	ck_assert_ptr_nonnull(text);
	for (i = 0; i < n; i++)
		memcpy(text + i * len, word, len);
	text[n * len] = '\0';
	return text;
}

/* Not by the clock: the one error stands at the bracket of level 33, so nothing behind it was read. */
START_TEST(two_hundred_thousand_brackets_end_at_the_33rd)
{
	static const char *const words[] = { "[", "- ", "{a: ", "[{a: " };
	static const char *const places[] = {
		"t.yaml:1:33: ", "t.yaml:1:65: ", "t.yaml:1:129: ", "t.yaml:1:81: "
	};
	size_t i;

	for (i = 0; i < 4; i++) {
		char *text = repeat(words[i], 200000);

		ck_assert_ptr_null(read_text(text));
		ck_assert_uint_eq(err.count, 1);
		ck_assert_msg(strncmp(err.first->text, places[i], strlen(places[i])) == 0, "%s",
			err.first->text);
		ck_assert_ptr_nonnull(strstr(err.first->text, "nested deeper than 32 levels"));
		err_free(&err);
		free(text);
	}
}
END_TEST

START_TEST(thirty_two_levels_are_read)
{
	char text[128] = "";
	struct node *root;
	int i;

	for (i = 0; i < TREE_DEPTH_MAX; i++)
		strcat(text, "[");
	for (i = 0; i < TREE_DEPTH_MAX; i++)
		strcat(text, "]");
	root = read_text(text);
	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(count_nodes(root), TREE_DEPTH_MAX);
	node_free(root);
}
END_TEST

START_TEST(ten_thousand_nodes_are_read_and_one_more_is_not)
{
	char *text = repeat("- x\n", TREE_NODES_MAX);
	struct node *root;

	text[(TREE_NODES_MAX - 1) * 4] = '\0';
	root = read_text(text);
	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(count_nodes(root), TREE_NODES_MAX);
	node_free(root);
	text[(TREE_NODES_MAX - 1) * 4] = '-';
	ck_assert_ptr_null(read_text(text));
	ck_assert_str_eq(err.first->text,
		"t.yaml:10000:3: more than 10000 nodes; a configuration needs fewer");
	free(text);
}
END_TEST

START_TEST(keys_count_as_nodes)
{
	char *text = repeat("- k: v\n", 4000);

	ck_assert_ptr_null(read_text(text));
	ck_assert_uint_eq(err.count, 1);
	free(text);
}
END_TEST

START_TEST(junk_gives_errors_and_never_more)
{
	char text[512];
	uint32_t seed = 7;
	int round;
	size_t i;

	for (round = 0; round < 500; round++) {
		static const char likely[] = "[]{}:,-?&*!|>'\"%@`# \n\tab1\\\x80\xff";

		for (i = 0; i < sizeof(text) - 1; i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = likely[(seed >> 16) % (sizeof(likely) - 1)];
		}
		text[sizeof(text) - 1] = '\0';
		node_free(read_yaml("t.yaml", text, (seed >> 8) % sizeof(text), &err));
		err_free(&err);
	}
}
END_TEST

START_TEST(errors_that_do_not_end_the_reading_are_all_found)
{
	struct node *root = read_text("a: &x 1\nb: *x\nc: !t 2\na: 3\n");

	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(err.count, 4);
	node_free(root);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("yaml");
	TCase *c = tcase_create("yaml");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_tree_has_kinds_texts_and_places);
	tcase_add_test(c, an_empty_file_is_an_empty_map);
	tcase_add_test(c, a_byte_order_mark_is_passed_over);
	tcase_add_test(c, what_is_not_plain_is_refused_with_its_place);
	tcase_add_test(c, a_duplicate_key_is_marked_so_that_it_is_read_once);
	tcase_add_test(c, two_hundred_thousand_brackets_end_at_the_33rd);
	tcase_add_test(c, thirty_two_levels_are_read);
	tcase_add_test(c, ten_thousand_nodes_are_read_and_one_more_is_not);
	tcase_add_test(c, keys_count_as_nodes);
	tcase_add_test(c, junk_gives_errors_and_never_more);
	tcase_add_test(c, errors_that_do_not_end_the_reading_are_all_found);
	suite_add_tcase(s, c);
	return unit_main(s);
}
