/*
 * Process titles, in every process: libbsd's setproctitle(3), without the dot it
 * leaves behind a title that is shorter than the program's path, or the space behind one that is as long.  Remembers where
 * the kernel keeps the arguments; main tells it before anything else.
 */
#include "title.h"

#include <bsd/unistd.h>
#include <string.h>
#include <unistd.h>

#include "ballast/master/master.h"

static char *name;      /* argv[0] as the kernel gave it */
static size_t name_len; /* libbsd writes its dot there */

void
master_title_init(int argc, char **argv)
{
	if (argc < 1)
		return;
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
