/*
 * Loading a configuration: an operator's file, too, costs in proportion to its
 * size, right or wrong.  Counted is config_load of a file in a directory of
 * its own; what libyaml needs for it is in the count.  libconfig compares each name with
 * all before it and cannot be changed: read_libconfig caps the names instead.
 */
#include "bounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/balance/balance.h"
#include "ballast/config/config.h"
#include "ballast/shm/backend.h"

#define BACKEND "backends: [\"http://127.0.0.1:1\"]\n"

static void
write_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	must(f != NULL && fwrite(text, 1, n, f) == n && fclose(f) == 0, "a file that takes it");
}

struct place {
	char dir[256], yaml[300], cfg[300];
};

static void
place_make(struct place *p, const struct input *in)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(p->dir, sizeof(p->dir), "%s/ballast-bounds-XXXXXX", tmp != NULL ? tmp : "/tmp");
	must(mkdtemp(p->dir) != NULL, "a directory");
	snprintf(p->yaml, sizeof(p->yaml), "%s/config.yaml", p->dir);
	snprintf(p->cfg, sizeof(p->cfg), "%s/ballast.cfg", p->dir);
	write_file(p->yaml, in->text, in->n);
	write_file(p->cfg, "max_backends = 16384;\n", 22);
}

static void
place_remove(const struct place *p)
{
	unlink(p->yaml);
	unlink(p->cfg);
	rmdir(p->dir);
}

static bool
loads(const struct input *in)
{
	struct config_request request = { .strategies = strategy_names() };
	struct config *config = NULL;
	struct place p = { .dir = "" };
	struct err err;
	bool loaded;

	counting(false);
	place_make(&p, in);
	request.file = p.yaml;
	request.process_file = p.cfg;
	counting(true);
	err_init(&err);
	loaded = config_load(&config, &request, &err);
	if (loaded)
		config_free(config);
	err_free(&err);
	counting(false);
	place_remove(&p);
	counting(true);
	return loaded;
}

static void
right(const struct input *in)
{
	must(loads(in), "a configuration that loads");
}

static void
wrong(const struct input *in)
{
	must(!loads(in), "a configuration with errors");
}

/* ---- inputs */

static void
make_backends(struct input *in)
{
	put(in, "backends:\n");
	for (unsigned i = 0; i < in->size; i++)
		put(in, "  - \"http://10.%u.%u.%u:80\"\n", i >> 16, i >> 8 & 255, i & 255);
}

static void
make_doubled_backends(struct input *in)
{
	put(in, "backends:\n");
	for (unsigned i = 0; i < in->size; i++)
		put(in, "  - \"http://10.%u.%u.%u:80\"\n", i >> 17, i >> 9 & 255, i >> 1 & 255);
}

static void
make_networks(struct input *in)
{
	put(in, BACKEND "rate_limit:\n  exempt:\n");
	for (unsigned i = 0; i < in->size; i++)
		put(in, "    - 10.%u.%u.0/24\n", i >> 8, i & 255);
}

static void
make_bad_networks(struct input *in)
{
	put(in, BACKEND "trusted_proxies:\n");
	put_times(in, in->size, "  - 300.0.0.0/8\n");
}

static void
make_unknown_keys(struct input *in)
{
	put(in, BACKEND);
	for (unsigned i = 0; i < in->size; i++)
		put(in, "key%u: 1\n", i);
}

static void
make_repeated_keys(struct input *in)
{
	put(in, BACKEND);
	put_times(in, in->size, "retries: 1\n");
}

static void
make_unknown_keys_of_backends(struct input *in)
{
	put(in, "backends:\n");
	for (unsigned i = 0; i < in->size; i++)
		put(in, "  - { url: \"http://10.0.%u.%u\", wieght: 2 }\n", i >> 8, i & 255);
}

static void
make_aliases(struct input *in)
{
	put(in, "backends:\n");
	put_times(in, in->size, "  - &a \"http://10.0.0.1\"\n");
}

static void
make_long_text(struct input *in)
{
	put(in, BACKEND "strategy: \"");
	put_times(in, in->size, "x");
	put(in, "\"\n");
}

static void
make_brackets(struct input *in)
{
	put(in, "backends: ");
	put_times(in, in->size, "[");
}

static void
make_comments(struct input *in)
{
	put_times(in, in->size, "# nothing\n\n");
	put(in, BACKEND);
}

/* ---- what a start makes of it */

static void
make_weights(struct input *in)
{
	put_times(in, in->size, "x");
}

static void
order(const struct input *in)
{
	struct candidate *c = calloc(in->size, sizeof(*c));
	struct balance b;

	must(c != NULL, "memory");
	for (unsigned i = 0; i < in->size; i++)
		c[i] = (struct candidate){ (uint16_t)i, (uint16_t)(i % 7 + 1) };
	must(balance_init(&b, NULL, strategy_find("round-robin"), c, in->size) == 0, "a balance");
	balance_free(&b);
	free(c);
}

/* As at a start, and again with all of them known. */
static void
assign(const struct input *in)
{
	const struct shm_shape shape = { in->size, 2, 8, 0 };
	char name[64], url[64];
	struct shm shm;

	counting(false);
	snprintf(name, sizeof(name), "/ballast-bounds-%d", getpid());
	must(shm_create(&shm, name, &shape, (gid_t)-1) == 0, "shared memory");
	shm_remove(name);
	counting(true);
	for (unsigned generation = 1; generation <= 2; generation++) {
		struct backend_index *index = backend_index_new(&shm);

		for (unsigned i = 0; i < in->size; i++) {
			snprintf(url, sizeof(url), "http://10.0.0.%u:80", i);
			must(backend_assign_by(&shm, index, url, generation, 1) == (int)i, "a row");
		}
		backend_index_free(index);
		backend_retire_others(&shm, generation);
	}
	shm_detach(&shm);
}

static const struct subject rows[] = {
	{ "many-backends", 500, make_backends, right },
	{ "backends-given-twice", 500, make_doubled_backends, wrong },
	{ "many-networks", 500, make_networks, right },
	{ "many-networks-that-are-none", 500, make_bad_networks, wrong },
	{ "many-unknown-keys", 500, make_unknown_keys, wrong },
	{ "one-key-again-and-again", 500, make_repeated_keys, wrong },
	{ "many-backends-with-an-unknown-key", 300, make_unknown_keys_of_backends, wrong },
	{ "many-anchors", 500, make_aliases, wrong },
	{ "one-long-text", 4000, make_long_text, wrong },
	{ "many-opening-brackets", 10000, make_brackets, wrong },
	{ "many-comments", 2000, make_comments, right },
	{ "rows-for-many-backends", 1000, NULL, assign },
	{ "the-order-of-many-backends", 2000, make_weights, order },
};

struct subjects
subjects_config(void)
{
	return (struct subjects){ rows, sizeof(rows) / sizeof(rows[0]) };
}
