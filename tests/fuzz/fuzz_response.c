/*
 * The head of a response: any octets, as a backend may send them to a worker
 * or to the checker.  What is accepted is a status line and fields, accounted
 * for to the last octet; everything else is a 502.
 */
#include "heads.h"

#include "ballast/http/head.h"

static void
check_line(const struct head *h, struct span whole)
{
	const char *p = whole.p;
	const char *end = p + h->start_line.n - 2;

	HOLDS(h->start_line.p == p && h->start_line.n >= 14 && is_inside(h->start_line, whole));
	HOLDS(memcmp(p, "HTTP/1.", 7) == 0 && p[7] >= '0' && p[7] <= '9' && p[8] == ' ');
	HOLDS(h->minor == (p[7] != '0'));
	HOLDS(h->status >= 100 && h->status <= 599);
	HOLDS(h->status == (p[9] - '0') * 100 + (p[10] - '0') * 10 + p[11] - '0');
	HOLDS(memcmp(end, "\r\n", 2) == 0);
	if (end == p + 12)
		HOLDS(h->reason.n == 0);
	else
		HOLDS(p[12] == ' ' && h->reason.p == p + 13 && h->reason.p + h->reason.n == end);
	HOLDS(!has_control(h->reason));
}

static void
check_response(struct head *h, const uint8_t *data, size_t size, size_t end)
{
	char *p = exact_copy(data, end);
	struct span whole = { p, end };
	struct head *other = head_new(0);
	int status = parse_response(h, p, end, HEAD_FIELDS_MAX);

	HOLDS(parse_response(other, p, end, HEAD_FIELDS_MAX) == status);
	HOLDS(status == 0 || status == 502);
	if (status == 0) {
		check_line(h, whole);
		check_fields(h, whole, p + h->start_line.n);
		HOLDS(other->n_fields == h->n_fields && other->status == h->status);
		if (head_keeps_alive(h))
			HOLDS(!head_has_token(h, NAME_CONNECTION, SPAN("close")));
		check_limit(parse_response, whole, h->n_fields, 502);
	}
	check_hopeless(parse_response_is_hopeless, data, end - 1, status == 0);
	check_whole_only(parse_response, h, data, size, end);
	free(other);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t end = end_of_head(data, size);
	struct head *h;

	if (end == 0)
		return 0;
	h = head_new(0xa5);
	check_response(h, data, size, end);
	free(h);
	return 0;
}
