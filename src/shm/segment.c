/*
 * The segment: made and removed by the master, inherited by its children
 * through fork, mapped read-only by tools.  Owns the layout of the whole; what
 * a part means is its module's business.  Invariant: the magic is the last
 * word written, so a segment that shows it is complete; and whoever attaches
 * believes nothing in the head but a shape from which the very same layout
 * follows.  Does not decide whether a segment of that name is stale: the
 * caller, who holds the instance's lock, knows.
 */
#include "ballast/shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ballast/base/clock.h"
#include "ballast/base/sock.h"
#include "ballast/shm/backend.h"
#include "ballast/shm/flight.h"
#include "ballast/shm/metrics.h"
#include "ballast/shm/quarantine.h"
#include "ballast/shm/rate.h"

enum {
	PART_ALIGN = 4096, /* a constant: two builds of one version must agree */
	SLOTS_MAX = 1 << 16,
	RATE_ROWS_MAX = 1 << 30,
	SEGMENT_MODE = 0640,
};

static uint32_t
rate_rows_of(uint32_t wanted)
{
	uint32_t rows = RATE_WAYS;

	while (rows < wanted)
		rows *= 2;
	return rows;
}

static bool
shape_is_possible(const struct shm_shape *shape)
{
	return shape->max_backends > 0 && shape->max_backends < BACKEND_NONE && shape->slots > 0 &&
	       shape->slots <= SLOTS_MAX && shape->rate_rows <= RATE_ROWS_MAX &&
	       shape->flights <= FLIGHTS_MAX;
}

