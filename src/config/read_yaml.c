/*
 * config.yaml -> node tree, through libyaml's event interface: its document
 * interface builds what it reads before anybody can look, and takes minutes on
 * 200,000 opening brackets.  Here every event is counted against the caps.
 * What a reader of the file could not see at a glance is refused: anchors,
 * aliases, tags, a second document, a key given twice.
 * Runs in the master at load.  Knows no option.
 */
#include "tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* A map with more keys has unknown ones, for which it is refused: no need to look for others' namesakes. */
enum { KEYS_COMPARED = 256 };

struct builder {
	yaml_parser_t parser;
	const char *file;
	const char *text;
	size_t len;
	struct err *err;
	struct node *root;
	struct node *open[TREE_DEPTH_MAX]; /* maps and lists that have not ended */
	unsigned depth;
	unsigned n_nodes;
	unsigned n_documents;
	struct node *key; /* of the innermost map, waiting for its value */
	bool whole;       /* the end was reached */
};

static struct err_place
place_at(const struct builder *b, yaml_mark_t mark)
{
	return (struct err_place){ b->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

static bool
out_of_memory(struct builder *b)
{
	err_add(b->err, "%s: out of memory", b->file);
	return false;
}

/* Every node of the file, keys too, comes past here. */
static bool
count_node(struct builder *b, yaml_mark_t mark)
{
	if (++b->n_nodes <= TREE_NODES_MAX)
		return true;
	err_add_at(b->err, place_at(b, mark), "more than %d nodes; a configuration needs fewer",
		TREE_NODES_MAX);
	return false;
}

static void
refuse_decoration(
	struct builder *b, const yaml_char_t *anchor, const yaml_char_t *tag, yaml_mark_t mark)
{
	if (anchor != NULL)
		err_add_at(b->err, place_at(b, mark),
			"anchors are not supported; write the value out where it is used");
	if (tag != NULL)
		err_add_at(
			b->err, place_at(b, mark), "tags are not supported; write the plain value");
}

static bool
wants_key(const struct builder *b)
{
	return b->depth > 0 && b->open[b->depth - 1]->kind == NODE_MAP && b->key == NULL;
}

static void
take_key(struct builder *b, struct node *map, struct node *n)
{
	const struct node *before = map->n < KEYS_COMPARED ? node_member(map, b->key->text) : NULL;

	if (before != NULL) {
		err_add_at(b->err, (struct err_place){ b->file, b->key->line, b->key->column },
			"key \"%s\" is given twice, first in line %u; keep one of them",
			b->key->text, before->key_line);
		n->repeated = true;
	}
	n->key_line = b->key->line;
	n->key_column = b->key->column;
	n->key = b->key->text;
	b->key->text = NULL;
	node_free(b->key);
	b->key = NULL;
}

static void
attach(struct builder *b, struct node *n)
{
	struct node *parent;

	if (b->depth == 0) {
		b->root = n;
		return;
	}
	parent = b->open[b->depth - 1];
	if (parent->kind == NODE_MAP)
		take_key(b, parent, n);
	node_append(parent, n);
}

static bool
on_open(struct builder *b, enum node_kind kind, yaml_mark_t mark)
{
	struct node *n;

	if (wants_key(b)) {
		err_add_at(b->err, place_at(b, mark), "a key is %s; a key must be a word",
			node_kind_name(kind));
		return false;
	}
	if (b->depth == TREE_DEPTH_MAX) {
		err_add_at(b->err, place_at(b, mark),
			"nested deeper than %d levels; a configuration needs four", TREE_DEPTH_MAX);
		return false;
	}
	if (!count_node(b, mark))
		return false;
	n = node_new(kind, (unsigned)mark.line + 1, (unsigned)mark.column + 1);
	if (n == NULL)
		return out_of_memory(b);
	attach(b, n);
	b->open[b->depth++] = n;
	return true;
}

static bool
is_null(const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;

	return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (*text == '\0' || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
}

static bool
on_scalar(struct builder *b, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	yaml_mark_t at = e->start_mark;
	struct node *n;

	refuse_decoration(b, e->data.scalar.anchor, e->data.scalar.tag, at);
	if (!count_node(b, at))
		return false;
	if (memchr(text, '\0', len) != NULL)
		err_add_at(b->err, place_at(b, at), "a value holds a NUL; write text");
	n = node_new_scalar(text, len, (unsigned)at.line + 1, (unsigned)at.column + 1);
	if (n == NULL)
		return out_of_memory(b);
	if (wants_key(b)) {
		b->key = n;
		return true;
	}
	if (is_null(e))
		n->kind = NODE_NULL;
	attach(b, n);
	return true;
}

/* The reading goes on with an empty value in its place, to find what else is wrong. */
static bool
on_alias(struct builder *b, yaml_mark_t mark)
{
	struct node *n;

	err_add_at(b->err, place_at(b, mark),
		"aliases are not supported; write the value out where it is used");
	if (wants_key(b) || !count_node(b, mark))
		return false;
	n = node_new(NODE_NULL, (unsigned)mark.line + 1, (unsigned)mark.column + 1);
	if (n == NULL)
		return out_of_memory(b);
	n->repeated = true; /* nothing more is said about it */
	attach(b, n);
	return true;
}

static bool
on_document(struct builder *b, yaml_mark_t mark)
{
	if (b->n_documents++ == 0)
		return true;
	err_add_at(b->err, place_at(b, mark),
		"a second document begins here; a configuration is one document");
	return false;
}

/* False: stop reading. */
static bool
on_event(struct builder *b, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, e->start_mark);
	case YAML_ALIAS_EVENT:
		return on_alias(b, e->start_mark);
	case YAML_SCALAR_EVENT:
		return on_scalar(b, e);
	case YAML_MAPPING_START_EVENT:
		refuse_decoration(
			b, e->data.mapping_start.anchor, e->data.mapping_start.tag, e->start_mark);
		return on_open(b, NODE_MAP, e->start_mark);
	case YAML_SEQUENCE_START_EVENT:
		refuse_decoration(b, e->data.sequence_start.anchor, e->data.sequence_start.tag,
			e->start_mark);
		return on_open(b, NODE_LIST, e->start_mark);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		b->depth--;
		return true;
	case YAML_STREAM_END_EVENT:
		b->whole = true;
		return false;
	default:
		return true;
	}
}

/* The decoder says only at which octet it stumbled. */
static struct err_place
place_of_offset(const struct builder *b, size_t offset)
{
	struct err_place at = { b->file, 1, 1 };
	size_t i;

	for (i = 0; i < offset && i < b->len; i++) {
		at.column++;
		if (b->text[i] == '\n') {
			at.line++;
			at.column = 1;
		}
	}
	return at;
}

static bool
is_indented_with_tab(const struct builder *b, size_t line)
{
	const char *p = b->text;
	const char *end = b->text + b->len;

	for (; line > 0 && p != NULL; line--) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p == NULL ? NULL : p + 1;
	}
	if (p == NULL)
		return false;
	while (p < end && *p == ' ')
		p++;
	return p < end && *p == '\t';
}

