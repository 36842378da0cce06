/*
 * ballast.cfg -> the same node tree, through libconfig.  libconfig knows lines
 * only; the column is found by looking for the name in its line.  Runs in the
 * master, once, before privileges drop.  Includes are refused: what root runs
 * with stands in one file.
 */
#include "tree.h"

#include <ctype.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

struct builder {
	const char *file;
	const char *text;
	struct err *err;
	const char *line_at; /* where line_number begins; moves forward with the settings */
	unsigned line_number;
	unsigned n_nodes;
};

static const char *
line_start(struct builder *b, unsigned line)
{
	const char *next;

	if (line < b->line_number) {
		b->line_at = b->text;
		b->line_number = 1;
	}
	while (b->line_number < line && (next = strchr(b->line_at, '\n')) != NULL) {
		b->line_at = next + 1;
		b->line_number++;
	}
	return b->line_at;
}

static bool
is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

/* The column of the name in its line, else of what the line begins with. */
static unsigned
column_of(struct builder *b, unsigned line, const char *name)
{
	const char *start = line_start(b, line);
	size_t len = strcspn(start, "\n");
	size_t n = name != NULL ? strlen(name) : 0;
	const char *p;

	for (p = start; n > 0 && p + n <= start + len; p++)
		if (memcmp(p, name, n) == 0 && !is_name_char(p[n]) &&
			(p == start || !is_name_char(p[-1])))
			return (unsigned)(p - start) + 1;
	return (unsigned)strspn(start, " \t") + 1;
}

static struct node *
scalar_of(const config_setting_t *s, unsigned line, unsigned column)
{
	char number[32];
	const char *text = number;

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(number, sizeof(number), "%lld", config_setting_get_int64(s));
		break;
	case CONFIG_TYPE_FLOAT:
		snprintf(number, sizeof(number), "%.15g", config_setting_get_float(s));
		break;
	case CONFIG_TYPE_BOOL:
		text = config_setting_get_bool(s) ? "true" : "false";
		break;
	default:
		text = config_setting_get_string(s);
		break;
	}
	return node_new_scalar(
		text != NULL ? text : "", text != NULL ? strlen(text) : 0, line, column);
}

static struct node *
node_of(const config_setting_t *s, unsigned line, unsigned column)
{
	if (config_setting_is_group(s))
		return node_new(NODE_MAP, line, column);
	if (config_setting_is_aggregate(s))
		return node_new(NODE_LIST, line, column);
	return scalar_of(s, line, column);
}

static bool
allowed(struct builder *b, const config_setting_t *s, struct err_place at, unsigned depth)
{
	if (config_setting_source_file(s) != NULL)
		err_add_at(b->err, at, "comes from an @include; write all settings into one file");
	else if (depth > TREE_DEPTH_MAX)
		err_add_at(b->err, at, "nested deeper than %d levels; the settings are flat",
			TREE_DEPTH_MAX);
	else if (++b->n_nodes > TREE_NODES_MAX)
		err_add_at(b->err, at, "more than %d nodes; there are not that many settings",
			TREE_NODES_MAX);
	else
		return true;
	return false;
}

/* NULL when an error was added, which ends the reading. */
static struct node *
convert(struct builder *b, const config_setting_t *s, unsigned depth)
{
	unsigned line = s->line > 0 ? s->line : 1;
	unsigned column = column_of(b, line, config_setting_name(s));
	struct node *n, *child;
	int i, length;

	if (!allowed(b, s, (struct err_place){ b->file, line, column }, depth))
		return NULL;
	n = node_of(s, line, column);
	if (n == NULL) {
		err_add(b->err, "%s: out of memory", b->file);
		return NULL;
	}
	n->key_line = line;
	n->key_column = column;
	length = config_setting_is_aggregate(s) ? config_setting_length(s) : 0;
	for (i = 0; i < length; i++) {
		const config_setting_t *member = config_setting_get_elem(s, (unsigned)i);

		child = convert(b, member, depth + 1);
		if (child == NULL) {
			node_free(n);
			return NULL;
		}
		if (config_setting_name(member) != NULL)
			child->key = strdup(config_setting_name(member));
		node_append(n, child);
	}
	return n;
}

static void
on_parse_error(struct builder *b, const config_t *cfg)
{
	const char *text = config_error_text(cfg) != NULL ? config_error_text(cfg) : "unreadable";
	unsigned line = config_error_line(cfg) > 0 ? (unsigned)config_error_line(cfg) : 1;
	struct err_place at = { b->file, line, column_of(b, line, NULL) };

	if (strstr(text, "include") != NULL)
		err_add_at(b->err, at, "@include is not supported; write all settings here");
	else if (strstr(text, "duplicate") != NULL)
		err_add_at(b->err, at, "a setting is given twice; keep one of them");
	else
		err_add_at(b->err, at,
			"not valid libconfig: %s; a setting is written name = value; (a text in "
			"double quotes)",
			text);
}

/*
 * libconfig compares every new name with all before it: a file of a megabyte
 * would take minutes.  An assignment needs a sign, so the signs bound the settings.
 */
static bool
too_many_settings(const char *text)
{
	size_t n = 0;

	for (; (text = strpbrk(text, "=:,")) != NULL; text++)
		n += text[1] != text[0];
	return n > TREE_NODES_MAX;
}

struct node *
read_libconfig(const char *file, const char *text, size_t len, struct err *err)
{
	struct builder b = { file, text, err, text, 1, 0 };
	struct node *root = NULL;
	config_t cfg;

	if (memchr(text, '\0', len) != NULL) {
		err_add(err, "%s: not a text file: it holds a NUL", file);
		return NULL;
	}
	if (too_many_settings(text)) {
		err_add(err, "%s: more than %d settings; there are not that many", file,
			TREE_NODES_MAX);
		return NULL;
	}
	config_init(&cfg);
	config_set_include_dir(&cfg, "/dev/null"); /* where no file can be */
	if (config_read_string(&cfg, text) == CONFIG_TRUE)
		root = convert(&b, config_root_setting(&cfg), 0);
	else
		on_parse_error(&b, &cfg);
	config_destroy(&cfg);
	return root;
}
