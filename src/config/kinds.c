/*
 * What may be written where: one row per kind of option with how it is read
 * and how it is printed.  What is printed reads back to the same value.  A
 * reader stores only what is right; otherwise the member keeps its value and
 * an error is added.  Runs in the master at load.
 */
#include "options.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

void
set_text(char **member, const char *text)
{
	free(*member);
	*member = text != NULL ? strdup(text) : NULL;
}

static void
store(void *member, size_t size, uint64_t value)
{
	uint8_t u8 = (uint8_t)value;
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (size) {
	case sizeof(u8):
		memcpy(member, &u8, size);
		break;
	case sizeof(u16):
		memcpy(member, &u16, size);
		break;
	case sizeof(u32):
		memcpy(member, &u32, size);
		break;
	default:
		assert(size == sizeof(value));
		memcpy(member, &value, size);
	}
}

static uint64_t
fetch(const void *base, const struct option *o)
{
	const void *member = option_member_const(base, o->at);
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (o->size) {
	case sizeof(u8):
		memcpy(&u8, member, sizeof(u8));
		return u8;
	case sizeof(u16):
		memcpy(&u16, member, sizeof(u16));
		return u16;
	case sizeof(u32):
		memcpy(&u32, member, sizeof(u32));
		return u32;
	default:
		memcpy(&u64, member, sizeof(u64));
		return u64;
	}
}

static bool
in_range(struct reading *r, const struct node *n, double value)
{
	const struct option *o = r->option;
	char range[RANGE_TEXT];

	if ((value == 0 && o->zero) || (value >= o->least && value <= o->most))
		return true;
	return refuse(r, n, "is out of range; %s", option_range(o, NULL, range));
}

struct measure { /* a kind of number, and how it is spoken of */
	enum unit_fault (*parse)(double *, const char *);
	const char *noun;
	const char *units;
};

static bool
read_measure(struct reading *r, const struct node *n, const struct measure *m, double *value)
{
	char range[RANGE_TEXT];

	switch (m->parse(value, n->text)) {
	case UNIT_FINE:
		return in_range(r, n, *value);
	case UNIT_MISSING:
		return refuse(r, n, "has no unit; one of %s must follow the number", m->units);
	case UNIT_UNKNOWN:
		if (m->units != NULL)
			return refuse(r, n, "has an unknown unit; units are %s", m->units);
		break;
	default:
		break;
	}
	return refuse(r, n, "is not %s; %s", m->noun, option_range(r->option, NULL, range));
}

static bool
read_count(struct reading *r, const struct node *n, void *member)
{
	static const struct measure whole = { unit_parse_count, "a whole number", NULL };
	double value;

	if (!read_measure(r, n, &whole, &value))
		return false;
	store(member, r->option->size, (uint64_t)value);
	return true;
}

static bool
read_decimal(struct reading *r, const struct node *n, void *member)
{
	static const struct measure decimal = { unit_parse_decimal, "a number", NULL };

	double value;

	if (!read_measure(r, n, &decimal, &value))
		return false;
	memcpy(member, &value, sizeof(value));
	return true;
}

static bool
read_duration(struct reading *r, const struct node *n, void *member)
{
	static const struct measure duration = { unit_parse_duration, "a duration", "ms s m h" };
	double us = 0;

	if (!(r->option->zero && strcmp(n->text, "off") == 0) &&
		!read_measure(r, n, &duration, &us))
		return false;
	store(member, r->option->size, (uint64_t)us);
	return true;
}

static bool
read_size(struct reading *r, const struct node *n, void *member)
{
	static const struct measure size = { unit_parse_size, "a size", "k m g" };
	double bytes;

	if (!read_measure(r, n, &size, &bytes))
		return false;
	store(member, r->option->size, (uint64_t)bytes);
	return true;
}

static bool
read_workers(struct reading *r, const struct node *n, void *member)
{
	unsigned cpus;

	if (strcasecmp(n->text, "auto") != 0)
		return read_count(r, n, member);
	cpus = config_usable_cpus();
	store(member, r->option->size, cpus < r->option->most ? cpus : (uint64_t)r->option->most);
	return true;
}

