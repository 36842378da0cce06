/*
 * JSON string escaping, the one way by which text from outside enters a log.
 * Runs in every process, for the log and for each line of the access log, so
 * plain ASCII takes the short path.  Pure: owns nothing, allocates nothing.
 * Invariant: the output is valid inside a JSON string and harmless to a
 * terminal, whatever octets came in, and wherever `cap` ended it.
 */
#include "ballast/base/log.h"

#include <string.h>

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

size_t
log_escape_json(char *out, size_t cap, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = 0, i = 0;

	while (i < len && n < cap) {
		char piece[6];
		size_t used, length;

		if (is_plain(s[i])) {
			out[n++] = (char)s[i++];
			continue;
		}
		length = escape_one(piece, s + i, len - i, &used);
		if (length > cap - n)
			break;
		memcpy(out + n, piece, length);
		n += length;
		i += used;
	}
	return n;
}
