/*
 * What a request to the master is answered with: decided here, sent by admin.c.
 */
#ifndef BALLAST_MASTER_ADMIN_ANSWER_H
#define BALLAST_MASTER_ADMIN_ANSWER_H

#include "ballast/http/parse.h"

#include "admin.h"

enum admin_page { ADMIN_PAGE_NONE, ADMIN_PAGE_TEXT, ADMIN_PAGE_OPENMETRICS, ADMIN_PAGE_STATUS };

struct answer {
	int status;
	enum admin_page page; /* its body is a page, to be written when its turn has come */
	const char *body;     /* a constant; NULL: "<status> <reason>" */
	bool head_only;       /* the request was HEAD */
	bool close;           /* the connection ends with it */
};

/* A request whose head is whole; `parsed` is what parse_request said. */
struct answer answer_to(const struct admin_view *, const struct head *, int parsed);
/* A request that could not be parsed, or a page that could not be written. */
struct answer answer_refusing(int status);
/* The page as text, malloc'd; NULL: no memory. */
char *answer_page(const struct admin_view *, enum admin_page);
/*
 * The head (with the body, when that is no page) into out, REPLY_MAX octets; returns its length.
 * page: what answer_page gave, or NULL.
 */
size_t answer_write(char *out, const struct answer *, const char *page);

#endif
