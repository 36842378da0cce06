/*
 * One direction of a body.  What arrives in the buffer is judged once, in
 * place: `ready` moves over octets that may go on as they are, what must not go
 * on (chunk extensions, forbidden trailers, or all framing for an HTTP/1.0
 * client) is closed up, and framing that must be added is written into the free
 * room around the data.  So sending is always one run of octets, and a short
 * write needs no memory of structure.  A fixed buffer per direction is all that a
 * body of any size ever takes; what needs no judgement passes by a pipe.
 */
#include "private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void
flow_begin(struct flow *f, const struct framing *framing, enum flow_coding coding)
{
	struct buffer *rest = f->rest;

	memset(f, 0, sizeof(*f));
	f->rest = rest;
	f->kind = (uint8_t)framing->kind;
	f->left = framing->kind == BODY_LENGTH ? framing->length : 0;
	f->coding = (uint8_t)coding;
	chunk_init(&f->chunk);
	if (framing->kind == BODY_NONE || (framing->kind == BODY_LENGTH && framing->length == 0))
		f->state = FLOW_END;
}

void
flow_begin_response(struct flow *f, const struct framing *framing, enum flow_coding coding)
{
	flow_begin(f, framing, coding);
	f->lenient = true;
	chunk_init_padded(&f->chunk);
}

static void
judge_length(struct flow *f, struct buffer *b)
{
	uint64_t here = b->end - b->ready;
	uint64_t n = here < f->left ? here : f->left;

	b->ready += (uint32_t)n;
	f->left -= n;
	f->bytes += n;
	if (f->left == 0)
		f->state = FLOW_END;
}

/* Wraps all that has arrived as one chunk (RFC 9112 7.1).  Nothing is waiting in front of it, so its size line fits there. */
static void
wrap_chunk(struct buffer *b)
{
	char line[BUFFER_FRONT + 1];
	int n = snprintf(line, sizeof(line), "%x\r\n", b->end - b->ready);

	assert(b->sent == b->ready && b->ready >= (uint32_t)n);
	memcpy(b->data + b->ready - n, line, (size_t)n);
	memcpy(b->data + b->end, "\r\n", 2);
	b->start = b->sent = b->ready - (uint32_t)n;
	b->end += 2;
	b->ready = b->end;
}

static void
judge_until_close(struct flow *f, struct buffer *b)
{
	uint32_t n = b->end - b->ready;

	/* A chunk that is still on its way is not added to: upstream_fill is only called when all was sent. */
	if (n == 0 || (f->coding == FLOW_CHUNK && b->sent != b->ready))
		return;
	f->bytes += n;
	if (f->coding == FLOW_CHUNK)
		wrap_chunk(b);
	else
		b->ready = b->end;
}

/* Closes the gap between `kept` and `from`. */
static void
close_gap(struct buffer *b, uint32_t kept, uint32_t from)
{
	if (kept == from)
		return;
	memmove(b->data + kept, b->data + from, b->end - from);
	b->end -= from - kept;
}

/* Runs of the chunked coding until the data or the coding ends: what may go on is moved up to `ready`. */
static enum chunk_run
keep_runs(struct flow *f, struct buffer *b)
{
	uint32_t from = b->ready;
	enum chunk_run kind;
	size_t run;

	for (;;) {
		kind = chunk_next(&f->chunk, b->data + from, b->end - from, &run);
		if (kind == CHUNK_MORE || kind == CHUNK_BAD || kind == CHUNK_TRAILERS)
			break;
		if (kind == CHUNK_DATA)
			f->bytes += run;
		if (kind == CHUNK_DATA || (kind == CHUNK_FRAME && f->coding != FLOW_DECHUNK)) {
			if (b->ready != from)
				memmove(b->data + b->ready, b->data + from, run);
			b->ready += (uint32_t)run;
		}
		from += (uint32_t)run;
	}
	close_gap(b, b->ready, from);
	return kind;
}

/* The octets of a whole trailer section at p, 0 when it is not whole yet. */
static size_t
trailers_length(struct flow *f, const char *p, size_t n)
{
	size_t scanned = f->scanned;
	size_t length;

	if (n >= 2 && p[0] == '\r' && p[1] == '\n')
		return 2;
	length = parse_end_of_head(p, n, &scanned);
	f->scanned = (uint32_t)scanned;
	return length;
}

