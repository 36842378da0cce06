/*
 * The scans of scan.h, 16 octets at a time, where SSE2 is there; included by
 * scan.h alone.  The last octets before end are loaded with NUL behind them:
 * that is of no class, so a scan stops at end without a loop of its own for
 * the rest, and without reading at or behind end.
 */
#ifndef BALLAST_HTTP_SCAN_SSE2_H
#define BALLAST_HTTP_SCAN_SSE2_H

#include <emmintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* n < 16 octets.  Two loads that may overlap are all octets of any number between their sizes. */
static inline __m128i
sse2_load_rest(const char *p, size_t n)
{
	uint64_t low = 0, high = 0;
	uint32_t first, last;

	if (n > 8) {
		memcpy(&low, p, 8);
		memcpy(&high, p + n - 8, 8);
		high >>= 8 * (16 - n);
	} else if (n >= 4) {
		memcpy(&first, p, 4);
		memcpy(&last, p + n - 4, 4);
		low = first | (uint64_t)last << 8 * (n - 4);
	} else {
		for (size_t i = 0; i < n; i++)
			low |= (uint64_t)(unsigned char)p[i] << 8 * i;
	}
	return _mm_set_epi64x((long long)high, (long long)low);
}

static inline __m128i
sse2_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline unsigned
sse2_mask(__m128i v)
{
	return (unsigned)_mm_movemask_epi8(v);
}

static inline __m128i
sse2_is(__m128i v, char octet)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8(octet));
}

/* As unsigned octets; SSE2 compares signed ones, so low is moved to the least of these. */
static inline __m128i
sse2_is_between(__m128i v, char low, char high)
{
	__m128i moved = _mm_add_epi8(v, _mm_set1_epi8((char)(-128 - low)));

	return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(-127 + high - low)));
}

/* The first octet that stops() has a bit for, or end: NUL must be one of them.  Inline, so that nothing is called. */
static inline __attribute__((always_inline)) const char *
sse2_scan(const char *p, const char *end, unsigned (*stops)(__m128i))
{
	unsigned found;

	for (; end - p >= 16; p += 16) {
		found = stops(sse2_load(p));
		if (found != 0)
			return p + (unsigned)__builtin_ctz(found);
	}
	found = stops(sse2_load_rest(p, (size_t)(end - p)));
	return p + (unsigned)__builtin_ctz(found);
}

/* A bit for each octet that is not HTAB, SP, VCHAR or obs-text (RFC 9110 5.5). */
static inline unsigned
sse2_value_stops(__m128i v)
{
	__m128i control = _mm_andnot_si128(sse2_is(v, '\t'), sse2_is_between(v, 0, 0x1f));

	return sse2_mask(_mm_or_si128(control, sse2_is(v, 0x7f)));
}

static inline const char *
sse2_value(const char *p, const char *end)
{
	return sse2_scan(p, end, sse2_value_stops);
}

/* A bit for each octet that is not VCHAR, or is '#'. */
static inline unsigned
sse2_target_stops(__m128i v)
{
	return ~sse2_mask(_mm_andnot_si128(sse2_is(v, '#'), sse2_is_between(v, '!', '~'))) & 0xffff;
}

static inline const char *
sse2_target(const char *p, const char *end)
{
	return sse2_scan(p, end, sse2_target_stops);
}

/* A bit for each octet that is no letter or hyphen. */
static inline unsigned
sse2_words_stops(__m128i v)
{
	__m128i letter = sse2_is_between(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z');

	return ~sse2_mask(_mm_or_si128(letter, sse2_is(v, '-'))) & 0xffff;
}

static inline const char *
sse2_words(const char *p, const char *end)
{
	return sse2_scan(p, end, sse2_words_stops);
}

static inline uint32_t
sse2_lines_of_32(const char *p)
{
	uint32_t low = sse2_mask(sse2_is(sse2_load(p), '\n'));
	uint32_t high = sse2_mask(sse2_is(sse2_load(p + 16), '\n'));

	return low | high << 16;
}

/* A bit for each octet that is LF. */
static inline uint64_t
sse2_lines_of_64(const char *p)
{
	return sse2_lines_of_32(p) | (uint64_t)sse2_lines_of_32(p + 32) << 32;
}

/* Those of them that have another one up to two octets behind. */
static inline uint64_t
sse2_near_lines(uint64_t lines)
{
	return lines & (lines >> 1 | lines >> 2);
}

/*
 * Goes on as long as no LF has another one up to two octets behind it, but not into the last two
 * octets, of which that cannot be told.
 */
static inline const char *
sse2_empty_line(const char *p, const char *end)
{
	uint64_t near;

	for (; end - p >= 64; p += 62) {
		near = sse2_near_lines(sse2_lines_of_64(p));
		if (near != 0)
			return p + (unsigned)__builtin_ctzll(near);
	}
	for (; end - p >= 16; p += 14) {
		near = sse2_near_lines(sse2_mask(sse2_is(sse2_load(p), '\n')));
		if (near != 0)
			return p + (unsigned)__builtin_ctzll(near);
	}
	near = sse2_near_lines(sse2_mask(sse2_is(sse2_load_rest(p, (size_t)(end - p)), '\n')));
	if (near != 0)
		return p + (unsigned)__builtin_ctzll(near);
	return end - p > 2 ? end - 2 : p;
}

#endif
