/*
 * What a dead master leaves in a segment, seen by another one: real processes stand for its children, for those
 * that live on and for strangers that were given their numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/master/children.h"

#include "ballast/base/clock.h"
#include "ballast/base/log.h"
#include "harness.h"
#include "shm_world.h"

enum { SLOTS = 4, SECOND_US = 1000000 };

static struct shm shm;
static struct children all;
static pid_t living;
static uint64_t set_up_us; /* it began after that, however slow this machine is */

static void
set_up(void)
{
	world_open(&shm, 4, SLOTS, 8);
	log_set_level(LEVEL_FATAL);
	all = (struct children){ .shm = &shm, .n = SLOTS };
	all.child = calloc(SLOTS, sizeof(*all.child));
	ck_assert_ptr_nonnull(all.child);
	all.ledger = slot_claim(&shm, ROLE_MASTER, 0, 0);
	atomic_store(&all.ledger->pid, getpid());
	set_up_us = clock_now_us();
	living = fork();
	if (living ==
		0) { /* before any assertion: without forks of its own Check would have two who write its file */
		pause();
		_exit(0);
	}
	ck_assert_int_ge(living, 0);
}

static void
end_living(void)
{
	kill(living, SIGKILL);
	ck_assert_int_eq(waitpid(living, NULL, 0), living);
	living = 0;
}

static void
tear_down(void)
{
	if (living > 0)
		end_living();
	free(all.child);
	shm_detach(&shm);
}

static uint64_t
before_it_began(void)
{
	return set_up_us - SECOND_US;
}

static uint64_t
after_it_began(void)
{
	return UINT64_MAX / 4;
}

/* One that is not ours, and whose process has the number of the one that lives. */
static struct slot *
slot_of(pid_t owner, enum slot_role role, uint64_t beat_us)
{
	struct slot *slot = slot_claim(&shm, role, 1, 1);

	ck_assert_ptr_nonnull(slot);
	atomic_store(&slot->pid, living);
	atomic_store(&slot->beat_us, beat_us);
	atomic_store(&slot->owner, owner);
	return slot;
}

static pid_t
nobody(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_ge(pid, 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

static bool
is_folded(const struct slot *slot)
{
	return !slot_is_used(slot) && slot_state_of(slot) == SLOT_FREE;
}

static void
look(void)
{
	(void)children_fold_orphans(&all);
	children_watch(&all, clock_now_us());
}

START_TEST(a_stranger_with_the_number_of_a_dead_worker_keeps_no_slot)
{
	struct slot *slot = slot_of(nobody(), ROLE_WORKER, before_it_began());

	ck_assert(children_fold_orphans(&all));
	ck_assert(slot_is_owned(slot));
	look();
	ck_assert(is_folded(slot));
	ck_assert(!children_fold_orphans(&all));
}
END_TEST

START_TEST(a_worker_that_drains_keeps_its_slot)
{
	struct slot *slot = slot_of(nobody(), ROLE_WORKER, after_it_began());

	look();
	ck_assert(!is_folded(slot));
	end_living();
	look();
	ck_assert(is_folded(slot));
}
END_TEST

/* It has not turned yet: nothing tells it from a stranger. */
START_TEST(a_worker_that_has_just_begun_keeps_its_slot)
{
	struct slot *slot = slot_of(nobody(), ROLE_WORKER, 0);

	look();
	ck_assert(!is_folded(slot));
}
END_TEST

START_TEST(a_zombie_keeps_no_slot)
{
	struct slot *slot = slot_of(nobody(), ROLE_WORKER, after_it_began());
	siginfo_t info;

	kill(living, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)living, &info, WEXITED | WNOWAIT), 0);
	look();
	ck_assert(is_folded(slot));
}
END_TEST

START_TEST(a_stranger_with_the_number_of_a_dead_master_keeps_nothing)
{
	struct slot *master = slot_of(living, ROLE_MASTER, before_it_began());
	struct slot *worker = slot_of(living, ROLE_WORKER, after_it_began());

	ck_assert(children_fold_orphans(&all));
	ck_assert_int_eq(atomic_load(&worker->owner), living);
	look();
	ck_assert(is_folded(master));
	ck_assert(slot_is_owned(worker)); /* and folded when its process is gone */
	ck_assert(!is_folded(worker));
}
END_TEST

static const struct {
	uint64_t (*beat_us)(void);
} masters[] = { { after_it_began }, { NULL } };

