/*
 * The names of an instance: pidfile, shared memory, Unix socket.  Used by the
 * master and by the commands that look for one.  Pure but for realpath(3):
 * nothing is created here.  Invariant: the same configuration file, pidfile and
 * runtime_dir give the same names to everyone, from whatever directory they ask,
 * and different pidfiles never share a name (but for a collision in 32 bits).
 */
#include "instance.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FNV-1a, 64 bits folded to 32. */
static uint32_t
hash_text(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

void
path_directory(char out[PATH_MAX], const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	if (slash == path)
		len = 1;
	if (slash == NULL || len >= PATH_MAX) {
		strcpy(out, slash == NULL ? "." : "/");
		return;
	}
	memcpy(out, path, len);
	out[len] = '\0';
}

static int
join(char out[PATH_MAX], const char *dir, const char *name)
{
	const char *between = strcmp(dir, "/") == 0 ? "" : "/";
	int len = snprintf(out, PATH_MAX, "%s%s%s", dir, between, name);

	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/*
 * Links in the directory are followed (/var/run is /run), the file itself need
 * not exist.  A directory that is not there yet is taken as it is written.
 */
static int
absolute(char out[PATH_MAX], const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char dir[PATH_MAX], real[PATH_MAX];

	path_directory(dir, path);
	if (realpath(dir, real) != NULL)
		return join(out, real, name);
	if (path[0] == '/')
		return strlen(path) >= PATH_MAX ? -ENAMETOOLONG : (strcpy(out, path), 0);
	if (getcwd(dir, sizeof(dir)) == NULL)
		return -errno;
	return join(out, dir, path);
}

/* Without a file (everything from the environment) the working directory tells instances apart. */
static int
default_pidfile(char out[PATH_MAX], const struct instance_place *at)
{
	char real[PATH_MAX] = "", name[64], path[PATH_MAX];
	int rc;

	/* A link to the file is followed at each load, so it is the link that stays the same. */
	if (at->config_file != NULL)
		rc = absolute(real, at->config_file);
	else
		rc = realpath(".", real) == NULL ? -errno : 0;
	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "ballast-%08x.pid", (unsigned)hash_text(real));
	rc = join(path, at->runtime_dir, name);
	return rc < 0 ? rc : absolute(out, path);
}

static void
place_socket(struct instance *in, unsigned choice, const char *dir)
{
	char path[PATH_MAX], name[64];
	int rc;

	snprintf(name, sizeof(name), "ballast-%s.sock", in->id);
	rc = join(path, dir, name);
	if (rc < 0 || strlen(path) >= INSTANCE_SOCKET_MAX)
		path[0] = '\0';
	memcpy(in->sockets[choice], path, strlen(path) + 1);
}

static void
place_sockets(struct instance *in, const struct instance_place *at)
{
	unsigned beside_pidfile = at->shared_with_user ? 1 : 0;
	char dir[PATH_MAX], runtime[PATH_MAX];

	path_directory(dir, in->pidfile);
	if (realpath(at->runtime_dir, runtime) == NULL && absolute(runtime, at->runtime_dir) < 0)
		strcpy(runtime, dir);
	place_socket(in, beside_pidfile, dir);
	place_socket(in, !beside_pidfile, runtime);
	if (strcmp(in->sockets[0], in->sockets[1]) == 0)
		in->sockets[1][0] = '\0';
}

int
instance_name(struct instance *in, const struct instance_place *at)
{
	int rc;

	if (at->pidfile != NULL)
		rc = absolute(in->pidfile, at->pidfile);
	else
		rc = default_pidfile(in->pidfile, at);
	if (rc < 0)
		return rc;
	snprintf(in->id, sizeof(in->id), "%08x", (unsigned)hash_text(in->pidfile));
	snprintf(in->shm_name, sizeof(in->shm_name), "/ballast-%s", in->id);
	place_sockets(in, at);
	return 0;
}
