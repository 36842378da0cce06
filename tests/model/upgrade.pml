/*
 * Two masters and their three words (src/master/upgrade.c, src/master/inherit.c).  The former one has forked the new one,
 * whose workers are ready; either may be killed at any step, the new one may give up as long as the instance is not its, it may
 * take longer than it is given, and the former one may be told to end (TERM) until it has let go.  A message that was sent is
 * read also when its sender is dead.
 *
 * Invariants: never do both answer, and a former master that answers again finds everything as it left it.  When nothing
 * moves any more somebody has the instance, unless it was told to end, the new one was killed that had taken it, or the former
 * one with no new one beside it.  Who was told to end leaves nobody.
 *
 * Left out: the workers, of whom each master has its own; the text of the counts.
 */

mtype = { READY, OVER, TAKEN };
mtype = { SERVES, LEFT, GUEST, OWNS, GONE };

chan to_new = [1] of { mtype };
chan to_former = [2] of { mtype };

mtype former = SERVES, new = GUEST;
bool kill_former, kill_new; /* on its way to it */
bool offered;               /* the former master answers nobody meanwhile */
bool renamed;               /* the segment's name, which nobody gives back */
bool told_to_end, strangers_kill, new_is_theirs, took;

#define former_answers (former == SERVES && !offered)
#define new_answers (new == OWNS)

/* upgrade_progress, after hear_successor and the signals of a turn. */
proctype old_master()
{
	bool ready, taken, failed;

	{
		do
		:: d_step { to_former?READY -> ready = true }
		:: d_step { to_former?TAKEN -> taken = true }
		:: d_step { !told_to_end -> told_to_end = true; kill_new = true }
#ifdef BROKEN_TWO_WORDS
		:: ready && !told_to_end && new != GONE -> former = LEFT; to_new!OVER; break
#else
		:: d_step { ready && !offered && !taken && !told_to_end && !failed -> offered = true }; to_new!OVER
		:: d_step { taken && !told_to_end -> former = LEFT }; break
#endif
		/* out_of_time: who is stopped sends nothing more. */
#ifdef BROKEN_KILLS_AT_ONCE
		:: d_step { offered && !taken && !told_to_end -> kill_new = true }
#else
		:: d_step { offered && !taken && !told_to_end && empty(to_former) -> kill_new = true }
#endif
#ifdef BROKEN_HEARS_NOT_OUT
		:: new == GONE && !taken && !told_to_end && !failed ->
#else
		:: new == GONE && empty(to_former) && !taken && !told_to_end && !failed ->
#endif
			failed = true;
			assert(!renamed);
			d_step { assert(!new_answers); offered = false }
		:: new == GONE && told_to_end -> former = GONE; break
		:: failed && !told_to_end -> break
		od
	} unless { kill_former };
	if
	:: kill_former && former != LEFT -> former = GONE
	:: else
	fi
}

/* heritage_claim, hear_former, take_over. */
proctype new_master()
{
	{
		to_former!READY;
		if
		:: to_new?OVER
		:: former == GONE && empty(to_new)
		:: goto gives_up
		fi;
#ifdef BROKEN_NAME_FIRST
		renamed = true;
		d_step { to_former!TAKEN; took = true };
#else
		d_step { to_former!TAKEN; took = true };
		renamed = true;
#endif
		d_step { new = OWNS; assert(!former_answers) };
gives_up:	skip
	} unless { kill_new };
	if
	:: kill_new || new != OWNS
	:: else ->
end:		kill_new
	fi;
	new = GONE
}

active proctype world()
{
	run old_master();
	run new_master();
	if
	:: strangers_kill = true; kill_former = true
	:: strangers_kill = true; new_is_theirs = true; kill_new = true
	:: skip
	fi;
end:	timeout ->
	assert(!(former_answers && new_answers));
	assert(!told_to_end || strangers_kill || (former == GONE && new == GONE));
	assert(told_to_end || former_answers || new_answers || (new_is_theirs && took) || (kill_former && new == GONE))
}