START_TEST(a_master_that_lives_keeps_all)
{
	uint64_t beat_us = masters[_i].beat_us == NULL ? 0 : masters[_i].beat_us();
	struct slot *master = slot_of(living, ROLE_MASTER, beat_us);
	struct slot *worker = slot_of(living, ROLE_WORKER, before_it_began());

	look();
	ck_assert_int_eq(atomic_load(&master->owner), living);
	ck_assert_int_eq(atomic_load(&worker->owner), living);
	ck_assert(!is_folded(worker));
}
END_TEST

/* Its number was that of a former master, whose slot is still there. */
START_TEST(a_master_that_lives_keeps_all_whoever_had_its_number)
{
	struct slot *former = slot_of(living, ROLE_MASTER, before_it_began());
	struct slot *master = slot_of(living, ROLE_MASTER, after_it_began());

	look();
	ck_assert_int_eq(atomic_load(&former->owner), living);
	ck_assert_int_eq(atomic_load(&master->owner), living);
}
END_TEST

static void
watch_for_seconds(unsigned n)
{
	(void)children_fold_orphans(&all);
	for (unsigned i = 0; i < n; i++)
		children_watch(&all, all.watched_us + SECOND_US);
}

/* Not killed before: of two signals that wait KILL is the one that ends it. */
static void
expect_unharmed(void)
{
	int status;

	kill(living, SIGUSR1);
	ck_assert_int_eq(waitpid(living, &status, 0), living);
	living = 0;
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGUSR1);
}

START_TEST(a_checker_that_does_not_notice_that_its_master_is_gone_is_killed)
{
	struct slot *slot = slot_of(nobody(), ROLE_CHECKER, after_it_began());
	int status;

	watch_for_seconds(3); /* the first look only tells when it beat last */
	ck_assert_int_eq(waitpid(living, &status, 0), living);
	living = 0;
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	look();
	ck_assert(is_folded(slot));
	ck_assert_uint_eq(slots_of_role(&shm, ROLE_CHECKER), 0);
}
END_TEST

static const struct {
	enum slot_role role;
	uint64_t (*beat_us)(void);
} spared[] = {
	{ ROLE_WORKER, after_it_began },   /* it may have exchanges in flight */
	{ ROLE_CHECKER, before_it_began }, /* a stranger */
	{ ROLE_CHECKER, NULL },            /* nobody knows */
};

START_TEST(nobody_else_is_killed)
{
	slot_of(nobody(), spared[_i].role, spared[_i].beat_us == NULL ? 0 : spared[_i].beat_us());
	watch_for_seconds(10);
	expect_unharmed();
}
END_TEST

START_TEST(nor_a_checker_that_has_had_no_time)
{
	slot_of(nobody(), ROLE_CHECKER, after_it_began());
	watch_for_seconds(2);
	expect_unharmed();
}
END_TEST

START_TEST(nor_a_checker_that_turns)
{
	struct slot *slot = slot_of(nobody(), ROLE_CHECKER, after_it_began());

	for (unsigned i = 0; i < 10; i++) {
		watch_for_seconds(1);
		atomic_fetch_add(&slot->beat_us, 1);
	}
	expect_unharmed();
}
END_TEST

START_TEST(nor_one_whose_master_lives)
{
	slot_of(living, ROLE_MASTER, after_it_began());
	slot_of(living, ROLE_CHECKER, after_it_began());
	watch_for_seconds(10);
	expect_unharmed();
}
END_TEST

START_TEST(the_master_beats_so_that_others_can_tell_it_from_a_stranger)
{
	uint64_t now_us = clock_now_us();

	children_watch(&all, now_us);
	ck_assert_uint_eq(atomic_load(&all.ledger->beat_us), now_us);
	ck_assert(!is_folded(all.ledger));
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("orphans");
	TCase *t = tcase_create("orphans");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_stranger_with_the_number_of_a_dead_worker_keeps_no_slot);
	tcase_add_test(t, a_worker_that_drains_keeps_its_slot);
	tcase_add_test(t, a_worker_that_has_just_begun_keeps_its_slot);
	tcase_add_test(t, a_zombie_keeps_no_slot);
	tcase_add_test(t, a_stranger_with_the_number_of_a_dead_master_keeps_nothing);
	tcase_add_loop_test(t, a_master_that_lives_keeps_all, 0, N(masters));
	tcase_add_test(t, a_master_that_lives_keeps_all_whoever_had_its_number);
	tcase_add_test(t, a_checker_that_does_not_notice_that_its_master_is_gone_is_killed);
	tcase_add_loop_test(t, nobody_else_is_killed, 0, N(spared));
	tcase_add_test(t, nor_a_checker_that_has_had_no_time);
	tcase_add_test(t, nor_a_checker_that_turns);
	tcase_add_test(t, nor_one_whose_master_lives);
	tcase_add_test(t, the_master_beats_so_that_others_can_tell_it_from_a_stranger);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return unit_main(suite());
}
