/*
 * Outgoing heads, as slices: runs of lines that stay as they arrived point into
 * the receive buffer, only what changes is written anew, into the slices' own
 * scratch.  RFC 9110 7.6: hop-by-hop fields and those named by Connection go.
 */
#ifndef BALLAST_HTTP_HEAD_H
#define BALLAST_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "ballast/http/framing.h"
#include "ballast/http/parse.h"

enum { SLICES_SCRATCH = 4096 };

/* Large; one per process.  Filled and sent (or copied away) within one step. */
struct slices {
	int n;
	size_t bytes;
	size_t used;   /* of scratch */
	size_t closed; /* of it, what is in a slice: all, but while a head is written */
	struct iovec v[2 * HEAD_FIELDS_MAX + 64];
	char scratch[SLICES_SCRATCH];
};

void slices_reset(struct slices *);
/* Joins with the last slice when adjacent. */
void slices_add(struct slices *, const char *p, size_t n);
/* Copies into scratch; the caller's pieces are bounded so that scratch is enough (asserted). */
void slices_write(struct slices *, struct span);
/* All bytes from `skip` on, one after the other, into out (room for bytes - skip). */
void slices_copy(const struct slices *, size_t skip, char *out);

struct forward_request {
	struct span client_ip;  /* text of the immediate client */
	struct span request_id; /* ours; used unless a trusted one is there */
	bool trusted; /* keep the client's X-Forwarded-*, X-Request-Id, Forwarded, X-Real-IP */
	bool upgrade; /* forward Connection: Upgrade and the Upgrade field */
	bool close;   /* tell the backend Connection: close */
};

/*
 * Origin-form target, HTTP/1.1, Host kept (from the authority when absolute-form; an empty one with
 * HTTP/1.0 and no Host; it goes first when rewritten), Content-Length without leading zeros,
 * X-Forwarded-For appended into one line (all old lines joined in order, ", ", client),
 * X-Forwarded-Proto: http and X-Forwarded-Host: <host> unless trusted ones are there,
 * X-Request-Id, Via: 1.1 ballast appended as last line (1.0 when the request was 1.0), Expect
 * dropped when the client is HTTP/1.0, names that mimic known ones dropped (NAME_MASKED).
 * Max-Forwards passes for methods other than OPTIONS and TRACE; for these it is decremented (0 is
 * answered by the caller, see head_ends_here).
 */
void head_write_request(struct slices *, const struct head *, const struct forward_request *);

struct forward_response {
	struct framing framing; /* as it goes to the client */
	bool chunk_it;          /* add Transfer-Encoding: chunked (was until-close) */
	bool dechunk;           /* remove Transfer-Encoding (client is HTTP/1.0) */
	bool close;             /* Connection: close */
	bool keep_alive_10;     /* Connection: keep-alive, for an HTTP/1.0 client that asked */
	bool upgrade;           /* 101: Connection: Upgrade and Upgrade stay */
	struct span date;       /* used when the response has none; empty: never added (1xx) */
};

/*
 * Status line HTTP/1.1, Via: 1.1 ballast added (by the response's version), Date when missing.  204
 * and 1xx lose Content-Length and Transfer-Encoding (RFC 9110 8.6, RFC 9112 6.1); Upgrade in a 426
 * stays, with Connection: Upgrade.
 */
void head_write_response(struct slices *, const struct head *, const struct forward_response *);
/* The trailer fields that may be forwarded, and the final empty line. */
void head_write_trailers(struct slices *, const struct head *);

/* The request's wish and version (RFC 9112 9.3): is the connection to persist afterwards? */
bool head_keeps_alive(const struct head *);
/*
 * Does Connection name a field that could come as a trailer?  It would have to be removed there, too
 * (RFC 9110 7.6.1), when nobody knows its name any more.
 */
bool head_bars_trailers(const struct head *);
/* Asked for by Upgrade and Connection, in HTTP/1.1; no member may be h2c or another HTTP. */
bool head_wants_upgrade(const struct head *);
/* A 101 names the protocol (RFC 9110 15.2.2), which may not be one of HTTP either. */
bool head_agrees_upgrade(const struct head *);
/* OPTIONS or TRACE with Max-Forwards: 0: we are the final recipient (RFC 9110 7.6.2). */
bool head_ends_here(const struct head *);

#endif
