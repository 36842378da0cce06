/*
 * The shared-memory segment: one per instance, created by the master, mapped by
 * all its children through fork.  Everything inside is found by index from the
 * shape in its head; there are no pointers and there is no lock in it.
 *
 *	shm_head | shared | suspect[SUSPECTS] | backend[max_backends] | verdict[max_backends] | slot block[slots] | rate sets
 *
 * Each part begins on a page.  `struct shm` is a process's private view.
 */
#ifndef BALLAST_SHM_SEGMENT_H
#define BALLAST_SHM_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef BALLAST_LAYOUT_VERSION /* the tests build a program that takes this one's segment for a stranger's */
#define BALLAST_LAYOUT_VERSION 4
#endif
enum { SHM_LAYOUT_VERSION = BALLAST_LAYOUT_VERSION };
#define SHM_MAGIC UINT64_C(0x005453414c4c4142) /* "BALLAST\0" read as little-endian */

struct shm_shape {
	uint32_t max_backends;
	uint32_t slots;
	uint32_t rate_rows; /* rounded up to a power of two; 0: one set */
	uint32_t flights;   /* rows of each slot for exchanges in flight; at most FLIGHTS_MAX */
};

struct shm_head { /* written by the master before the first fork, constant afterwards */
	uint64_t magic;
	uint32_t version;
	uint32_t head_bytes;
	uint64_t size;
	struct shm_shape shape;
	uint64_t shared_at, suspects_at, backends_at, verdicts_at, slots_at, rate_at; /* offsets */
	uint64_t slot_bytes;
	int32_t master_pid;
	uint64_t created_wall_us;
	uint8_t rate_key[16]; /* SipHash key of the limiter, random */
	uint64_t print_key;   /* of the fingerprints of requests, random */
};

struct shm_shared {
	_Alignas(64) _Atomic uint64_t cursor;     /* any worker: compare and swap */
	_Alignas(64) _Atomic uint32_t put_in;     /* any worker: buckets of new clients, ever */
	_Alignas(64) _Atomic uint32_t generation; /* master: the newest configuration's number */
	_Atomic uint32_t live_backends;           /* master: rows in use by that configuration */
	_Atomic uint64_t reload_at_us;            /* master */
	_Atomic uint32_t draining;                /* master: 1 from TERM on */
	_Atomic uint32_t
		frozen; /* checker, and master without one: backends that stay up although their probes go unanswered */
	_Atomic uint64_t
		quarantine_until_us; /* master: monotonic; until then some suspect is refused */
	_Atomic uint32_t last_generation; /* master: the highest number given to any */
	_Atomic uint32_t upgrades_failed; /* master: tells who asked for one */
	_Alignas(64) _Atomic uint64_t
		evidence; /* any worker: connect failures of all backends, so that the checker looks at one word */
};

struct shm {
	char *base;
	size_t size;
	struct shm_head *head;
	struct shm_shared *shared;
	struct suspect *suspects;
	struct backend *backends;
	/* Is the backend up, 1 or 0: checker; master at assignment.  Side by side, since a pick may look at all. */
	_Atomic uint32_t *verdicts;
	char *slots;
	_Atomic uint64_t *rate;
	uint32_t max_backends;
	uint32_t n_slots;
	uint32_t n_flights; /* of each slot */
	uint32_t rate_sets;
	size_t slot_bytes;
};

/*
 * Creates "/dev/shm<name>" (name with its leading slash), 0640, group gid when not (gid_t)-1, all pages allocated (a full /dev/shm is -ENOSPC
 * here, never a SIGBUS later).  A segment of that name is stale and replaced: the caller holds the instance's lock.
 */
int shm_create(struct shm *, const char *name, const struct shm_shape *, gid_t gid);
/*
 * Maps the one of a running instance to go on with it, for its next master: -EPROTO when it is not one of ours, or of
 * another shape.
 */
int shm_adopt(struct shm *, const char *name, const struct shm_shape *);
/* A segment gets the name of another one, which then has none. */
int shm_rename(const char *from, const char *to);
/* Maps an existing one read-only after checking magic, version and size: -EPROTO when it is not one of ours. */
int shm_attach(struct shm *, const char *name);
void shm_detach(struct shm *);
int shm_remove(const char *name);
size_t shm_bytes_needed(const struct shm_shape *);

#endif
