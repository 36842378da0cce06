/*
 * What the files of the proxy share: the structures of a client, an upstream, a
 * body on its way and an exchange, and the few calls between the files.
 *
 *	client.c    connections of clients        upstream.c  connections to backends, the idle pool
 *	room.c      who makes room                buffer.c    fixed buffers
 *	flow.c      one direction of a body       pipe.c      what passes without being copied
 *	exchange.c  the table of steps            request.c, forward.c, relay.c, finish.c  the steps
 *	failure.c   why it ended                  account.c   counters, notes for the access log
 *	flight.c    what a crash report says of it  handover.c  idle clients to another worker
 *	proxy.c     memory, draining              access_log.c, decimal.c  its lines
 */
#ifndef BALLAST_PROXY_PRIVATE_H
#define BALLAST_PROXY_PRIVATE_H

#include <stddef.h>

#include "ballast/base/clock.h"
#include "ballast/base/owner.h"
#include "ballast/base/slab.h"
#include "ballast/base/sock.h"
#include "ballast/http/chunk.h"
#include "ballast/http/head.h"
#include "ballast/http/reply.h"
#include "ballast/proxy/proxy.h"
#include "ballast/shm/flight.h"
#include "ballast/shm/metrics.h"
#include "ballast/shm/quarantine.h"
#include "ballast/shm/rate.h"

enum limit {
	LIMIT_REQUEST_HEADER,
	LIMIT_REQUEST_BODY,
	LIMIT_CLIENT_WRITE,
	LIMIT_KEEP_ALIVE,
	LIMIT_LINGER,
	LIMIT_CONNECT,
	LIMIT_RESPONSE_HEADER,
	LIMIT_RESPONSE_BODY,
	LIMIT_UPSTREAM_IDLE,
	LIMIT_TUNNEL,
	LIMIT_ACCEPT_PAUSE,
	LIMIT_ROOM,
	LIMIT_ACCESS_LOG,
	LIMIT_HANDOVER,
	LIMIT_HANDED,
	N_LIMITS,
	NO_LIMIT = N_LIMITS,
};
_Static_assert((int)N_LIMITS <= (int)PROXY_LIMITS, "the worker's own limits come after these");

enum failure {
#define FAILURE(id, status, flag, error, lives) FAIL_##id,
#include "failures.def"
#undef FAILURE
	N_FAILURES
};

struct failure_row {
	int status;
	const char *flag;
	enum backend_error error;
	bool client_lives;
};
const struct failure_row *failure_row(enum failure);

/*
 * A fixed buffer.  start <= sent <= ready <= end.  [start, end) is what was received and not
 * yet given up; [sent, ready) is what has been judged and may be sent on.
 * start stays behind sent only while a request is kept for being sent again.
 */
struct buffer {
	uint32_t start, sent, ready, end;
	char data[];
};

/* A body on its way through one buffer. */
enum flow_state { FLOW_MORE, FLOW_END, FLOW_BAD };
enum flow_coding { FLOW_AS_IS, FLOW_CHUNK, FLOW_DECHUNK };

struct flow {
	uint64_t left;  /* BODY_LENGTH: octets not yet seen */
	uint64_t bytes; /* octets of body seen */
	struct chunk chunk;
	uint8_t kind;   /* enum body_kind of what arrives */
	uint8_t coding; /* enum flow_coding */
	uint8_t state;  /* enum flow_state */
	bool in_trailers;
	bool lenient; /* what a backend sends: see flow_begin_response */
	bool ends;    /* what is there is all, and the connection is closed as soon as it is sent */
	bool no_trailers;    /* the head's Connection may have named some: none goes on */
	uint32_t scanned;    /* of a trailer section that is not whole yet */
	struct buffer *rest; /* of a head the socket has not taken yet; goes first */
	struct pipe *pipe;   /* what goes last: octets that nobody has to look at; NULL: none */
};

/* in: the end that is written to. */
struct pipe {
	int in, out;
	uint32_t held;
	struct pipe *next;
};
enum { PIPES_MAX = 128, PIPE_BYTES = 256 << 10 };

enum client_phase { PHASE_OPEN, PHASE_LINGER, PHASE_CLOSED };

