/*
 * Slices: an outgoing head as a list of pieces of memory, in order, for one
 * gathered send.  Pieces that lie next to each other become one, so a head that
 * mostly stays as it came is a handful of entries.  Owns only its scratch; the
 * other pieces must stay where they are until the slices are sent or copied.
 * Invariant: bytes is the sum of all pieces.
 */
#include "slices.h"

void
slices_reset(struct slices *s)
{
	s->n = 0;
	s->bytes = 0;
	s->used = s->closed = 0;
}

/* An iovec serves reading, too, and so cannot say that it is not written through. */
static struct iovec
piece(const char *p, size_t n)
{
	struct iovec v = { .iov_len = n };

	memcpy(&v.iov_base, &p, sizeof(p));
	return v;
}

static void
join(struct slices *s, const char *p, size_t n)
{
	struct iovec *last = s->n > 0 ? &s->v[s->n - 1] : NULL;

	s->bytes += n;
	if (last != NULL && (const char *)last->iov_base + last->iov_len == p) {
		last->iov_len += n;
		return;
	}
	assert((size_t)s->n < sizeof(s->v) / sizeof(*s->v));
	s->v[s->n++] = piece(p, n);
}

void
slices_close(struct slices *s)
{
	if (s->used == s->closed)
		return;
	join(s, s->scratch + s->closed, s->used - s->closed);
	s->closed = s->used;
}

void
slices_add(struct slices *s, const char *p, size_t n)
{
	if (n == 0)
		return;
	slices_close(s);
	join(s, p, n);
}

void
slices_write(struct slices *s, struct span text)
{
	if (text.n == 0)
		return;
	slices_text(s, text);
	slices_close(s);
}

void
slices_copy(const struct slices *s, size_t skip, char *out)
{
	for (int i = 0; i < s->n; i++) {
		const char *p = s->v[i].iov_base;
		size_t n = s->v[i].iov_len;
		size_t over = skip < n ? skip : n;

		skip -= over;
		memcpy(out, p + over, n - over);
		out += n - over;
	}
}
