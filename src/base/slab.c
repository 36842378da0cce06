/*
 * Slab: one anonymous mapping for the objects and one for the stack of free
 * indices, both without reserve, so that only what was used is ever resident.
 * Runs in workers and the checker; single-threaded.  Invariants: every index is
 * either given out, on the stack, or not below n_used_ever; no page behind the
 * objects below `touched` is resident.
 */
#include "ballast/base/slab.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

enum {
	CACHE_LINE = 64,
	PAGE = 4096,
	KEEP_BYTES = 2 << 20,  /* so little stays: given back, it would soon be asked for again */
	TRIM_BYTES = 16 << 20, /* at once: some milliseconds */
};

static void *
reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t
round_up(size_t bytes)
{
	return (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static size_t
whole_pages(size_t bytes)
{
	return (bytes + PAGE - 1) / PAGE * PAGE;
}

size_t
slab_bytes(uint32_t capacity, size_t object_bytes)
{
	const size_t most = SIZE_MAX / 4;

	if (capacity == 0)
		return 0;
	if (object_bytes > most || round_up(object_bytes) > most / capacity)
		return SIZE_MAX;
	return whole_pages(capacity * round_up(object_bytes)) +
	       whole_pages(capacity * sizeof(uint32_t));
}

int
slab_init(struct slab *s, uint32_t capacity, size_t object_bytes)
{
	memset(s, 0, sizeof(*s));
	assert(capacity > 0 && object_bytes > 0);
	if (slab_bytes(capacity, object_bytes) == SIZE_MAX)
		return -ENOMEM;
	s->object_bytes = round_up(object_bytes);
	s->base = reserve(capacity * s->object_bytes);
	if (s->base == NULL)
		return -errno;
	s->free = reserve(capacity * sizeof(*s->free));
	if (s->free == NULL) {
		int rc = -errno;

		munmap(s->base, capacity * s->object_bytes);
		memset(s, 0, sizeof(*s));
		return rc;
	}
	s->capacity = capacity;
	return 0;
}

void
slab_free_all(struct slab *s)
{
	if (s->base != NULL) {
		munmap(s->base, s->capacity * s->object_bytes);
		munmap(s->free, s->capacity * sizeof(*s->free));
	}
	memset(s, 0, sizeof(*s));
}

void *
slab_take(struct slab *s)
{
	uint32_t index;

	if (s->n_free > 0)
		index = s->free[--s->n_free];
	else if (s->n_used_ever < s->capacity)
		index = s->n_used_ever++;
	else
		return NULL;
	if (s->n_used_ever > s->touched)
		s->touched = s->n_used_ever;
	if (++s->in_use > s->peak)
		s->peak = s->in_use;
	return s->base + index * s->object_bytes;
}

void
slab_give(struct slab *s, void *object)
{
	size_t offset = (size_t)((char *)object - s->base);

	assert((char *)object >= s->base && offset % s->object_bytes == 0);
	assert(offset / s->object_bytes < s->n_used_ever);
	assert(s->in_use > 0);
	s->in_use--;
	s->free[s->n_free++] = (uint32_t)(offset / s->object_bytes);
}

/* Nothing is in use, so the stack of indices may begin anew, and what lies highest goes first. */
static void
give_back(struct slab *s)
{
	size_t keep = KEEP_BYTES / s->object_bytes, at_once = TRIM_BYTES / s->object_bytes + 1;
	size_t n = s->touched - keep < at_once ? s->touched - keep : at_once;
	char *from = s->base + (s->touched - n) * s->object_bytes;
	char *page = s->base + whole_pages((size_t)(from - s->base));
	char *end = s->base + whole_pages(s->touched * s->object_bytes);

	if (page < end)
		madvise(page, (size_t)(end - page), MADV_DONTNEED);
	s->touched -= (uint32_t)n;
	s->n_free = 0;
	s->n_used_ever = 0;
}

void
slab_trim(struct slab *s)
{
	bool quiet = s->in_use == 0 && s->peak <= s->touched / 4;

	if (quiet && s->touched > KEEP_BYTES / s->object_bytes)
		give_back(s);
	s->peak = s->in_use;
}