struct client {
	struct watch watch;
	struct timer timer;
	struct proxy *proxy;
	struct exchange *exchange; /* NULL: idle */
	struct buffer *in;         /* NULL: nothing unread */
	struct client *next_dead;
	struct ip ip;
	uint64_t rate_hash; /* of ip */
	char ip_text[IP_TEXT];
	uint8_t ip_text_n;
	uint64_t idle_since_us; /* maybe in another worker */
	uint32_t lingered;      /* octets thrown away */
	uint32_t unsent;        /* in its socket, when it was last waited for */
	uint64_t waited_us,
		waited_octets; /* since when it is the client who is waited for, and what had moved then */
	uint16_t port;
	uint8_t phase;
	uint8_t counted; /* enum client_state it is counted under */
	bool trusted;    /* its address is one of trusted_proxies */
	bool exempt;     /* from the rate limit */
	bool input_ended;
	bool served; /* at least one exchange is over */
};

struct upstream {
	struct watch watch;
	struct timer timer;
	struct proxy *proxy;
	struct exchange *exchange; /* NULL: idle in the pool */
	struct upstream *newer,
		*older; /* neighbours in its target's pool; newer also links the dead */
	struct buffer *in;
	uint16_t target;
	uint8_t address;  /* which of the target's addresses */
	uint8_t failures; /* addresses that failed before this one, in this attempt */
	bool connecting;
	bool reused;
	bool closed;
};

/* A backend as this worker sees it. */
struct target {
	const struct addr *addrs;
	uint16_t n_addrs;
	uint16_t good; /* the address that answered last */
	uint16_t row;  /* in shared memory; BACKEND_NONE for the master's socket */
	const char *url;
	struct upstream *newest; /* pool of idle connections */
	uint32_t refusals;       /* connects that failed, in a row */
	bool streams;            /* the body of its last answer was long enough to go by a pipe */
};

/* What the access log wants to know of a request whose head may be gone by then. */
enum { NOTE_URI = 1024, NOTE_TEXT = 256 };
struct note_text {
	uint16_t n;
	char text[NOTE_TEXT];
};
struct note {
	uint16_t uri_n;
	char uri[NOTE_URI];
	struct note_text method, host, user_agent, referer;
	struct note_text request_id; /* of a trusted proxy; empty: it is the exchange's own */
};

enum at { AT_HEAD, AT_ADMIT, AT_PICK, AT_CONNECT, AT_SEND, AT_RELAY, AT_FINISH, N_AT };
enum verdict { NEXT, WAIT, RETRY, FAIL, DONE };

struct exchange {
	struct proxy *proxy;
	struct client *client;
	struct upstream *upstream;
	struct note *note; /* NULL: no access log */
	struct flight *flight;
	struct flow up, down;
	/* the request */
	uint32_t head_bytes; /* its head, at client->in->start while `kept` */
	uint32_t scanned;    /* of the head being waited for, request's or response's */
	uint8_t at;
	uint8_t method; /* enum method */
	uint8_t minor;
	uint8_t failure;      /* enum failure: why it ends */
	uint8_t last_failure; /* of the last attempt at a backend */
	uint8_t interims;
	bool skipped;  /* an empty line in front of it */
	bool kept;     /* the request still lies whole at client->in->start: it can be sent again */
	bool internal; /* the metrics path: not counted, not limited */
	bool limited;  /* by the rate limiter */
	bool trusted;
	bool keep_alive;     /* the client's connection is to persist */
	bool client_closes;  /* the client itself asked for the end */
	bool upgrade;        /* asked for */
	bool tunnel;         /* agreed on */
	bool head_sent;      /* the backend may have seen something of the request */
	bool request_broken; /* the backend takes no more of it */
	bool upstream_reset; /* which was told in sending */
	bool response_begun; /* octets of the backend's final response may have gone to the client */
	bool reply_made;     /* our own answer lies in down.rest */
	bool waits_continue; /* 100-continue was asked for: the client's silence is no fault yet */
	bool upstream_ended;
	bool upstream_spoke; /* a response octet came */
	bool upstream_lives; /* may return to the pool */
	bool fresh_only;     /* a pooled connection was stale: not another one */
	bool progress_up, progress_down;
	bool leased;
	bool up_shut, down_shut; /* tunnel: the end was passed on */
	uint16_t target;
	uint16_t attempts;
	struct tried tried; /* backends that failed: as many as there were retries */
	/* facts */
	int status;
	struct ip ip; /* the client's, maybe as told by a trusted proxy */
	struct rate_answer rate;
	uint64_t bytes_in, bytes_out;
	uint64_t t_start, t_picked, t_connected, t_first_byte; /* 0: not reached */
	char request_id[32];
};

