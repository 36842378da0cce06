/*
 * What ballast makes of octet strings as streams of requests, for the differential oracle.
 *
 * stdin: entries, each a length in 4 octets (big-endian) and that many octets.  stdout: one line of
 * JSON per entry.  The parsers of src/http are used in the way of src/proxy/request.c and flow.c,
 * with the default limits, as if every request were answered and every Upgrade declined.  Every
 * entry is judged whole, cut in two at every offset, and octet by octet; "cut" names the first way
 * that gives another verdict.  What has arrived always ends where the readable memory ends.
 * It opens nothing and waits for nobody.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ballast/http/chunk.h"
#include "ballast/http/framing.h"
#include "ballast/http/head.h"
#include "ballast/http/parse.h"

enum { HEADER_BYTES = 16384, HEADERS = 100 }; /* limits.header_bytes, limits.headers */
enum { ENTRY_MAX = 1 << 16, REQUESTS_MAX = 4096 };

enum phase {
	IN_HEAD,
	IN_LENGTH,
	IN_CHUNKS,
	IN_TRAILERS,
	CLOSED,  /* the last request ends the connection: nothing behind it is looked at */
	REFUSED, /* with a status */
};

struct piece {
	size_t at, n;
};

/* One request, in offsets into its entry. */
struct request {
	struct piece method, target, head;
	size_t end;
	uint64_t body; /* octets */
	uint32_t sum;  /* of them */
};

struct stream {
	enum phase phase;
	enum phase broken; /* REFUSED: where */
	int status;
	bool skipped; /* an empty line in front of the request */
	bool close;   /* the request being read ends the connection */
	size_t at;    /* the first octet that is not judged */
	size_t scanned;
	uint64_t left;
	struct chunk chunk;
	size_t n; /* requests complete; the one behind them is the one being read */
	struct request requests[REQUESTS_MAX + 1]; /* last: see stream_init */
};

static struct head head; /* scratch */

static const uint32_t fnv_basis = 2166136261u, fnv_prime = 16777619u;

static struct request *
current(struct stream *s)
{
	return &s->requests[s->n];
}

static void
refuse(struct stream *s, int status)
{
	s->broken = s->phase;
	s->phase = REFUSED;
	s->status = status;
}

static void
finish(struct stream *s)
{
	current(s)->end = s->at;
	assert(s->n < REQUESTS_MAX);
	s->n++;
	s->skipped = false;
	s->scanned = 0;
	s->phase = s->close ? CLOSED : IN_HEAD;
}

static void
take_body(struct stream *s, const char *p, size_t n)
{
	struct request *r = current(s);

	for (size_t i = 0; i < n; i++)
		r->sum = (r->sum ^ (unsigned char)p[s->at + i]) * fnv_prime;
	r->body += n;
	s->at += n;
}

/* As find_head in request.c: the length of the head, or 0. */
static size_t
find_head(struct stream *s, const char *p, size_t n)
{
	size_t empty = s->skipped ? 0 : parse_skip_empty_line(p + s->at, n - s->at);
	size_t here, seen, length;

	if (empty > 0) {
		s->skipped = true;
		s->scanned = 0;
		s->at += empty;
	}
	here = n - s->at;
	seen = s->scanned;
	length = parse_end_of_head(p + s->at, here, &s->scanned);
	if (length > HEADER_BYTES || (length == 0 && here >= HEADER_BYTES))
		refuse(s, parse_too_large(p + s->at, here < HEADER_BYTES ? here : HEADER_BYTES));
	else if (length == 0 && parse_request_is_hopeless(p + s->at, here, seen))
		refuse(s, 400);
	return s->phase == IN_HEAD ? length : 0;
}

static struct piece
piece_of(const char *p, struct span span)
{
	return (struct piece){ (size_t)(span.p - p), span.n };
}

static void
begin_body(struct stream *s)
{
	struct framing framing;
	int status = framing_request(&head, &framing);

	if (status == 0 && head.https)
		status = 421;
	if (status != 0) {
		refuse(s, status);
		return;
	}
	s->at += head.bytes;
	s->close = !head_keeps_alive(&head);
	s->left = framing.length;
	s->scanned = 0;
	chunk_init(&s->chunk);
	if (framing.kind == BODY_CHUNKED)
		s->phase = IN_CHUNKS;
	else if (framing.kind == BODY_LENGTH && s->left > 0)
		s->phase = IN_LENGTH;
	if (head_ends_here(&head) && s->phase != IN_HEAD)
		refuse(s, head.method == METHOD_OPTIONS ? 200 : 405);
	else if (s->phase == IN_HEAD)
		finish(s);
}