/* Rewrites a whole trailer section in place: it never becomes longer.  False when it is malformed. */
static bool
rewrite_trailers(struct flow *f, struct proxy *p, struct buffer *b, size_t n)
{
	struct buffer *copy;

	p->head_of = NULL;
	p->head_spoiled = true;
	if (parse_trailers(p->head, b->data + b->ready, n, p->config->limits.headers) != 0)
		return false;
	if (!f->lenient && framing_trailers(p->head) != 0)
		return false;
	if (f->coding == FLOW_DECHUNK) {
		close_gap(b, b->ready, b->ready + (uint32_t)n);
		return true;
	}
	if (f->no_trailers) { /* but the empty line */
		close_gap(b, b->ready, b->ready + (uint32_t)n - 2);
		b->ready += 2;
		return true;
	}
	copy = buffer_take(p);
	if (copy == NULL)
		return false;
	slices_reset(p->slices);
	head_write_trailers(p->slices, p->head);
	assert(p->slices->bytes <= n);
	slices_copy(p->slices, 0, copy->data);
	memcpy(b->data + b->ready, copy->data, p->slices->bytes);
	buffer_give(p, &copy);
	close_gap(b, b->ready + (uint32_t)p->slices->bytes, b->ready + (uint32_t)n);
	b->ready += (uint32_t)p->slices->bytes;
	return true;
}

static void
judge_trailers(struct flow *f, struct proxy *p, struct buffer *b)
{
	const char *at = b->data + b->ready;
	size_t here = b->end - b->ready;
	size_t n = trailers_length(f, at, here);
	size_t limit = p->config->limits.header_bytes;

	if (n > limit || (n == 0 && here > limit) || (here > 0 && at[0] == '\n'))
		f->state = FLOW_BAD;
	else if (n > 0)
		f->state = rewrite_trailers(f, p, b, n) ? FLOW_END : FLOW_BAD;
}

static void
judge_chunked(struct flow *f, struct proxy *p, struct buffer *b)
{
	if (!f->in_trailers) {
		enum chunk_run kind = keep_runs(f, b);

		if (kind == CHUNK_BAD)
			f->state = FLOW_BAD;
		f->in_trailers = kind == CHUNK_TRAILERS;
	}
	if (f->in_trailers && f->state == FLOW_MORE)
		judge_trailers(f, p, b);
}

enum flow_state
flow_judge(struct flow *f, struct proxy *p, struct buffer *b)
{
	if (f->state != FLOW_MORE || b == NULL)
		return f->state;
	switch (f->kind) {
	case BODY_LENGTH:
		judge_length(f, b);
		break;
	case BODY_CHUNKED:
		judge_chunked(f, p, b);
		break;
	default:
		judge_until_close(f, b);
		break;
	}
	return f->state;
}

enum flow_state
flow_input_ended(struct flow *f, struct buffer *b)
{
	if (f->state != FLOW_MORE)
		return f->state;
	if (f->kind == BODY_LENGTH || f->kind == BODY_CHUNKED)
		return f->state = FLOW_BAD;
	if (f->coding == FLOW_CHUNK) {
		memcpy(b->data + b->end, "0\r\n\r\n", 5);
		b->end += 5;
		b->ready = b->end;
	}
	return f->state = FLOW_END;
}

/* One run of octets.  1 sent, 0 the socket is full, or -errno. */
static int
send_run(struct watch *w, const struct buffer *b, uint32_t *sent, uint32_t to)
{
	ssize_t n = sock_send(w->fd, b->data + *sent, to - *sent);

	if (n == -EAGAIN)
		n = 0;
	if (n < 0)
		return (int)n;
	*sent += (uint32_t)n;
	if (*sent == to)
		return 1;
	watch_clear(w, POLLER_OUT);
	return 0;
}

static int
send_rest(struct flow *f, struct proxy *p, struct watch *w, uint64_t *bytes)
{
	uint32_t before;
	int rc;

	if (f->rest == NULL)
		return 1;
	before = f->rest->start;
	rc = send_run(w, f->rest, &f->rest->start, f->rest->end);
	*bytes += f->rest->start - before;
	if (rc == 1)
		buffer_give(p, &f->rest);
	return rc;
}

/* Until the socket says that it is full: less than all may be taken for other reasons. */
static int
send_pipe(struct flow *f, struct proxy *p, struct watch *w, uint64_t *bytes)
{
	while (f->pipe->held > 0) {
		ssize_t n = pipe_drain(f->pipe, w->fd);

		if (n == -EAGAIN) {
			watch_clear(w, POLLER_OUT);
			return 0;
		}
		if (n < 0)
			return (int)n;
		*bytes += (uint64_t)n;
	}
	pipe_give(p, &f->pipe);
	return 1;
}

