/*
 * What the log says about the end of a child.
 */
#ifndef BALLAST_MASTER_CHILD_LOG_H
#define BALLAST_MASTER_CHILD_LOG_H

#include "ballast/base/log.h"

#include "children.h"

const char *child_role_name(enum slot_role);
/* status: as waitpid gave it. */
void child_log_end(const struct child *, enum log_level, const char *msg, int status);

#endif