struct proxy {
	const struct config *config;
	struct shm *shm;
	struct slot *slot;
	struct balance *balance;
	struct poller *poller;
	struct timeouts *timeouts;
	uint64_t now_us;
	uint64_t wall_offset_us, wall_checked_us;
	struct watch listener;
	struct watch handed; /* where connections come from that others hand over */
	int handover_in;     /* the same, also when it is not heard any more; -1: nowhere */
	int handover_out;    /* where ours go to; -1: nowhere */
	bool hands_over;     /* retiring, others take what is idle */
	uint64_t hands_over_since_us;
	uint64_t queue_full_since_us; /* 0: it took the last one */
	struct timer hand_over_again; /* the queue was full */
	struct watch bell;            /* another worker leaves a connection to us */
	const int *bells;             /* of all workers of the generation, by number - 1 */
	unsigned n_bells;
	struct timer look_again; /* whether the others do take what was left to them */
	uint32_t held_when_left;
	uint64_t alone_until_us;
	struct timer accept_pause; /* out of descriptors */
	struct timer room; /* out of rows: when to look whether somebody still waits for one */
	uint64_t crowded_until_us; /* not long ago somebody did, and no other worker took him in */
	uint64_t room_since_us;    /* since when somebody waits for a row */
	bool retiring, draining;
	bool left;          /* connections are left to the others */
	bool accept_full;   /* not accepting for want of a row */
	bool accept_paused; /* or of a descriptor */
	struct pipe pipes[PIPES_MAX], *free_pipes;
	struct slab clients, upstreams, exchanges, buffers, notes;
	struct flight *flights; /* of the slot, and one more that nobody looks at */
	uint32_t *free_flights; /* a stack of indices: the row given back last is taken first */
	uint32_t n_free_flights;
	_Atomic uint32_t *upstream_gauges[N_UPSTREAM_STATES]; /* of the slot, by backend row */
	uint32_t buffer_bytes;                                /* of data[] */
	uint32_t clients_max; /* limits.connections, or what descriptors leave of it */
	struct client *dead_clients;
	struct upstream *dead_upstreams;
	struct target *targets; /* n_targets backends, then the master's socket */
	uint16_t n_targets;
	bool metrics_public;
	struct rate_limit rate_limit;
	uint64_t random[2];
	/* scratch, valid within one step */
	struct head *head;
	const struct exchange *head_of; /* whose request head is in `head`, NULL: nobody's */
	bool head_spoiled;              /* it was used for trailers since */
	struct slices *slices;
	char flat[4096]; /* what is sent as one piece */
	/* the access log: what is not written yet */
	int log_fd;
	bool log_is_pipe; /* or anything else that is not a regular file */
	char *log;
	size_t log_n;
	uint64_t log_written_us;
	struct timer log_late; /* armed only while lines wait */
	uint64_t log_date_s;   /* whose text log_date is */
	size_t log_date_n;
	char log_date[40];
};

/*
 * From LOG_FULL on the lines that were gathered are written, so that there is always room for one more.  A file
 * takes 64 KiB at 0.6 of the cost per octet of 16 KiB; more gains little, and leaves the cache.
 */
enum { LOG_LINE_MAX = 1 << 14, LOG_FULL = 1 << 16, LOG_BATCH = LOG_FULL + LOG_LINE_MAX };
enum { LOG_LATE_US = 20000 }; /* no line waits longer */

/* buffer.c */
struct buffer *buffer_take(struct proxy *);
void buffer_give(struct proxy *, struct buffer **);
/* Room for more at the end, after moving what is held to the front if need be; leaves BUFFER_TAIL free. */
size_t buffer_room(const struct proxy *, struct buffer *);
void buffer_received(struct buffer *, size_t n);
static inline bool
buffer_is_empty(const struct buffer *b)
{
	return b == NULL || b->start == b->end;
}
enum { BUFFER_FRONT = 16, BUFFER_TAIL = 16 };

/* flow.c */
void flow_begin(struct flow *, const struct framing *, enum flow_coding);
/* The same for what a backend sends: what is dropped anyhow (padding, framing fields in trailers) is no error there. */
void flow_begin_response(struct flow *, const struct framing *, enum flow_coding);
/* Judges what has arrived behind ready.  The state, also kept in the flow. */
enum flow_state flow_judge(struct flow *, struct proxy *, struct buffer *);
/* The sender closed: FLOW_END when that is how this body ends, else FLOW_BAD (cut short). */
enum flow_state flow_input_ended(struct flow *, struct buffer *);
/* Is something judged, or of a head, still to be sent? */
static inline bool
flow_is_unsent(const struct flow *f, const struct buffer *b)
{
	return f->rest != NULL || f->pipe != NULL || (b != NULL && b->sent != b->ready);
}
/*
 * Reads by a pipe what may pass unseen, when that is much and nothing is waiting in front of it: then 1 octet or
 * more, 0 at the end, or -errno.  FLOW_BY_BUFFER: to be read into the buffer, as ever.
 */