static int
word_index(const char *text, const char *const *words)
{
	int i;

	for (i = 0; words[i] != NULL; i++)
		if (strcasecmp(text, words[i]) == 0)
			return i;
	return -1;
}

static bool
unknown_word(struct reading *r, const struct node *n, const char *const *words, const char *more)
{
	char known[RANGE_TEXT];
	const char *near;
	size_t count = 0;

	while (words[count] != NULL)
		count++;
	near = nearest_word(n->text, words, count);
	option_range(r->option, r->request->strategies, known);
	if (near == NULL)
		return refuse(r, n, "is unknown; known: %s%s", known, more);
	return refuse(r, n, "is unknown; known: %s%s (did you mean %s?)", known, more, near);
}

static bool
read_bool(struct reading *r, const struct node *n, void *member)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", NULL };
	char range[RANGE_TEXT];
	int i = word_index(n->text, words);
	bool value = i % 2 == 1;

	if (i < 0)
		return refuse(r, n, "is not valid; write %s", option_range(r->option, NULL, range));
	memcpy(member, &value, sizeof(value));
	return true;
}

static bool
read_choice(struct reading *r, const struct node *n, void *member)
{
	int i = word_index(n->text, r->option->words);

	if (i < 0)
		return unknown_word(r, n, r->option->words, "");
	store(member, r->option->size, (uint64_t)i);
	return true;
}

static bool
read_strategy(struct reading *r, const struct node *n, void *member)
{
	const char *const *words = r->request->strategies;
	int i;

	if (words == NULL)
		words = option_strategies();
	i = word_index(n->text, words);
	if (i < 0)
		return unknown_word(r, n, words, "");
	set_text(member, words[i]);
	return true;
}

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool
read_plain(struct reading *r, const struct node *n, void *member)
{
	if (*n->text == '\0')
		return refuse(r, n, "is empty; write a text, or leave it out");
	if (!is_printable(n->text))
		return refuse(r, n, "holds a control character; write plain text");
	if (strlen(n->text) >= PATH_MAX)
		return refuse(r, n, "is longer than %d characters; shorten it", PATH_MAX - 1);
	set_text(member, n->text);
	return true;
}

/* A path needs a slash, so that a mistyped word is not a file. */
static bool
read_output(struct reading *r, const struct node *n, void *member)
{
	static const char *const off_words[] = { "off", "false", "no", NULL };
	const char *const *words = r->option->words;
	int i = word_index(n->text, words);

	if (word_index(words[0], off_words) == 0 && word_index(n->text, off_words) >= 0)
		set_text(member, NULL);
	else if (i >= 0)
		set_text(member, words[i]);
	else if (strchr(n->text, '/') != NULL)
		return read_plain(r, n, member);
	else
		return unknown_word(r, n, words, ", or a path with a slash in it");
	return true;
}

/* `access_log: stdout` is `access_log: {output: stdout}`. */
static bool
read_short(struct reading *r, const struct node *n, void *member)
{
	(void)member;
	read_option(r, r->option + 1, n);
	return true;
}

static bool
read_url_path(struct reading *r, const struct node *n, char **member, const char *reject)
{
	const char *p;

	if (*n->text != '/')
		return refuse(r, n, "is not a path; it must begin with a slash");
	for (p = n->text; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr(reject, *p) != NULL)
			return refuse(r, n,
				"holds a character that cannot stand there; write it as %%XX");
	if (p - n->text > 1024)
		return refuse(r, n, "is longer than 1024 characters; shorten it");
	set_text(member, n->text);
	return true;
}

static bool
read_path(struct reading *r, const struct node *n, void *member)
{
	return read_url_path(r, n, member, "#?\\\"");
}

static bool
read_target(struct reading *r, const struct node *n, void *member)
{
	return read_url_path(r, n, member, "#\\\"");
}

static void
print_count(const struct option *o, const void *base, FILE *f)
{
	fprintf(f, "%llu", (unsigned long long)fetch(base, o));
}

static void
print_decimal(const struct option *o, const void *base, FILE *f)
{
	char text[UNIT_TEXT];
	double value;

	memcpy(&value, option_member_const(base, o->at), sizeof(value));
	fputs(unit_print_decimal(text, value), f);
}

