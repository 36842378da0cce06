/*
 * The end of a reload (src/master/reload.c, src/master/children.c, src/worker/worker.c): once the new workers are
 * ready the former ones are told to leave, and `completed` is said when no slot of one that lives says that it may
 * take connections.  They may be killed, stopped, or told to leave by somebody else (TERM) at any step, and are
 * replaced while their generation is the current one; messages wait in the pair as long as the schedule likes.
 *
 * Invariants: no former worker takes a connection after `completed` was said, unless it was said because the time to
 * take over was up (late), which is so by design: one that is stopped is not waited for.  Every reload is concluded.
 * With PROMPT nobody is stopped and no time is ever up, and it is concluded all the same.
 *
 * Left out: the new workers, of which only counts that they are ready or that they keep dying; READY of the former
 * ones, since who starts and who serves is told to leave alike; the checker; the end of those that do not leave; a
 * message that a full pair does not take, since only one that is stopped reads none.
 */

#ifndef ALL
#define ALL 2 /* forks: 0 and 1, and successors, should they end */
#endif

mtype = { FREE, STARTING, READY, DRAINING, NONE, SERVING, LEAVING, RETIRE };

mtype state[ALL] = FREE; /* of its slot */
mtype phase[ALL] = NONE; /* of its entry in the master's table; SERVING: STARTING or READY */
chan to_child[ALL] = [1] of { mtype };
chan to_master[ALL] = [1] of { mtype };

bool killed[ALL], stopped[ALL], ended[ALL];
bool new_are_ready, new_keep_dying, time_is_up; /* pending_deadline_us, take_over_deadline_us */
bool committed, completed, refused, late;

/* accept_one */
#define take_one() assert(!completed || late)

/* accept_rest and proxy_retire, and only then the slot. */
#ifdef BROKEN_DRAINING_FIRST
#define leave() state[me] = DRAINING; take_one()
#else
#define leave() take_one(); state[me] = DRAINING
#endif

/* start, then turns: a connection always waits, and is taken before a message is heard. */
proctype worker(byte me)
{
	{
		state[me] = READY;
		do
		:: take_one();
		   if
		   :: to_child[me]?RETIRE -> break
		   :: break /* TERM */
		   :: empty(to_child[me])
		   fi
		od;
		leave();
		to_master[me]!LEAVING;
		killed[me] = true /* its own exit */
	} unless { killed[me] || stopped[me] };
end:	atomic {
		killed[me] -> killed[me] = false; ended[me] = true;
		if :: to_child[me]?RETIRE :: empty(to_child[me]) fi
	}
}

#define fork_child(k) atomic { state[k] = STARTING; phase[k] = SERVING; run worker(k) }

/* began_leaving */
#define hear(k) if :: atomic { to_master[k]?LEAVING -> phase[k] = LEAVING } :: empty(to_master[k]) fi

/* children_reap: what it still said is heard out, then forget, with slot_fold. */
inline reap(k)
{
	if :: ended[k] -> hear(k); state[k] = FREE; atomic { phase[k] = NONE; ended[k] = false } :: else fi
}

/* children_retire */
inline commit()
{
	committed = true;
	for (k : 0 .. ALL - 1) {
		if :: phase[k] == SERVING -> atomic { phase[k] = LEAVING; to_child[k]!RETIRE } :: else fi
	}
}

#if defined(BROKEN_ONLY_TOLD)
#define may_accept(k) (phase[k] == SERVING)
#elif defined(BROKEN_DEAD_COUNT)
#define may_accept(k) (state[k] != DRAINING)
#else
#define may_accept(k) (phase[k] != NONE && state[k] != DRAINING)
#endif

/* With children_accept. */
inline look_at_former()
{
	k = 0;
	do
	:: k < ALL && !may_accept(k) -> k++
	:: k == ALL || may_accept(k) -> completed = (k == ALL); break
	od;
	if :: !completed && time_is_up -> atomic { late = true; completed = true } :: else fi
}

/* cycle, with children_staff_workers of a generation that has no successor yet. */
active proctype master()
{
	byte k, forked;

	for (forked : 0 .. 1) { fork_child(forked) }
	do
	:: completed || refused -> break
	:: else ->
		for (k : 0 .. ALL - 1) { hear(k); reap(k) }
		if
		:: committed -> look_at_former()
		:: !committed && new_are_ready -> commit()
		:: !committed && !new_are_ready -> refused = (new_keep_dying || time_is_up)
		fi;
		if
		:: !committed && forked < ALL && (phase[0] != SERVING || phase[1] != SERVING) ->
			fork_child(forked); forked++
		:: else
		fi
	od
}

active proctype newcomers() { if :: new_are_ready = true :: new_keep_dying = true fi }

/* Until the end of the reload: what comes after it is another one's beginning. */
#define lives(k) (phase[k] != NONE && !ended[k] && !killed[k] && !stopped[k] && !completed && !refused)

active proctype fate()
{
end:	do
	:: atomic { lives(0) -> killed[0] = true }
	:: atomic { lives(1) -> killed[1] = true }
#if ALL > 2
	:: atomic { lives(2) -> killed[2] = true }
#endif
#ifndef PROMPT
	:: atomic { lives(0) -> stopped[0] = true }
	:: atomic { lives(1) -> stopped[1] = true }
#endif
	od
}

#ifndef PROMPT
active proctype clock() { time_is_up = true }
#endif

ltl concluded { <> (completed || refused) }
