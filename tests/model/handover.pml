/*
 * Idle connections that change hands (src/proxy/handover.c): who retires puts a descriptor into the queue and then closes
 * its own copy; at the other end of the queue whoever stays takes it and then watches it.  Worker 0 is of the former
 * generation, 1 and 2 are of the new one, and 1 may have to go, too (TTIN, TTOU), with TERM also 2, for which then 3 comes; each
 * may be killed at any step, and those of the new one are replaced while the master lives.  A client asks when it likes;
 * what it asks waits in the socket.
 *
 * Invariants: no two workers read from one connection, nor does one when another has something of a request; a
 * connection is closed only when the worker was killed that held it, not with who has sent it or with one
 * that might have taken it; what was asked is answered unless that is so.  When nothing moves any more each
 * connection has one copy, and a worker that watches it.  With SERVICE_ENDS each worker hears of it some time (of DRAIN, or of
 * the master's end), takes what is queued, serves it out and leaves; one that retires may put a client in meanwhile. No copy is
 * left, and while nobody was killed none has been closed by the kernel, together with the queue.
 *
 * Left out: a queue that is full, a worker that has no room, which both try again; the drain time; that a dying master's
 * ends of the control pipes are closed one after the other; an upgrade, where there are two
 * masters, and both hold the queue.
 */

#define WORKERS 4
#define QUEUE 4  /* holders: the workers, and this */
#define NOBODY 5
#define KILLS 2
#ifndef CONNECTIONS
#define CONNECTIONS 2
#define ASKS 1 /* of each client */
#endif

mtype = { SILENT, ASKED, READ };

/* Copies of the descriptor, a bit for each worker, and one in the queue; the same for who watches it. */
byte copies[CONNECTIONS], watched[CONNECTIONS];
bool queued[CONNECTIONS];
mtype request[CONNECTIONS] = SILENT;
byte asks[CONNECTIONS];

/* The queue is there while one has its end of it open to read from. */
byte readers, ready;
bool service = true, told[WORKERS], lives[WORKERS], killed[WORKERS], ended[WORKERS];
byte kills;

/* What is true, for the assertions alone; by kill: it had a holder who was killed. */
byte holder[CONNECTIONS];
bool by_kill[CONNECTIONS], somebody_killed;

#define BIT (1 << me)
#define is_closed(c) (copies[c] == 0 && !queued[c])
#define watches(c) ((watched[c] & BIT) != 0)

inline note_end(c)
{
	if :: is_closed(c) -> assert(by_kill[c] || !service); holder[c] = NOBODY :: else fi
}

inline drop(c)
{
	copies[c] = copies[c] & ~BIT; watched[c] = watched[c] & ~BIT; note_end(c)
}

#ifdef BROKEN_QUEUE_OF_THE_WORKERS
#define is_held (readers != 0)
#else
#define is_held (readers != 0 || service) /* by the master, as long as this is */
#endif

#define took_the_rest (!queued[0] && !queued[CONNECTIONS - 1])

/* The kernel closes what is queued with the last end to read it from. */
inline close_queue()
{
	if
	:: !is_held -> assert(took_the_rest || somebody_killed || service); queued[0] = false; queued[CONNECTIONS - 1] = false; note_end(0); note_end(CONNECTIONS - 1)
	:: else
	fi
}

#ifdef BROKEN_QUEUE_OF_THE_WORKERS
#define hear_no_more() stop_reading()
#else
#define hear_no_more() skip
#endif

inline stop_reading() { readers = readers & ~BIT; close_queue() }

/* An exchange, and client_rest: then it is idle again. */
#ifdef BROKEN_MID_REQUEST
#define or_hand_over(c) :: retiring -> skip
#else
#define or_hand_over(c)
#endif
#define SERVE(c) :: atomic { watches(c) && request[c] == ASKED -> \
		assert(holder[c] == me); request[c] = READ }; \
	if :: atomic { true -> request[c] = SILENT } or_hand_over(c) fi

/* handover_is_on; hand_over: control_send_fd, then client_close in the same turn. */
#ifdef BROKEN_SERVES_ON
#define HAND_OVER(c) \
	:: atomic { retiring && service && holder[c] == me && watches(c) -> queued[c] = true; holder[c] = QUEUE } \
	:: atomic { holder[c] != me && watches(c) -> drop(c) }
