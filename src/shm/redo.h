/*
 * A redo log for one transaction, in the slot of the process that makes it: the words that are to change and
 * their values after.  Once its length is stored the transaction has happened: whoever finds the
 * log non-empty writes the values again, which may be done any number of times.  One writer, so nothing is
 * compared.  The fences hold the compiler only: a process that is killed has done its stores in order, and
 * who folds its slot was told of the death by the kernel.
 */
#ifndef BALLAST_SHM_REDO_H
#define BALLAST_SHM_REDO_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

enum { REDO_MAX = 8 };

struct redo {
	_Alignas(64) _Atomic uint64_t n; /* entries of a transaction that has happened; 0: none */
	struct {
		uint64_t at; /* of the word, from the log on; it may lie before it */
		uint64_t after;
	} entry[REDO_MAX];
};

static inline void
redo_set(struct redo *log, unsigned *n, _Atomic uint64_t *word, uint64_t after)
{
	assert(*n < REDO_MAX);
	log->entry[*n].at = (uint64_t)((uintptr_t)word - (uintptr_t)log);
	log->entry[(*n)++].after = after;
}

/* Each word at most once in a transaction. */
static inline void
redo_add(struct redo *log, unsigned *n, _Atomic uint64_t *word, uint64_t by)
{
	redo_set(log, n, word, atomic_load_explicit(word, memory_order_relaxed) + by);
}

static inline void
redo_apply(struct redo *log)
{
	uint64_t n = atomic_load_explicit(&log->n, memory_order_relaxed);

	for (uint64_t i = 0; i < n; i++) {
		_Atomic uint64_t *word = (void *)((char *)log + (intptr_t)log->entry[i].at);

		atomic_store_explicit(word, log->entry[i].after, memory_order_relaxed);
	}
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&log->n, 0, memory_order_relaxed);
}

static inline void
redo_commit(struct redo *log, unsigned n)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&log->n, n, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
	redo_apply(log);
}

#endif
