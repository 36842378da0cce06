/*
 * The segment: there whole or not at all, with the rights it should have, and
 * nothing that is not exactly ours is ever mapped.
 */
#include "ballast/shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "ballast/shm/backend.h"
#include "ballast/shm/flight.h"
#include "ballast/shm/metrics.h"
#include "ballast/shm/rate.h"
#include "ballast/shm/slot.h"
#include "harness.h"
#include "shm_world.h"

/* Before and after the tests, outside of their processes: one that fails leaves nothing either. */
static void
choose_name(void)
{
	world_name();
}

static void
remove_rest(void)
{
	shm_unlink(world_name());
}

static const struct shm_shape small = { 3, 2, 8, 0 };

static void
create(struct shm *s, const struct shm_shape *shape)
{
	ck_assert_int_eq(shm_create(s, world_name(), shape, (gid_t)-1), 0);
}

static void
destroy(struct shm *s)
{
	shm_detach(s);
	ck_assert_int_eq(shm_remove(world_name()), 0);
}

static bool
exists(void)
{
	int fd = shm_open(world_name(), O_RDONLY, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void
stat_segment(struct stat *st)
{
	int fd = shm_open(world_name(), O_RDONLY, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, st), 0);
	close(fd);
}

START_TEST(its_parts_lie_one_behind_the_other_each_on_a_page)
{
	static const struct shm_shape shapes[] = { { 1, 1, 0, 0 }, { 3, 2, 8, 0 },
		{ 1024, 20, 131072, 0 }, { 1023, 7, 100, 0 }, { 16384, 3, 9, 0 } };

	for (size_t i = 0; i < N(shapes); i++) {
		struct shm s;
		uint64_t at[6];

		create(&s, &shapes[i]);
		at[0] = s.head->shared_at;
		at[1] = s.head->backends_at;
		at[2] = s.head->slots_at;
		at[3] = s.head->rate_at;
		at[4] = s.head->size;
		ck_assert_uint_ge(at[0], sizeof(struct shm_head));
		ck_assert_uint_ge(at[1], at[0] + sizeof(struct shm_shared));
		ck_assert_uint_ge(at[2], at[1] + shapes[i].max_backends * sizeof(struct backend));
		ck_assert_uint_ge(at[3], at[2] + shapes[i].slots * s.slot_bytes);
		ck_assert_uint_ge(at[4], at[3] + shapes[i].rate_rows * sizeof(uint64_t));
		for (int k = 0; k < 5; k++)
			ck_assert_uint_eq(at[k] % 4096, 0);
		ck_assert_uint_eq(s.size, at[4]);
		ck_assert_uint_eq(shm_bytes_needed(&shapes[i]), at[4]);
		ck_assert_uint_eq(s.slot_bytes % 64, 0);
		destroy(&s);
	}
}
END_TEST

START_TEST(a_thousand_backends_and_twenty_slots_stay_well_below_16_mib)
{
	struct shm_shape shape = { 1024, 20, 131072, 0 };

	ck_assert_uint_lt(shm_bytes_needed(&shape), 10u << 20);
}
END_TEST

START_TEST(rate_rows_are_rounded_up_to_a_power_of_two)
{
	static const struct {
		uint32_t wanted, sets;
	} cases[] = { { 0, 1 }, { 1, 1 }, { 8, 1 }, { 9, 2 }, { 131072, 16384 },
		{ 131073, 32768 } };

	for (size_t i = 0; i < N(cases); i++) {
		struct shm_shape shape = { 1, 1, cases[i].wanted, 0 };
		struct shm s;

		create(&s, &shape);
		ck_assert_uint_eq(s.rate_sets, cases[i].sets);
		ck_assert_uint_eq((uintptr_t)s.rate % 64, 0);
		destroy(&s);
	}
}
END_TEST

START_TEST(it_begins_as_nothing_but_its_head)
{
	struct shm s;

	create(&s, &small);
	ck_assert_uint_eq(s.head->magic, SHM_MAGIC);
	ck_assert_mem_eq(s.base, "BALLAST", 8);
	ck_assert_int_eq(s.head->master_pid, getpid());
	for (char *p = s.base + s.head->shared_at; p < s.base + s.size; p++)
		ck_assert_int_eq(*p, 0);
	destroy(&s);
}
END_TEST

START_TEST(the_key_of_every_segment_is_another)
{
	uint8_t key[16];
	struct shm s;

	create(&s, &small);
	memcpy(key, s.head->rate_key, sizeof(key));
	shm_detach(&s);
	create(&s, &small);
	ck_assert_mem_ne(key, s.head->rate_key, sizeof(key));
	destroy(&s);
}
END_TEST

START_TEST(its_mode_is_0640_whatever_the_umask)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };

	for (size_t i = 0; i < N(masks); i++) {
		mode_t before = umask(masks[i]);
		struct stat st;
		struct shm s;

		create(&s, &small);
		umask(before);
		stat_segment(&st);
		ck_assert_uint_eq(st.st_mode & 07777, 0640);
		destroy(&s);
	}
}
END_TEST

