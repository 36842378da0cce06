/*
 * Privileges: resolved in the master before anything starts, taken in each child
 * right after the fork.  Owns nothing.  Invariant: a child that has taken its
 * identity can not come back to root.  Not here: capabilities and sandboxes,
 * which are the service manager's business (see init/).
 */
#include "privileges.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

int
identity_take(const struct identity *id)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0,
		0); /* nothing is ever executed; a kernel without it loses little */
	if (!id->drop)
		return 0;
	if (setgroups(1, &id->gid) < 0 || setgid(id->gid) < 0 || setuid(id->uid) < 0)
		return -errno;
	assert(id->uid == 0 || setuid(0) < 0);
	return 0;
}

void
identity_hand_over(const struct identity *id, int fd, const char *path)
{
	struct stat opened, named;

	if (!id->drop || fd < 0 || fstat(fd, &opened) < 0 || lstat(path, &named) < 0)
		return;
	if (!S_ISREG(named.st_mode) || named.st_nlink != 1)
		return;
	/* A link planted under this name would make us give away the file it points to. */
	if (opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
		return;
	if (opened.st_uid != id->uid && fchown(fd, id->uid, (gid_t)-1) < 0)
		return; /* a file system without owners: then its rights decide */
}
