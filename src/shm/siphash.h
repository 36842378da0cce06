/*
 * SipHash-2-4 of 16 octets: a keyed hash that nobody without the key can steer
 * (Aumasson, Bernstein: "SipHash: a fast short-input PRF", INDOCRYPT 2012).
 * Pure; used by rate.c, so that clients cannot choose their neighbours.
 */
#ifndef BALLAST_SHM_SIPHASH_H
#define BALLAST_SHM_SIPHASH_H

#include <stdint.h>

uint64_t siphash_16(const uint8_t key[16], const uint8_t in[16]);

#endif