START_TEST(its_group_is_the_one_asked_for)
{
	gid_t gid = geteuid() == 0 ? 12345 : getegid();
	struct stat st;
	struct shm s;

	ck_assert_int_eq(shm_create(&s, world_name(), &small, gid), 0);
	stat_segment(&st);
	ck_assert_uint_eq(st.st_gid, gid);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	destroy(&s);
}
END_TEST

START_TEST(all_its_pages_are_there_from_the_start)
{
	struct shm_shape shape = { 64, 4, 4096, 0 };
	struct stat st;
	struct shm s;

	create(&s, &shape);
	stat_segment(&st);
	ck_assert_uint_eq((uint64_t)st.st_size, s.size);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, s.size);
	destroy(&s);
}
END_TEST

START_TEST(a_stale_one_is_replaced_and_its_old_users_keep_theirs)
{
	struct shm old, new;

	create(&old, &small);
	atomic_store(&old.shared->generation, 7);
	create(&new, &small);
	ck_assert_uint_eq(atomic_load(&new.shared->generation), 0);
	ck_assert_uint_eq(atomic_load(&old.shared->generation), 7);
	shm_detach(&old);
	destroy(&new);
	ck_assert(!exists());
}
END_TEST

START_TEST(a_shape_that_cannot_be_is_refused_and_leaves_nothing)
{
	static const struct shm_shape shapes[] = { { 0, 1, 8, 0 }, { 1, 0, 8, 0 },
		{ 65535, 1, 8, 0 }, { UINT32_MAX, 1, 8, 0 }, { 1, UINT32_MAX, 8, 0 },
		{ 1, 1, UINT32_MAX, 0 } };

	for (size_t i = 0; i < N(shapes); i++) {
		struct shm s;

		ck_assert_int_eq(shm_create(&s, world_name(), &shapes[i], (gid_t)-1), -EINVAL);
		ck_assert_ptr_null(s.base);
		ck_assert(!exists());
		ck_assert_uint_eq(shm_bytes_needed(&shapes[i]), 0);
	}
}
END_TEST

/* A limit on file sizes stands for a full /dev/shm: both fail after the file was made. */
START_TEST(a_segment_for_which_there_is_no_room_leaves_nothing)
{
	struct rlimit limit = { 8192, RLIM_INFINITY }, before;
	struct shm s;
	int rc;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	rc = shm_create(&s, world_name(), &small, (gid_t)-1);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	ck_assert_int_eq(rc, -EFBIG);
	ck_assert_ptr_null(s.base);
	ck_assert(!exists());
}
END_TEST

START_TEST(a_name_that_cannot_be_is_an_error)
{
	struct shm s;

	ck_assert_int_lt(shm_create(&s, "/ballast/unit", &small, (gid_t)-1), 0);
	ck_assert_int_eq(shm_attach(&s, world_name()), -ENOENT);
	ck_assert_int_eq(shm_remove(world_name()), -ENOENT);
	shm_detach(&s); /* of nothing */
}
END_TEST

