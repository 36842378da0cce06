/*
 * The shared cursor (balance_advance in src/balance/balance.c): workers pick by turns, each with one compare-and-swap
 * on one word, while the checker changes verdicts.
 *
 * Invariants: every place of the walk through the period is given to one pick or passed over by one pick, never both
 * and never twice, and none is left out; who is given a place has found its candidate up in this very pick, and
 * down all those that the pick passed over.  So while all are up, any picks in a row are the period in its order.
 *
 * A worker that is killed takes no further step, and the schedule may stop any of them at any step for ever; so each
 * state that a death leads to is among those looked at.  It loses at most the one place it was given, and
 * since the cursor is all that is shared, the others go on from what is in it.
 *
 * Left out: the end of 64 bits, a reload, which walks on through another period, and an exchange that had its turn,
 * which does not move the cursor.  The order of memory does not matter to one word.
 */

#ifndef WORKERS
#define WORKERS 3
#define PICKS 1 /* of each worker */
#endif
#define N 2 /* candidates: 0 has the weight 2, 1 has 1 */
#define LEN 3
#define SEQUENCE(place) ((place) % LEN == 1 -> 1 : 0)

byte cursor;
bool up[N] = true;

/* What is true, for the assertions alone: the places given or passed over, one bit each. */
int walked;

#define RANGE(from, n) (((1 << (n)) - 1) << (from))

/* atomic_compare_exchange: when it fails, `old` is what is there. */
inline advance(old, steps)
{
	d_step {
#ifdef BROKEN_STORE
		won = true;
#else
		won = (cursor == old);
#endif
		if
		:: won ->
			cursor = old + steps;
			assert((walked & RANGE(old, steps)) == 0);
			walked = walked | RANGE(old, steps);
			assert(walked == RANGE(0, cursor));
			assert(seen_up[SEQUENCE(old + steps - 1)]);
			assert(steps == 1 || seen_down[SEQUENCE(old)]);
			assert(steps <= 2 || seen_down[SEQUENCE(old + 1)])
		:: else -> old = cursor
		fi
	}
}

/* balance_usable: the verdict, and what the pick saw. */
inline ask(candidate)
{
	d_step {
		ok = up[candidate];
		seen_up[candidate] = seen_up[candidate] || ok;
		seen_down[candidate] = seen_down[candidate] || !ok
	}
}

inline any_is()
{
	ask(0);
	if
	:: ok
	:: else -> ask(1)
	fi
}

inline steps_behind_next()
{
	steps = 1;
	do
	:: steps > LEN -> steps = 0; break
	:: else ->
		ask(SEQUENCE(old + steps - 1));
		if
		:: ok -> break
		:: else
		fi;
		if
		:: steps == N ->
			any_is();
			if
			:: ok
			:: else -> steps = 0; break
			fi
		:: else
		fi;
		steps++
	od
}

active [WORKERS] proctype worker()
{
	byte old, steps, picks;
	bool ok, won, seen_up[N], seen_down[N];

	do
	:: picks < PICKS ->
		old = cursor;
#ifdef BROKEN_STEPS_ONCE /* not counted again from where the cursor has gone */
		steps_behind_next();
#endif
		do
		:: !won ->
#ifndef BROKEN_STEPS_ONCE
			steps_behind_next();
#endif
			if
			:: steps == 0 -> break
			:: else -> advance(old, steps)
			fi
		:: else -> break
		od;
		atomic {
			picks++; old = 0; steps = 0; ok = false; won = false;
			seen_up[0] = false; seen_up[1] = false;
			seen_down[0] = false; seen_down[1] = false
		}
	:: else -> break
	od
}

active proctype checker()
{
end:	do
	:: up[0] = !up[0]
	:: up[1] = !up[1]
	od
}
