/*
 * What the parsers share among themselves: field lines, which requests,
 * responses and trailers have in common, and the judgement of a host.
 */
#ifndef BALLAST_HTTP_PRIVATE_H
#define BALLAST_HTTP_PRIVATE_H

#include "ballast/http/parse.h"

/*
 * Parses field lines and the empty line that must end exactly at `end`; fills fields, n_fields,
 * names, repeated, first and last.  0, 400, or 431 with more than max_fields.
 */
int fields_parse(struct head *, const char *p, const char *end, unsigned max_fields);

/* uri-host [":" port], not empty (RFC 9110 7.2): a reg-name or IPv4 address, or an IPv6 literal. */
bool host_is_valid(struct span);

#endif
