/*
 * One client's bucket in its set of the limiter (rate_take in src/shm/rate.c): takers look for its word twice, put a
 * full one in when there is none, drop one of two, and take by a compare-and-swap, while the clock goes on, other
 * clients put theirs in its place and the master sweeps.  Each load and each exchange of a word is a step.
 *
 * Invariants: of the requests whose turns began in a span of time no more are admitted than burst + rate * span.  A
 * round that did not get on was lost to somebody else's exchange: one who stands still or was killed, at
 * whatever step, holds up nobody and leaves nothing to put right.  As the schedule may stop a taker at any
 * step for ever, every state that a death leads to is among those looked at.
 *
 * What it takes: a bucket gives way without a word only when it is full for every turn that goes on (what has been
 * full for STALE), and no word put in comes again (its serial number).  The variants OLD_TURN and SAME_WORD show the
 * code as it once was: full was what is full by the time of who looks, and a request that had to put in twice put
 * in the same word.  Then more are admitted, when a bucket gives way to a clock ahead of a turn's, or between the
 * reading and the exchange of another taker.
 *
 * Left out: buckets that give way although they are not full for all, when there is none that is, tags that collide, the
 * end of 40 bits, of serial numbers and of ROUNDS, a change of the limit.  Loads and exchanges are sequentially consistent in the code, too.
 */

#ifndef TAKERS
#define TAKERS 2
#define REQUESTS 2 /* of each */
#define BURST 1    /* a request costs one tick of the clock */
#define TICKS 2    /* the clock goes from 1 to there */
#define LOSSES 2   /* how often another client or rate_sweep exchanges a word */
#endif
#ifndef PUT_INS
#define PUT_INS 4  /* who would need one more stands still */
#endif
#define NONE 2 /* ways: 0 and 1 */

/* A word: 0, another client's, or ours with its time; PUT_IN: full since long before, with a serial number. */
#define OTHER 1
#define OURS 128
#define PUT_IN 64
#define is_ours(word) ((word) >= OURS)
#define is_put_in(word) (((word) & PUT_IN) != 0)
#define time_in(word) ((word) & 63)
#define is_full(word, at) (!is_ours(word) || is_put_in(word) || time_in(word) <= at)

byte set[2], clock = 1, losses;
byte now[TAKERS]; /* when each turn began; 0: it is over */

byte serial;         /* put_in in shm_shared */

/* For the assertions: what was admitted, by when its turn began; was a word exchanged since a taker's round began. */
byte admitted[3];
bool moved[TAKERS];

#ifdef OLD_TURN
#define gives_way(word) is_full(word, clock)
#else
#define is_full_to(taker, word) is_full(word, (now[taker] == 0 -> clock : now[taker]))
#define gives_way(word) (is_full_to(0, word) && is_full_to(1, word) && is_full_to(TAKERS - 1, word))
#endif
#define all_moved() moved[0] = true; moved[1] = true; moved[TAKERS - 1] = true
#define write(way, next) set[way] = next; all_moved()

inline replace(way, seen, next)
{
	done = (set[way] == seen);
	if :: done -> write(way, next) :: else fi
}

inline find_tag(at, seen, except)
{
	atomic { if :: except != 0 && is_ours(set[0]) -> at = 0; seen = set[0] :: else fi };
	atomic { if :: except != 1 && at != 0 && is_ours(set[1]) -> at = 1; seen = set[1] :: else fi }
}

inline look()
{
	find_tag(way, word, NONE);
#ifndef BROKEN_ONE_LOOK
	if :: way != NONE -> find_tag(twin, twin_word, way) :: else fi
#endif
}

#define order_of(word) (is_put_in(word) -> time_in(word) : 64 + time_in(word))
#define drops_twin (order_of(twin_word) < order_of(word) || (order_of(twin_word) == order_of(word) && twin > way))

inline drop_one()
{
	atomic { if :: drops_twin -> replace(twin, twin_word, 0) :: else -> replace(way, word, 0) fi }
}

#ifdef SAME_WORD
#define full_bucket (OURS | PUT_IN | now[me])
#else
#define full_bucket (OURS | PUT_IN | serial)
#endif

/* Which of two that were put in costs less is left to chance. */
#define loss_of(word) ((word) == 0 -> 0 : (!is_ours(word) || is_put_in(word) -> 20 : \
	(is_full(word, now[me]) -> 1 + now[me] - time_in(word) : 40 + time_in(word))))

inline put_in()
{
	atomic { way = 0; word = set[0] };
	atomic {
		if
		:: loss_of(set[1]) < loss_of(word) || (loss_of(set[1]) == 20 && loss_of(word) == 20) ->
			way = 1; word = set[1]
		:: loss_of(set[1]) >= loss_of(word)
		fi
	};
	/* What must not give way is left out.  The number may as well be drawn with the exchange. */
end:	atomic {
		serial < PUT_INS && (gives_way(word) || set[way] != word) ->
			replace(way, word, full_bucket); serial = serial + done
	}
}

#define next (is_full(word, now[me]) -> 1 : time_in(word) - now[me] + 1)

/* A refusal writes nothing. */
inline take()
{
	atomic {
		if
		:: next > BURST -> done = true
		:: else ->
#ifdef BROKEN_STORE
			write(way, OURS | (now[me] + next)); done = true;
#else
			replace(way, word, OURS | (now[me] + next));
#endif
			admitted[now[me]] = admitted[now[me]] + done;
			assert(admitted[1] <= BURST && admitted[2] <= BURST && admitted[1] + admitted[2] <= BURST + 1)
		fi;
		requests = requests + done; idle = done
	}
}

/* A round of rate_take; a request is one of a new turn, or one more of the same. */
active [TAKERS] proctype taker()
{
	byte me = _pid, requests, way = NONE, twin = NONE, word, twin_word;
	bool done, idle = true;

	do
	:: idle && requests < REQUESTS -> atomic { if :: now[me] = clock :: now[me] > 0 fi; idle = false }
	:: atomic { !idle -> moved[me] = false };
		look();
		if
		:: way == NONE -> put_in()
		:: way != NONE && twin != NONE -> drop_one()
		:: way != NONE && twin == NONE -> take()
		fi;
		atomic {
			assert(done || moved[me]);
			way = NONE; twin = NONE; word = 0; twin_word = 0; done = false
		}
	:: idle && requests == REQUESTS -> break
	od;
	now[me] = 0
}

/* rate_sweep, and put_in for another client: a look and an exchange, but what was full stays so. */
#define LOSE(way) \
	:: atomic { losses < LOSSES && gives_way(set[way]) -> losses++; write(way, OTHER) } \
	:: atomic { losses < LOSSES && gives_way(set[way]) && set[way] != 0 -> losses++; write(way, 0) }

active proctype others()
{
end:	do
	LOSE(0)
	LOSE(1)
	:: atomic { clock < TICKS -> clock++ }
	od
}
