/*
 * The log lines about children, in the master: one shape for all of them, so
 * that whoever searches for a pid or a generation finds every event of it.
 */
#include "child_log.h"

#include <stdio.h>
#include <sys/wait.h>

#include "ballast/base/signals.h"

enum { ENDING_TEXT = 64 };

const char *
child_role_name(enum slot_role role)
{
	return role == ROLE_WORKER ? "worker" : "checker";
}

/* "signal KILL", "status 1" */
static const char *
ending_text(int status, char out[ENDING_TEXT])
{
	if (WIFSIGNALED(status))
		snprintf(out, ENDING_TEXT, "signal %s%s", signals_name(WTERMSIG(status)),
			WCOREDUMP(status) ? " (core dumped)" : "");
	else
		snprintf(out, ENDING_TEXT, "status %d", WEXITSTATUS(status));
	return out;
}

void
child_log_end(const struct child *k, enum log_level level, const char *msg, int status)
{
	char how[ENDING_TEXT];

	log_at(level, msg, LOG_STR("role", child_role_name(k->role)), LOG_INT("number", k->number),
		LOG_INT("pid", k->pid), LOG_INT("generation", k->generation->number),
		LOG_STR("ended", ending_text(status, how)));
}
