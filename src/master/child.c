/*
 * What happens in a child between fork and its own main function.  Invariant:
 * from here on the child holds no descriptor of the master but those it was
 * given, so that an end of file means what it says and the pidfile's lock dies
 * with the master.  The master's memory stays as it was, untouched and shared.
 */
#include "child.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/base/log.h"
#include "ballast/base/sandbox.h"
#include "ballast/base/signals.h"
#include "ballast/health/checker.h"
#include "ballast/proxy/proxy.h"
#include "ballast/worker/worker.h"

#include "title.h"

/* Without close_range(2) (Linux before 5.9): the master's few descriptors are low ones. */
enum { DESCRIPTORS_LOW = 4096 };
/* The standard streams, those kept, signals, epoll, one that is being passed; and some that cost nothing. */
enum { OWN_DESCRIPTORS = 32 };

static void
close_between(unsigned first, unsigned last)
{
	if (first > last || close_range(first, last, 0) == 0)
		return;
	if (last > DESCRIPTORS_LOW)
		last = DESCRIPTORS_LOW;
	for (unsigned fd = first; fd <= last; fd++)
		close((int)fd);
}

static int
by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static void
close_all_but(int *kept, size_t n)
{
	unsigned next = STDERR_FILENO + 1;

	qsort(kept, n, sizeof(*kept), by_number);
	for (size_t i = 0; i < n; i++) {
		if (kept[i] < (int)next)
			continue;
		close_between(next, (unsigned)kept[i] - 1);
		next = (unsigned)kept[i] + 1;
	}
	close_between(next, ~0u);
}

/* A terminal's keys are nothing to a child; the number stays taken. */
static void
forget_input(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null == STDIN_FILENO)
		return;
	if (null < 0 || dup3(null, STDIN_FILENO, 0) < 0)
		close(STDIN_FILENO);
	if (null > STDIN_FILENO)
		close(null);
}

/*
 * That of its own generation: the master may be on its way to another one, with another log.  Where it cannot be
 * opened, the inherited one is better than none.
 */
static void
take_own_log(const struct config *c)
{
	(void)log_open(c->log_level, c->log_format, c->log_output);
}

enum { KEPT = 6 }; /* beside the bells */

static void
let_go(const struct child_setup *s)
{
	const struct generation *g = s->generation;
	bool worker = s->role == ROLE_WORKER;
	unsigned bells = worker ? g->n_bells : 0;
	int *kept = calloc(KEPT + bells, sizeof(*kept));

	if (kept == NULL)
		exit(WORKER_FAILED);
	kept[0] = s->control;
	kept[1] = log_fd();
	kept[2] = worker ? g->listener->fd : -1;
	kept[3] = worker ? g->access_log : -1;
	kept[4] = worker ? s->handover[0] : -1;
	kept[5] = worker ? s->handover[1] : -1;
	for (unsigned i = 0; i < bells; i++)
		kept[KEPT + i] = g->bells[i];
	close_all_but(kept, KEPT + bells);
	free(kept);
	forget_input();
}

static void
leave_master(const struct child_setup *s)
{
	bool worker = s->role == ROLE_WORKER;
	char title[48];

	signals_reset();
	take_own_log(s->generation->config);
	let_go(s);
	snprintf(title, sizeof(title), "ballast: worker %u gen %u", s->number,
		s->generation->number);
	title_set(worker ? title : "ballast: checker");
}

static bool
wants_sandbox(const struct child_setup *s)
{
	return s->generation->config->process.sandbox == SANDBOX_AUTO && sandbox_is_available();
}

static int
work(const struct child_setup *s)
{
	struct worker_setup setup = {
		.config = s->generation->config,
		.shm = s->shm,
		.slot = s->slot,
		.master = s->master,
		.balance = &s->generation->balance,
		.listener = s->generation->listener->fd,
		.bells = s->generation->bells,
		.n_bells = s->generation->n_bells,
		.handover = { s->handover[0], s->handover[1] },
		.control = s->control,
		.access_log = s->generation->access_log,
		.sandbox = wants_sandbox(s),
		.admin = s->admin,
	};

	return (int)worker_run(&setup);
}

static int
check(const struct child_setup *s)
{
	struct checker_setup setup = {
		.config = s->generation->config,
		.shm = s->shm,
		.slot = s->slot,
		.rows = s->generation->rows,
		.control = s->control,
		.sandbox = wants_sandbox(s),
	};

	return checker_run(&setup);
}

static void
must(int rc, const char *what, const struct identity *id)
{
	if (rc == 0)
		return;
	log_error(what, LOG_INT("uid", id->uid), LOG_INT("gid", id->gid),
		LOG_STR("error", strerror(-rc)));
	exit(WORKER_FAILED);
}

static uint32_t
open_files(const struct child_setup *s)
{
	const struct config *config = s->generation->config;

	return OWN_DESCRIPTORS +
	       (s->role == ROLE_WORKER ? proxy_descriptors(config) : config->n_backends);
}

void
child_begin(const struct child_setup *s)
{
	if (!slot_enter(s->slot, s->master))
		exit(WORKER_FAILED);
	leave_master(s);
	must(limits_take(open_files(s)), "cannot lower the limits of a child", s->identity);
	must(identity_take(s->identity), "cannot drop privileges", s->identity);
	exit(s->role == ROLE_WORKER ? work(s) : check(s));
}
