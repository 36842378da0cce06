/*
 * Where configuration files are, and their text.  Private to src/config.
 */
#ifndef BALLAST_CONFIG_FILES_H
#define BALLAST_CONFIG_FILES_H

#include <stddef.h>

/* 0 and *text to be freed (len octets and a NUL), or -errno; -EFBIG beyond TREE_BYTES_MAX. */
int file_read(const char *path, char **text, size_t *len);
/* Links are left alone: one that is turned later is followed then.  To be freed; NULL: no memory. */
char *file_absolute(const char *path);
/* The default runtime directory of this user, to be freed. */
char *file_runtime_dir(void);

#endif