static uint64_t
place(uint64_t *end, uint64_t bytes)
{
	uint64_t at = *end;

	*end += (bytes + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;
	return at;
}

/* All of the head that follows from a shape; false when none does. */
static bool
lay_out(struct shm_head *h, const struct shm_shape *shape)
{
	uint64_t end = 0;

	memset(h, 0, sizeof(*h));
	if (!shape_is_possible(shape))
		return false;
	h->version = SHM_LAYOUT_VERSION;
	h->head_bytes = sizeof(*h);
	h->shape = *shape;
	h->shape.rate_rows = rate_rows_of(shape->rate_rows);
	h->slot_bytes = slot_block_bytes(shape->max_backends, shape->flights);
	place(&end, sizeof(*h));
	h->shared_at = place(&end, sizeof(struct shm_shared));
	h->suspects_at = place(&end, SUSPECTS * sizeof(struct suspect));
	h->backends_at = place(&end, shape->max_backends * sizeof(struct backend));
	h->verdicts_at = place(&end, shape->max_backends * sizeof(uint32_t));
	h->slots_at = place(&end, shape->slots * h->slot_bytes);
	h->rate_at = place(&end, h->shape.rate_rows * sizeof(uint64_t));
	h->size = end;
	return end <= PTRDIFF_MAX;
}

size_t
shm_bytes_needed(const struct shm_shape *shape)
{
	struct shm_head plan;

	return lay_out(&plan, shape) ? (size_t)plan.size : 0;
}

static void
view(struct shm *s, char *base, const struct shm_head *plan)
{
	void *head = base, *shared = base + plan->shared_at, *rate = base + plan->rate_at;
	void *suspects = base + plan->suspects_at;
	void *backends = base + plan->backends_at, *verdicts = base + plan->verdicts_at;

	*s = (struct shm){
		.base = base,
		.size = (size_t)plan->size,
		.head = head,
		.shared = shared,
		.suspects = suspects,
		.backends = backends,
		.verdicts = verdicts,
		.slots = base + plan->slots_at,
		.rate = rate,
		.max_backends = plan->shape.max_backends,
		.n_slots = plan->shape.slots,
		.n_flights = plan->shape.flights,
		.rate_sets = plan->shape.rate_rows / RATE_WAYS,
		.slot_bytes = (size_t)plan->slot_bytes,
	};
}

/* The group first: with the mode first, a wrong group could read for a moment. */
static int
furnish(int fd, const struct shm_head *plan, gid_t gid)
{
	int rc;

	if (gid != (gid_t)-1 && fchown(fd, (uid_t)-1, gid) < 0)
		return -errno;
	if (fchmod(fd, SEGMENT_MODE) < 0 || ftruncate(fd, (off_t)plan->size) < 0)
		return -errno;
	do
		rc = posix_fallocate(fd, 0, (off_t)plan->size);
	while (rc == EINTR);
	return -rc;
}

static int
random_key(void *key, size_t n)
{
	ssize_t got;

	do
		got = getrandom(key, n, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return got == (ssize_t)n ? 0 : -EIO;
}

static void
publish(struct shm_head *head, const struct shm_head *plan)
{
	*head = *plan; /* its magic is still 0 */
	__atomic_store_n(&head->magic, SHM_MAGIC, __ATOMIC_RELEASE);
}

static int
fill(struct shm *s, int fd, struct shm_head *plan, gid_t gid)
{
	int rc = random_key(plan->rate_key, sizeof(plan->rate_key));
	void *base;

	plan->master_pid = getpid();
	plan->created_wall_us = clock_wall_us();
	if (rc == 0)
		rc = random_key(&plan->print_key, sizeof(plan->print_key));
	if (rc == 0)
		rc = furnish(fd, plan, gid);
	if (rc < 0)
		return rc;
	base = mmap(NULL, (size_t)plan->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	view(s, base, plan);
	publish(s->head, plan);
	return 0;
}

int
shm_create(struct shm *s, const char *name, const struct shm_shape *shape, gid_t gid)
{
	struct shm_head plan;
	int fd, rc;

	memset(s, 0, sizeof(*s));
	if (!lay_out(&plan, shape))
		return -EINVAL;
	if (shm_unlink(name) < 0 && errno != ENOENT)
		return -errno;
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = fill(s, fd, &plan, gid);
	fd_close(&fd);
	if (rc < 0)
		shm_unlink(name);
	return rc;
}

/* Compares a head that somebody else wrote with the one this build would write. */
static bool
head_is_ours(const struct shm_head *theirs, uint64_t file_bytes)
{
	struct shm_head h;

	return theirs->magic == SHM_MAGIC && theirs->version == SHM_LAYOUT_VERSION &&
	       theirs->head_bytes == sizeof(h) && lay_out(&h, &theirs->shape) &&
	       theirs->shape.rate_rows == h.shape.rate_rows && theirs->size == h.size &&
	       h.size == file_bytes && theirs->shared_at == h.shared_at &&
	       theirs->suspects_at == h.suspects_at && theirs->backends_at == h.backends_at &&
	       theirs->verdicts_at == h.verdicts_at && theirs->slots_at == h.slots_at &&
	       theirs->rate_at == h.rate_at && theirs->slot_bytes == h.slot_bytes;
}

/* The magic before the rest, and the rest as a copy: what was checked is what is used. */
static struct shm_head
read_head(const void *base)
{
	const struct shm_head *there = base;
	uint64_t magic = __atomic_load_n(&there->magic, __ATOMIC_ACQUIRE);
	struct shm_head head;

	memcpy(&head, there, sizeof(head));
	head.magic = magic;
	return head;
}

static int
map_if_ours(struct shm *s, int fd, int rights)
{
	struct shm_head head;
	struct stat st;
	void *base;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(head))
		return -EPROTO;
	base = mmap(NULL, (size_t)st.st_size, rights, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	head = read_head(base);
	if (!head_is_ours(&head, (uint64_t)st.st_size)) {
		munmap(base, (size_t)st.st_size);
		return -EPROTO;
	}
	view(s, base, &head);
	return 0;
}

static int
map_named(struct shm *s, const char *name, int how, int rights)
{
	int fd = shm_open(name, how | O_CLOEXEC, 0);
	int rc;

	memset(s, 0, sizeof(*s));
	if (fd < 0)
		return -errno;
	rc = map_if_ours(s, fd, rights);
	fd_close(&fd);
	return rc;
}

int
shm_attach(struct shm *s, const char *name)
{
	return map_named(s, name, O_RDONLY, PROT_READ);
}

int
shm_adopt(struct shm *s, const char *name, const struct shm_shape *shape)
{
	int rc = map_named(s, name, O_RDWR, PROT_READ | PROT_WRITE);

	if (rc < 0)
		return rc;
	if (s->max_backends == shape->max_backends && s->n_slots == shape->slots &&
		s->head->shape.rate_rows == rate_rows_of(shape->rate_rows))
		return 0;
	shm_detach(s);
	return -EPROTO;
}

/* shm_open(3) has no word for it; on Linux its names are files in this directory. */
int
shm_rename(const char *from, const char *to)
{
	char path[2][NAME_MAX + 16];

	snprintf(path[0], sizeof(path[0]), "/dev/shm%s", from);
	snprintf(path[1], sizeof(path[1]), "/dev/shm%s", to);
	return rename(path[0], path[1]) < 0 ? -errno : 0;
}

void
shm_detach(struct shm *s)
{
	if (s->base != NULL)
		munmap(s->base, s->size);
	memset(s, 0, sizeof(*s));
}

int
shm_remove(const char *name)
{
	return shm_unlink(name) < 0 ? -errno : 0;
}
