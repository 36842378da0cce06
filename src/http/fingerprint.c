/*
 * The fingerprint of a request head: what kind of request this is, without a value of any field.  Pure.  Every
 * request pays for it: a multiplication for sixteen octets of path, and one for each field.
 */
#include "ballast/http/fingerprint.h"

#include <string.h>

/* Odd and without a pattern: 2^64 / golden ratio, and a prime of xxHash's (Collet). */
#define FACTOR   UINT64_C(0x9e3779b97f4a7c15)
#define ADDEND   UINT64_C(0x165667b19e3779f9)
#define ANY_CASE UINT64_C(0x2020202020202020) /* or-ed to octets: letters lose their case */

/*
 * The upper half of a product depends on all of both factors: it is folded into the lower one.  What came before, and with it the
 * key, is in both: who chose one to be 0, or 1, or all ones, could hide the other.
 */
static inline uint64_t
mix(uint64_t h, uint64_t a, uint64_t b)
{
	uint64_t turned = h << 32 | h >> 32;
	__extension__ unsigned __int128 product =
		(unsigned __int128)(h ^ a) * (turned ^ b ^ FACTOR);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
octets(const char *p, size_t n)
{
	uint64_t word = 0;

	memcpy(&word, p, n);
	return word;
}

struct ends {
	uint64_t first, last;
};

/* Up to eight octets from each end; they overlap in short texts, of which then nothing is left out. */
static inline struct ends
ends_of(const char *p, size_t n)
{
	if (n >= 8)
		return (struct ends){ octets(p, 8), octets(p + n - 8, 8) };
	if (n >= 4)
		return (struct ends){ octets(p, 4), octets(p + n - 4, 4) };
	if (n > 0)
		return (struct ends){ octets(p, 1),
			octets(p + n / 2, 1) << 8 | octets(p + n - 1, 1) };
	return (struct ends){ 0, 0 };
}

/* Of a name so much is enough: its length and both ends. */
static uint64_t
mix_name(uint64_t h, struct span name)
{
	struct ends e = ends_of(name.p, name.n);

	return mix(h + name.n * ADDEND, e.first | ANY_CASE, e.last | ANY_CASE);
}

static uint64_t
mix_text(uint64_t h, struct span text)
{
	const char *p = text.p;
	size_t n = text.n;
	struct ends e;

	h += n * ADDEND;
	for (; n > 16; p += 16, n -= 16)
		h = mix(h, octets(p, 8), octets(p + 8, 8));
	e = ends_of(p, n);
	return mix(h, e.first, e.last);
}

struct span
head_path_alone(const struct head *h)
{
	struct span path = h->path;
	const char *query = path.n > 0 ? memchr(path.p, '?', path.n) : NULL;

	if (query != NULL)
		path.n = (size_t)(query - path.p);
	return path;
}

uint64_t
head_fingerprint(const struct head *h, struct span path, uint64_t key)
{
	uint64_t print = mix(key, h->method, ADDEND);

	if (h->method == METHOD_OTHER)
		print = mix_text(print, h->method_text);
	print = mix_text(print, path);
	for (uint32_t i = 1; i <= h->n_fields; i++) {
		const struct field *f = &h->fields[i];

		if (f->id != 0)
			print = mix(print, f->id, ADDEND);
		else
			print = mix_name(print, f->name);
	}
	return print != 0 ? print : 1;
}
