/*
 * The octet classes of HTTP and the loops that run over them, private to the
 * parsers.  A scan returns the first octet that is not of the class, or end; it
 * never reads at or behind end.  Values and targets, which make up most of a
 * head, go 16 octets at a time where SSE2 is there; the table decides the rest
 * and is the reference for both.
 */
#ifndef BALLAST_HTTP_SCAN_H
#define BALLAST_HTTP_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
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
	return (octet_class(octet) & OCTET_DIGIT) != 0;
}

static inline const char *
scan_class(const char *p, const char *end, unsigned classes)
{
	while (p < end && (octet_class(*p) & classes) != 0)
		p++;
	return p;
}

#ifdef __SSE2__
static inline __m128i
scan_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline unsigned
scan_mask(__m128i stops)
{
	return (unsigned)_mm_movemask_epi8(stops);
}
#endif

static inline const char *
scan_value(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i tab = _mm_set1_epi8('\t');
	const __m128i del = _mm_set1_epi8(0x7f);
	const __m128i last_control = _mm_set1_epi8(0x1f);

	for (; end - p >= 16; p += 16) {
		__m128i v = scan_load(p);
		__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v);
		__m128i stops = _mm_or_si128(
			_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), control), _mm_cmpeq_epi8(v, del));
		unsigned mask = scan_mask(stops);

		if (mask != 0)
			return p + __builtin_ctz(mask);
	}
#endif
	return scan_class(p, end, OCTET_VALUE);
}

static inline const char *
scan_target(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i hash = _mm_set1_epi8('#');
	const __m128i del = _mm_set1_epi8(0x7f);
	const __m128i space = _mm_set1_epi8(' ');

	for (; end - p >= 16; p += 16) {
		__m128i v = scan_load(p);
		/* Signed, so that octets from 0x80 on are below the space as well. */
		__m128i visible = _mm_cmpgt_epi8(v, space);
		__m128i barred = _mm_or_si128(_mm_cmpeq_epi8(v, hash), _mm_cmpeq_epi8(v, del));
		unsigned mask = ~scan_mask(_mm_andnot_si128(barred, visible)) & 0xffff;

		if (mask != 0)
			return p + __builtin_ctz(mask);
	}
#endif
	return scan_class(p, end, OCTET_TARGET);
}

#endif
