/*
 * Other readers: how careless recipients in front of or behind us find the
 * end of a body.  Request smuggling needs two that disagree, so a head that we
 * accept or write must mean the same to all of these.  They share no code with
 * src/http.
 */
#ifndef BALLAST_TESTS_FUZZ_OTHERS_H
#define BALLAST_TESTS_FUZZ_OTHERS_H

#include <ctype.h>

#include "ballast/http/framing.h"
#include "fuzz.h"

enum other {
	OTHER_LAST = 1,         /* the last of several fields counts, not the first */
	OTHER_LENGTH_FIRST = 2, /* Content-Length overrides Transfer-Encoding */
	OTHER_LETTERS = 4,      /* of a name only the letters count: Content_Length */
	OTHER_LF_ONLY = 8,      /* a line ends at LF; else also at a CR alone */
	OTHER_ANY_BASE = 16,    /* 010 is 8, 0x10 is 16 */
	OTHERS = 32
};

struct guess {
	bool chunked, has_length;
	unsigned long long length;
};

static inline bool
other_name_is(struct span name, const char *want, unsigned how)
{
	size_t i = 0;

	for (size_t at = 0; at < name.n; at++) {
		int c = tolower((unsigned char)name.p[at]);

		if ((how & OTHER_LETTERS) != 0 && !isalpha(c))
			continue;
		while ((how & OTHER_LETTERS) != 0 && want[i] == '-')
			i++;
		if (want[i] != c)
			return false;
		i++;
	}
	return want[i] == '\0';
}

static inline void
other_length(struct guess *g, struct span value, unsigned how)
{
	char text[64] = { 0 };

	if (g->has_length && (how & OTHER_LAST) == 0)
		return;
	memcpy(text, value.p, value.n < sizeof(text) - 1 ? value.n : sizeof(text) - 1);
	g->has_length = true;
	g->length = strtoull(text, NULL, (how & OTHER_ANY_BASE) != 0 ? 0 : 10);
}

static inline bool
other_says_chunked(struct span value)
{
	for (size_t i = 0; i + 7 <= value.n; i++)
		if (strncasecmp(value.p + i, "chunked", 7) == 0)
			return true;
	return false;
}

static inline void
other_line(struct guess *g, struct span line, unsigned how)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct span name, value;

	if (colon == NULL)
		return;
	name = span_trim(span_between(line.p, colon));
	value = span_trim(span_between(colon + 1, line.p + line.n));
	if (other_name_is(name, "content-length", how))
		other_length(g, value, how);
	if (other_name_is(name, "transfer-encoding", how))
		g->chunked |= other_says_chunked(value);
}

static inline struct guess
other_reads(struct span head, unsigned how)
{
	struct guess g = { false, false, 0 };
	size_t line = 0;

	for (size_t i = 0; i < head.n; i++) {
		bool ends = head.p[i] == '\n' || (head.p[i] == '\r' && (how & OTHER_LF_ONLY) == 0);

		if (!ends)
			continue;
		other_line(&g, (struct span){ head.p + line, i - line }, how);
		line = i + 1;
	}
	if (g.chunked && g.has_length && (how & OTHER_LENGTH_FIRST) != 0)
		g.chunked = false;
	return g;
}

/* Do they all find the body where we do?  `without` leaves some of their habits out. */
static inline void
others_agree(struct span head, const struct framing *ours, unsigned without)
{
	for (unsigned how = 0; how < OTHERS; how++) {
		struct guess g;

		if ((how & without) != 0)
			continue;
		g = other_reads(head, how);
		HOLDS(g.chunked == (ours->kind == BODY_CHUNKED));
		if (ours->kind == BODY_LENGTH)
			HOLDS(g.has_length && g.length == ours->length);
		else
			HOLDS(g.chunked || !g.has_length);
	}
}

#endif
