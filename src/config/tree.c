/*
 * The node tree: made by the readers, read once by the options, freed.  Used
 * in the master only, at load.  Recursion is bounded by TREE_DEPTH_MAX, which
 * the readers keep.
 */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

struct node *
node_new(enum node_kind kind, unsigned line, unsigned column)
{
	struct node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->kind = kind;
	n->line = line;
	n->column = column;
	return n;
}

struct node *
node_new_scalar(const char *text, size_t len, unsigned line, unsigned column)
{
	struct node *n = node_new(NODE_SCALAR, line, column);

	if (n == NULL)
		return NULL;
	n->text = strndup(text, len);
	if (n->text == NULL) {
		free(n);
		return NULL;
	}
	return n;
}

void
node_append(struct node *parent, struct node *child)
{
	if (parent->last != NULL)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->n++;
}

struct node *
node_member(const struct node *map, const char *key)
{
	struct node *n;

	for (n = map->first; n != NULL; n = n->next)
		if (n->key != NULL && strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

void
node_free(struct node *n)
{
	struct node *child, *next;

	if (n == NULL)
		return;
	for (child = n->first; child != NULL; child = next) {
		next = child->next;
		node_free(child);
	}
	free(n->key);
	free(n->text);
	free(n);
}

const char *
node_kind_name(enum node_kind kind)
{
	switch (kind) {
	case NODE_NULL:
		return "empty";
	case NODE_SCALAR:
		return "a single value";
	case NODE_MAP:
		return "a mapping";
	case NODE_LIST:
		return "a list";
	}
	return "unknown";
}