int
flow_send(struct flow *f, struct proxy *p, struct buffer *b, struct watch *w, uint64_t *bytes)
{
	int rc = send_rest(f, p, w, bytes);
	uint32_t before;

	if (rc == 1 && b != NULL && b->sent != b->ready) {
		before = b->sent;
		rc = send_run(w, b, &b->sent, b->ready);
		*bytes += b->sent - before;
	}
	return rc == 1 && f->pipe != NULL ? send_pipe(f, p, w, bytes) : rc;
}

enum { PIPE_WORTHWHILE = 16 << 10 };

/* Octets of a body with a known length have no structure, and none is added. */
static uint64_t
passable(const struct flow *f)
{
	return f->state == FLOW_MORE && f->kind == BODY_LENGTH ? f->left : 0;
}

bool
flow_is_pipeable(const struct flow *f)
{
	return passable(f) >= PIPE_WORTHWHILE;
}

ssize_t
flow_fill_pipe(struct flow *f, struct proxy *p, struct buffer **b, struct watch *from)
{
	uint64_t n = passable(f);
	ssize_t got;

	if (!flow_is_pipeable(f) || !buffer_is_empty(*b))
		return FLOW_BY_BUFFER;
	f->pipe = pipe_take(p);
	if (f->pipe == NULL)
		return FLOW_BY_BUFFER;
	got = pipe_fill(f->pipe, from->fd, n < PIPE_BYTES ? n : PIPE_BYTES);
	if (got <= 0)
		pipe_give(p, &f->pipe);
	if (got == -EINVAL) /* not every kind of socket can */
		return FLOW_BY_BUFFER;
	if (got <= 0) {
		watch_clear(from, POLLER_IN);
		return got;
	}
	buffer_give(p, b);
	f->left -= (uint64_t)got;
	f->bytes += (uint64_t)got;
	if (f->left == 0)
		f->state = FLOW_END;
	return got;
}

/* Keeps what of the head was not taken. */
static int
keep_rest(struct flow *f, struct proxy *p, size_t taken)
{
	assert(f->rest == NULL);
	if (p->slices->bytes - taken > p->buffer_bytes)
		return -ENOBUFS;
	f->rest = buffer_take(p);
	if (f->rest == NULL)
		return -ENOBUFS;
	slices_copy(p->slices, taken, f->rest->data);
	f->rest->end = (uint32_t)(p->slices->bytes - taken);
	return 0;
}

enum { IOV_LIMIT = 1024 }; /* of the kernel: UIO_MAXIOV */

/*
 * Slices and body as they lie; or, while that is cheaper, as one piece: every slice more costs the kernel
 * more than its copy costs us.
 */
static ssize_t
send_slices(const struct flow *f, struct proxy *p, struct iovec body, int fd)
{
	struct slices *s = p->slices;
	size_t n = s->bytes + body.iov_len;
	int count = s->n;

	if (n <= sizeof(p->flat)) {
		slices_copy(s, 0, p->flat);
		if (body.iov_len > 0)
			memcpy(p->flat + s->bytes, body.iov_base, body.iov_len);
		return f->ends ? sock_send_last(fd, p->flat, n) : sock_send(fd, p->flat, n);
	}
	if (body.iov_len > 0)
		s->v[count++] = body;
	return sock_sendv(fd, s->v, count < IOV_LIMIT ? count : IOV_LIMIT);
}

int
flow_send_head(struct flow *f, struct proxy *p, struct buffer *b, struct watch *w, uint64_t *bytes)
{
	struct slices *s = p->slices;
	struct iovec body = { 0 };
	ssize_t n;

	if (b != NULL)
		body = (struct iovec){ b->data + b->sent, b->ready - b->sent };
	n = send_slices(f, p, body, w->fd);
	if (n == -EAGAIN)
		n = 0;
	if (n < 0)
		return (int)n;
	*bytes += (uint64_t)n;
	if ((size_t)n < s->bytes + body.iov_len && s->n < IOV_LIMIT)
		watch_clear(w, POLLER_OUT);
	if ((size_t)n < s->bytes)
		return keep_rest(f, p, (size_t)n);
	if (b != NULL)
		b->sent += (uint32_t)((size_t)n - s->bytes);
	return 0;
}
