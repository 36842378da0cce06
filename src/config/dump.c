/*
 * The effective configuration, told back: as YAML with the source of each value
 * (-T), and as log lines for what environment and flags overrode.  What -T
 * prints loads again to the same values; the process settings, which belong in
 * another file, follow as comments in that file's syntax.  Runs in the master.
 */
#include "ballast/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "ballast/base/log.h"
#include "options.h"

enum { VALUE_WIDTH = 44, SOURCE_TEXT = 512 };

static const char *
source_text(const struct source *s, const char *file, char out[SOURCE_TEXT])
{
	switch (s->from) {
	case FROM_FILE:
		snprintf(out, SOURCE_TEXT, "%.400s:%u:%u", file != NULL ? file : "", s->line,
			s->column);
		break;
	case FROM_ENV:
		snprintf(out, SOURCE_TEXT, "env %s", s->name);
		break;
	case FROM_FLAG:
		snprintf(out, SOURCE_TEXT, "flag %s", s->name);
		break;
	default:
		snprintf(out, SOURCE_TEXT, "default");
		break;
	}
	return out;
}

static bool
has_no_value(const struct option *o, const void *base)
{
	return option_kind(o)->owns_text && o->kind != KIND_OUTPUT &&
	       option_text(base, o->at) == NULL;
}

/* The default in words, without the marks for the documentation. */
static void
print_shown(const char *text, FILE *f)
{
	for (; *text != '\0'; text++)
		if (*text != '`')
			fputc(*text, f);
}

/* To be freed; never NULL but for lack of memory. */
static char *
value_text(const struct option *o, const void *base)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	if (has_no_value(o, base))
		print_shown(o->shown, f);
	else
		option_kind(o)->print(o, base, f);
	fclose(f);
	return text;
}

/* lead, value, and the comment in its column. */
static void
print_line(FILE *f, const char *lead, const char *value, const char *source)
{
	int width = fprintf(f, "%s%s", lead, value);

	fprintf(f, "%*s # %s\n", width < VALUE_WIDTH ? VALUE_WIDTH - width : 0, "", source);
}

static void
print_option(const struct config *c, const struct option *o, FILE *f)
{
	const struct source *s = &c->sources->options[option_index(o)];
	char lead[128], source[SOURCE_TEXT];
	char *value = value_text(o, c);

	snprintf(lead, sizeof(lead), "%s%s%s: ", strchr(o->path, '.') != NULL ? "  " : "",
		has_no_value(o, c) ? "# " : "", option_leaf(o));
	print_line(f, lead, value != NULL ? value : "", source_text(s, c->file, source));
	free(value);
}

static void
print_backend(const struct config *c, unsigned i, FILE *f)
{
	static const char *const paths[] = { "backends.url", "backends.weight" };
	static const char *const leads[] = { "  - url: ", "    weight: " };
	char source[SOURCE_TEXT];
	size_t k;

	for (k = 0; k < BACKEND_OPTIONS; k++) {
		const struct option *o = option_find(IN_BACKEND, paths[k]);
		char *value = value_text(o, &c->backends[i]);

		print_line(f, leads[k], value != NULL ? value : "",
			source_text(&c->sources->backends[i][k], c->file, source));
		free(value);
	}
}

static void
print_switch(const struct config *c, const struct option *o, bool on, FILE *f)
{
	char lead[128], source[SOURCE_TEXT];

	snprintf(lead, sizeof(lead), "%s:", o->path);
	print_line(f, lead, on ? "" : " off",
		source_text(&c->sources->options[option_index(o)], c->file, source));
}

static void
print_row(const struct config *c, const struct option *o, FILE *f)
{
	unsigned i;

	switch (o->kind) {
	case KIND_GROUP:
	case KIND_SHORT:
		fprintf(f, "%s:\n", o->path);
		break;
	case KIND_SWITCH:
		print_switch(c, o, *(const bool *)option_member_const(c, o->at), f);
		break;
	case KIND_BACKENDS:
		fprintf(f, "%s:\n", o->path);
		for (i = 0; i < c->n_backends; i++)
			print_backend(c, i, f);
		break;
	default:
		print_option(c, o, f);
	}
}

/* A group that is off shows no members: with one of them it would be on again. */
static bool
is_switched_off(const struct config *c, const struct option *o)
{
	return (!c->rate_limit.on && option_is_in(o, "rate_limit")) ||
	       (!c->health.on && option_is_in(o, "health_check"));
}

static void
print_process(const struct config *c, const struct option *o, FILE *f)
{
	const struct source *s = &c->sources->options[option_index(o)];
	bool unset = has_no_value(o, c);
	const char *quote = o->words != NULL ? "\"" : "";
	char lead[128], source[SOURCE_TEXT];
	char *value = value_text(o, c);
	char *line = NULL;

	if (asprintf(&line, "%s%s%s%s", quote, value != NULL ? value : "", quote,
		    unset ? "" : ";") < 0)
		line = NULL;
	snprintf(lead, sizeof(lead), "# %s%s ", o->path, unset ? ":" : " =");
	print_line(f, lead, line != NULL ? line : "", source_text(s, c->process_file, source));
	free(line);
	free(value);
}

void
config_dump(const struct config *c, FILE *f)
{
	size_t i;

	for (i = 0; i < option_count(); i++)
		if (option_at(i)->home == IN_CONFIG && !is_switched_off(c, option_at(i)))
			print_row(c, option_at(i), f);
	fprintf(f, "\n# Process settings; they belong in ballast.cfg%s%s:\n",
		c->process_file != NULL ? ", here " : "",
		c->process_file != NULL ? c->process_file : "");
	for (i = 0; i < option_count(); i++)
		if (option_at(i)->home == IN_PROCESS)
			print_process(c, option_at(i), f);
}

void
config_log_overrides(const struct config *c)
{
	char source[SOURCE_TEXT];
	size_t i;

	for (i = 0; i < option_count(); i++) {
		const struct option *o = option_at(i);
		const struct source *s = &c->sources->options[option_index(o)];
		char *value;
		size_t quote;

		if (o->home == IN_BACKEND || s->from == FROM_DEFAULT || s->from == FROM_FILE)
			continue;
		value = value_text(o, c);
		quote = value != NULL && value[0] == '"'; /* the log has its own */
		log_info("config overridden", LOG_STR("option", o->path),
			LOG_SPAN("value", value + quote,
				value != NULL ? strlen(value) - 2 * quote : 0),
			LOG_STR("source", source_text(s, NULL, source)));
		free(value);
	}
}
