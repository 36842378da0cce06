/*
 * JSON string escaping, the one way by which text from outside enters a log.
 * Runs in every process, for the log and for each line of the access log, so
 * plain ASCII takes the short path, 16 octets at a time where SSE2 is there and
 * 8 elsewhere; is_plain() is the reference for both.  Pure: owns nothing.
 * Invariant: the output is valid inside a JSON string and harmless to a
 * terminal, whatever octets came in, and wherever `cap` ended it.
 */
#include "ballast/base/log.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool
is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Octets of the well-formed UTF-8 sequence at s (RFC 3629 4), or 0.  ASCII is not asked here. */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0; /* shorter forms exist */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f; /* over U+10FFFF */
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (!is_tail(s[i]))
			return 0;
	}
	return n;
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* The same octet eight times. */
#define EIGHT(octet) (UINT64_C(0x0101010101010101) * (octet))

/* Not 0 when an octet of w is less than `octet`, and, as long as none has its high bit set, only then. */
static uint64_t
below(uint64_t w, unsigned char octet)
{
	return (w - EIGHT(octet)) & ~w & EIGHT(0x80);
}

/* All eight at once.  A carry or borrow only ever leaves an octet that is barred itself. */
static bool
word_is_plain(const char *text)
{
	uint64_t w, high;

	memcpy(&w, text, sizeof(w));
	high = (w | (w + EIGHT(1))) & EIGHT(0x80);
	return (high | below(w, 0x20) | below(w ^ EIGHT('"'), 1) | below(w ^ EIGHT('\\'), 1)) == 0;
}

/*
 * Where the next `stride` octets lie, of n that are no fewer: what is left at the end is looked at with some
 * that were looked at before.
 */
static size_t
stride_at(size_t i, size_t n, size_t stride)
{
	return i < n - stride ? i : n - stride;
}

static size_t
copy_plain_by_8(char *out, const char *text, size_t n)
{
	size_t i = 0;

	for (; n >= 8 && i < n; i += 8) {
		i = stride_at(i, n, 8);
		if (!word_is_plain(text + i))
			break;
		memcpy(out + i, text + i, 8);
	}
	for (; i < n && is_plain((unsigned char)text[i]); i++)
		out[i] = text[i];
	return i;
}

#ifdef __SSE2__
/* One bit for each of the 16 octets that is not plain. */
static unsigned
stops_in(__m128i v)
{
	/* Signed, so that octets from 0x80 on are below the space as well. */
	__m128i printable = _mm_cmpgt_epi8(v, _mm_set1_epi8(0x1f));
	__m128i barred = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)),
		_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
			_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));

	return ~(unsigned)_mm_movemask_epi8(_mm_andnot_si128(barred, printable)) & 0xffff;
}

static size_t
copy_plain_by_16(char *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		__m128i v;
		unsigned stops;

		i = stride_at(i, n, 16);
		v = _mm_loadu_si128((const __m128i *)(const void *)(text + i));
		stops = stops_in(v);
		_mm_storeu_si128((__m128i *)(void *)(out + i), v);
		if (stops != 0)
			return i + (unsigned)__builtin_ctz(stops);
	}
	return n;
}
#endif

size_t
log_copy_plain(char *out, const char *text, size_t n)
{
#ifdef __SSE2__
	if (n >= 16)
		return copy_plain_by_16(out, text, n);
#endif
	return copy_plain_by_8(out, text, n);
}

/* The letter behind the backslash, or 0 when there is no short form. */
static char
short_escape(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return '\0';
	}
}

/* One octet as it must be written: \n, \u00XX.  Returns its length, at most 6. */
static size_t
escape_octet(char out[6], unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char letter = short_escape(c);

	if (letter != '\0') {
		out[0] = '\\';
		out[1] = letter;
		return 2;
	}
	memcpy(out, "\\u00", 4);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

/* What stands for the character at s, and in *used how many octets it took. */
static size_t
escape_one(char out[6], const unsigned char *s, size_t left, size_t *used)
{
	size_t n = s[0] < 0x80 ? 0 : utf8_length(s, left);

	*used = n > 0 ? n : 1;
	/* U+0080 to U+009F are control characters too: terminals obey some of them. */
	if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
		return escape_octet(out, s[1]);
	if (n == 0)
		return escape_octet(out, s[0]);
	memcpy(out, s, n);
	return n;
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t
log_escape_json(char *out, size_t cap, const char *text, size_t len)
{
	size_t n = log_copy_plain(out, text, smaller(len, cap));
	size_t i = n;

	while (i < len && n < cap) {
		size_t used, plain, length;
		char piece[6];

		length = escape_one(piece, (const unsigned char *)text + i, len - i, &used);

		if (length > cap - n)
			break;
		memcpy(out + n, piece, length);
		n += length;
		i += used;
		plain = log_copy_plain(out + n, text + i, smaller(len - i, cap - n));
		n += plain;
		i += plain;
	}
	return n;
}
