/*
 * The octet classes of HTTP and the loops that run over them, private to the
 * parsers.  A scan returns the first octet that is not of the class, or end; it
 * never reads at or behind end.  What makes up most of a head goes 16 octets at
 * a time where SSE2 is there; the table is the reference, and all that there is
 * elsewhere.
 */
#ifndef BALLAST_HTTP_SCAN_H
#define BALLAST_HTTP_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include "scan_sse2.h"
#endif

enum octet_class {
	OCTET_TOKEN = 1,     /* tchar (RFC 9110 5.6.2) */
	OCTET_UNDER = 2,     /* the underscore, a tchar that some backends take for a hyphen */
	OCTET_VALUE = 4,     /* HTAB, SP, VCHAR, obs-text (RFC 9110 5.5) */
	OCTET_TARGET = 8,    /* VCHAR without '#' */
	OCTET_REG_NAME = 16, /* unreserved and sub-delims without the comma (RFC 3986 3.2.2) */
	OCTET_QDTEXT = 32,   /* inside a quoted-string, unescaped (RFC 9110 5.6.4) */
	OCTET_HEX = 64,
	OCTET_DIGIT = 128,
};

#define OCTET_VISIBLE (OCTET_VALUE | OCTET_TARGET | OCTET_QDTEXT)
#define OCTET_WORD    (OCTET_VISIBLE | OCTET_TOKEN | OCTET_REG_NAME)

static const uint8_t octet_classes[256] = {
	['\t'] = OCTET_VALUE | OCTET_QDTEXT,
	[' '] = OCTET_VALUE | OCTET_QDTEXT,
	['!'] = OCTET_WORD,
	['"'] = OCTET_VALUE | OCTET_TARGET,
	['#'] = OCTET_VALUE | OCTET_QDTEXT | OCTET_TOKEN,
	['$'] = OCTET_WORD,
	['%'] = OCTET_VISIBLE | OCTET_TOKEN,
	['&'] = OCTET_WORD,
	['\''] = OCTET_WORD,
	['('] = OCTET_VISIBLE | OCTET_REG_NAME,
	[')'] = OCTET_VISIBLE | OCTET_REG_NAME,
	['*'] = OCTET_WORD,
	['+'] = OCTET_WORD,
	[','] = OCTET_VISIBLE,
	['-'] = OCTET_WORD,
	['.'] = OCTET_WORD,
	['/'] = OCTET_VISIBLE,
	['0' ... '9'] = OCTET_WORD | OCTET_HEX | OCTET_DIGIT,
	[':'] = OCTET_VISIBLE,
	[';'] = OCTET_VISIBLE | OCTET_REG_NAME,
	['<'] = OCTET_VISIBLE,
	['='] = OCTET_VISIBLE | OCTET_REG_NAME,
	['>'] = OCTET_VISIBLE,
	['?'] = OCTET_VISIBLE,
	['@'] = OCTET_VISIBLE,
	['A' ... 'F'] = OCTET_WORD | OCTET_HEX,
	['G' ... 'Z'] = OCTET_WORD,
	['['] = OCTET_VISIBLE,
	['\\'] = OCTET_VALUE | OCTET_TARGET,
	[']'] = OCTET_VISIBLE,
	['^'] = OCTET_VISIBLE | OCTET_TOKEN,
	['_'] = OCTET_WORD | OCTET_UNDER,
	['`'] = OCTET_VISIBLE | OCTET_TOKEN,
	['a' ... 'f'] = OCTET_WORD | OCTET_HEX,
	['g' ... 'z'] = OCTET_WORD,
	['{'] = OCTET_VISIBLE,
	['|'] = OCTET_VISIBLE | OCTET_TOKEN,
	['}'] = OCTET_VISIBLE,
	['~'] = OCTET_WORD,
	[0x80 ... 0xff] = OCTET_VALUE | OCTET_QDTEXT,
};

static inline unsigned
octet_class(char octet)
{
	return octet_classes[(unsigned char)octet];
}

static inline bool
is_digit(char octet)
{
	return octet >= '0' && octet <= '9';
}

static inline const char *
scan_class(const char *p, const char *end, unsigned classes)
{
	while (p < end && (octet_class(*p) & classes) != 0)
		p++;
	return p;
}

static inline const char *
scan_value(const char *p, const char *end)
{
#ifdef __SSE2__
	return sse2_value(p, end);
#else
	return scan_class(p, end, OCTET_VALUE);
#endif
}

static inline const char *
scan_target(const char *p, const char *end)
{
#ifdef __SSE2__
	return sse2_target(p, end);
#else
	return scan_class(p, end, OCTET_TARGET);
#endif
}

/* Over letters and hyphens, as far as that is quick: what is more is the table's to find. */
static inline const char *
scan_words(const char *p, const char *end)
{
#ifdef __SSE2__
	return sse2_words(p, end);
#else
	(void)end;
	return p;
#endif
}

/* The first LF, or end. */
static inline const char *
scan_line(const char *p, const char *end)
{
	const char *lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

	return lf != NULL ? lf : end;
}

/* Could an empty line follow this LF, if more came behind end? */
static inline bool
may_end_head(const char *lf, const char *end)
{
	const char *p = lf + 1;

	if (p < end && *p == '\r')
		p++;
	return p == end || *p == '\n';
}

/* The first LF that LF or CR LF follows, or may follow when more comes; else end. */
static inline const char *
scan_empty_line(const char *p, const char *end)
{
#ifdef __SSE2__
	p = sse2_empty_line(p, end);
#endif
	for (; p < end; p = scan_line(p + 1, end))
		if (*p == '\n' && may_end_head(p, end))
			break;
	return p;
}

#endif
