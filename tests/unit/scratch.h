/*
 * A directory of its own for a test that needs files: made under $TMPDIR,
 * entered, and removed with all it holds.  One per process at a time.
 */
#ifndef BALLAST_TESTS_UNIT_SCRATCH_H
#define BALLAST_TESTS_UNIT_SCRATCH_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[256];

static inline void
scratch_enter(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(scratch_dir, sizeof(scratch_dir), "%s/ballast-unit-XXXXXX",
		tmp != NULL ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(scratch_dir));
	ck_assert_int_eq(chdir(scratch_dir), 0);
}

static inline int
scratch_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
scratch_leave(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	nftw(scratch_dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the directory; parents are made. */
static inline void
scratch_write(const char *name, const char *text, size_t len)
{
	char path[512];
	char *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s", name);
	for (slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

#endif
