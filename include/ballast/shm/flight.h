/*
 * Exchanges in flight: a row each, in the slot of the process that carries them, so that whoever finds the
 * slot after a crash knows what was lost; and the one way out of such a row.  An exchange ends in one
 * transaction: its counters move and its row is given up, or neither is so, wherever the process is killed.
 */
#ifndef BALLAST_SHM_FLIGHT_H
#define BALLAST_SHM_FLIGHT_H

#include "ballast/base/addr.h"
#include "ballast/shm/metrics.h"

enum { FLIGHT_PATH = 62, FLIGHTS_MAX = 1 << 16 };

enum flight_fact {
	FLIGHT_INTERNAL = 1, /* counts as no request */
	FLIGHT_SENT = 2,     /* its backend may have seen something of it */
	FLIGHT_ANSWERED = 4, /* the client's kernel has all of the answer */
};

/* Two cache lines.  Its process only, and after its end whoever folds the slot: then nobody else looks. */
struct flight {
	_Alignas(64) _Atomic uint64_t
		held;         /* 1 from begin to end; written last, given up by the end */
	uint64_t started_us;  /* monotonic */
	uint64_t fingerprint; /* head_fingerprint; 0: its head was not read yet */
	uint64_t bytes_in, bytes_out;
	uint16_t row;    /* of its backend; BACKEND_NONE while it has none */
	uint16_t status; /* of the answer of which something may have gone out; 0: nothing has */
	uint16_t port;   /* of its client */
	uint8_t step;    /* of the proxy's table */
	uint8_t method;  /* enum method */
	uint8_t facts;   /* enum flight_fact */
	uint8_t path_n;
	struct ip ip;
	char path[FLIGHT_PATH]; /* as much of it as there is room for, without a query */
};

/* Row `index` of a slot, below n_flights of the segment; the one behind them is nobody's, and never looked at. */
struct flight *flight_at(const struct shm *, const struct slot *, unsigned index);
/* The row in hand, or NULL. */
struct flight *flight_in_hand(const struct shm *, const struct slot *);

/* The slot's own process: a row begins. */
void flight_begin(struct flight *, const struct ip *, uint16_t port, uint64_t now_us);

struct landing {       /* what an exchange adds to the counters at its end */
	bool counted;  /* as a request */
	bool lost;     /* COUNTER_EXCHANGES_LOST */
	bool answered; /* its backend said something; counts with a row only */
	unsigned row;  /* BACKEND_NONE: with backend "none" and without a duration */
	uint16_t status;
	enum method method;
	uint64_t duration_us, bytes_out;
	enum counter also; /* one more counter that grows by 1; N_COUNTERS: none */
};

/* The slot's own process, or whoever folds it: the transaction.  flight NULL: counters only. */
void flight_end(const struct shm *, struct slot *, struct flight *, const struct landing *);

/*
 * Whoever folds the slot, first: a transaction that was committed is done again from its log, and then every row
 * that is still held is shown to `lost` (not those whose answer was whole) and ended: counted as lost, and as a request where the client may have an
 * answer.  May be cut off anywhere and begun anew.  Returns how many were lost.
 */
typedef void flight_visitor(const struct flight *, void *arg);
unsigned flights_settle(
	const struct shm *, struct slot *, uint64_t now_us, flight_visitor *lost, void *arg);

#endif