static void
on_head(struct stream *s, const char *p, size_t n)
{
	size_t length = find_head(s, p, n);
	int status;

	if (length == 0)
		return;
	status = parse_request(&head, p + s->at, length, HEADERS);
	if (status != 0) {
		refuse(s, status);
		return;
	}
	*current(s) = (struct request){
		.method = piece_of(p, head.method_text),
		.target = piece_of(p, head.target),
		.head = { s->at, length },
		.sum = fnv_basis,
	};
	begin_body(s);
}

static void
on_length(struct stream *s, const char *p, size_t n)
{
	size_t here = n - s->at < s->left ? n - s->at : (size_t)s->left;

	take_body(s, p, here);
	s->left -= here;
	if (s->left == 0)
		finish(s);
}

static void
on_chunks(struct stream *s, const char *p, size_t n)
{
	size_t run;
	enum chunk_run kind = chunk_next(&s->chunk, p + s->at, n - s->at, &run);

	if (kind == CHUNK_BAD)
		refuse(s, 400);
	else if (kind == CHUNK_TRAILERS)
		s->phase = IN_TRAILERS;
	else if (kind == CHUNK_DATA)
		take_body(s, p, run);
	else
		s->at += run;
}

/* As judge_trailers in flow.c. */
static void
on_trailers(struct stream *s, const char *p, size_t n)
{
	const char *at = p + s->at;
	size_t here = n - s->at;
	size_t length = parse_skip_empty_line(at, here);

	if (length == 0)
		length = parse_end_of_head(at, here, &s->scanned);
	if (length > HEADER_BYTES || (length == 0 && here > HEADER_BYTES) ||
		(here > 0 && at[0] == '\n')) {
		refuse(s, 400);
	} else if (length > 2 && (parse_trailers(&head, at, length, HEADERS) != 0 ||
					 framing_trailers(&head) != 0)) {
		refuse(s, 400);
	} else if (length > 0) {
		s->at += length;
		finish(s);
	}
}

/* p[0..n) has arrived so far. */
static void
show(struct stream *s, const char *p, size_t n)
{
	static void (*const judge[])(struct stream *, const char *, size_t) = {
		[IN_HEAD] = on_head,
		[IN_LENGTH] = on_length,
		[IN_CHUNKS] = on_chunks,
		[IN_TRAILERS] = on_trailers,
	};

	while (s->phase < CLOSED && (s->at < n || s->phase == IN_CHUNKS)) {
		size_t before = s->at;
		enum phase phase = s->phase;

		judge[s->phase](s, p, n);
		if (s->at == before && s->phase == phase)
			break;
	}
}

static void
stream_init(struct stream *s)
{
	memset(s, 0,
		offsetof(struct stream,
			requests)); /* these are many, and written before they are read */
}

/* The octets of an entry, always lying in front of a page without any access. */
static char *arena_end;

static void
arena_open(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(
		NULL, ENTRY_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + ENTRY_MAX, page, PROT_NONE) < 0) {
		perror("verdicts: mmap");
		exit(2);
	}
	arena_end = map + ENTRY_MAX;
}

static void
show_first(struct stream *s, const char *entry, size_t n)
{
	if (n > 0)
		memcpy(arena_end - n, entry, n);
	show(s, arena_end - n, n);
}

static bool
is_unfinished(const struct stream *s)
{
	return s->phase > IN_HEAD && s->phase < CLOSED;
}

static bool
request_eq(const struct request *a, const struct request *b)
{
	return a->method.at == b->method.at && a->method.n == b->method.n &&
	       a->target.at == b->target.at && a->target.n == b->target.n &&
	       a->head.at == b->head.at && a->head.n == b->head.n && a->end == b->end &&
	       a->body == b->body && a->sum == b->sum;
}

