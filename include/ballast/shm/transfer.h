/*
 * What a segment knows as text, for a program whose segment has another layout
 * or another shape: everything goes by its name.  One line is one fact; a reader
 * passes over lines that it has no use for, so either side may be the newer one.
 *
 *	ballast 1
 *	key HEX | generation N | cursor N | counter METRIC N
 *	bucket SETS SET HEX              a word of the limiter
 *	backend URL                      or "-": the lines below are about it
 *	verdict UP CONFIGURED SUCCESSES FAILS SINCE PROBED STATUS FAILURES
 *	duration SUM_US COUNT...         not cumulative, one for each bucket
 *	error REASON N | check FAILED SUCCEEDED | request METHOD STATUS N
 *	end                              without it the text is not whole
 */
#ifndef BALLAST_SHM_TRANSFER_H
#define BALLAST_SHM_TRANSFER_H

#include "ballast/shm/slot.h"

/* malloc'd, *len octets and a NUL; NULL without memory. */
char *transfer_write(const struct shm *, uint64_t now_us, size_t *len);
/*
 * Into a fresh segment, before any child is forked: key, numbers, backends with their verdicts and histories, buckets.
 * 0, or -EPROTO: not a whole text, nothing was changed.
 */
int transfer_state(struct shm *, const char *text, size_t len, uint64_t now_us);
/*
 * The counters become those of this slot, which nobody else counts in; buckets that were emptied further meanwhile
 * are.  May be repeated with a later text of the same segment.  0 or -EPROTO, as above.
 */
int transfer_counters(struct shm *, struct slot *, const char *text, size_t len, uint64_t now_us);

#endif
