/*
 * Runs every subject at 1, 2 and 4 times its size; one dump of callgrind for
 * each, named subject:factor.  To be started by run.py, under
 * `valgrind --tool=callgrind --collect-atstart=no`.  Without valgrind it runs
 * as well and counts nothing, which is how to debug it; with the name of a
 * subject it runs that one only.  `--instrumented` tells by its exit status whether a
 * sanitizer is built in.
 */
#include "bounds.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

void
counting(bool on)
{
	(void)on;
	CALLGRIND_TOGGLE_COLLECT;
}

void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "complexity: not so: %s\n", what);
	exit(2);
}

static void
grow(struct input *in, size_t more)
{
	while (in->room < in->n + more + 1)
		in->room = in->room == 0 ? 4096 : in->room * 2;
	in->text = realloc(in->text, in->room);
	must(in->text != NULL, "memory");
}

void
put(struct input *in, const char *fmt, ...)
{
	va_list ap;
	int n;

	grow(in, 1024);
	va_start(ap, fmt);
	n = vsnprintf(in->text + in->n, 1024, fmt, ap);
	va_end(ap);
	must(n >= 0 && n < 1024, "a short piece of input");
	in->n += (size_t)n;
}

void
put_times(struct input *in, unsigned times, const char *text)
{
	size_t n = strlen(text);

	grow(in, times * n);
	for (unsigned i = 0; i < times; i++, in->n += n)
		memcpy(in->text + in->n, text, n);
	in->text[in->n] = '\0';
}

static void
measure(const struct subject *s, unsigned factor)
{
	struct input in = { .size = s->base * factor };
	char name[128];

	if (s->make != NULL)
		s->make(&in);
	snprintf(name, sizeof(name), "%s:%u", s->name, factor);
	CALLGRIND_ZERO_STATS;
	counting(true);
	s->run(&in);
	counting(false);
	CALLGRIND_DUMP_STATS_AT(name);
	free(in.text);
}

static void
run_all(struct subjects all, const char *only)
{
	for (size_t i = 0; i < all.n; i++) {
		const struct subject *s = &all.first[i];

		if (only != NULL && strcmp(only, s->name) != 0)
			continue;
		for (unsigned factor = 1; factor <= 4; factor *= 2)
			measure(s, factor);
	}
}

static bool
is_instrumented(void)
{
#ifdef BALLAST_INSTRUMENTED
	return true;
#else
	return false;
#endif
}

int
main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;

	if (only != NULL && strcmp(only, "--instrumented") == 0)
		return is_instrumented() ? 0 : 1;
	run_all(subjects_http(), only);
	run_all(subjects_config(), only);
	run_all(subjects_proxy(), only);
	return 0;
}