static void
on_parse_error(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;
	const char *problem = p->problem != NULL ? p->problem : "unreadable";

	if (p->error == YAML_MEMORY_ERROR)
		out_of_memory(b);
	else if (p->error == YAML_READER_ERROR)
		err_add_at(b->err, place_of_offset(b, p->problem_offset),
			"not a text file: %s; write UTF-8 without control characters", problem);
	else if (is_indented_with_tab(b, p->problem_mark.line))
		err_add_at(b->err, place_at(b, p->problem_mark),
			"the line is indented with a tab; YAML wants spaces");
	else
		err_add_at(b->err, place_at(b, p->problem_mark),
			"not valid YAML: %s%s%s; look at indentation and quotes here and above",
			problem, p->context != NULL ? " " : "",
			p->context != NULL ? p->context : "");
}

static void
read_events(struct builder *b)
{
	yaml_event_t event;
	bool go = true;

	while (go) {
		if (!yaml_parser_parse(&b->parser, &event)) {
			on_parse_error(b);
			return;
		}
		go = on_event(b, &event);
		yaml_event_delete(&event);
	}
}

struct node *
read_yaml(const char *file, const char *text, size_t len, struct err *err)
{
	struct builder b = { .file = file, .text = text, .len = len, .err = err };

	if (!yaml_parser_initialize(&b.parser)) {
		out_of_memory(&b);
		return NULL;
	}
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
	read_events(&b);
	yaml_parser_delete(&b.parser);
	node_free(b.key);
	if (!b.whole) { /* half a file would only make more errors */
		node_free(b.root);
		return NULL;
	}
	return b.root != NULL ? b.root : node_new(NODE_MAP, 1, 1);
}
