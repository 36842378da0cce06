/*
 * The status line (RFC 9112 4) and the fields of a response.  Pure.  As strict
 * as for requests: a backend that speaks nonsense is answered for with 502,
 * since its next client must not be given what this one's head left over.
 */
#include "private.h"

#include "scan.h"

/* Three digits from 100 to 599 (RFC 9110 15), else 0. */
static int
status_parse(const char *p)
{
	int status;

	if (!is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]))
		return 0;
	status = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	return status >= 100 && status <= 599 ? status : 0;
}

/* The reason may be missing, with its space or without. */
static bool
status_line(struct head *h, const char *p, const char *end)
{
	const char *q = p + 12;

	if (end - p < 14 || memcmp(p, "HTTP/1.", 7) != 0 || !is_digit(p[7]) || p[8] != ' ')
		return false;
	h->minor = p[7] != '0';
	h->status = status_parse(p + 9);
	if (h->status == 0 || (*q != ' ' && *q != '\r'))
		return false;
	if (*q == ' ')
		q++;
	h->reason.p = q;
	q = scan_value(q, end);
	if (end - q < 2 || q[0] != '\r' || q[1] != '\n')
		return false;
	h->reason.n = (size_t)(q - h->reason.p);
	h->start_line = span_between(p, q + 2);
	return true;
}

int
parse_response(struct head *h, const char *p, size_t n, unsigned max_fields)
{
	const char *end = p + n;
	const struct span none = { NULL, 0 };

	h->bytes = n;
	h->method_text = h->target = h->authority = h->path = h->host = none;
	h->method = METHOD_OTHER;
	if (!status_line(h, p, end))
		return 502;
	return fields_parse(h, p + h->start_line.n, end, max_fields) == 0 ? 0 : 502;
}
