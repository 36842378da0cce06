/*
 * Input that ends where the memory ends: the octets are copied so that the next
 * one behind them lies on a page without any access.  A parser that reads one
 * octet too far dies at once, which no sanitizer sees in a larger buffer.
 */
#ifndef BALLAST_TESTS_UNIT_GUARDED_H
#define BALLAST_TESTS_UNIT_GUARDED_H

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
	char *map;
	size_t map_bytes;
	char *p; /* the copy */
	size_t n;
};

static inline struct guarded
guarded_copy(const char *octets, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t readable = (n / page + 1) * page;
	struct guarded g = { .map_bytes = readable + page, .n = n };

	g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(g.map, MAP_FAILED);
	ck_assert_int_eq(mprotect(g.map + readable, page, PROT_NONE), 0);
	g.p = g.map + readable - n;
	if (n > 0)
		memcpy(g.p, octets, n);
	return g;
}

static inline void
guarded_free(struct guarded *g)
{
	munmap(g->map, g->map_bytes);
	g->map = NULL;
}

#endif