enum { FLOW_BY_BUFFER = -4096 };
/* Is what is left of the body worth a pipe? */
bool flow_is_pipeable(const struct flow *);
ssize_t flow_fill_pipe(struct flow *, struct proxy *, struct buffer **, struct watch *from);
/*
 * Sends rest, then [sent, ready), then the pipe.  `keep`: start stays.  1 when all is sent, 0 when the socket is full, or -errno.
 * *progress is set when octets moved, which are added to *bytes.
 */
int flow_send(struct flow *, struct proxy *, struct buffer *, struct watch *, uint64_t *bytes);
/* Sends slices and the buffer's [sent, ready) in one call; what is not taken of the head goes to flow->rest. 0 or -errno (nothing was taken). */
int flow_send_head(struct flow *, struct proxy *, struct buffer *, struct watch *, uint64_t *bytes);

/* pipe.c */
void pipes_init(struct proxy *, uint32_t n);
void pipes_close(struct proxy *);
struct pipe *pipe_take(struct proxy *); /* empty; NULL: none is to be had */
void pipe_give(struct proxy *, struct pipe **);
/* At most n octets out of the socket, or all that it takes into it.  -errno. */
ssize_t pipe_fill(struct pipe *, int fd, size_t n);
ssize_t pipe_drain(struct pipe *, int fd);

/* accept.c */
/* Hears the listener from now on, and the bell.  0 or -errno. */
int accept_begin(struct proxy *, const struct proxy_setup *);
/* Listener and bells are closed here. */
void accept_end(struct proxy *);
void accept_turn_over(struct proxy *);
/* Somebody wants to be let in, by the listener or from another worker. */
bool accept_waited_for(const struct proxy *);
/* There is a row again. */
void accept_room(struct proxy *);
/* About once a second: a worker that was woken for a connection may have died before it took it. */
void accept_missed(struct proxy *);
/* Before the listener is closed for good: those in its queue would be reset. */
void accept_rest(struct proxy *);

/* handover.c */
/* Hears the queue from now on, as `wake` does.  0 or -errno. */
int handover_begin(struct proxy *, const struct proxy_setup *, void (*wake)(struct watch *));
/* Does not hear the queue any more. */
void handover_end(struct proxy *);
/* Puts nothing into it any more. */
void handover_stop(struct proxy *);
/* The same of both, for good. */
void handover_close(struct proxy *);
/* One connection out of the queue: 0, -EAGAIN when there is none, or no row for it, or another -errno (-EMFILE). */
int handover_take_one(struct proxy *);
bool handover_waits(const struct proxy *);
/* All of them: nobody else will. */
void handover_take_rest(struct proxy *);
/*
 * May what is idle go to another worker?  The service may end under another master, which does not tell a former one's
 * workers: then nobody would take it.
 */
static inline bool
handover_is_on(const struct proxy *p)
{
	return p->hands_over && p->handover_out >= 0 &&
	       !atomic_load_explicit(&p->shm->shared->draining, memory_order_acquire);
}
/* From now on all that are idle go, as far as the queue takes them. */
void handover_start(struct proxy *);
/* The same of one, when it is.  True: it is gone. */
bool handover_client(struct client *);
/* Of a worker that retires: may its client go on after this exchange, to another worker or here for a while? */
bool handover_keeps(const struct exchange *);
/* The answer has to say that the connection ends with it. */
static inline bool
exchange_parts_with_client(const struct exchange *x)
{
	return x->proxy->retiring && !handover_keeps(x);
}

/* client.c */
/* One that another worker has accepted, and served or not.  There is a row for it. */
void client_adopt(
	struct proxy *, int fd, const struct addr *peer, bool served, uint64_t idle_since_us);
/* There is a row for it. */
void client_open(struct proxy *, int fd, const struct addr *peer);
void client_wake(struct watch *);
/* Reads into client->in.  > 0 octets, 0 at the end, -EAGAIN, -ENOBUFS (buffer full) or another -errno. */
ssize_t client_fill(struct client *);
void client_count(struct client *, enum client_state);
/* After an exchange: to the next request, or idle. */
void client_rest(struct client *);
/* Ends it so that the client can still read what was sent. */
void client_linger(struct client *);
void client_close(struct client *);
/* Waits for it to take octets, LIMIT_CLIENT_WRITE for each. */
void client_limit_write(struct client *, bool progress);
void client_expired(struct timer *);
/* Its exchange ends with this reason, or, when nothing of a request has come, without a word. */
void client_fail(struct client *, enum failure);
void client_drain_idle(struct proxy *);

