/*
 * The system calls that are left to a process once it serves: a seccomp filter
 * (seccomp(2), libseccomp).  Any other call is logged and ends the process by
 * SIGSYS, so that it is neither made nor ignored; sandbox.def lists those that
 * are let through and why.
 */
#ifndef BALLAST_BASE_SANDBOX_H
#define BALLAST_BASE_SANDBOX_H

#include <stdbool.h>

/* Does this kernel have such filters? */
bool sandbox_is_available(void);
/*
 * From here to the end of the process, and there is no way back.  Sets no_new_privs.  Everything is to be open by
 * now: no file can be opened any more, no process started, no user changed.  0 or -errno.
 */
int sandbox_enter(void);

#endif
