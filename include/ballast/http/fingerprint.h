/*
 * The fingerprint of a request: method, path without its query, and the names of its fields in their order, by
 * a keyed hash.  Two requests that differ in values only have the same.  Good against chance, and without the key against choice;
 * not a cryptographic hash.
 */
#ifndef BALLAST_HTTP_FINGERPRINT_H
#define BALLAST_HTTP_FINGERPRINT_H

#include "ballast/http/parse.h"

/* The path up to a query. */
struct span head_path_alone(const struct head *);
/* Of a parsed request head and its path alone; never 0. */
uint64_t head_fingerprint(const struct head *, struct span path, uint64_t key);

#endif
