/*
 * What a configuration file says, before anybody asks what it means: nodes with
 * kind, text and place.  Both readers (YAML, libconfig) make the same tree, so
 * the options are read by one piece of code.  Bounded: whatever a file holds,
 * a tree has at most TREE_NODES_MAX nodes and TREE_DEPTH_MAX levels.
 */
#ifndef BALLAST_CONFIG_TREE_H
#define BALLAST_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "ballast/base/err.h"

enum { TREE_BYTES_MAX = 1 << 20, TREE_DEPTH_MAX = 32, TREE_NODES_MAX = 10000 };

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
	enum node_kind kind;
	bool repeated; /* its key was there before: said once, then passed over */
	unsigned line, column;
	unsigned key_line, key_column;
	char *key;  /* of a member of a map */
	char *text; /* of a scalar; never holds a NUL inside */
	struct node *next;
	struct node *first, *last; /* members of a map, items of a list */
	unsigned n;
};

/* NULL when memory is out, as everywhere here. */
struct node *node_new(enum node_kind, unsigned line, unsigned column);
struct node *node_new_scalar(const char *text, size_t len, unsigned line, unsigned column);
/* The parent owns the child from here on. */
void node_append(struct node *parent, struct node *child);
/* The first member of that key, or NULL. */
struct node *node_member(const struct node *map, const char *key);
void node_free(struct node *);
const char *node_kind_name(enum node_kind);

/*
 * The readers.  file is the name shown in errors; text[len] is NUL.  An empty
 * file is an empty map.  NULL when the end could not be reached: then the reason
 * is in err.  Errors that leave the rest readable give both: a tree and lines in err.
 */
struct node *read_yaml(const char *file, const char *text, size_t len, struct err *);
struct node *read_libconfig(const char *file, const char *text, size_t len, struct err *);

#endif
