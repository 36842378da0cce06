/*
 * The connections of the master's own HTTP: what admin.c (listeners, life) and
 * admin_conn.c (requests and answers) have between them.
 */
#ifndef BALLAST_MASTER_ADMIN_CONN_H
#define BALLAST_MASTER_ADMIN_CONN_H

#include "ballast/http/parse.h"
#include "ballast/http/reply.h"

#include "admin.h"
#include "admin_answer.h"

enum {
	ADMIN_FIELDS_MAX = 256, /* of the client and the worker in between */
	ADMIN_SPARE = 8,        /* so that those closed in this turn can rest while others come */
	ADMIN_CONNS = ADMIN_CONNECTIONS_MAX + ADMIN_SPARE,
};

enum conn_state {
	CONN_FREE,
	CONN_READING,   /* a request is awaited, or a part of it is here */
	CONN_QUEUED,    /* for a page */
	CONN_WRITING,   /* the client does not take the answer as fast as it comes */
	CONN_LINGERING, /* half closed: reads on, so that no reset overtakes the answer */
	CONN_GONE,      /* closed in this turn */
};

struct conn {
	struct watch watch; /* first: the wake gets it back from here */
	struct timer timer;
	struct admin *admin;
	struct conn *next, *prev; /* the ring, while it is open */
	enum conn_state state;
	bool answered;  /* once, at least */
	bool led_in;    /* the empty line that may precede a request was there */
	size_t n_in;    /* octets in `in` */
	size_t scanned; /* of them, by parse_end_of_head */
	struct answer answer;
	char *page; /* malloc'd, or NULL */
	size_t page_bytes, head_bytes, sent;
	char out[REPLY_MAX];
	char in[ADMIN_HEAD_MAX];
};

/* A listening socket that is served. */
struct door {
	struct watch watch; /* first; fd -1: not in use */
	struct timer pause;
	struct admin *admin;
	bool local;
	bool left; /* in this turn: rests until it is over */
};

struct admin {
	struct poller *poller;
	struct timeouts *timeouts;
	const struct admin_view *view;
	struct conn *first, *last; /* open ones, the one that made progress longest ago first */
	unsigned n_open;
	bool leaving;    /* every answer is the last of its connection */
	uid_t warned_of; /* the last stranger at the Unix socket that was logged */
	struct door doors[ADMIN_LISTENERS_MAX];
	struct conn conns[ADMIN_CONNS];
	struct head head; /* of the request at hand */
};

/* A resting place for a new connection; NULL until the turn is over. */
struct conn *conn_find_free(struct admin *);
/* Who is missed least; NULL: all stand in the queue for a page, which gets shorter every turn. */
struct conn *conn_find_least_missed(struct admin *);
/* Closes those that wait for nothing. */
void conn_close_idle(struct admin *);
/* Ends it for another's sake. */
void conn_cut(struct conn *);
/* Takes the descriptor, in any case. */
void conn_open(struct conn *, struct admin *, int fd);
void conn_close(struct conn *);
/* Writes the page for the one that waits longest, if any. */
void conn_answer_next(struct admin *);

#endif
