/*
 * Buffers of one fixed size from the worker's slab.  A connection holds one
 * only while something unread lies in it.  Invariant: start <= sent <= ready <=
 * end <= buffer_bytes - BUFFER_TAIL, except that framing may be written into the tail.
 */
#include "private.h"

#include <string.h>

struct buffer *
buffer_take(struct proxy *p)
{
	struct buffer *b = slab_take(&p->buffers);

	if (b != NULL)
		b->start = b->sent = b->ready = b->end = 0;
	return b;
}

void
buffer_give(struct proxy *p, struct buffer **b)
{
	if (*b != NULL)
		slab_give(&p->buffers, *b);
	*b = NULL;
}

/* Moves what is held to the front; framing that is to be written before it has room in what was sent. */
static void
compact(struct buffer *b)
{
	uint32_t by = b->start;

	if (by == 0)
		return;
	memmove(b->data, b->data + by, b->end - by);
	b->start = 0;
	b->sent -= by;
	b->ready -= by;
	b->end -= by;
}

size_t
buffer_room(const struct proxy *p, struct buffer *b)
{
	uint32_t limit = p->buffer_bytes - BUFFER_TAIL;

	if (b->start == b->end)
		b->start = b->sent = b->ready = b->end = BUFFER_FRONT;
	else if (b->end >= limit - limit / 4)
		compact(b);
	return b->end < limit ? limit - b->end : 0;
}

void
buffer_received(struct buffer *b, size_t n)
{
	b->end += (uint32_t)n;
}
