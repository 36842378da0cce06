/*
 * The master's own HTTP: what a request's head is answered with, from parser to
 * the octets of the answer.  Every answer is one that our own parser takes, its
 * length is true, and the connection closes whenever octets may follow that
 * nobody will read.  Health pages need the shared memory and are left out.
 */
#include "../../src/master/admin_answer.h"

#include "ballast/http/head.h"
#include "ballast/http/reply.h"
#include "heads.h"

enum { FIELDS = 256 };

static char metrics_path[] = "/metrics";
static const struct config config = { .metrics_path = metrics_path };
static const struct admin_view view = { .config = &config };

static bool
is_known(int status)
{
	static const int known[] = { 200, 400, 404, 405, 413, 431, 501, 505 };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (status == known[i])
			return true;
	return false;
}

static void
check_answer(const struct answer *a, const struct head *h, int parsed)
{
	HOLDS(is_known(a->status));
	HOLDS(a->page == ADMIN_PAGE_NONE || a->status == 200);
	if (parsed != 0) {
		HOLDS(a->status == parsed && a->close);
		return;
	}
	if (a->status == 200)
		HOLDS(h->method == METHOD_GET || h->method == METHOD_HEAD);
	if (a->status == 413 || h->first[NAME_TRANSFER_ENCODING] != 0 || h->minor == 0)
		HOLDS(a->close);
}

/* Read as a client would; the page, when there is one, stands behind the head. */
static void
check_written(const struct answer *a, const char *page)
{
	static char out[REPLY_MAX];
	size_t n = answer_write(out, a, page);
	struct head *h = head_new(0x5a);
	enum method method = a->head_only ? METHOD_HEAD : METHOD_GET;
	size_t end = end_of_head_plain(out, n);
	struct framing framing;

	HOLDS(n > 0 && end > 0);
	HOLDS(parse_response(h, out, end, HEAD_FIELDS_MAX) == 0 && h->status == a->status);
	HOLDS(framing_response(h, method, &framing) == 0);
	HOLDS(head_keeps_alive(h) == !a->close);
	if (a->head_only)
		HOLDS(n == end);
	else
		HOLDS(framing.kind == BODY_LENGTH &&
			framing.length == (page != NULL ? strlen(page) : n - end));
	free(h);
}

static bool
asks_for_health(const struct head *h)
{
	struct span path = h->path;
	const char *query = memchr(path.p, '?', path.n);

	if (query != NULL)
		path.n = (size_t)(query - path.p);
	path = span_trim(path);
	return span_eq(path, SPAN("/livez")) || span_eq(path, SPAN("/readyz"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t end = end_of_head_plain((const char *)data, size);
	struct head *h;
	char *p;
	int parsed;

	if (end == 0)
		return 0;
	h = head_new(0xa5);
	p = exact_copy(data, end);
	parsed = parse_request(h, p, end, FIELDS);
	if (parsed != 0 || !asks_for_health(h)) {
		struct answer a = answer_to(&view, h, parsed);

		check_answer(&a, h, parsed);
		check_written(&a, a.page != ADMIN_PAGE_NONE ? "# a page\n" : NULL);
	}
	free(p);
	free(h);
	return 0;
}
