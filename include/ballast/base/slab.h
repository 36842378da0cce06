/*
 * Slab: a fixed number of objects of one size, given out last-in first-out so
 * that the warmest memory is used again first.  The address space is reserved
 * at once and touched only as far as it is used: an object that was never given
 * out costs nothing.  After a time with many, what they used goes back to the
 * system, little by little.  No malloc on the way of a request.
 */
#ifndef BALLAST_BASE_SLAB_H
#define BALLAST_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab {
	char *base;
	uint32_t *free; /* a stack of indices given back */
	uint32_t n_free;
	uint32_t n_used_ever; /* objects from here on are not on the stack */
	uint32_t touched;     /* and from here on they take no memory */
	uint32_t capacity;
	uint32_t in_use;
	uint32_t peak;       /* of in_use, since the last slab_trim */
	size_t object_bytes; /* rounded up to 64 */
};

/* All that such a slab can ever take of memory; SIZE_MAX when there is not that much. */
size_t slab_bytes(uint32_t capacity, size_t object_bytes);
/* 0, or -errno when the address space is refused. */
int slab_init(struct slab *, uint32_t capacity, size_t object_bytes);
void slab_free_all(struct slab *);
/* Not cleared.  NULL when all are in use: an ordinary condition, to be handled. */
void *slab_take(struct slab *);
void slab_give(struct slab *, void *object);
/*
 * To be called about once a second.  When none is in use, and far fewer were since the last call than hold
 * memory, gives some megabytes of it back.
 */
void slab_trim(struct slab *);

#endif
