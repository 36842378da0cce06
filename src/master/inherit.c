/*
 * The replacement of a running program, in the new master.  It starts like any
 * other, but for what it inherits, and stays a guest of the instance until its
 * workers are ready and the former master has let go: till then it answers
 * nobody, writes no pidfile, removes nothing and has no checker.  Owns the
 * inherited descriptors until they are taken over.  What the former master does
 * is in upgrade.c.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/control.h"
#include "ballast/base/owner.h"
#include "ballast/base/sock.h"
#include "ballast/shm/transfer.h"

#include "daemon.h"

enum { TEXT_MAX = 1 << 30 };

/* ---- the variable */

static int
take_fd(const char *text, const char **rest)
{
	char *end;
	long fd = strtol(text, &end, 10);

	*rest = end;
	if (end == text || fd <= STDERR_FILENO || fd > INT32_MAX || fd_cloexec((int)fd, true) < 0)
		return -1;
	return (int)fd;
}

static struct listener *
take_listener(const char *text)
{
	const char *at;
	struct addr configured;
	int fd = take_fd(text, &at);

	if (fd < 0 || *at != ' ' || addr_parse_listen(&configured, at + 1) != NULL) {
		fd_close(&fd);
		return NULL;
	}
	return listener_inherit(fd, &configured);
}

static void
take_line(struct heritage *h, const char *key, const char *value)
{
	const struct {
		const char *key;
		int *fd;
	} numbers[] = {
		{ "control", &h->control_fd },
		{ "reason", &h->reason },
		{ "text", &h->text },
		{ "pidfile", &h->pidfile },
		{ "local", &h->local },
		{ "queue_in", &h->handover[0] },
		{ "queue_out", &h->handover[1] },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(numbers[i].key, key) == 0)
			*numbers[i].fd = take_fd(value, &value);
	}
	if (strcmp(key, "listener") == 0)
		h->listener = take_listener(value);
	else if (strcmp(key, "admin") == 0)
		h->admin = take_listener(value);
}

/* A master of version 1 leaves at its own word and passes over ours. */
static bool
is_version(const char *value)
{
	return strcmp(value, "1") == 0 || strcmp(value, INHERIT_VERSION) == 0;
}

/* A key that a later version adds is passed over; one that it needs comes with another version. */
static bool
take_lines(struct heritage *h, char *text)
{
	bool known = false;
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		char *value = strchr(line, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		known = known || (strcmp(line, "version") == 0 && is_version(value));
		take_line(h, line, value);
	}
	return known && h->control_fd >= 0 && h->text >= 0 && h->pidfile >= 0;
}

bool
heritage_take(struct heritage *h)
{
	const char *variable = getenv(INHERIT_VARIABLE);
	char *text = variable == NULL ? NULL : strdup(variable);
	bool good;

	*h = (struct heritage){ .control = { .fd = -1 },
		.control_fd = -1,
		.reason = -1,
		.text = -1,
		.pidfile = -1,
		.local = -1,
		.handover = { -1, -1 } };
	if (variable == NULL)
		return true;
	unsetenv(INHERIT_VARIABLE);
	h->given = true;
	good = text != NULL && take_lines(h, text);
	free(text);
	return good;
}

static void
drop(struct heritage *h)
{
	fd_close(&h->control_fd);
	fd_close(&h->text);
	fd_close(&h->pidfile);
	fd_close(&h->local);
	fd_close(&h->handover[0]);
	fd_close(&h->handover[1]);
	if (h->listener != NULL)
		listener_release(&h->listener);
	if (h->admin != NULL)
		listener_release(&h->admin);
}

void
heritage_refuse(struct heritage *h, const char *reason)
{
	if (h->reason >= 0)
		dprintf(h->reason, "%s", reason);
	fd_close(&h->reason);
	drop(h);
}

/* ---- the former master's word */

static void
hang_up(struct master *m)
{
	int fd = m->heritage.control.fd;

	if (fd >= 0)
		poller_remove(m->poller, &m->heritage.control);
	fd_close(&fd);
}

static void
former_is_gone(struct master *m)
{
	hang_up(m);
	m->heritage.over = true;
}

static char *
read_text(int fd, size_t *len)
{
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > TEXT_MAX)
		return NULL;
	*len = (size_t)st.st_size;
	text = malloc(*len + 1);
	if (text == NULL || pread(fd, text, *len, 0) != st.st_size) {
		free(text);
		return NULL;
	}
	text[*len] = '\0';
	return text;
}

static int
take_counters(struct master *m, int fd)
{
	size_t len = 0;
	char *text = read_text(fd, &len);
	int rc = text == NULL ? -EIO
			      : transfer_counters(
					&m->shm, m->heritage.ledger, text, len, clock_now_us());

	free(text);
	return rc;
}

/* In a segment of our own its counters are the former program's, as they were when it wrote them down last. */
static void
update_ledger(struct master *m, int text)
{
	int rc = m->heritage.ledger == NULL ? 0 : take_counters(m, text);

	if (rc < 0)
		log_error("what the former program counted last cannot be read",
			LOG_STR("error", strerror(-rc)));
}

