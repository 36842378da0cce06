/*
 * The names a proxy knows.  A name is found without comparing it to every row:
 * its length, first and last octet make a key, the key has at most one
 * candidate, and one comparison decides.  Invariant: every named row of
 * names.def has its line in `candidates`; two lines with the same key do not
 * compile (an initialiser would override another), and a unit test looks up
 * every row.  Pure and constant, so every process may use it.
 */
#include "ballast/http/names.h"

#include <string.h>

struct name_row {
	const char *text;
	uint8_t n;
	uint8_t flags;
};

static const struct name_row rows[N_NAMES] = {
#define NAME(id, text, flags) [NAME_##id] = { text, sizeof(text) - 1, flags },
#include "ballast/http/names.def"
#undef NAME
};

enum { N_KEYS = 128 };
/* Lower case first and last octet; the factors keep all present names apart. */
#define KEY(n, first, last) (((n) + 6u * (unsigned)(first) + 3u * (unsigned)(last)) % N_KEYS)

static const uint8_t candidates[N_KEYS] = {
	[KEY(4, 'h', 't')] = NAME_HOST,
	[KEY(14, 'c', 'h')] = NAME_CONTENT_LENGTH,
	[KEY(17, 't', 'g')] = NAME_TRANSFER_ENCODING,
	[KEY(10, 'c', 'n')] = NAME_CONNECTION,
	[KEY(10, 'k', 'e')] = NAME_KEEP_ALIVE,
	[KEY(16, 'p', 'n')] = NAME_PROXY_CONNECTION,
	[KEY(19, 'p', 'n')] = NAME_PROXY_AUTHORIZATION,
	[KEY(18, 'p', 'e')] = NAME_PROXY_AUTHENTICATE,
	[KEY(2, 't', 'e')] = NAME_TE,
	[KEY(7, 't', 'r')] = NAME_TRAILER,
	[KEY(7, 'u', 'e')] = NAME_UPGRADE,
	[KEY(14, 'h', 's')] = NAME_HTTP2_SETTINGS,
	[KEY(5, 'p', 'y')] = NAME_PROXY,
	[KEY(6, 'e', 't')] = NAME_EXPECT,
	[KEY(12, 'm', 's')] = NAME_MAX_FORWARDS,
	[KEY(3, 'v', 'a')] = NAME_VIA,
	[KEY(4, 'd', 'e')] = NAME_DATE,
	[KEY(13, 'a', 'n')] = NAME_AUTHORIZATION,
	[KEY(6, 'c', 'e')] = NAME_COOKIE,
	[KEY(10, 's', 'e')] = NAME_SET_COOKIE,
	[KEY(13, 'c', 'l')] = NAME_CACHE_CONTROL,
	[KEY(12, 'c', 'e')] = NAME_CONTENT_TYPE,
	[KEY(16, 'c', 'g')] = NAME_CONTENT_ENCODING,
	[KEY(13, 'c', 'e')] = NAME_CONTENT_RANGE,
	[KEY(8, 'l', 'n')] = NAME_LOCATION,
	[KEY(5, 'r', 'e')] = NAME_RANGE,
	[KEY(10, 'u', 't')] = NAME_USER_AGENT,
	[KEY(7, 'r', 'r')] = NAME_REFERER,
	[KEY(9, 'f', 'd')] = NAME_FORWARDED,
	[KEY(9, 'x', 'p')] = NAME_X_REAL_IP,
	[KEY(15, 'x', 'r')] = NAME_X_FORWARDED_FOR,
	[KEY(17, 'x', 'o')] = NAME_X_FORWARDED_PROTO,
	[KEY(16, 'x', 't')] = NAME_X_FORWARDED_HOST,
	[KEY(12, 'x', 'd')] = NAME_X_REQUEST_ID,
};

/* In names.def an octet with the bit 0x40 is a letter, so this is the bit that its case is. */
static uint64_t
case_bits(uint64_t text)
{
	return (text & 0x4040404040404040) >> 1;
}

static bool
same_word(const char *given, const char *text)
{
	uint64_t a, b;

	memcpy(&a, given, sizeof(a));
	memcpy(&b, text, sizeof(b));
	return (a | case_bits(b)) == (b | case_bits(b));
}

static bool
same_octet(char given, char text)
{
	return ((uint64_t)given | case_bits((uint64_t)text)) ==
	       ((uint64_t)text | case_bits((uint64_t)text));
}

/* Exact for any octets given: only letters lose their case. */
static bool
same_name(const char *given, const char *text, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		if (!same_word(given + i, text + i))
			return false;
	if (n >= 8) /* the last word overlaps the one before */
		return same_word(given + n - 8, text + n - 8);
	while (i < n && same_octet(given[i], text[i]))
		i++;
	return i == n;
}

enum name_id
name_lookup(struct span name)
{
	unsigned first, last;
	uint8_t id;

	if (name.n == 0)
		return NAME_OTHER;
	first = (unsigned char)name.p[0] | 0x20u;
	last = (unsigned char)name.p[name.n - 1] | 0x20u;
	id = candidates[KEY((unsigned)name.n, first, last)];
	if (rows[id].n != name.n || !same_name(name.p, rows[id].text, name.n))
		return NAME_OTHER;
	return (enum name_id)id;
}

unsigned
name_flags(enum name_id id)
{
	return rows[id].flags;
}

struct method_row {
	struct span text;
	int idempotent;
};

static const struct method_row methods[N_METHODS] = {
	[METHOD_OTHER] = { { "other", 5 }, 0 },
#define METHOD(id, text, idempotent) [METHOD_##id] = { { text, sizeof(text) - 1 }, idempotent },
#include "ballast/http/methods.def"
#undef METHOD
};

enum method
method_lookup(struct span text)
{
	for (unsigned i = METHOD_OTHER + 1; i < N_METHODS; i++)
		if (span_eq(methods[i].text, text))
			return (enum method)i;
	return METHOD_OTHER;
}

const char *
method_text(enum method m)
{
	return methods[m].text.p;
}

int
method_is_idempotent(enum method m)
{
	return methods[m].idempotent;
}