static bool
stream_eq(const struct stream *a, const struct stream *b)
{
	if (a->phase != b->phase || a->broken != b->broken || a->status != b->status ||
		a->at != b->at || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n + is_unfinished(a); i++)
		if (!request_eq(&a->requests[i], &b->requests[i]))
			return false;
	return true;
}

/* Where a cut changes the verdict: the offset, 0 for octet by octet, -1 for nowhere. */
static long
find_cut(const struct stream *whole, const char *entry, size_t n)
{
	static struct stream s;

	for (size_t first = 1; first < n; first++) {
		stream_init(&s);
		show_first(&s, entry, first);
		show_first(&s, entry, n);
		if (!stream_eq(whole, &s))
			return (long)first;
	}
	stream_init(&s);
	for (size_t here = 1; here <= n; here++)
		show_first(&s, entry, here);
	return stream_eq(whole, &s) ? -1 : 0;
}

/*
 * What a head or a trailer section that was left open would come to: it is ended by an empty line.
 * The status, or 0 when it would pass.
 */
static int
force(const char *entry, size_t n)
{
	static char ended[ENTRY_MAX];
	static struct stream s;
	struct span end = n > 0 && entry[n - 1] == '\r' ? SPAN("\n\r\n") : SPAN("\r\n\r\n");

	if (n + end.n > sizeof(ended))
		return 0;
	memcpy(ended, entry, n);
	memcpy(ended + n, end.p, end.n);
	stream_init(&s);
	show_first(&s, ended, n + end.n);
	return s.phase == REFUSED ? s.status : 0;
}

static void
print_piece(const char *entry, struct piece piece)
{
	putchar('"');
	for (size_t i = 0; i < piece.n; i++)
		printf("%02x", (unsigned char)entry[piece.at + i]);
	printf("\",");
}

static void
print_request(const char *entry, const struct request *r)
{
	printf("[");
	print_piece(entry, r->method);
	print_piece(entry, r->target);
	printf("%llu,%lu,%zu,%zu,%zu]", (unsigned long long)r->body, (unsigned long)r->sum,
		r->head.at, r->head.n, r->end);
}

static const char *
phase_name(enum phase phase)
{
	static const char *const names[] = { "head", "length", "chunks", "trailers", "closed",
		"refused" };

	return names[phase];
}

static void
print_stream(const struct stream *s, const char *entry, size_t n)
{
	bool waits = (s->phase == IN_TRAILERS || s->phase == IN_HEAD) && s->at < n;

	printf("{\"requests\":[");
	for (size_t i = 0; i < s->n; i++) {
		printf("%s", i > 0 ? "," : "");
		print_request(entry, &s->requests[i]);
	}
	printf("],\"open\":");
	if (is_unfinished(s) || (s->phase == REFUSED && s->broken != IN_HEAD))
		print_request(entry, &s->requests[s->n]);
	else
		printf("null");
	printf(",\"phase\":\"%s\",\"broken\":\"%s\",\"status\":%d,\"at\":%zu,\"left\":%zu",
		phase_name(s->phase), s->phase == REFUSED ? phase_name(s->broken) : "", s->status,
		s->at, n - s->at);
	printf(",\"forced\":%d,\"cut\":%ld}\n", waits ? force(entry, n) : 0, find_cut(s, entry, n));
}

static void
judge_entry(const char *entry, size_t n)
{
	static struct stream s;

	stream_init(&s);
	show_first(&s, entry, n);
	print_stream(&s, entry, n);
}

/* 1 with an entry, 0 at the end; input that is cut short or too large is an error of the caller. */
static bool
read_entry(char *entry, size_t *n)
{
	unsigned char length[4];

	if (fread(length, 1, 1, stdin) == 0)
		return false;
	if (fread(length + 1, 1, 3, stdin) == 3) {
		*n = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 |
		     length[3];
		if (*n <= ENTRY_MAX && fread(entry, 1, *n, stdin) == *n)
			return true;
	}
	fprintf(stderr, "verdicts: the input is not a list of entries\n");
	exit(2);
}

int
main(void)
{
	static char entry[ENTRY_MAX];
	size_t n;

	arena_open();
	while (read_entry(entry, &n))
		judge_entry(entry, n);
	return fflush(stdout) == 0 ? 0 : 2;
}
