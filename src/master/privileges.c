/*
 * Privileges: resolved in the master before anything starts, taken in each child
 * right after the fork.  Owns nothing.  Invariant: a child that has taken its
 * identity can not come back to root and has no capability.  Not here: the filter
 * of system calls (base/sandbox.c), and what the service manager adds (see init/).
 */
#include "privileges.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
find_user(struct identity *id, const char *name, struct err *err)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (user == NULL) {
		err_add(err, "user \"%s\" is unknown; name one of the users in /etc/passwd", name);
		return false;
	}
	id->uid = user->pw_uid;
	id->gid = user->pw_gid;
	return true;
}

static bool
find_group(struct identity *id, const char *name, struct err *err)
{
	const struct group *group = getgrnam(name);

	if (group == NULL) {
		err_add(err, "group \"%s\" is unknown; name one of the groups in /etc/group", name);
		return false;
	}
	id->gid = group->gr_gid;
	return true;
}

bool
identity_resolve(struct identity *id, const char *user, const char *group, struct err *err)
{
	bool root = geteuid() == 0;
	bool known = true;

	*id = (struct identity){ .uid = geteuid(), .gid = getegid() };
	if (user == NULL && root)
		user = "nobody";
	if (user != NULL)
		known = find_user(id, user, err);
	if (group != NULL)
		known = find_group(id, group, err) && known;
	id->drop = root && (id->uid != 0 || id->gid != 0);
	if (!root) { /* checked above, but only root can become another user */
		id->uid = geteuid();
		id->gid = getegid();
	}
	return known;
}

static int
become(const struct identity *id)
{
	if (!id->drop)
		return 0;
	if (setgroups(1, &id->gid) < 0 || setgid(id->gid) < 0 || setuid(id->uid) < 0)
		return -errno;
	assert(id->uid == 0 || setuid(0) < 0);
	return 0;
}

/* Also of a child that stays root, and what a service manager left to us to bind a low port. */
static int
drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capget, &header, held) < 0)
		return -errno;
	if (memcmp(held, none, sizeof(held)) == 0)
		return 0; /* also where a service manager forbids us to try */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int
identity_take(const struct identity *id)
{
	int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (rc == 0)
		rc = become(id);
	return rc == 0 ? drop_capabilities() : rc;
}

static int
lower(__rlimit_resource_t what, rlim_t most)
{
	struct rlimit limit;
	rlim_t hard;

	if (getrlimit(what, &limit) < 0)
		return -errno;
	hard = limit.rlim_max;
	if (limit.rlim_cur > most)
		limit.rlim_cur = most;
	limit.rlim_max = limit.rlim_cur;
	if (setrlimit(what, &limit) == 0)
		return 0;
	limit.rlim_max = hard; /* no kernel refuses to lower it, but valgrind does */
	return setrlimit(what, &limit) < 0 ? -errno : 0;
}

int
limits_take(uint32_t open_files)
{
	int rc = lower(RLIMIT_NOFILE, open_files);

#ifndef BALLAST_INSTRUMENTED /* the leak check is made by a process of its own */
	if (rc == 0)
		rc = lower(RLIMIT_NPROC, 0);
#endif
	return rc;
}