START_TEST(who_attaches_reads_what_the_master_wrote)
{
	struct shm master, tool;
	struct slot *slot;

	create(&master, &small);
	slot = slot_claim(&master, ROLE_WORKER, 3, 1);
	metrics_count(&master, slot, COUNTER_RETRIES, 5);
	ck_assert_int_eq(backend_assign(&master, "http://b", 3, 3), 0);
	ck_assert_int_eq(shm_attach(&tool, world_name()), 0);
	ck_assert_uint_eq(metrics_sum(&tool, COUNTER_RETRIES), 5);
	ck_assert_str_eq(tool.backends[0].url, "http://b");
	ck_assert(backend_is_up(&tool, 0));
	ck_assert_uint_eq(atomic_load(&slot_at(&tool, 0)->generation), 3);
	ck_assert_uint_eq(tool.size, master.size);
	metrics_count(&master, slot, COUNTER_RETRIES, 1);
	ck_assert_uint_eq(metrics_sum(&tool, COUNTER_RETRIES), 6);
	shm_detach(&tool);
	destroy(&master);
}
END_TEST

START_TEST(who_adopts_goes_on_with_it_and_only_with_one_of_the_same_shape)
{
	struct shm_shape others[] = { small, small, small };
	struct shm master, next;

	others[0].max_backends++;
	others[1].slots++;
	others[2].rate_rows = 2 * small.rate_rows + 8;
	create(&master, &small);
	ck_assert_int_eq(shm_adopt(&next, world_name(), &small), 0);
	atomic_store(&next.shared->cursor, 5);
	ck_assert_uint_eq(atomic_load(&master.shared->cursor), 5);
	shm_detach(&next);
	for (size_t i = 0; i < N(others); i++) {
		ck_assert_int_eq(shm_adopt(&next, world_name(), &others[i]), -EPROTO);
		ck_assert_ptr_null(next.base);
	}
	master.head->version++;
	ck_assert_int_eq(shm_adopt(&next, world_name(), &small), -EPROTO);
	destroy(&master);
	ck_assert_int_eq(shm_adopt(&next, world_name(), &small), -ENOENT);
}
END_TEST

START_TEST(a_new_one_takes_the_name_of_the_old_one_at_once)
{
	struct shm old, next, tool;
	char name[80];

	snprintf(name, sizeof(name), "%s.new", world_name());
	create(&old, &small);
	ck_assert_int_eq(shm_create(&next, name, &small, (gid_t)-1), 0);
	atomic_store(&next.shared->cursor, 6);
	ck_assert_int_eq(shm_rename(name, world_name()), 0);
	ck_assert_int_eq(shm_attach(&tool, world_name()), 0);
	ck_assert_uint_eq(atomic_load(&tool.shared->cursor), 6);
	ck_assert_int_eq(shm_remove(name), -ENOENT);
	ck_assert_int_eq(shm_rename(name, world_name()), -ENOENT);
	shm_detach(&tool);
	shm_detach(&next);
	destroy(&old);
}
END_TEST

START_TEST(who_attaches_cannot_write)
{
	struct shm master, tool;
	int fds[2];

	create(&master, &small);
	ck_assert_int_eq(shm_attach(&tool, world_name()), 0);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(
		read(fds[0], tool.shared, 1), -1); /* the kernel may not write there either */
	ck_assert_int_eq(errno, EFAULT);
	close(fds[0]);
	close(fds[1]);
	shm_detach(&tool);
	destroy(&master);
}
END_TEST

enum damage {
	MAGIC,
	VERSION,
	HEAD_BYTES,
	SIZE,
	MORE_BACKENDS,
	NO_BACKENDS,
	MORE_SLOTS,
	MORE_FLIGHTS,
	HUGE_SLOTS,
	RATE_ROWS,
	ODD_RATE_ROWS,
	SHARED_AT,
	SUSPECTS_AT,
	BACKENDS_AT,
	SLOTS_AT,
	RATE_AT,
	SLOT_BYTES,
	N_DAMAGES
};

