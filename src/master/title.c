/*
 * Process titles, in every process: libbsd's setproctitle(3), without the dot it
 * leaves behind a title that is shorter than the program's path, or the space behind one that is as long.  Remembers where
 * the kernel keeps the arguments; main tells it before anything else.
 */
#include "title.h"

#include <bsd/unistd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/master/master.h"

static char **arguments; /* as we were called; NULL: never told, or no memory */
static char *name;       /* argv[0] as the kernel gave it */
static size_t name_len;  /* libbsd writes its dot there */

static char **
copy_of(int argc, char **argv)
{
	char **copy = calloc((size_t)argc + 1, sizeof(*copy));

	for (int i = 0; copy != NULL && i < argc; i++) {
		copy[i] = strdup(argv[i]);
		if (copy[i] == NULL)
			return NULL;
	}
	return copy;
}

char *const *
title_arguments(void)
{
	return arguments;
}

void
master_title_init(int argc, char **argv)
{
	if (argc < 1)
		return;
	arguments = copy_of(argc, argv);
	name = argv[0];
	name_len = strlen(name);
	setproctitle_init(argc, argv, environ);
}

void
title_set(const char *title)
{
	if (name == NULL)
		return;
	setproctitle("-%s", title);
	if (strlen(title) <= name_len)
		name[name_len] = '\0';
}
