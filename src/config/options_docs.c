/*
 * The table of options as documentation: Markdown for docs/config.md, mdoc for
 * ballast.yaml(5).  Pure printing of options.def; a test compares what is
 * committed with what is printed.
 */
#include "ballast/config/config.h"

#include <string.h>

#include "options.h"

static const char *
default_text(const struct option *o)
{
	if (o->fallback != NULL)
		return o->fallback;
	return o->shown != NULL ? o->shown : "";
}

static bool
is_header(const struct option *o)
{
	return o->kind == KIND_GROUP || o->kind == KIND_SWITCH || o->kind == KIND_SHORT;
}

/* "LB_WORKERS, -w", or what there is of it. */
static void
print_overrides(const struct option *o, const char *quote, FILE *f)
{
	const char *comma = o->env != NULL && o->flag != NULL ? ", " : "";

	if (o->env != NULL)
		fprintf(f, "%s%s%s%s", quote, o->env, quote, comma);
	if (o->flag != NULL)
		fprintf(f, "%s%s%s", quote, o->flag, quote);
}

static void
markdown_row(const struct option *o, FILE *f)
{
	char range[RANGE_TEXT];
	const char *quote = o->fallback != NULL ? "`" : "";

	option_range(o, option_strategies(), range);
	fprintf(f, "| `%s` | %s | %s%s%s | %s | %s", o->path, option_kind(o)->name, quote,
		default_text(o), quote, range, o->help);
	if (o->env != NULL || o->flag != NULL) {
		fputs(" Overridden by ", f);
		print_overrides(o, "`", f);
		fputc('.', f);
	}
	if (o->at_start)
		fputs(" A reload does not change it.", f);
	fputs(" |\n", f);
}

static const char table_head[] = "| key | kind | default | range | meaning |\n"
				 "|---|---|---|---|---|\n";

static void
markdown_home(enum option_home home, FILE *f)
{
	bool in_table = false, in_group = false;
	size_t i;

	for (i = 0; i < option_count(); i++) {
		const struct option *o = option_at(i);
		bool top = strchr(o->path, '.') == NULL;

		if (o->home != home && !(home == IN_CONFIG && o->home == IN_BACKEND))
			continue;
		if (is_header(o)) {
			fprintf(f, "\n### %s\n\n%s\n", o->path, o->help);
			in_group = true;
			in_table = false;
			continue;
		}
		if (top && in_group) { /* not a member of the group above */
			fprintf(f, "\n### %s\n", o->path);
			in_table = false;
		}
		if (!in_table)
			fprintf(f, "\n%s", table_head);
		in_table = true;
		markdown_row(o, f);
	}
}

void
options_print_markdown(FILE *f)
{
	fputs("# Configuration\n\n"
	      "Printed from `src/config/options.def` by `make docs`; edit there.\n\n"
	      "A flag beats the environment, the environment beats the file, the file beats the\n"
	      "default. `ballast -t` checks, `ballast -T` shows what holds and where it came "
	      "from.\n"
	      "Durations have a unit, `ms s m h`; sizes have one of `k m g` (powers of 1024);\n"
	      "decimals may be used with both. All errors of a file are shown in one go, as\n"
	      "`file:line:column: what is wrong; what would be right`.\n"
	      "Aliases, anchors, tags, a second document, keys given twice, more than 32 levels,\n"
	      "10,000 nodes or 1 MiB are refused.\n\n"
	      "## config.yaml: what the traffic does\n\n"
	      "YAML; named by `-c`, `LB_CONFIG` or `config` in ballast.cfg, else `config.yaml`\n"
	      "here, then `/etc/ballast/config.yaml`. With `LB_BACKENDS` in the environment none\n"
	      "is needed. Read again on HUP; where a row says nothing else, the new value then\n"
	      "holds for new generations of workers.\n",
		f);
	markdown_home(IN_CONFIG, f);
	fputs("\n## ballast.cfg: how the process runs\n\n"
	      "libconfig; named by `-C`, else `/etc/ballast/ballast.cfg` where it exists. Read\n"
	      "once, before privileges drop; a reload does not look at it.\n",
		f);
	markdown_home(IN_PROCESS, f);
}

static void
mdoc_char(const char *p, FILE *f)
{
	if (p[0] == ' ' && p[-1] == '.')
		fputc('\n', f); /* a new sentence is a new line */
	else if (*p == '\\')
		fputs("\\e", f);
	else if (*p == '-')
		fputs("\\-", f);
	else
		fputc(*p, f);
}

/* `word` is printed bold.  No text begins with a dot, which would be a request. */
static void
mdoc_text(const char *text, FILE *f)
{
	const char *p;
	bool bold = false;

	for (p = text; *p != '\0'; p++) {
		if (*p != '`') {
			mdoc_char(p, f);
			continue;
		}
		bold = !bold;
		fputs(bold ? "\\fB" : "\\fR", f);
	}
}

static void
mdoc_row(const struct option *o, FILE *f)
{
	char range[RANGE_TEXT];

	fprintf(f, ".It Ic %s\n", o->path);
	mdoc_text(o->help, f);
	fputc('\n', f);
	if (is_header(o))
		return;
	option_range(o, option_strategies(), range);
	fprintf(f, ".br\n");
	mdoc_text(option_kind(o)->name, f);
	if (*range != '\0') {
		fputs(": ", f);
		mdoc_text(range, f);
	}
	fputs("; default: ", f);
	mdoc_text(default_text(o), f);
	if (o->env != NULL || o->flag != NULL) {
		fputs("; overridden by ", f);
		print_overrides(o, "", f);
	}
	fputs(o->at_start ? "; a reload does not change it.\n" : ".\n", f);
}

static void
mdoc_home(bool process, FILE *f)
{
	size_t i;

	fputs(".Bl -tag -width Ds\n", f);
	for (i = 0; i < option_count(); i++)
		if ((option_at(i)->home == IN_PROCESS) == process)
			mdoc_row(option_at(i), f);
	fputs(".El\n", f);
}

void
options_print_mdoc(FILE *f)
{
	fputs(".Ss config.yaml\n", f);
	mdoc_home(false, f);
	fputs(".Ss ballast.cfg\n", f);
	mdoc_home(true, f);
}
