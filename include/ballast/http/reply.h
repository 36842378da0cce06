/*
 * Answers that ballast makes itself: short text/plain with a correct
 * Content-Length.
 */
#ifndef BALLAST_HTTP_REPLY_H
#define BALLAST_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reply {
	int status;
	bool close;
	bool head_only;           /* answer to HEAD: length, no body */
	const char *date;         /* CLOCK_DATE_LEN octets; NULL: none */
	const char *extra;        /* more field lines, each with CRLF; NULL or "": none */
	const char *body;         /* NULL: "<status> <reason>\n" */
	const char *content_type; /* NULL: text/plain */
};

enum { REPLY_MAX = 1024 };

/*
 * Writes the whole answer and returns its length; 0, with nothing to be sent, when it does not fit
 * into cap (REPLY_MAX is enough with body NULL and extra under 512).  1xx, 204, 304 have no body.
 */
size_t reply_write(char *out, size_t cap, const struct reply *);
const char *reply_reason(int status); /* RFC 9110 15 and the IANA registry; "Unknown" otherwise */

#endif
