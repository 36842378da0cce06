/*
 * Processes that are none of our children, by their number: /proc/PID/stat, and
 * whether it is still the one that it was.
 */
#ifndef BALLAST_BASE_PROCESS_H
#define BALLAST_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_STAT_MAX = 1024 };
enum {
	STAT_STATE = 3,
	STAT_UTIME = 14,
	STAT_STIME = 15,
	STAT_START = 22,
	STAT_VSIZE = 23,
	STAT_RSS = 24
};

/*
 * The fields of proc(5) from the third one on, with the blank before it; NULL when there is no such process or nothing
 * can be read.
 */
const char *process_stat(pid_t, char out[PROCESS_STAT_MAX]);
/* The text of a field behind `stat`, by its number in proc(5); NULL: there are not so many. */
const char *process_stat_field(const char *stat, int number);
/* The same as a number, and of one that is in ticks in microseconds; 0: there are not so many. */
uint64_t process_stat_number(const char *stat, int number);
uint64_t process_stat_us(const char *stat, int number);

/* Somebody has this number, be it a zombie or one of another user. */
bool process_is_there(pid_t);

/* Of a process that lived at a moment.  ENDED: it is a zombie, or its number is that of one which began later. */
enum fate { FATE_UNKNOWN, FATE_LIVES, FATE_ENDED };
/*
 * moment_us: monotonic, not in the future; 0: not known, then only a zombie has a fate.  LIVES and ENDED are sure, whatever
 * steps the wall clock made, as long as the kernel does not give a number twice within one tick; one that began soon after the moment, on a
 * machine that has slept for longer, is UNKNOWN.
 */
enum fate process_fate(pid_t, uint64_t moment_us);

#endif
