/*
 * SipHash-2-4, only for the one length that is needed: two words of input and
 * the last block, which then holds nothing but the length.  Pure.
 */
#include "siphash.h"

enum { ROUNDS = 2, LAST_ROUNDS = 4 };

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t
rotl(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static uint64_t
little_endian(const uint8_t *p)
{
	uint64_t word = 0;

	for (int i = 7; i >= 0; i--)
		word = word << 8 | p[i];
	return word;
}

static void
sip_rounds(struct sip *s, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 = rotl(s->v2, 32);
	}
}

static void
sip_block(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_rounds(s, ROUNDS);
	s->v0 ^= word;
}

uint64_t
siphash_16(const uint8_t key[16], const uint8_t in[16])
{
	uint64_t k0 = little_endian(key), k1 = little_endian(key + 8);
	struct sip s = {
		.v0 = k0 ^ UINT64_C(0x736f6d6570736575), /* "somepseudorandomlygeneratedbytes" */
		.v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = k1 ^ UINT64_C(0x7465646279746573),
	};

	sip_block(&s, little_endian(in));
	sip_block(&s, little_endian(in + 8));
	sip_block(&s, UINT64_C(16) << 56);
	s.v2 ^= 0xff;
	sip_rounds(&s, LAST_ROUNDS);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
