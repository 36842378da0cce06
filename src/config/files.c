/*
 * Reading a whole configuration file, bounded, and the paths that have a
 * computed default.  Runs in the master at load and reload.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ballast/base/sock.h"
#include "tree.h"

/* One octet more than allowed is asked for: that one tells. */
static int
read_all(int fd, char *text, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len <= TREE_BYTES_MAX) {
		n = read(fd, text + *len, TREE_BYTES_MAX + 1 - *len);
		if (n == 0)
			return 0;
		if (n > 0)
			*len += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return -EFBIG;
}

int
file_read(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	*text = malloc(TREE_BYTES_MAX + 2);
	rc = *text != NULL ? read_all(fd, *text, len) : -ENOMEM;
	fd_close(&fd);
	if (rc < 0) {
		free(*text);
		*text = NULL;
		return rc;
	}
	(*text)[*len] = '\0';
	return 0;
}

char *
file_absolute(const char *path)
{
	char dir[PATH_MAX];
	char *out;

	if (*path == '/' || getcwd(dir, sizeof(dir)) == NULL)
		return strdup(path);
	return asprintf(&out, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, path) < 0 ? NULL : out;
}

char *
file_runtime_dir(void)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char *out = NULL;
	int rc;

	if (geteuid() == 0)
		return strdup("/run/ballast");
	if (xdg != NULL && *xdg == '/')
		rc = asprintf(&out, "%s/ballast", xdg);
	else
		rc = asprintf(&out, "/tmp/ballast-%u", (unsigned)geteuid());
	return rc < 0 ? NULL : out;
}
