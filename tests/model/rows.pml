/*
 * Who has which row of the table of backends (src/shm/backend.c), over reloads that go well or fail (src/master/reload.c,
 * generation_create, generation_restore).  Workers of a generation, also of one that failed when some of them were ready, may
 * live as long as they like after they were told to leave.
 *
 * Invariants: no row is taken over while a worker lives whose generation has named the backend in it; what the current
 * generation names is configured and nothing else is; once only its own workers live, every row that it does not
 * name may be had.
 *
 * Left out: counters and verdicts of a row, two masters during an upgrade (numbers are given by one counter, and both look
 * at the slots of all).  Only the master writes here and looks at who lives, so workers may as
 * well die just before it looks.
 */

#define ROWS 2
#define BACKENDS 3 /* 1, 2, 3; each generation names one or two of them */
#define GENERATIONS 5

byte backend[ROWS], last[ROWS], prior[ROWS], named[ROWS];
bool configured[ROWS];
byte current, oldest, newest;
bool lives[GENERATIONS + 1];

/* What is true, for the assertions alone: the rows that a generation uses, a bit each. */
byte uses[GENERATIONS + 1];

inline look_at_slots()
{
	oldest = current; newest = current;
	for (g : 1 .. GENERATIONS) {
		if
		:: lives[g] && g < oldest -> oldest = g
		:: lives[g] && g > newest -> newest = g
		:: else
		fi
	}
}

inline forget_failed()
{
	for (r : 0 .. ROWS - 1) {
		if
		:: last[r] > current && named[r] == current -> last[r] = current
		:: last[r] > current && named[r] != current -> last[r] = (prior[r] < current -> prior[r] : current - 1)
		:: else
		fi
	}
}

inline name(r, number)
{
	if
#ifdef BROKEN_GOES_BACK
	:: number < last[r] -> last[r] = number
#endif
	:: number > last[r] -> prior[r] = last[r]; last[r] = number
	:: else
	fi;
	named[r] = number; configured[r] = true;
	uses[number] = uses[number] | (1 << r)
}

#define may_be_had(r) (backend[r] == 0 || (!configured[r] && last[r] < oldest))

/* backend_assign; `at` is ROWS when there is none. */
inline assign(which, number)
{
	if
	:: backend[0] == which -> at = 0
	:: backend[0] != which && backend[1] == which -> at = 1
	:: backend[0] != which && backend[1] != which && may_be_had(0) && (!may_be_had(1) || last[0] <= last[1]) -> at = 0
	:: backend[0] != which && backend[1] != which && may_be_had(1) && (!may_be_had(0) || last[1] < last[0]) -> at = 1
	:: else -> at = ROWS
	fi;
	if
	:: at < ROWS && backend[at] != which ->
		for (g : 1 .. GENERATIONS) {
			assert(!lives[g] || (uses[g] >> at & 1) == 0);
			uses[g] = uses[g] & ~(1 << at)
		}
		backend[at] = which; last[at] = 0; prior[at] = 0; named[at] = 0
	:: else
	fi;
	if :: at < ROWS -> name(at, number) :: else fi
}

inline retire_others(number)
{
	for (r : 0 .. ROWS - 1) {
		if :: named[r] != number -> configured[r] = false :: else fi
	}
}

/* generation_restore: its rows are in use, so they are found again. */
inline restore()
{
	for (r : 0 .. ROWS - 1) {
		if :: uses[current] >> r & 1 -> name(r, current) :: else fi
	}
	retire_others(current);
#ifdef BROKEN_FORGETS_AT_ONCE
	forget_failed()
#endif
}

/* Any of those that need not stay. */
inline some_die()
{
	for (g : 1 .. GENERATIONS) {
		if
		:: lives[g] && g != current -> lives[g] = false; uses[g] = 0
		:: true
		fi
	}
}

inline check()
{
	for (r : 0 .. ROWS - 1) {
		assert(configured[r] == (uses[current] >> r & 1));
		assert(oldest < current || newest > current || configured[r] || may_be_had(r))
	}
}

active proctype master()
{
	byte number, at, g, r, first, second;

	do
	:: number < GENERATIONS ->
		atomic { some_die() };
		d_step {
			look_at_slots();
#ifndef BROKEN_NEVER_FORGETS
			if :: newest <= current -> forget_failed() :: else fi;
#endif
			if :: current > 0 -> check() :: else fi;
			number++
		};
		atomic { select(first : 1 .. BACKENDS); select(second : 1 .. BACKENDS) };
		d_step { assign(first, number); if :: at < ROWS -> assign(second, number) :: else fi };
		if
		:: atomic { at == ROWS && current > 0 -> uses[number] = 0; d_step { restore(); skip } }
		:: at < ROWS -> /* its workers are forked, and ready or not */
			lives[number] = true;
			if
			:: d_step { retire_others(number); current = number }
			:: current > 0 -> d_step { restore(); skip }
			fi
		fi;
		d_step { at = 0; first = 0; second = 0; g = 0; r = 0; oldest = 0; newest = 0 }
	:: else -> break
	od
}
