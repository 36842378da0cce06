/*
 * Errors that an operator caused and can mend: a list of lines, each
 * "file:line:column: what is wrong; what would be right".  All errors of a file
 * are collected before anything is said, so one run shows them all.
 * Run-time conditions never come here: they are -errno or a verdict.
 */
#ifndef BALLAST_BASE_ERR_H
#define BALLAST_BASE_ERR_H

#include <stdbool.h>
#include <stdio.h>

struct err_line {
	struct err_line *next;
	char text[];
};

struct err {
	struct err_line *first;
	struct err_line **last;
	unsigned count; /* capped at ERR_MAX lines, but counted on */
};

enum { ERR_MAX = 100 };

/* Where in an operator's file: line and column from 1; line 0 means the file as a whole. */
struct err_place {
	const char *file;
	unsigned line;
	unsigned column;
};

void err_init(struct err *);
void err_free(struct err *);
static inline bool
err_any(const struct err *e)
{
	return e->count > 0;
}
/* An error without a place: environment, flags, system calls. */
void err_add(struct err *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_add_at(struct err *, struct err_place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* One line each, and how many more there are when the cap was reached. */
void err_print(const struct err *, FILE *);

/*
 * The word of words[n] nearest to `word` (Damerau-Levenshtein distance, at most
 * a third of its length, at least 1), or NULL.  For "did you mean".
 */
const char *err_nearest(const char *word, const char *const *words, size_t n);

#endif
