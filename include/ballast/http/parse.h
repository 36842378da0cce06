/*
 * Heads: octets in, spans out.  Strict (RFC 9112): CRLF line ends only, no
 * folding, no whitespace before a colon, no control characters, no NUL, field
 * names are tokens.  Pure: no descriptor, no clock, no malloc.
 *
 * parse_end_of_head finds the end of a head that arrives in pieces without
 * looking at an octet twice; a head is then parsed once, whole.
 */
#ifndef BALLAST_HTTP_PARSE_H
#define BALLAST_HTTP_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "ballast/base/span.h"
#include "ballast/http/names.h"

enum { HEAD_FIELDS_MAX = 1000 };
/* Members of Connection in one head; more are refused, since each costs a look at every field. */
enum { CONNECTION_MEMBERS_MAX = 64 };

struct field {
	struct span line; /* with its CRLF: what is forwarded when nothing changes */
	struct span name;
	struct span value; /* trimmed */
	uint16_t id;       /* enum name_id */
	uint16_t next;     /* index of the next field of the same known name, 0: none */
};

/* One parsed head.  Large (HEAD_FIELDS_MAX rows): one per process, used again and again. */
struct head {
	struct span start_line; /* with its CRLF */
	/* requests */
	struct span method_text;
	struct span target;    /* as received */
	struct span authority; /* of an absolute-form target, else empty */
	/*
	 * Origin-form part of the target: path and query; "*" for OPTIONS * (also OPTIONS of an
	 * absolute-form without path and query, RFC 9112 3.2.4); "/" when absent; only "?query"
	 * when an absolute-form has a query behind no path.
	 */
	struct span path;
	struct span host; /* the authority, else the Host value; empty with HTTP/1.0 without Host */
	enum method method;
	bool https; /* the target is in absolute-form, of an https resource */
	/* responses */
	int status;
	struct span reason;
	/* both */
	int minor;    /* HTTP/1.minor: 0 or 1 (1.2 to 1.9 count as 1) */
	size_t bytes; /* the whole head with its empty line */
	uint32_t n_fields;
	uint64_t names;    /* known ones that a field has (NAME_BIT) */
	uint64_t repeated; /* of these, what more than one field has */
	uint16_t first
		[N_NAMES]; /* index of the first field of that name, 0: none; first[0] unused */
	uint16_t last[N_NAMES]; /* index of the last one, 0: none */
	/* fields[0] is not used, so that index 0 can mean none. */
	struct field fields[HEAD_FIELDS_MAX + 1];
};

/*
 * Scans for the empty line that ends a head, resuming at *scanned (0 at first,
 * counted from p).  Returns the length of the head with its empty line, or 0
 * when it is not there yet.  An LF without CR also ends a line here, so that a
 * malformed head is judged at once by the parser rather than waited for.
 */
size_t parse_end_of_head(const char *p, size_t n, size_t *scanned);

/*
 * Is it certain already that no head which begins with p[0..n) can be parsed?  Told of a head that is
 * not whole, so that nonsense is answered at once instead of waited on; p[0..from) was looked at
 * before.  Only what is cheap to see is seen: the octets of lines, and how the first one begins.
 */
bool parse_request_is_hopeless(const char *p, size_t n, size_t from);
bool parse_response_is_hopeless(const char *p, size_t n, size_t from);

/*
 * Both parse p[0..n), a whole head as found by parse_end_of_head (one leading
 * CRLF must have been skipped by the caller with parse_skip_empty_line).
 * Return 0, or the status to answer a request with: 400, 405, 431 (more than max_fields), 505
 * (major version other than 1).
 * For a response every error is 502.  Requests: method token; target in origin-, absolute- (http
 * and https, no userinfo) or asterisk-form (OPTIONS only); visible ASCII only in the target and no
 * '#'; at most one Host, with a valid uri-host[:port] (RFC 9112 3.2), required with 1.1; it may be
 * empty, but not hold a comma, which would make a list of X-Forwarded-Host.  CONNECT answers 405.
 * A field whose name has the letters of Content-Length or Transfer-Encoding but is spelt in another
 * way, is refused in requests.
 */
int parse_request(struct head *, const char *p, size_t n, unsigned max_fields);
int parse_response(struct head *, const char *p, size_t n, unsigned max_fields);
/*
 * Field lines alone, ended by an empty line (parse_end_of_head finds it, too): a trailer section.
 * Fills n_fields, names, repeated, first, last, bytes.  0 or 400.
 */
int parse_trailers(struct head *, const char *p, size_t n, unsigned max_fields);
/* 2 or 0: octets of an empty line before a request (RFC 9112 2.2); a lone CR or LF counts 0. */
size_t parse_skip_empty_line(const char *p, size_t n);
/*
 * For a request head that does not fit: 400 when it is hopeless anyhow, 414 when not even the request
 * line ended, else 431.
 */
int parse_too_large(const char *p, size_t n);

static inline const struct field *
head_first(const struct head *h, enum name_id id)
{
	return h->first[id] ? &h->fields[h->first[id]] : NULL;
}
static inline const struct field *
head_next(const struct head *h, const struct field *f)
{
	return f->next ? &h->fields[f->next] : NULL;
}
/* Is the token a member of the comma-separated field (all its lines), ASCII case ignored? */
int head_has_token(const struct head *, enum name_id, struct span token);

#endif
