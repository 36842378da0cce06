/*
 * What goes into a line of the log: any text from outside.  What comes out is
 * the inside of a JSON string in plain UTF-8 without anything a terminal obeys,
 * whole in itself wherever the room ended.
 */
#include "ballast/base/log.h"

#include "fuzz.h"

/* Octets of the sequence that this one begins, by its high bits; 0: none. */
static size_t
sequence(unsigned char c)
{
	if (c < 0x80)
		return 1;
	return c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
}

static size_t
escaped(const char *p, size_t left)
{
	HOLDS(left >= 2);
	if (p[1] != 'u') {
		HOLDS(p[1] != '\0' && strchr("\"\\nrt", p[1]) != NULL);
		return 2;
	}
	HOLDS(left >= 6 && p[2] == '0' && p[3] == '0');
	for (int i = 4; i < 6; i++)
		HOLDS((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f'));
	return 6;
}

static size_t
literal(const char *p, size_t left)
{
	const unsigned char *s = (const unsigned char *)p;
	size_t n = sequence(s[0]);
	uint32_t point;

	HOLDS(n > 0 && n <= left);
	if (n == 1) {
		HOLDS(s[0] >= 0x20 && s[0] != 0x7f && s[0] != '"');
		return 1;
	}
	point = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		HOLDS((s[i] & 0xc0) == 0x80);
		point = point << 6 | (s[i] & 0x3f);
	}
	HOLDS(point >= (n == 2          ? 0xa0
			       : n == 3 ? 0x800
					: 0x10000)); /* no C1 controls, no longer form */
	HOLDS(point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
	return n;
}

static void
check_text(const char *out, size_t n)
{
	for (size_t i = 0; i < n;)
		i += out[i] == '\\' ? escaped(out + i, n - i) : literal(out + i, n - i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = exact_copy(data, size);
	char *whole = exact_block(6 * size);
	size_t n = log_escape_json(whole, 6 * size, text, size);
	size_t cap = size > 0 ? data[size - 1] % (n + 1) : 0;
	char *part = exact_block(cap);
	size_t m = log_escape_json(part, cap, text, size);

	HOLDS(n >= size && n <= 6 * size);
	check_text(whole, n);
	HOLDS(m <= cap && cap - m < 6);
	HOLDS(memcmp(whole, part, m) == 0);
	check_text(part, m);
	free(part);
	free(whole);
	free(text);
	return 0;
}