/* The counters stay in the slot. */
static void
close_ledger(struct master *m)
{
	if (m->heritage.ledger != NULL)
		slot_fold(&m->shm, m->heritage.ledger);
	m->heritage.ledger = m->children.heritage = NULL;
}

static void
hear_former(struct watch *w)
{
	struct heritage *h = OWNER(w, struct heritage, control);
	struct master *m = OWNER(h, struct master, heritage);
	enum control said;
	int passed;

	while ((said = control_next(w->fd, &passed)) != CONTROL_NONE && said != CONTROL_EOF) {
		h->over = h->over || said == CONTROL_OVER;
		if (said == CONTROL_OVER)
			update_ledger(m, passed);
		fd_close(&passed);
	}
	watch_clear(w, POLLER_IN);
	if (said != CONTROL_EOF)
		return;
	former_is_gone(m);
	close_ledger(m);
}

int
heritage_watch(struct master *m)
{
	struct heritage *h = &m->heritage;
	int rc;

	if (!h->given)
		return 0;
	h->control = (struct watch){ .wake = hear_former, .fd = -1 };
	rc = poller_add(m->poller, &h->control, h->control_fd, POLLER_IN);
	if (rc == 0)
		h->control_fd = -1;
	return rc;
}

/* ---- the shared memory */

void
heritage_segment_name(const struct master *m, char out[48])
{
	snprintf(out, 48, "%s.new", m->instance.shm_name);
}

static int
fill_segment(struct master *m)
{
	size_t len = 0;
	char *text = read_text(m->heritage.text, &len);
	int rc = text == NULL ? -EIO : transfer_state(&m->shm, text, len, clock_now_us());

	free(text);
	if (rc < 0)
		return rc;
	m->heritage.ledger = slot_claim(&m->shm, ROLE_NONE, 0, 0);
	atomic_store(&m->heritage.ledger->pid, getpid());
	return take_counters(m, m->heritage.text);
}

int
heritage_open_segment(struct master *m, const struct shm_shape *shape)
{
	gid_t gid = m->identity.drop ? m->identity.gid : (gid_t)-1;
	char name[48];
	int rc;

	if (!m->heritage.given)
		return shm_create(&m->shm, m->instance.shm_name, shape, gid);
	rc = shm_adopt(&m->shm, m->instance.shm_name, shape);
	if (rc == 0)
		return 0;
	log_info("shared memory of another layout or shape: what it knows is copied");
	heritage_segment_name(m, name);
	rc = shm_create(&m->shm, name, shape, gid);
	m->own_segment = rc == 0;
	return rc == 0 ? fill_segment(m) : rc;
}

/* ---- the instance */

static void
name_segment(struct master *m)
{
	char name[48];
	int rc;

	m->shm.head->master_pid = getpid();
	if (!m->own_segment)
		return;
	heritage_segment_name(m, name);
	rc = shm_rename(name, m->instance.shm_name);
	m->own_segment = false;
	if (rc < 0)
		log_error("cannot name the shared memory", LOG_STR("error", strerror(-rc)));
}

/* An address that is not configured any more: the former master leaves its file to us. */
static void
drop_unused(struct listener **l)
{
	if (*l != NULL && (*l)->holds == 1)
		(*l)->shared = false;
	if (*l != NULL)
		listener_release(l);
}

/* Another runtime_dir is configured now: nobody listens at the former control socket any more. */
static void
drop_unused_socket(int *fd)
{
	struct addr a;

	if (*fd >= 0 && sock_name(*fd, &a) == 0 && addr_is_local_socket(&a))
		unlink(a.un.sun_path);
	fd_close(fd);
}

/* The word comes first: what follows could not be taken back if we were to die.  False: it did not go out, and is tried again; a former master that is gone needs none. */
static bool
say_taken(const struct master *m)
{
	int fd = m->heritage.control.fd;
	int rc = fd < 0 ? 0 : control_send(fd, CONTROL_TAKEN);

	return rc == 0 || rc == -EPIPE;
}

/* Signals reach us by the former master until the pidfile names us. */
static void
take_over(struct master *m)
{
	m->guest = false;
	drop_unused_socket(&m->heritage.local);
	fd_close(&m->heritage.text);
	name_segment(m);
	generation_share_listeners(m->current, false);
	drop_unused(&m->heritage.listener);
	drop_unused(&m->heritage.admin);
	generation_present(m, m->current, NULL);
}

bool
heritage_claim(struct master *m)
{
	struct heritage *h = &m->heritage;

	if (!h->asked) {
		h->asked = true;
		if (h->control.fd >= 0)
			(void)control_send(h->control.fd, CONTROL_READY);
		log_debug("ready to take over the instance");
	}
	if (!h->over || !say_taken(m))
		return false;
	take_over(m);
	return true;
}

void
heritage_withdraw(struct master *m, const char *reason)
{
	if (m->announced)
		return;
	daemon_failed(&m->launcher, reason);
	if (m->heritage.control.fd >= 0)
		(void)control_send(m->heritage.control.fd, CONTROL_LEAVING);
	hang_up(m);
}

void
heritage_free(struct master *m)
{
	hang_up(m);
	close_ledger(m);
	drop(&m->heritage);
}
