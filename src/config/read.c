/*
 * From nodes to options: finds the row of every key, checks what kind of node
 * stands there, lets the kind read it, and writes down where the value came
 * from.  Errors are collected and reading goes on, so that one run shows them
 * all.  Runs in the master at load.
 */
#include "options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ballast/base/span.h"

enum { KEY_MAX = 128, WORDS_MAX = 64, MESSAGE_MAX = 1024 };

struct source
source_of(const struct reading *r, const struct node *n)
{
	return (struct source){ r->from, n->line, n->column, r->name };
}

struct source
source_of_key(const struct reading *r, const struct node *n)
{
	if (n->key == NULL)
		return source_of(r, n);
	return (struct source){ r->from, n->key_line, n->key_column, r->name };
}

bool
complain(struct reading *r, struct source at, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (at.from == FROM_FILE)
		err_add_at(
			r->err, (struct err_place){ r->file, at.line, at.column }, "%s", message);
	else
		err_add(r->err, "%s: %s", at.name != NULL ? at.name : "default", message);
	return false;
}

bool
refuse(struct reading *r, const struct node *n, const char *fmt, ...)
{
	char why[MESSAGE_MAX / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return complain(r, source_of(r, n), "%s \"%.80s\" %s", r->option->path,
		n->text != NULL ? n->text : "", why);
}

const char *
nearest_word(const char *word, const char *const *words, size_t n)
{
	size_t i, len = strlen(word);
	const char *found = err_nearest(word, words, n);

	for (i = 0; found == NULL && len >= 3 && i < n; i++)
		if (strncmp(words[i], word, len) == 0 ||
			strncmp(words[i], word, strlen(words[i])) == 0)
			found = words[i];
	return found;
}

static size_t
keys_in(const struct reading *r, const char *prefix, const char *words[WORDS_MAX])
{
	size_t i, n = 0;

	for (i = 0; i < option_count() && n < WORDS_MAX; i++) {
		const struct option *o = option_at(i);

		if (o->home == r->home && option_is_in(o, prefix))
			words[n++] = option_leaf(o);
	}
	return n;
}

static void
list_words(char *out, size_t size, const char *const *words, size_t n)
{
	size_t i, len = 0;

	for (out[0] = '\0', i = 0; i < n && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", words[i]);
}

/* A key that is right elsewhere: in the other file, or in a group of this one. */
static const struct option *
key_elsewhere(const char *key)
{
	size_t i;

	for (i = 0; i < option_count(); i++)
		if (option_at(i)->home != IN_BACKEND && strcmp(option_leaf(option_at(i)), key) == 0)
			return option_at(i);
	return NULL;
}

static void
unknown_key(struct reading *r, const struct node *n, const char *prefix)
{
	const char *words[WORDS_MAX];
	char known[MESSAGE_MAX / 2];
	size_t n_words = keys_in(r, prefix, words);
	const char *near = nearest_word(n->key, words, n_words);
	const struct option *other = key_elsewhere(n->key);
	struct source at = source_of_key(r, n);
	const char *dot = *prefix != '\0' ? "." : "";

	list_words(known, sizeof(known), words, n_words);
	if (near != NULL && *prefix == '\0') /* so that it is not missed as well */
		r->sources[option_index(option_find(r->home, near))] = at;
	if (near != NULL)
		complain(r, at, "unknown key \"%s%s%.80s\"; did you mean \"%s\"?", prefix, dot,
			n->key, near);
	else if (other != NULL && other->home != r->home)
		complain(r, at, "\"%s%s%.80s\" stands in the wrong file; it belongs in %s", prefix,
			dot, n->key, other->home == IN_PROCESS ? "ballast.cfg" : "config.yaml");
	else if (other != NULL)
		complain(r, at, "unknown key \"%s%s%.80s\"; did you mean \"%s\"?", prefix, dot,
			n->key, other->path);
	else
		complain(r, at, "unknown key \"%s%s%.80s\"; known here: %s", prefix, dot, n->key,
			known);
}

void
read_map(struct reading *r, const struct node *map, const char *prefix)
{
	char path[KEY_MAX];
	const struct option *o;
	const struct node *n;

	for (n = map->first; n != NULL; n = n->next) {
		snprintf(path, sizeof(path), "%s%s%.80s", prefix, *prefix != '\0' ? "." : "",
			n->key);
		o = option_find(r->home, path);
		/* A key with a dot in it would find a member from the wrong level. */
		if (o == NULL || strcmp(option_leaf(o), n->key) != 0)
			unknown_key(r, n, prefix);
		else if (n->repeated)
			r->sources[option_index(o)] = source_of_key(r, n);
		else
			read_option(r, o, n);
	}
}

static bool
wrong_node(struct reading *r, const struct option *o, const struct node *n)
{
	char range[RANGE_TEXT];
	enum node_kind takes = option_kind(o)->takes;

	option_range(o, r->request->strategies, range);
	if (n->kind == NODE_NULL)
		return complain(r, source_of_key(r, n),
			"%s is empty; write a value (%s), or leave it out", o->path,
			*range != '\0' ? range : node_kind_name(takes));
	return complain(r, source_of(r, n), "%s is %s; it must be %s%s%s", o->path,
		node_kind_name(n->kind), node_kind_name(takes), *range != '\0' ? ": " : "", range);
}

static bool
read_group(struct reading *r, const struct option *o, const struct node *n)
{
	void *member = option_member(r->base, o->at);
	const struct kind *k = option_kind(o);
	bool on = true;

	if (n->kind == NODE_SCALAR && k->read != NULL)
		return k->read(r, n, member);
	if (n->kind != NODE_MAP)
		return wrong_node(r, o, n);
	if (o->kind == KIND_SWITCH)
		memcpy(member, &on, sizeof(on));
	read_map(r, n, o->path);
	return true;
}

static bool
is_group(const struct option *o)
{
	return o->kind == KIND_GROUP || o->kind == KIND_SWITCH || o->kind == KIND_SHORT;
}

void
read_option(struct reading *r, const struct option *o, const struct node *n)
{
	const struct option *outer = r->option;
	const struct kind *k = option_kind(o);

	r->option = o;
	r->sources[option_index(o)] =
		n->kind == NODE_SCALAR ? source_of(r, n) : source_of_key(r, n);
	if (is_group(o))
		read_group(r, o, n);
	else if (n->kind != k->takes && (k->takes != NODE_NULL || n->kind == NODE_NULL))
		wrong_node(r, o, n);
	else
		k->read(r, n, option_member(r->base, o->at));
	r->option = outer;
}

/* "a, b" for an option that takes a list; "[]" is one without members. */
static struct node *
list_of_text(const char *text)
{
	struct node *list = node_new(NODE_LIST, 0, 0);
	struct span rest = span_of(text), word;
	struct node *item;

	if (list == NULL || strcmp(text, "[]") == 0)
		return list;
	while (span_next_member(&rest, &word)) {
		if (word.n == 0)
			continue;
		item = node_new_scalar(word.p, word.n, 0, 0);
		if (item != NULL)
			node_append(list, item);
	}
	return list;
}

void
read_text(struct reading *r, const struct option *o, const char *text)
{
	bool list = option_kind(o)->takes == NODE_LIST;
	struct node *n = list ? list_of_text(text) : node_new_scalar(text, strlen(text), 0, 0);

	if (n == NULL)
		err_add(r->err, "out of memory");
	else
		read_option(r, o, n);
	node_free(n);
}

void
read_fallbacks(struct reading *r)
{
	struct reading defaults = *r;
	size_t i;

	defaults.from = FROM_DEFAULT;
	defaults.name = NULL;
	for (i = 0; i < option_count(); i++)
		if (option_at(i)->home == r->home && option_at(i)->fallback != NULL)
			read_text(&defaults, option_at(i), option_at(i)->fallback);
}
