/*
 * The table of names and the look-up in it, private to names.c and the parser
 * of field lines, where a call for every line would cost as much as the look-up.
 *
 * A name is found without comparing it to every row: its length, first and last
 * octet make a key, the key has at most one candidate, and one comparison
 * decides.  Invariant: every named row of names.def has its line in
 * `candidates`; two lines with the same key do not compile (an initialiser
 * would override another), and a unit test looks up every row.
 */
#ifndef BALLAST_HTTP_NAME_TABLE_H
#define BALLAST_HTTP_NAME_TABLE_H

#include "ballast/http/names.h"

#include <string.h>

/* The text lies in the row, so that a look-up touches one cache line of the table. */
struct name_row {
	uint8_t n;
	uint8_t flags;
	char text[30];
};

static const struct name_row name_rows[N_NAMES] = {
#define NAME(id, text, flags) [NAME_##id] = { sizeof(text) - 1, flags, text },
#include "ballast/http/names.def"
#undef NAME
};

enum { NAME_KEYS = 128 };
/* Lower case first and last octet; the factors keep all present names apart. */
#define NAME_KEY(n, first, last)                                                                   \
	(((n) + 6u * (unsigned)(first) + 3u * (unsigned)(last)) % NAME_KEYS)

static const uint8_t name_candidates[NAME_KEYS] = {
	[NAME_KEY(4, 'h', 't')] = NAME_HOST,
	[NAME_KEY(14, 'c', 'h')] = NAME_CONTENT_LENGTH,
	[NAME_KEY(17, 't', 'g')] = NAME_TRANSFER_ENCODING,
	[NAME_KEY(10, 'c', 'n')] = NAME_CONNECTION,
	[NAME_KEY(10, 'k', 'e')] = NAME_KEEP_ALIVE,
	[NAME_KEY(16, 'p', 'n')] = NAME_PROXY_CONNECTION,
	[NAME_KEY(19, 'p', 'n')] = NAME_PROXY_AUTHORIZATION,
	[NAME_KEY(18, 'p', 'e')] = NAME_PROXY_AUTHENTICATE,
	[NAME_KEY(2, 't', 'e')] = NAME_TE,
	[NAME_KEY(7, 't', 'r')] = NAME_TRAILER,
	[NAME_KEY(7, 'u', 'e')] = NAME_UPGRADE,
	[NAME_KEY(14, 'h', 's')] = NAME_HTTP2_SETTINGS,
	[NAME_KEY(5, 'p', 'y')] = NAME_PROXY,
	[NAME_KEY(6, 'e', 't')] = NAME_EXPECT,
	[NAME_KEY(12, 'm', 's')] = NAME_MAX_FORWARDS,
	[NAME_KEY(3, 'v', 'a')] = NAME_VIA,
	[NAME_KEY(4, 'd', 'e')] = NAME_DATE,
	[NAME_KEY(13, 'a', 'n')] = NAME_AUTHORIZATION,
	[NAME_KEY(6, 'c', 'e')] = NAME_COOKIE,
	[NAME_KEY(10, 's', 'e')] = NAME_SET_COOKIE,
	[NAME_KEY(13, 'c', 'l')] = NAME_CACHE_CONTROL,
	[NAME_KEY(12, 'c', 'e')] = NAME_CONTENT_TYPE,
	[NAME_KEY(16, 'c', 'g')] = NAME_CONTENT_ENCODING,
	[NAME_KEY(13, 'c', 'e')] = NAME_CONTENT_RANGE,
	[NAME_KEY(8, 'l', 'n')] = NAME_LOCATION,
	[NAME_KEY(5, 'r', 'e')] = NAME_RANGE,
	[NAME_KEY(10, 'u', 't')] = NAME_USER_AGENT,
	[NAME_KEY(7, 'r', 'r')] = NAME_REFERER,
	[NAME_KEY(9, 'f', 'd')] = NAME_FORWARDED,
	[NAME_KEY(9, 'x', 'p')] = NAME_X_REAL_IP,
	[NAME_KEY(15, 'x', 'r')] = NAME_X_FORWARDED_FOR,
	[NAME_KEY(17, 'x', 'o')] = NAME_X_FORWARDED_PROTO,
	[NAME_KEY(16, 'x', 't')] = NAME_X_FORWARDED_HOST,
	[NAME_KEY(12, 'x', 'd')] = NAME_X_REQUEST_ID,
};

/* In names.def an octet with the bit 0x40 is a letter, so this is the bit that its case is. */
static inline uint64_t
case_bits(uint64_t text)
{
	return (text & 0x4040404040404040) >> 1;
}

/* Exact for any octets given: only letters lose their case. */
static inline bool
same_word(uint64_t given, uint64_t text)
{
	return ((given ^ text) & ~case_bits(text)) == 0;
}

static inline uint64_t
word_8(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static inline uint64_t
word_4(const char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* By words, of which the last one may overlap the one before. */
static inline bool
same_name(const char *given, const char *text, size_t n)
{
	size_t i;

	if (n >= 8) {
		for (i = 0; i + 8 < n; i += 8)
			if (!same_word(word_8(given + i), word_8(text + i)))
				return false;
		return same_word(word_8(given + n - 8), word_8(text + n - 8));
	}
	if (n >= 4)
		return same_word(word_4(given), word_4(text)) &&
		       same_word(word_4(given + n - 4), word_4(text + n - 4));
	for (i = 0; i < n && same_word((unsigned char)given[i], (unsigned char)text[i]); i++)
		;
	return i == n;
}

static inline enum name_id
name_find(struct span name)
{
	unsigned first, last;
	uint8_t id;

	if (name.n == 0)
		return NAME_OTHER;
	first = (unsigned char)name.p[0] | 0x20u;
	last = (unsigned char)name.p[name.n - 1] | 0x20u;
	id = name_candidates[NAME_KEY((unsigned)name.n, first, last)];
	if (name_rows[id].n != name.n || !same_name(name.p, name_rows[id].text, name.n))
		return NAME_OTHER;
	return (enum name_id)id;
}

#endif
