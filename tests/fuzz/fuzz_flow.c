/*
 * A body on its way through a worker's buffer, where it is judged and rewritten
 * in place: chunked as it comes, chunked for a client of HTTP/1.0, and without
 * framing for one that gets chunks.  What leaves is the same however the octets
 * arrive, and it is the body that came.  No socket: what may be sent is taken
 * out of the buffer here.
 */
#include "../../src/proxy/private.h"

#include "fuzz.h"

enum { INPUT_MAX = 3000, HEADER_BYTES = 512, ROOM = 4096 };

static struct config config;

static void
proxy_init(struct proxy *p)
{
	memset(p, 0, sizeof(*p));
	config.limits.header_bytes = HEADER_BYTES;
	config.limits.headers = 20;
	p->config = &config;
	p->buffer_bytes = ROOM + SLICES_SCRATCH + BUFFER_FRONT + BUFFER_TAIL;
	HOLDS(slab_init(&p->buffers, 2, sizeof(struct buffer) + p->buffer_bytes) == 0);
	p->head = malloc(sizeof(*p->head));
	p->slices = malloc(sizeof(*p->slices));
	HOLDS(p->head != NULL && p->slices != NULL);
}

static void
proxy_free(struct proxy *p)
{
	HOLDS(p->buffers.in_use == 0);
	slab_free_all(&p->buffers);
	free(p->head);
	free(p->slices);
}

typedef void flow_beginner(struct flow *, const struct framing *, enum flow_coding);

struct flow_as {
	struct framing framing;
	enum flow_coding coding;
};

/* What came out, and how it ended. */
struct sent {
	char *out;
	size_t n, left;
	uint64_t body;
	enum flow_state end;
};

static void
take(struct sent *s, struct buffer *b, size_t room)
{
	HOLDS(b->start <= b->sent && b->sent <= b->ready && b->ready <= b->end);
	HOLDS(s->n + b->ready - b->sent <= room);
	memcpy(s->out + s->n, b->data + b->sent, b->ready - b->sent);
	s->n += b->ready - b->sent;
	b->start = b->sent = b->ready;
}

/* Never more than framing and, for each octet, a chunk of its own. */
static size_t
most(size_t size)
{
	return 16 + size * 8;
}

static void
arrive(struct proxy *p, struct buffer *b, const char *octets, size_t n)
{
	HOLDS(buffer_room(p, b) >= n);
	memcpy(b->data + b->end, octets, n);
	buffer_received(b, n);
}

static struct sent
pass(struct proxy *p, flow_beginner *begin, struct span in, struct cuts *cuts,
	const struct flow_as *as)
{
	struct sent s = { exact_block(most(in.n)), 0, 0, 0, FLOW_MORE };
	struct buffer *b = buffer_take(p);
	struct flow f = { .rest = NULL };
	size_t at = 0;

	HOLDS(b != NULL);
	begin(&f, &as->framing, as->coding);
	while (at < in.n && s.end == FLOW_MORE) {
		size_t n = cuts != NULL ? cuts_next(cuts) : in.n;

		n = n < in.n - at ? n : in.n - at;
		arrive(p, b, in.p + at, n);
		at += n;
		s.end = flow_judge(&f, p, b);
		HOLDS(s.end == (enum flow_state)f.state);
		take(&s, b, most(in.n));
	}
	s.left = in.n - at + b->end - b->ready;
	if (s.end == FLOW_MORE) {
		buffer_room(p, b);
		s.end = flow_input_ended(&f, b);
		take(&s, b, most(in.n));
	}
	s.body = f.bytes;
	buffer_give(p, &b);
	return s;
}

/* The data of a chunked body that was accepted, over itself; returns its length. */
static size_t
decode(char *p, size_t n)
{
	size_t body = 0, at = 0, run;
	struct chunk c;

	chunk_init(&c);
	for (;;) {
		enum chunk_run kind = chunk_next(&c, p + at, n - at, &run);

		HOLDS(kind != CHUNK_BAD && kind != CHUNK_MORE && kind != CHUNK_EXT);
		if (kind == CHUNK_TRAILERS)
			break;
		if (kind == CHUNK_DATA) {
			memmove(p + body, p + at, run);
			body += run;
		}
		at += run;
	}
	HOLDS(n - at >= 2 && memcmp(p + n - 2, "\r\n", 2) == 0);
	return body;
}

static void
check_same(const struct sent *a, const struct sent *b)
{
	HOLDS(a->end == b->end);
	if (a->end != FLOW_END)
		return;
	HOLDS(a->left == b->left && a->body == b->body && a->n == b->n);
	HOLDS(memcmp(a->out, b->out, a->n) == 0);
}

static void
check_chunked(struct proxy *p, flow_beginner *begin, struct span in, const struct cuts *from)
{
	const struct flow_as as_is = { { .kind = BODY_CHUNKED }, FLOW_AS_IS };
	const struct flow_as dechunk = { { .kind = BODY_CHUNKED }, FLOW_DECHUNK };
	struct cuts cuts = *from;
	struct sent whole = pass(p, begin, in, NULL, &as_is);
	struct sent cut = pass(p, begin, in, &cuts, &as_is);
	struct sent plain = pass(p, begin, in, &cuts, &dechunk);

	check_same(&whole, &cut);
	HOLDS(plain.end == whole.end);
	if (whole.end == FLOW_END) {
		HOLDS(whole.n <= in.n - whole.left);
		HOLDS(plain.left == whole.left && plain.n == whole.body);
		HOLDS(decode(whole.out, whole.n) == plain.n);
		HOLDS(memcmp(whole.out, plain.out, plain.n) == 0);
	}
	free(whole.out);
	free(cut.out);
	free(plain.out);
}

static void
check_until_close(struct proxy *p, struct span in, const struct cuts *from)
{
	const struct flow_as chunks = { { .kind = BODY_UNTIL_CLOSE }, FLOW_CHUNK };
	struct cuts cuts = *from;
	struct sent s = pass(p, flow_begin_response, in, &cuts, &chunks);

	HOLDS(s.end == FLOW_END && s.left == 0 && s.body == in.n);
	HOLDS(decode(s.out, s.n) == in.n);
	HOLDS(memcmp(s.out, in.p, in.n) == 0);
	free(s.out);
}

static void
check_length(struct proxy *p, struct span in, const struct cuts *from)
{
	uint64_t length = (unsigned char)in.p[0];
	const struct flow_as as_is = { { BODY_LENGTH, length }, FLOW_AS_IS };
	struct cuts cuts = *from;
	struct sent s = pass(p, flow_begin, in, &cuts, &as_is);

	HOLDS(s.end == (in.n >= length ? FLOW_END : FLOW_BAD));
	HOLDS(s.n == (in.n < length ? in.n : length));
	HOLDS(memcmp(s.out, in.p, s.n) == 0);
	free(s.out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct cuts cuts = { data, size, 0 };
	struct proxy *p;

	if (size == 0 || size > INPUT_MAX)
		return 0;
	p = malloc(sizeof(*p));
	HOLDS(p != NULL);
	proxy_init(p);
	check_chunked(p, flow_begin, in, &cuts);
	check_chunked(p, flow_begin_response, in, &cuts);
	check_until_close(p, in, &cuts);
	check_length(p, in, &cuts);
	proxy_free(p);
	free(p);
	return 0;
}
