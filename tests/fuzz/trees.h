/*
 * For the targets that read configuration: what must be true of every tree and
 * of every list of errors that a reader hands out, and loading a configuration
 * from memory.  The file is a memfd that is read through /proc/self/fd, so
 * nothing is left on disk.
 */
#ifndef BALLAST_TESTS_FUZZ_TREES_H
#define BALLAST_TESTS_FUZZ_TREES_H

#include "../../src/config/tree.h"

#include <sys/mman.h>
#include <unistd.h>

#include "ballast/base/err.h"
#include "ballast/config/config.h"
#include "fuzz.h"

typedef struct node *tree_reader(const char *file, const char *text, size_t len, struct err *);

enum { SHOWN_NAME_MAX = 32 };

static inline unsigned
lines_of(const char *text, size_t len)
{
	unsigned lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n' || text[i] == '\r';
	return lines;
}

static inline unsigned
check_node(const struct node *n, unsigned depth, unsigned lines)
{
	unsigned members = 0, nodes = 1;

	HOLDS(depth <= TREE_DEPTH_MAX);
	HOLDS(n->line >= 1 && n->column >= 1);
	HOLDS((n->kind == NODE_SCALAR || n->kind == NODE_NULL) == (n->text != NULL) ||
		n->kind == NODE_NULL);
	for (const struct node *m = n->first; m != NULL; m = m->next) {
		HOLDS(n->kind == NODE_MAP || n->kind == NODE_LIST);
		HOLDS(n->kind != NODE_MAP || m->key != NULL);
		HOLDS(m->next != NULL || n->last == m);
		if (n->kind == NODE_MAP && !m->repeated)
			HOLDS(node_member(n, m->key) == m);
		members++;
		nodes += check_node(m, depth + 1, lines);
	}
	HOLDS(n->n == members);
	return nodes;
}

/* Each begins with the file (or `file`, a part of it) and is one line for any terminal. */
static inline void
check_errors(const struct err *e, const char *file)
{
	unsigned shown = 0;

	for (const struct err_line *line = e->first; line != NULL; line = line->next) {
		HOLDS(strncmp(line->text, file, strlen(file)) == 0);
		for (const char *p = line->text; *p != '\0'; p++)
			HOLDS((unsigned char)*p >= 0x20 && *p != 0x7f);
		shown++;
	}
	HOLDS(shown == (e->count < ERR_MAX ? e->count : ERR_MAX));
}

/* The reader alone. */
static inline void
check_reader(tree_reader *reader, const uint8_t *data, size_t size)
{
	char *text = exact_block(size + 1);
	struct node *root;
	struct err err;

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	err_init(&err);
	root = reader("fuzzed", text, size, &err);
	HOLDS(root != NULL || err_any(&err));
	if (root != NULL)
		HOLDS(check_node(root, 0, lines_of(text, size)) <= TREE_NODES_MAX + 1);
	check_errors(&err, "fuzzed");
	err_free(&err);
	node_free(root);
	free(text);
}

/* An unnamed file with that text; its name is written to `name`. */
static inline int
memory_file(char name[SHOWN_NAME_MAX], const void *text, size_t n)
{
	int fd = memfd_create("fuzzed", MFD_CLOEXEC);

	HOLDS(fd >= 0);
	HOLDS(write(fd, text, n) == (ssize_t)n);
	snprintf(name, SHOWN_NAME_MAX, "/proc/self/fd/%d", fd);
	return fd;
}

/* The whole of loading, from two texts; NULL when it has errors, which are checked. */
static inline struct config *
load(struct span yaml, struct span cfg)
{
	static const char *const strategies[] = { "round-robin", "least-connection", NULL };
	char yaml_name[SHOWN_NAME_MAX], cfg_name[SHOWN_NAME_MAX];
	int yaml_fd = memory_file(yaml_name, yaml.p, yaml.n);
	int cfg_fd = memory_file(cfg_name, cfg.p, cfg.n);
	struct config_request q = {
		.file = yaml_name, .process_file = cfg_name, .workers = 1, .strategies = strategies
	};
	struct config *c = NULL;
	struct err err;
	bool loaded;

	clearenv();
	err_init(&err);
	loaded = config_load(&c, &q, &err);
	HOLDS(loaded == !err_any(&err));
	check_errors(&err, "/proc/self/fd/");
	err_free(&err);
	close(yaml_fd);
	close(cfg_fd);
	return loaded ? c : NULL;
}

/* The values alone, without the comments that say where each came from: to be freed. */
static inline char *
dump(const struct config *c)
{
	char *text = NULL, *line, *out;
	size_t len, n = 0;
	FILE *f = open_memstream(&text, &len);

	HOLDS(f != NULL);
	config_dump(c, f);
	fclose(f);
	out = exact_block(len + 1);
	for (line = text; *line != '\0';) {
		size_t length = strcspn(line, "\n"), kept = length;

		for (size_t i = 0; i + 3 <= length; i++)
			if (memcmp(line + i, " # ", 3) == 0)
				kept = i;
		while (kept > 0 && line[kept - 1] == ' ')
			kept--;
		memcpy(out + n, line, kept);
		n += kept;
		out[n++] = '\n';
		line += length + (line[length] == '\n');
	}
	out[n] = '\0';
	free(text);
	return out;
}

#endif
