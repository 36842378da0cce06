/*
 * Field names and methods that mean something to a proxy: one row each in
 * names.def.  Everything else passes through as an unknown name.
 */
#ifndef BALLAST_HTTP_NAMES_H
#define BALLAST_HTTP_NAMES_H

#include <stdint.h>

#include "ballast/base/span.h"

enum name_id {
	NAME_OTHER,
#define NAME(id, text, flags) NAME_##id,
#include "ballast/http/names.def"
#undef NAME
	N_NAMES
};

enum name_flag {
	NAME_HOP = 1,        /* hop-by-hop: never forwarded (RFC 9110 7.6.1) */
	NAME_UNTRUSTED = 2,  /* removed from requests of clients that are not trusted */
	NAME_NO_TRAILER = 4, /* never forwarded in a trailer section (RFC 9110 6.5.1) */
	NAME_REWRITTEN = 8,  /* removed from requests because we write our own line */
	NAME_KEPT = 16,      /* survives even when Connection names it (framing, routing) */
	NAME_SINGLE = 32,    /* a second line in a request is malformed */
};

enum name_id name_lookup(struct span);
unsigned name_flags(enum name_id);

_Static_assert(N_NAMES <= 64, "a set of names is one word");

/* In a set of names. */
#define NAME_BIT(id) ((uint64_t)1 << (id))

/* All known names that have one of the flags; a constant where the flags are. */
static inline uint64_t
names_with(unsigned flags)
{
	uint64_t set = 0;

#define NAME(id, text, its) set |= ((its)&flags) != 0 ? NAME_BIT(NAME_##id) : 0;
#include "ballast/http/names.def"
#undef NAME
	return set;
}

enum method {
	METHOD_OTHER,
#define METHOD(id, text, idempotent) METHOD_##id,
#include "ballast/http/methods.def"
#undef METHOD
	N_METHODS
};

/* Methods are case-sensitive (RFC 9110 9.1). */
enum method method_lookup(struct span);
const char *method_text(enum method); /* "other" for METHOD_OTHER */
/* RFC 9110 9.2.2; METHOD_OTHER is not. */
int method_is_idempotent(enum method);

#endif
