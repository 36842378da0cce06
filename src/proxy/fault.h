/*
 * Faults on demand, in a build of its own (BALLAST_FAULTS, build/faulty) that is never installed: a request for
 * /fault/STEP/SIGNAL ends its worker by that signal as its exchange enters that step, or, where STEP is "expired", when its
 * backend was too slow.  In every other build this is nothing.
 */
#ifndef BALLAST_PROXY_FAULT_H
#define BALLAST_PROXY_FAULT_H

#include "private.h"

#ifdef BALLAST_FAULTS

#include <signal.h>
#include <stdio.h>

static inline void
fault_inject(const struct exchange *x, const char *step)
{
	static const struct {
		const char *name;
		int signal;
	} faults[] = { { "segv", SIGSEGV }, { "abrt", SIGABRT }, { "bus", SIGBUS },
		{ "ill", SIGILL }, { "fpe", SIGFPE }, { "kill", SIGKILL } };
	const struct flight *f = x->flight;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		char wanted[FLIGHT_PATH];
		int n = snprintf(wanted, sizeof(wanted), "/fault/%s/%s", step, faults[i].name);

		if (f->path_n == n && memcmp(f->path, wanted, (size_t)n) == 0)
			raise(faults[i].signal);
	}
}

#else

static inline void
fault_inject(const struct exchange *x, const char *step)
{
	(void)x;
	(void)step;
}

#endif
#endif
