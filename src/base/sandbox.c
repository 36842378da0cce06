/*
 * The seccomp filter of workers and checker.  Owns nothing; what is let through
 * lies in sandbox.def.  Invariants: a refused call is not made; it is logged by
 * the process itself, which then dies by SIGSYS, whatever state it is in: the
 * signal is forced by the kernel, and the handler is gone by the time it runs.
 * Not here: when to enter (the processes know when they have opened everything),
 * users, limits and descriptors (master/privileges.c, master/child.c).
 */
#include "ballast/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ballast/base/log.h"

/* On other machines libc makes other calls, of which we have seen none. */
bool
sandbox_is_available(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
	uint32_t action = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
#else
	return false;
#endif
}

/*
 * Not limited to what may be called in a handler: the signal is synchronous, at a system call that malloc
 * and stdio never make, and whatever went wrong in here would end the process just the same.
 */
static void
refused(int signal_number, siginfo_t *info, void *context)
{
	char *name = seccomp_syscall_resolve_num_arch(info->si_arch, info->si_syscall);

	(void)context;
	log_error("system call refused, the process ends", LOG_STR("call", name),
		LOG_INT("number", info->si_syscall));
	raise(signal_number); /* SA_RESETHAND: at the return from here it ends us */
}

static int
hear_refusals(void)
{
	struct sigaction sa = { .sa_sigaction = refused, .sa_flags = SA_SIGINFO | SA_RESETHAND };

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGSYS, &sa, NULL) < 0 ? -errno : 0;
}

static int
allow(scmp_filter_ctx filter, int call, unsigned n, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, n, &condition);
}

/*
 * CTL_SSB: older kernels would switch speculative store bypass off for whoever has a filter; we run
 * nobody's code, and it would cost each request.  CTL_OPTIMIZE: the rows with conditions as a binary tree.
 * Both only make it faster: where they are not known, it goes without.
 */
static int
fill(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp none = { 0 };
	int rc = 0;

	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
#define CALL(name_)                                                                                \
	if (rc == 0)                                                                               \
		rc = allow(filter, SCMP_SYS(name_), 0, none);
#define CALL_IF(name_, ...)                                                                        \
	if (rc == 0)                                                                               \
		rc = allow(filter, SCMP_SYS(name_), 1, __VA_ARGS__);
#define IS(i_, value_)     ((struct scmp_arg_cmp){ (i_), SCMP_CMP_EQ, (scmp_datum_t)(value_), 0 })
#define HAS_NOT(i_, bits_) ((struct scmp_arg_cmp){ (i_), SCMP_CMP_MASKED_EQ, (bits_), 0 })
#include "sandbox.def"
#undef CALL
#undef CALL_IF
#undef IS
#undef HAS_NOT
	return rc;
}

int
sandbox_enter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int rc;

	if (filter == NULL)
		return -ENOMEM;
	tzset(); /* reads its file, for console lines */
	rc = fill(filter);
	if (rc == 0)
		rc = hear_refusals();
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}
