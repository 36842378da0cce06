/*
 * A generation: one good configuration and what was opened for it.  It lives as
 * long as one of its children does.
 */
#ifndef BALLAST_MASTER_GENERATION_H
#define BALLAST_MASTER_GENERATION_H

#include "ballast/balance/balance.h"
#include "ballast/config/config.h"

#include "backoff.h"
#include "listener.h"
#include "privileges.h"

struct generation {
	uint32_t number;
	unsigned holds; /* the master's, and one per child */
	struct config *config;
	uint16_t *rows; /* backend row of config->backends[i] */
	struct balance balance;
	struct listener *listener; /* NULL once it takes no new connections */
	struct listener *admin;    /* NULL: admin.listen is off */
	int *bells;                /* eventfds, by which its workers call each other */
	unsigned n_bells;
	int access_log; /* -1: off */
	int passed_log; /* the log, while it is being passed to its children; else -1 */
	bool reopening;
	struct backoff workers, checker;
};

/* The next number: two masters of one segment never give the same. */
uint32_t generation_number(struct shm *);
/* The highest that was given. */
uint32_t generation_last_number(const struct shm *);

struct generation_setup {
	uint32_t number;
	uint32_t oldest; /* generation that still has children, or number */
	struct config *config;
	unsigned workers;
	const struct generation *previous; /* NULL at start */
	struct listener *listener, *admin; /* kept where the address is the same; may be NULL */
	struct shm *shm;
};

/*
 * Takes the config in any case.  Opens listeners, access log and the bells of so many workers, assigns rows.  NULL: told in
 * err, nothing stays.
 */
struct generation *generation_create(const struct generation_setup *, struct err *);
struct generation *generation_hold(struct generation *);
/* Freed with the last hold.  Leaves NULL. */
void generation_release(struct generation **);
/*
 * It becomes the one: others' backends are not configured any more, the shared memory tells its
 * number.
 */
void generation_publish(const struct generation *, struct shm *);
/* Takes its rows back after a newer generation came to nothing. */
void generation_restore(const struct generation *, struct shm *, uint32_t oldest);
/* Without health checks: a verdict that a former checker left would never change. */
void generation_believe_up(const struct generation *, struct shm *);
/* They serve another master, too, or did: their files are not ours to remove. */
void generation_share_listeners(struct generation *, bool shared);
/* Its listeners close here: children that still serve keep their own descriptors. */
void generation_stop_listening(struct generation *);
/*
 * After rotation: opens its log files anew, once until generation_logs_passed.  Its next children inherit them,
 * one that runs is passed them, since it may open nothing.  False: one cannot be opened, and the log says so.
 */
bool generation_reopen_logs(struct generation *);
/* 0, or -errno: the child takes no message. */
int generation_pass_logs(const struct generation *, int control, enum slot_role);
void generation_logs_passed(struct generation *);

#endif
