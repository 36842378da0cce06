/*
 * A small instance for the tests of the master's HTTP and exposition: a real
 * segment with backends and slots, a configuration and the view on them.
 */
#ifndef BALLAST_TESTS_UNIT_ADMIN_WORLD_H
#define BALLAST_TESTS_UNIT_ADMIN_WORLD_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ballast/shm/backend.h"
#include "ballast/shm/metrics.h"

#include "../../src/master/admin.h"

#define WORLD_A "http://a:9001"
#define WORLD_B "http://b:9002"

struct world {
	struct shm shm;
	struct config config;
	struct admin_view view;
	struct slot *worker, *checker;
	unsigned a, b; /* rows of WORLD_A and WORLD_B */
	char name[64], file[16], listen[16], strategy[16], path[16];
};

static inline void
world_begin(struct world *w, uint32_t max_backends)
{
	struct shm_shape shape = { .max_backends = max_backends, .slots = 6, .rate_rows = 64 };

	snprintf(w->name, sizeof(w->name), "/ballast-unit-%d", (int)getpid());
	ck_assert_int_eq(shm_create(&w->shm, w->name, &shape, (gid_t)-1), 0);
	shm_remove(w->name); /* the mapping is enough, and nothing stays whatever happens */
	atomic_store(&w->shm.shared->generation, 1);
	w->a = (unsigned)backend_assign(&w->shm, WORLD_A, 1, 1);
	w->b = (unsigned)backend_assign(&w->shm, WORLD_B, 1, 1);
	w->worker = slot_claim(&w->shm, ROLE_WORKER, 1, 1);
	w->checker = slot_claim(&w->shm, ROLE_CHECKER, 1, 0);
	ck_assert(w->worker != NULL && w->checker != NULL);
	slot_set_state(w->worker, SLOT_READY);
	slot_set_state(w->checker, SLOT_READY);
	strcpy(w->file, "config.yaml");
	strcpy(w->listen, ":3332");
	strcpy(w->strategy, "round-robin");
	strcpy(w->path, "/here");
	w->config = (struct config){
		.file = w->file,
		.listen_text = w->listen,
		.strategy = w->strategy,
		.metrics_path = w->path,
		.rate_limit = { .on = true,
			.requests_per_second = 2.5,
			.burst = 20,
			.ipv6_prefix = 64,
			.max_clients = 64 },
	};
	w->view = (struct admin_view){
		.shm = &w->shm,
		.config = &w->config,
		.started_wall_us = 1700000000500000,
		.reload_wall_us = 1700000100000000,
		.reload_ok = true,
		.workers_wanted = 2,
		.worker_uid = (uid_t)-2,
	};
}

static inline void
world_end(struct world *w)
{
	shm_detach(&w->shm);
}

#endif
