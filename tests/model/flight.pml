/*
 * The end of an exchange (src/shm/flight.c, src/shm/redo.h): the words that change and their values after are written into
 * the slot's log, the log's length is stored, the values are stored, the length becomes 0.  A worker may be killed
 * at any step; so may whoever settles its rows (flights_settle: what the log holds once more, then every row that is
 * held), and the next one begins anew.  Then a successor works in the same slot.
 *
 * Invariants: every exchange that began is counted once, as done or as lost; as a request when it was done or its client may have an
 * answer, and then with a duration; nothing counts backwards, nor ahead of what has happened; after a fold no row is
 * held, no gauge is left and the log is empty.
 *
 * Left out: what a process writes that has lost its mind before it dies of a fault.  A word is stored whole; a killed
 * process has done its stores in order, which is all that the fences of the code are for.
 */

#define ROWS 2
#define EXCHANGES 3
#define LIVES 2
#define CUTS 1 /* how often one is killed that folds */
#define LOG 4

/* The words: three counters, then the rows' `held`. */
#define WORDS 5
#define DURATIONS 0
#define REQUESTS 1
#define LOST 2
#define HELD(row) (3 + (row))
byte word[WORDS];

/* What a row says of its answer. */
mtype = { NOTHING, BEGAN, WHOLE };
mtype answer[ROWS] = NOTHING;
byte leases; /* a gauge */

byte at[LOG], after[LOG], length;

bool works, killed, folds, cut; /* a worker lives, is to die; somebody folds, is to die */
byte cuts;

/* What is true, for the assertions alone. */
byte begun, done, lost, lost_with_answer;

#ifdef BROKEN_ADDS /* what is to be added, instead of the value after */
#define value(a, by) by
#define store(i) word[at[i]] = word[at[i]] + after[i]
#else
#define value(a, by) word[a] + by
#define store(i) word[at[i]] = after[i]
#endif

inline entry(a, next) { at[n] = a; after[n] = next; n++ }

/* redo_apply */
inline apply()
{
	i = 0;
	do
	:: i < length -> d_step { store(i); i++ }
	:: else -> break
	od;
	atomic { length = 0; i = 0 }
}

/* flight_end, in parts. */
inline log_request() { entry(DURATIONS, value(DURATIONS, 1)); entry(REQUESTS, value(REQUESTS, 1)) }

#ifdef BROKEN_ADDS
#define free_row(r) entry(HELD(r), 255)
#else
#define free_row(r) entry(HELD(r), 0)
#endif

/* What is true from the commit on is one more that is done or lost. */
#define happens(d, l, a) done = done + d; lost = lost + l; lost_with_answer = lost_with_answer + a

inline commit(r, d, l, a)
{
#if defined(BROKEN_ROW_APART)
	d_step { happens(d, l, a); length = n; n = 0 };
	apply();
	word[HELD(r)] = 0
#elif defined(BROKEN_NO_COMMIT) /* the values at once */
	free_row(r);
	i = 0;
	do
	:: i < n -> d_step { store(i); i++; if :: i == n -> happens(d, l, a) :: else fi }
	:: else -> break
	od;
	atomic { n = 0; i = 0 }
#else
	free_row(r);
	d_step { happens(d, l, a); length = n; n = 0 };
	apply()
#endif
}

#define EXCHANGE(r) \
	:: word[HELD(r)] == 0 && begun < EXCHANGES -> \
		leases++; answer[r] = NOTHING; d_step { word[HELD(r)] = 1; begun++ } \
	:: word[HELD(r)] == 1 && answer[r] == NOTHING -> answer[r] = BEGAN \
	:: word[HELD(r)] == 1 && answer[r] == BEGAN -> answer[r] = WHOLE \
	:: word[HELD(r)] == 1 && answer[r] == WHOLE -> leases--; log_request(); commit(r, 1, 0, 0)

proctype worker()
{
	byte n, i;

	{
		do
		EXCHANGE(0)
		EXCHANGE(1)
		:: begun == EXCHANGES && word[HELD(0)] == 0 && word[HELD(1)] == 0 -> break
		od
	} unless { killed };
	atomic { killed = false; works = false }
}

/* crash_landing: one whose client has all of the answer is not lost. */
inline settle(r)
{
	if
	:: word[HELD(r)] == 0
	:: word[HELD(r)] != 0 && answer[r] == NOTHING ->
		entry(LOST, value(LOST, 1)); commit(r, 0, 1, 0)
	:: word[HELD(r)] != 0 && answer[r] == BEGAN ->
		log_request(); entry(LOST, value(LOST, 1));
		commit(r, 0, 1, 1)
	:: word[HELD(r)] != 0 && answer[r] == WHOLE -> log_request(); commit(r, 1, 0, 0)
	fi
}

/* flights_settle, then slot_fold. */
proctype folder()
{
	byte n, i;

	{
#ifdef BROKEN_ROWS_FIRST
		settle(0);
		settle(1);
		apply();
#else
		apply();
		settle(0);
		settle(1);
#endif
		leases = 0
	} unless { cut };
	atomic { if :: cut -> cut = false; run folder() :: else -> folds = false fi }
}

active proctype master()
{
	byte lives;

	do
	:: lives < LIVES ->
		atomic { works = true; run worker() };
		atomic { !works -> folds = true; run folder() };
		!folds;
		assert(word[HELD(0)] == 0 && word[HELD(1)] == 0 && leases == 0 && length == 0);
		assert(begun == done + lost && word[LOST] == lost);
		assert(word[REQUESTS] == done + lost_with_answer && word[DURATIONS] == word[REQUESTS]);
		lives++
	:: else -> break
	od
}

active proctype fate()
{
end:	do
	:: atomic { works && !killed -> killed = true }
	:: atomic { !cut && cuts < CUTS && folds -> cut = true; cuts++ }
	od
}

/* metrics_sum. */
active proctype reader()
{
	byte seen;

end:	do
	:: atomic { assert(seen <= word[REQUESTS] && word[REQUESTS] <= done + lost_with_answer); seen = word[REQUESTS] }
	od
}
