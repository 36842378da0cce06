/*
 * A span is a piece of somebody else's memory: pointer and length, passed by
 * value.  It owns nothing and is never NUL-terminated.  The parsers answer in
 * spans into the receive buffer, so nothing is copied on the way of a request.
 */
#ifndef BALLAST_BASE_SPAN_H
#define BALLAST_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *p;
	size_t n;
};

/* A span over a string literal. */
#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })

static inline struct span
span_of(const char *text)
{
	return (struct span){ text, strlen(text) };
}

static inline struct span
span_between(const char *from, const char *to)
{
	return (struct span){ from, (size_t)(to - from) };
}

static inline bool
span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case is ignored, as for field names (RFC 9110 5.1). */
static inline bool
span_eq_nocase(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

/* Without optional whitespace at either end (OWS, RFC 9110 5.6.3). */
static inline struct span
span_trim(struct span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/*
 * Takes the next member off a comma-separated list (RFC 9110 5.6.1): trimmed,
 * possibly empty.  Returns false when the list is used up.
 */
static inline bool
span_next_member(struct span *list, struct span *member)
{
	const char *comma;

	if (list->p == NULL)
		return false;
	comma = list->n > 0 ? memchr(list->p, ',', list->n) : NULL;
	if (comma == NULL) {
		*member = span_trim(*list);
		*list = (struct span){ NULL, 0 };
	} else {
		*member = span_trim(span_between(list->p, comma));
		*list = span_between(comma + 1, list->p + list->n);
	}
	return true;
}

#endif