/* room.c */
/*
 * Makes room: ends the connection that has been idle for longest; when none is, the one that has been at
 * its head for longest, or whose body or reading crawls.  False when there is none of these.
 */
bool client_evict(struct proxy *);
/* Every row is taken and somebody seems to wait. */
void room_wanted(struct proxy *);
void room_expired(struct timer *);
/* At the end of a turn. */
void room_look(struct proxy *);
/* From now on it is the client who is waited for, after somebody else or for something else. */
void client_waited_for(struct client *, enum limit);

/* upstream.c */
/* An idle connection of the target, or NULL. */
struct upstream *upstream_take_idle(struct exchange *);
/* A connect failed for good.  While no checker looks, several in a row take the backend out. */
void target_refused(struct proxy *, struct target *);
/* A new connection, maybe still connecting.  NULL with *failure. */
struct upstream *upstream_open(struct exchange *, enum failure *failure);
/* When the connect's outcome is known.  NEXT, WAIT (another address is being tried), or FAIL with *failure. */
enum verdict upstream_connected(struct exchange *, enum failure *failure);
/* The same when LIMIT_CONNECT is over: the next address, if there is one. */
enum verdict upstream_connect_timed_out(struct exchange *, enum failure *failure);
ssize_t upstream_fill(struct upstream *);
/* Closes the connection that has been idle for longest.  False when none is. */
bool upstream_evict_idle(struct proxy *);
void upstream_give_back(struct upstream *); /* to the pool */
void upstream_close(struct upstream *);

/* exchange.c */
void exchange_begin(struct client *);
void exchange_run(struct exchange *);
void exchange_fail(struct exchange *, enum failure); /* from a timer: ends it with this reason */
void exchange_upstream_expired(struct exchange *, enum limit);
enum verdict fail(struct exchange *, enum failure);
/* Fails for what the backend did, which is counted against it. */
enum verdict fail_upstream(struct exchange *, enum failure);
/* Fails as a bad request with a status of its own. */
enum verdict refuse_with(struct exchange *, int status);
/* Waits under a limit.  A limit that already runs goes on unless there was progress. */
void limit_wait(struct proxy *, struct timer *, enum limit, bool progress);

/* flight.c */
/* Makes all rows of the slot free.  0 or -ENOMEM. */
int flights_init(struct proxy *);
/* The exchange takes a row; when none is left, one that is in nobody's report. */
void flight_take(struct exchange *);
/* What its head says. */
void flight_note(struct exchange *, const struct head *);
/* What has moved. */
void flight_moved(struct exchange *);
/* Its end, with the counters, and the row is free. */
void flight_land(struct exchange *, const struct landing *);
/* It is in hand now; returns what was before, for flight_put_down. */
uint32_t flight_pick_up(const struct exchange *);
void flight_put_down(struct proxy *, uint32_t before);

/* request.c */
void note_unparsed(struct exchange *);

/* the steps */
enum verdict read_head(struct exchange *);
enum verdict admit(struct exchange *);
enum verdict pick(struct exchange *);
enum verdict connect_upstream(struct exchange *);
enum verdict send_request(struct exchange *);
enum verdict relay(struct exchange *);
enum verdict finish(struct exchange *);
/* The request's parsed head: in proxy->head, parsed again when another exchange used it since. */
const struct head *exchange_head(struct exchange *);
/* May the request go to another backend (or a fresh connection)?  RETRY, or FAIL with the reason. */
enum verdict retry_or_fail(struct exchange *, enum failure);
void lease_return(struct exchange *);

/* account.c */
void request_id_make(struct proxy *, char out[32]);
void account_note(struct exchange *, const struct head *);
/* Of a request whose head was refused: its first line, as far as it looks like one. */
void account_note_line(struct exchange *, struct span head);
void account_exchange(struct exchange *);

/* access_log.c */
/* Its line, at most LOG_LINE_MAX octets of text at `at`.  Returns their end. */
char *access_log_json(char *at, const struct exchange *);
char *access_log_combined(char *at, const struct exchange *);
/* One more line; it is written LOG_LATE_US later, or when many are there, unless somebody does it before. */
void access_log_add(struct exchange *);
/* At the end of a turn: writes what waits, unless it came on the heels of others. */
void access_log_turn_over(struct proxy *);
/* All that waits is written, or lost. */
void access_log_flush(struct proxy *);
void access_log_open(struct proxy *, int fd);
uint64_t proxy_wall_us(struct proxy *);

#endif
