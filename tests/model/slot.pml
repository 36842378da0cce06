/*
 * Slots (src/shm/slot.c) and the processes that own them, one after the other (src/master/children.c): a worker
 * takes and gives leases and counts, with plain loads and stores, and may be killed between any two of them; the
 * master reaps, folds, claims and forks; somebody sums at any time.
 *
 * Invariants: a slot never has two living owners; a sum of gauges takes from each slot what was held there at some
 * moment of the sum, so nothing of a dead process once its slot is FREE; a sum of counters is neither less than
 * what was counted when it began nor more than when it ended, whatever was folded meanwhile; who claims a slot finds
 * its gauges at 0.
 *
 * Left out: roles and generations, which are written before the state; the other gauges, which are lines of the same
 * loops; the clearing of a row that is taken over.  Memory is sequentially consistent here: of the code's order the
 * model needs that what is stored before a state is seen with it (release and acquire), and nothing else.
 */

#define SLOTS 2
#define LIVES 3

mtype = { FREE, STARTING, READY, DRAINING };

mtype state[SLOTS] = FREE;
byte leases[SLOTS];  /* slot_active of one backend, a gauge */
byte counter[SLOTS]; /* one counter */

/* What the kernel knows, by slot: how many live in it, is it to die, has one ended that is to be waited for. */
byte owners[SLOTS];
bool killed[SLOTS], ended[SLOTS];

/* What is true, for the assertions alone; least and most: of held[watched] since somebody began to look. */
byte held[SLOTS], counted, watched = SLOTS, least, most;

inline note(s)
{
	if
	:: watched == s && held[s] < least -> least = held[s]
	:: watched == s && held[s] > most -> most = held[s]
	:: else
	fi
}

/* worker_run, one exchange: lease_take and lease_give (gauge_add), metrics_count (counter_add). */
proctype worker(byte s)
{
	byte seen;
	bool done;

	{
		state[s] = READY; /* start in worker.c */
		do
		:: !done && held[s] == 0 ->
			seen = leases[s];
			d_step { leases[s] = seen + 1; held[s]++; note(s) }
		:: held[s] > 0 ->
			seen = counter[s];
			d_step { counter[s] = seen + 1; counted++; done = true };
			seen = leases[s];
			assert(seen > 0); /* as lease_give does */
			d_step { leases[s] = seen - 1; held[s]--; note(s); seen = 0 }
		:: state[s] == READY -> state[s] = DRAINING /* leave: what is in flight goes on */
		:: state[s] == DRAINING && held[s] == 0 -> break
		od
	} unless { killed[s] };
	atomic { killed[s] = false; ended[s] = true; owners[s]-- }
}

active proctype killer()
{
end:	do
	:: atomic { owners[0] > 0 -> killed[0] = true }
	:: atomic { owners[1] > 0 -> killed[1] = true }
	od
}

/* slot_fold: FREE first. */
inline fold(s)
{
	d_step { state[s] = FREE; held[s] = 0; note(s) };
	last = s; /* folded */
#ifndef BROKEN_FOLD_KEEPS_GAUGES
	leases[s] = 0
#endif
}

/* slot_claim with longest_free.  It is one look: only the master makes a slot FREE or takes it (of two masters: owner.pml). */
inline claim(s)
{
	d_step { s = (state[1 - last] == FREE -> 1 - last : last); assert(state[s] == FREE && leases[s] == 0) };
	state[s] = STARTING
}

#ifdef BROKEN_FOLD_AT_LEAVING /* when it says that it leaves, whatever it still has in flight */
#define is_gone(s) (ended[s] || (state[s] == DRAINING && !killed[s]))
#else
#define is_gone(s) ended[s] /* waitpid in children_reap */
#endif

active proctype master()
{
	byte forked, s, last = 1;

	do
	:: forked < LIVES && (state[0] == FREE || state[1] == FREE) -> /* start */
		claim(s);
		forked++;
		if
		:: atomic { owners[s]++; assert(owners[s] == 1); run worker(s) } /* fork_child, enlist */
		:: fold(s) /* it cannot fork */
		fi
	:: atomic { is_gone(0) -> ended[0] = false }; fold(0) /* forget */
	:: atomic { is_gone(1) -> ended[1] = false }; fold(1)
	:: forked == LIVES && state[0] == FREE && state[1] == FREE -> break
	od;
	assert(leases[0] == 0 && leases[1] == 0);
	assert(counter[0] + counter[1] == counted)
}

/* One slot's part of slots_active and count_loads. */
inline look(s)
{
	d_step { watched = s; least = held[s]; most = held[s] };
	if :: state[s] == FREE :: else -> assert(least <= leases[s] && leases[s] <= most) fi;
	d_step { watched = SLOTS; least = 0; most = 0 }
}

#ifdef BROKEN_SUM_SKIPS_FREE
#define counts(s) (state[s] != FREE)
#else
#define counts(s) true
#endif

/* metrics_sum. */
inline scrape()
{
	before = counted;
	sum = (counts(0) -> counter[0] : 0);
	sum = sum + (counts(1) -> counter[1] : 0);
	d_step { assert(before <= sum && sum <= counted); before = 0; sum = 0 }
}

active proctype reader()
{
	byte before, sum;

end:	do
	:: look(0)
	:: look(1)
	:: scrape()
	od
}