static void
damage(struct shm_head *h, enum damage what)
{
	switch (what) {
	case MAGIC:
		h->magic = 0; /* as it is while it is being made */
		break;
	case VERSION:
		h->version++;
		break;
	case HEAD_BYTES:
		h->head_bytes--;
		break;
	case SIZE:
		h->size += 4096;
		break;
	case MORE_BACKENDS:
		h->shape.max_backends += 1000;
		break;
	case NO_BACKENDS:
		h->shape.max_backends = 0;
		break;
	case MORE_SLOTS:
		h->shape.slots++;
		break;
	case MORE_FLIGHTS:
		h->shape.flights++;
		break;
	case HUGE_SLOTS:
		h->shape.slots = UINT32_MAX;
		break;
	case RATE_ROWS:
		h->shape.rate_rows *= 1024;
		break;
	case ODD_RATE_ROWS:
		h->shape.rate_rows--; /* leads to the same size */
		break;
	case SHARED_AT:
		h->shared_at += 64;
		break;
	case SUSPECTS_AT:
		h->suspects_at += 4096;
		break;
	case BACKENDS_AT:
		h->backends_at = h->size;
		break;
	case SLOTS_AT:
		h->slots_at = 0;
		break;
	case RATE_AT:
		h->rate_at -= 8;
		break;
	case SLOT_BYTES:
		h->slot_bytes *= 2;
		break;
	case N_DAMAGES:
		break;
	}
}

START_TEST(nothing_that_is_not_exactly_ours_is_attached)
{
	for (int what = 0; what < N_DAMAGES; what++) {
		struct shm master, tool;

		create(&master, &small);
		ck_assert_int_eq(shm_attach(&tool, world_name()), 0);
		shm_detach(&tool);
		damage(master.head, (enum damage)what);
		ck_assert_int_eq(shm_attach(&tool, world_name()), -EPROTO);
		ck_assert_ptr_null(tool.base);
		destroy(&master);
	}
}
END_TEST

START_TEST(a_file_of_another_size_is_not_attached)
{
	static const int64_t changes[] = { -4096, 4096, 1 };
	struct shm master, tool;

	for (size_t i = 0; i < N(changes) + 2; i++) {
		int fd;

		create(&master, &small);
		fd = shm_open(world_name(), O_RDWR, 0);
		ck_assert_int_ge(fd, 0);
		if (i < N(changes))
			ck_assert_int_eq(ftruncate(fd, (off_t)master.size + changes[i]), 0);
		else
			ck_assert_int_eq(ftruncate(fd, i == N(changes) ? 0 : 17), 0);
		close(fd);
		ck_assert_int_eq(shm_attach(&tool, world_name()), -EPROTO);
		destroy(&master);
	}
}
END_TEST

static int
write_one_word(unsigned number, void *arg)
{
	struct shm *s = arg;

	atomic_fetch_add(&s->shared->evidence, number + 1);
	return 0;
}

START_TEST(children_see_the_same_memory)
{
	struct shm s;

	world_open(&s, 1, 1, 8);
	children_run(4, write_one_word, &s);
	ck_assert_uint_eq(atomic_load(&s.shared->evidence), 1 + 2 + 3 + 4);
	shm_detach(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("segment");
	TCase *t = tcase_create("segment");

	tcase_add_unchecked_fixture(t, choose_name, remove_rest);
	tcase_add_test(t, its_parts_lie_one_behind_the_other_each_on_a_page);
	tcase_add_test(t, a_thousand_backends_and_twenty_slots_stay_well_below_16_mib);
	tcase_add_test(t, rate_rows_are_rounded_up_to_a_power_of_two);
	tcase_add_test(t, it_begins_as_nothing_but_its_head);
	tcase_add_test(t, the_key_of_every_segment_is_another);
	tcase_add_test(t, its_mode_is_0640_whatever_the_umask);
	tcase_add_test(t, its_group_is_the_one_asked_for);
	tcase_add_test(t, all_its_pages_are_there_from_the_start);
	tcase_add_test(t, a_stale_one_is_replaced_and_its_old_users_keep_theirs);
	tcase_add_test(t, a_shape_that_cannot_be_is_refused_and_leaves_nothing);
	tcase_add_test(t, a_segment_for_which_there_is_no_room_leaves_nothing);
	tcase_add_test(t, a_name_that_cannot_be_is_an_error);
	tcase_add_test(t, who_attaches_reads_what_the_master_wrote);
	tcase_add_test(t, who_adopts_goes_on_with_it_and_only_with_one_of_the_same_shape);
	tcase_add_test(t, a_new_one_takes_the_name_of_the_old_one_at_once);
	tcase_add_test(t, who_attaches_cannot_write);
	tcase_add_test(t, nothing_that_is_not_exactly_ours_is_attached);
	tcase_add_test(t, a_file_of_another_size_is_not_attached);
	tcase_add_test(t, children_see_the_same_memory);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return unit_main(s);
}
