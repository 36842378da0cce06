/*
 * Slots while a program is replaced (src/shm/slot.c, src/master/children.c): two masters claim, fork and fold in one
 * segment.  One of them may be killed between any two steps, children at any time; the other one then takes what was
 * left for an orphan, and folds it.
 *
 * Invariants: a slot never has two processes at work, none while it is folded, and the number of one at work is not lost; who folds or claims a slot is alone in
 * it, but for a master that is dead.
 *
 * Left out: gauges and counters (slot.pml); a number that the kernel gives again to another process.  `pid_of` and `owner`
 * hold the numbers of processes: 1 and 2 are the masters, 3 and more their children.  A child that ended is a zombie until
 * its master waits for it or is dead.  Memory is sequentially consistent, as it is in the code for these two words.
 */

#define SLOTS 1 /* another one changes nothing about this one */
#define FORKS 2 /* of each master */

byte owner[SLOTS], pid_of[SLOTS]; /* the words of the segment */
bool taken[SLOTS];             /* state != SLOT_FREE */

/* What is true, for the assertions alone. */
byte at_work[SLOTS];           /* which process has entered and lives; 0: none */
byte within[SLOTS];            /* which master folds or claims; it may be dead */

/* What the kernel knows, by number; told: it has read the end of the pair. */
bool alive[7], zombie[7];

#define nobody_works(s) (at_work[s] == 0 || !alive[at_work[s]])
#define is_dead(p) ((p) == 0 || (!alive[p] && !zombie[p]))

/* child_begin with slot_enter; then it works until it is killed, or leaves because it was told to. */
proctype child(byte me, parent, s)
{
	bool entered;

	{
#ifdef BROKEN_ENTER_STORES
		d_step { assert(nobody_works(s)); pid_of[s] = me };
#else
		atomic {
			if
			:: pid_of[s] == 0 -> assert(nobody_works(s)); pid_of[s] = me
			:: pid_of[s] == me
			:: else -> goto leaves
			fi
		};
#endif
#ifndef BROKEN_ENTER_BLIND
		if
		:: owner[s] == parent
		:: else -> atomic { if :: pid_of[s] == me -> pid_of[s] = 0 :: else fi }; goto leaves
		fi;
#endif
		d_step { assert(nobody_works(s)); at_work[s] = me; entered = true };
leaves:		skip
	} unless { !alive[me] };
	atomic {
		if :: entered && at_work[s] == me -> at_work[s] = 0 :: else fi;
		alive[me] = false;
		zombie[me] = alive[parent]
	}
}

inline alone(s)
{
	d_step { assert(within[s] == 0 || within[s] == me || !alive[within[s]]); within[s] = me }
}

/* slot_fold: who has it is at work no more.  The owner last. */
inline fold(s)
{
	alone(s);
	assert(nobody_works(s));
	taken[s] = false;
#ifdef BROKEN_OWNER_FIRST
	owner[s] = 0;
	pid_of[s] = 0;
	within[s] = 0
#else
	pid_of[s] = 0;
	d_step { within[s] = 0; owner[s] = 0 }
#endif
}

/* slot_claim, fork_child, enlist. */
inline start(s)
{
#ifdef BROKEN_CLAIM
	if :: owner[s] == 0 && !taken[s] :: else -> goto again fi;
	owner[s] = me;
#else
	if :: atomic { owner[s] == 0 && !taken[s] -> owner[s] = me } :: else -> goto again fi;
#endif
	alone(s);
	taken[s] = true;
	d_step { within[s] = 0; kid[s] = next; next++; alive[kid[s]] = true };
	run child(kid[s], me, s);
	pid_of[s] = kid[s]
}

/* slot_is_orphaned, for a slot that is none of ours. */
inline look_for_orphan(s)
{
	seen = owner[s];
	if
	:: seen == me
	:: seen != 0 && seen != me && is_dead(seen) ->
		if :: atomic { owner[s] == seen -> owner[s] = me } :: else -> goto again fi
	:: else -> goto again
	fi;
#ifdef BROKEN_ORPHAN_BLIND
	fold(s)
#else
	if :: is_dead(pid_of[s]) -> fold(s) :: else fi
#endif
}

proctype master(byte me, next)
{
	byte seen, forked, s, kid[SLOTS];

	{
		do
		:: true ->
			seen = 0;
			if
			:: forked < FORKS && kid[s] == 0 -> forked++; start(s)
			:: kid[s] == 0 -> look_for_orphan(s)
			:: atomic { kid[s] != 0 && zombie[kid[s]] -> zombie[kid[s]] = false }; fold(s); kid[s] = 0
			:: kid[s] != 0 && !zombie[kid[s]]
			fi;
again:			skip
		od
	} unless { !alive[me] };
	atomic { zombie[3] = false; zombie[4] = false } /* the first process waits for them now */
}

active proctype killer()
{
	atomic { alive[1] = true; alive[2] = true; run master(1, 3); run master(2, 5) };
end:	do
	:: atomic { alive[1] -> alive[1] = false }
	:: atomic { alive[3] -> alive[3] = false }
	:: atomic { alive[5] -> alive[5] = false }
	od
}
