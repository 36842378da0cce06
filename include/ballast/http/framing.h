/*
 * The only judge of Content-Length and Transfer-Encoding (RFC 9112 6).  What is
 * ambiguous is refused, never guessed.
 */
#ifndef BALLAST_HTTP_FRAMING_H
#define BALLAST_HTTP_FRAMING_H

#include <stdint.h>

#include "ballast/http/parse.h"

enum body_kind {
	BODY_NONE,
	BODY_LENGTH,
	BODY_CHUNKED,
	BODY_UNTIL_CLOSE, /* responses only */
	BODY_TUNNEL,      /* after 101 */
};

struct framing {
	enum body_kind kind;
	uint64_t length; /* BODY_LENGTH */
};

/*
 * 0, 400 or 501.  Refused: both fields together; any Content-Length that is not one number (also
 * repeated equal ones and lists); more than 18 digits; Transfer-Encoding in HTTP/1.0; anything but
 * exactly "chunked" (once, any case): 501 when well-formed other codings stand before a final
 * chunked, else 400, as for an empty Transfer-Encoding.
 * A Content-Length of 0 is BODY_LENGTH 0 (so the line is forwarded); no field: BODY_NONE.
 */
int framing_request(const struct head *, struct framing *);
/*
 * Of a request's trailer section: 0, or 400 when it holds one of the two fields, which come too late
 * to frame anything (RFC 9110 6.5.1), but not for everybody.
 */
int framing_trailers(const struct head *);
/*
 * 0 or 502.  `method` is that of the request (HEAD has no body).  1xx, 204, 304: BODY_NONE.
 * 101 is BODY_TUNNEL.  The same strictness, also where there is no body: both fields together are
 * refused, and Transfer-Encoding in a 1.0 answer is.
 */
int framing_response(const struct head *, enum method, struct framing *);

#endif
