/*
 * Scans the chunked transfer coding (RFC 9112 7.1) without copying: it is
 * shown the octets as they arrive and says what each run of them is.
 * Strict: 1 to 16 hex digits of size, value below 2^62, CRLF only, extensions are scanned
 * (token and quoted-string, no control characters, whitespace only around ';' and '='), a size line
 * is at most CHUNK_LINE_MAX octets.
 */
#ifndef BALLAST_HTTP_CHUNK_H
#define BALLAST_HTTP_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHUNK_LINE_MAX = 4096 };

enum chunk_run {
	CHUNK_MORE,  /* everything shown was used; show more */
	CHUNK_FRAME, /* a run of framing octets (size lines without extensions, CRLF): forwarded */
	CHUNK_EXT,   /* a run of a chunk extension (and the whitespace around it): to be dropped */
	CHUNK_DATA,  /* a run of body octets */
	CHUNK_TRAILERS, /* the last chunk's size line is over: the trailer section begins here */
	CHUNK_BAD,
};

struct chunk {
	uint8_t state;
	uint8_t digits;
	uint16_t line;
	bool padded; /* whitespace in front of the CRLF of a size line is an extension, not an error */
	uint64_t left; /* octets of the chunk being read */
};

void chunk_init(struct chunk *);
/*
 * For what backends send: old servers pad their sizes with spaces.  Not in the grammar, but it is
 * dropped as extensions are, so it misleads nobody.
 */
void chunk_init_padded(struct chunk *);
/*
 * Looks at p[0..n) and sets *run to the number of octets of the next run (0 with TRAILERS, BAD and
 * MORE; MORE only with n == 0).  Octets of a run are consumed.  CHUNK_BAD and CHUNK_TRAILERS are
 * final.
 */
enum chunk_run chunk_next(struct chunk *, const char *p, size_t n, size_t *run);

#endif