#else
#define HAND_OVER(c) \
	:: retiring && !over && service && watches(c); \
	   atomic { true -> queued[c] = true; holder[c] = QUEUE }; \
	   atomic { drop(c) }
#endif

/* handover_take_one: recvmsg, then client_adopt.  At the end also who had retired, and for as long as it lives. */
#define TAKE(c) \
	:: atomic { (readers & BIT) != 0 && (!retiring || over) && queued[c] -> \
		queued[c] = false; copies[c] = copies[c] | BIT; holder[c] = me }; \
	   watched[c] = watched[c] | BIT

/* Its end, of whatever kind: the kernel closes its copies. */
#define END(c) \
	if :: copies[c] & BIT -> \
		if :: holder[c] == me -> by_kill[c] = true; request[c] = SILENT :: else fi; drop(c) \
	:: else fi

/* What it asks when it has nothing left: does the service go on, with another one that is ready, or else, is the queue empty? */
#ifdef BROKEN_NO_LAST_LOOK
#define may_leave true
#elif defined(BROKEN_LEAVES_TO_NOBODY)
#define may_leave (service || (over && took_the_rest))
#else
#define may_leave ((service && ready != 0) || took_the_rest && (service || over))
#endif

/* client_drain_idle: what is quiet. */
#define DRAIN(c) :: atomic { over && watches(c) && request[c] == SILENT -> drop(c) }

proctype worker(byte me)
{
	bool retiring, over;

	{
end:		do
		SERVE(0)
		HAND_OVER(0)
		TAKE(0)
#if CONNECTIONS > 1
		SERVE(1)
		HAND_OVER(1)
		TAKE(1)
#endif
		:: atomic { !retiring && service && told[me] -> retiring = true; ready = ready & ~BIT; hear_no_more() }
#ifdef SERVICE_ENDS
		:: atomic { !over && !service -> over = true; retiring = true; ready = ready & ~BIT }
		DRAIN(0)
#if CONNECTIONS > 1
		DRAIN(1)
#endif
#endif
		:: atomic { retiring && !watches(0) && !watches(CONNECTIONS - 1) && may_leave -> break }
		od
	} unless { killed[me] };
	atomic { END(0); END(CONNECTIONS - 1); stop_reading(); killed[me] = false; lives[me] = false; ready = ready & ~BIT; ended[me] = true }
}

#define START(k) readers = readers | (1 << k); ready = ready | (1 << k); lives[k] = true; run worker(k)
#define REPLACE(k) \
	:: atomic { ended[k] && service -> ended[k] = false; if :: !told[k] -> START(k) :: else fi }

/* When it says that it leaves, or is dead. */
#define SUCCEED(k, by) \
	:: atomic { told[k] && (ready & (1 << k)) == 0 && service && !succeeded -> succeeded = true; START(by) }

#define KILL(k) :: atomic { kills < KILLS && lives[k] && !killed[k] -> killed[k] = true; kills++; somebody_killed = true }
#define ASK(c) :: atomic { request[c] == SILENT && asks[c] < ASKS && !is_closed(c) -> request[c] = ASKED; asks[c]++ }
#define is_one(bits) (bits == 1 || bits == 2 || bits == 4 || bits == 8)
#define is_well(c) (is_closed(c) || (service && !queued[c] && is_one(copies[c]) && watched[c] == copies[c] \
	&& request[c] == SILENT))

proctype fate()
{
	do
	:: atomic { !told[0] -> told[0] = true }
	:: atomic { !told[1] -> told[1] = true }
#ifdef TERM
	:: atomic { !told[2] -> told[2] = true }
	KILL(3)
#endif
	KILL(0)
	KILL(1)
	KILL(2)
	:: kills < KILLS -> kills = KILLS
	ASK(0)
#if CONNECTIONS > 1
	ASK(1)
#endif
#ifdef SERVICE_ENDS
	:: atomic { service -> service = false; close_queue() }
#endif
	:: timeout -> assert(is_well(0) && is_well(CONNECTIONS - 1)); break
	od
}

active proctype master()
{
	bool succeeded;

	atomic {
		copies[0] = 1; watched[0] = 1; copies[CONNECTIONS - 1] = 1; watched[CONNECTIONS - 1] = 1;
		START(0); START(1); START(2); run fate()
	};
end:	do
	REPLACE(0)
	REPLACE(1)
	REPLACE(2)
#ifdef TERM
	SUCCEED(2, 3)
	REPLACE(3)
#endif
	od
}