static void
print_duration(const struct option *o, const void *base, FILE *f)
{
	uint64_t us = fetch(base, o);
	char text[UNIT_TEXT];

	fputs(us == 0 && o->zero ? "off" : unit_print_duration(text, us), f);
}

static void
print_size(const struct option *o, const void *base, FILE *f)
{
	char text[UNIT_TEXT];

	fputs(unit_print_size(text, fetch(base, o)), f);
}

static void
print_bool(const struct option *o, const void *base, FILE *f)
{
	fputs(fetch(base, o) != 0 ? "true" : "false", f);
}

static void
print_switch(const struct option *o, const void *base, FILE *f)
{
	fputs(fetch(base, o) != 0 ? "on" : "off", f);
}

static void
print_choice(const struct option *o, const void *base, FILE *f)
{
	fputs(o->words[fetch(base, o)], f);
}

static void
print_text(const struct option *o, const void *base, FILE *f)
{
	print_quoted(option_text(base, o->at), f);
}

static void
print_word(const struct option *o, const void *base, FILE *f)
{
	fputs(option_text(base, o->at), f);
}

static void
print_output(const struct option *o, const void *base, FILE *f)
{
	const char *text = option_text(base, o->at);

	if (text == NULL)
		fputs("off", f);
	else if (strchr(text, '/') != NULL)
		print_quoted(text, f);
	else
		fputs(text, f);
}

static void
print_backends(const struct option *o, const void *base, FILE *f)
{
	const struct config *c = base;
	unsigned i;

	(void)o;
	for (i = 0; i < c->n_backends; i++)
		fprintf(f, "%s%s", i > 0 ? "," : "", c->backends[i].url);
}

static const struct kind kinds[N_KINDS] = {
	[KIND_GROUP] = { NODE_MAP, NULL, NULL, false, "mapping" },
	[KIND_SWITCH] = { NODE_MAP, read_bool, print_switch, false, "mapping" },
	[KIND_SHORT] = { NODE_MAP, read_short, NULL, false, "mapping" },
	[KIND_COUNT] = { NODE_SCALAR, read_count, print_count, false, "number" },
	[KIND_DECIMAL] = { NODE_SCALAR, read_decimal, print_decimal, false, "decimal number" },
	[KIND_DURATION] = { NODE_SCALAR, read_duration, print_duration, false, "duration" },
	[KIND_SIZE] = { NODE_SCALAR, read_size, print_size, false, "size" },
	[KIND_BOOL] = { NODE_SCALAR, read_bool, print_bool, false, "yes or no" },
	[KIND_CHOICE] = { NODE_SCALAR, read_choice, print_choice, false, "word" },
	[KIND_TEXT] = { NODE_SCALAR, read_plain, print_text, true, "text" },
	[KIND_FILE] = { NODE_SCALAR, read_plain, print_text, true, "file path" },
	[KIND_OUTPUT] = { NODE_SCALAR, read_output, print_output, true, "word or file path" },
	[KIND_PATH] = { NODE_SCALAR, read_path, print_text, true, "URL path" },
	[KIND_TARGET] = { NODE_SCALAR, read_target, print_text, true, "URL path" },
	[KIND_LISTEN] = { NODE_SCALAR, read_listen, print_listen, false, "address" },
	[KIND_ADMIN] = { NODE_SCALAR, read_admin, print_admin, false, "address" },
	[KIND_CIDRS] = { NODE_LIST, read_cidrs, print_cidrs, false, "list of networks" },
	[KIND_STATUSES] = { NODE_NULL, read_statuses, print_statuses, false, "statuses" },
	[KIND_STRATEGY] = { NODE_SCALAR, read_strategy, print_word, true, "word" },
	[KIND_WORKERS] = { NODE_SCALAR, read_workers, print_count, false, "number" },
	[KIND_BACKENDS] = { NODE_LIST, read_backends, print_backends, false, "list" },
	[KIND_URL] = { NODE_SCALAR, read_url, print_text, true, "URL" },
};

const struct kind *
option_kind(const struct option *o)
{
	return &kinds[o->kind];
}
