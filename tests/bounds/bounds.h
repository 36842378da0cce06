/*
 * What the files of the complexity program have between them.  A subject is one
 * piece of product code with an input that can be made n, 2n and 4n large; the
 * program runs it under callgrind, where only run() is counted, and run.py
 * judges the counts.  Not part of the product.
 */
#ifndef BALLAST_TESTS_BOUNDS_BOUNDS_H
#define BALLAST_TESTS_BOUNDS_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>

struct input {
	char *text; /* what make() wrote, ended by a NUL; grows by itself */
	size_t n, room;
	unsigned size; /* 1, 2 or 4 times the subject's base */
};

void put(struct input *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void put_times(struct input *, unsigned times, const char *text);

struct subject {
	const char *name; /* a sentence without spaces: callgrind cuts at them */
	unsigned base;    /* of `size` */
	void (*make)(struct input *);
	void (*run)(const struct input *); /* may call uncounted() around what is not ours */
};

/* Within run(): the next instructions are the test's own, or ours again. */
void counting(bool on);

/* Ends the program when something that the input needs is not so. */
void must(bool, const char *what);

struct subjects {
	const struct subject *first;
	size_t n;
};

struct subjects subjects_http(void);
struct subjects subjects_config(void);
struct subjects subjects_proxy(void);

#endif
