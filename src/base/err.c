/*
 * Errors an operator made, collected until the whole input is read.  Runs in
 * the master and in the command line's own checks; workers never use it.  Owns
 * its lines.  Invariants: a line holds no control characters, so one error is
 * one line whatever was in the file; `count` counts what the cap or a lack of
 * memory kept out.  Does not print by itself.
 */
#include "ballast/base/err.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 63, PLACE_TEXT = 48 };

void
err_init(struct err *e)
{
	*e = (struct err){ .first = NULL, .last = &e->first, .count = 0 };
}

void
err_free(struct err *e)
{
	while (e->first != NULL) {
		struct err_line *line = e->first;

		e->first = line->next;
		free(line);
	}
	err_init(e);
}

/* Quoted words come from files: a newline or an escape sequence in one must stay a word. */
static void
blank_controls(char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			*text = '?';
	}
}

static struct err_line *line_new(const char *, const char *, va_list)
	__attribute__((format(printf, 2, 0)));
static void append(struct err *, const char *, const char *, va_list)
	__attribute__((format(printf, 3, 0)));

static struct err_line *
line_new(const char *prefix, const char *fmt, va_list args)
{
	struct err_line *line;
	size_t before = strlen(prefix);
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return NULL;
	line = malloc(sizeof(*line) + before + (size_t)n + 1);
	if (line == NULL)
		return NULL;
	line->next = NULL;
	memcpy(line->text, prefix, before);
	vsnprintf(line->text + before, (size_t)n + 1, fmt, args);
	blank_controls(line->text);
	return line;
}

static void
append(struct err *e, const char *prefix, const char *fmt, va_list args)
{
	struct err_line *line;

	if (e->count++ >= ERR_MAX)
		return;
	line = line_new(prefix, fmt, args);
	if (line == NULL)
		return;
	*e->last = line;
	e->last = &line->next;
}

void
err_add(struct err *e, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	append(e, "", fmt, args);
	va_end(args);
}

static void
place_text(char *out, size_t cap, struct err_place at)
{
	const char *file = at.file != NULL ? at.file : "configuration";

	if (at.line == 0)
		snprintf(out, cap, "%s: ", file);
	else if (at.column == 0)
		snprintf(out, cap, "%s:%u: ", file, at.line);
	else
		snprintf(out, cap, "%s:%u:%u: ", file, at.line, at.column);
}

void
err_add_at(struct err *e, struct err_place at, const char *fmt, ...)
{
	size_t cap = (at.file != NULL ? strlen(at.file) : 0) + PLACE_TEXT;
	char *prefix = malloc(cap);
	va_list args;

	if (prefix != NULL)
		place_text(prefix, cap, at);
	va_start(args, fmt);
	append(e, prefix != NULL ? prefix : "", fmt, args);
	va_end(args);
	free(prefix);
}

void
err_print(const struct err *e, FILE *out)
{
	unsigned shown = 0;

	for (const struct err_line *line = e->first; line != NULL; line = line->next) {
		fprintf(out, "%s\n", line->text);
		shown++;
	}
	if (e->count > shown)
		fprintf(out, "and %u more\n", e->count - shown);
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Three rows of the table of prefixes: a transposition looks back two. */
struct rows {
	unsigned row[3][WORD_MAX + 1];
};

static void
next_row(struct rows *r, const char *a, size_t i, const char *b, size_t n)
{
	unsigned *now = r->row[i % 3];
	const unsigned *above = r->row[(i + 2) % 3];
	const unsigned *two_above = r->row[(i + 1) % 3];

	now[0] = (unsigned)i;
	for (size_t j = 1; j <= n; j++) {
		unsigned replace = above[j - 1] + (a[i - 1] != b[j - 1]);

		now[j] = least(replace, least(above[j], now[j - 1]) + 1);
		if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
			now[j] = least(now[j], two_above[j - 2] + 1);
	}
}

/*
 * Damerau 1964, in the restricted form that edits no substring twice: replacing,
 * inserting, dropping a letter or swapping two neighbours costs 1 each.
 */
static unsigned
distance(const char *a, size_t m, const char *b, size_t n)
{
	struct rows r;

	for (size_t j = 0; j <= n; j++)
		r.row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= m; i++)
		next_row(&r, a, i, b, n);
	return r.row[m % 3][n];
}

const char *
err_nearest(const char *word, const char *const *words, size_t n)
{
	size_t len = strlen(word);
	unsigned best = len / 3 > 1 ? (unsigned)(len / 3) + 1 : 2; /* the first one too far */
	const char *found = NULL;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t known = strlen(words[i]);
		unsigned d = known <= WORD_MAX ? distance(word, len, words[i], known) : best;

		if (d < best) {
			best = d;
			found = words[i];
		}
	}
	return found;
}
