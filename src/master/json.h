/*
 * Writes JSON (RFC 8259), member by member, with the commas where they belong.
 * A name of NULL makes an element of an array.
 */
#ifndef BALLAST_MASTER_JSON_H
#define BALLAST_MASTER_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ballast/base/span.h"

struct json {
	FILE *out;
	bool follows; /* something stands before in this object or array */
};

/* bracket: '{' or '['; ended with the one that closes it. */
void json_begin(struct json *, const char *name, char bracket);
void json_end(struct json *, char bracket);
void json_text(
	struct json *, const char *name, struct span); /* at most 4096 octets of it, escaped */
void json_number(struct json *, const char *name, uint64_t);
/* `value` counts units of 10^-decimals (at most 6): 1500 with 3 is 1.5. */
void json_decimal(struct json *, const char *name, uint64_t value, unsigned decimals);
void json_real(struct json *, const char *name, double); /* finite */
void json_bool(struct json *, const char *name, bool);
void json_null(struct json *, const char *name);

#endif
