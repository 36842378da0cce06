/*
 * The request line and what a request's fields must have (RFC 9112 3).  Pure.
 * Single spaces, one of the four forms of target, a version of HTTP/1, and
 * exactly one valid Host.  Nothing is repaired: what a backend could read in
 * another way than we do is answered with an error, and the caller closes.
 * The body's framing is not judged here but in framing.c.
 */
#include "private.h"

#include "scan.h"

/* Both with their CRLF: what a version at the end of the request line occupies. */
static const size_t version_len = sizeof("HTTP/1.1\r\n") - 1;

/* "HTTP/" DIGIT "." DIGIT CRLF: 0, 400, or 505 for another major version. */
static int
version_parse(struct head *h, const char *p, const char *end)
{
	if ((size_t)(end - p) < version_len || memcmp(p, "HTTP/", 5) != 0)
		return 400;
	if (!is_digit(p[5]) || p[6] != '.' || !is_digit(p[7]) || p[8] != '\r' || p[9] != '\n')
		return 400;
	if (p[5] != '1')
		return 505;
	h->minor = p[7] != '0';
	return 0;
}

static bool
take_scheme(struct head *h, struct span *target)
{
	static const struct span schemes[] = { { "http://", 7 }, { "https://", 8 } };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t n = schemes[i].n;

		if (target->n < n || strncasecmp(target->p, schemes[i].p, n) != 0)
			continue;
		target->p += n;
		target->n -= n;
		h->https = i > 0;
		return true;
	}
	return false;
}

static bool
absolute_form(struct head *h)
{
	struct span rest = h->target;
	size_t n = 0;

	if (!take_scheme(h, &rest))
		return false;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	h->authority = (struct span){ rest.p, n };
	h->path = (struct span){ rest.p + n, rest.n - n };
	if (h->path.n == 0)
		h->path = h->method == METHOD_OPTIONS ? SPAN("*") : SPAN("/");
	return host_is_valid(h->authority);
}

static int
target_judge(struct head *h)
{
	h->path = h->target;
	if (h->method == METHOD_CONNECT)
		return 405;
	if (h->target.p[0] == '/')
		return 0;
	if (h->target.n == 1 && h->target.p[0] == '*')
		return h->method == METHOD_OPTIONS ? 0 : 400;
	return absolute_form(h) ? 0 : 400;
}

static int
request_line(struct head *h, const char *p, const char *end)
{
	const char *method_end = scan_class(p, end, OCTET_TOKEN);
	const char *target_end;
	int rc;

	if (method_end == p || method_end == end || *method_end != ' ')
		return 400;
	target_end = scan_target(method_end + 1, end);
	if (target_end == method_end + 1 || target_end == end || *target_end != ' ')
		return 400;
	rc = version_parse(h, target_end + 1, end);
	if (rc != 0)
		return rc;
	h->start_line = span_between(p, target_end + 1 + version_len);
	h->method_text = span_between(p, method_end);
	h->method = method_lookup(h->method_text);
	h->target = span_between(method_end + 1, target_end);
	return target_judge(h);
}

/* RFC 9112 3.2: exactly one Host, needed with 1.1; the authority of the target overrides it. */
static int
host_judge(struct head *h)
{
	const struct field *f = head_first(h, NAME_HOST);

	h->host = h->authority;
	if (f == NULL)
		return h->minor == 0 ? 0 : 400;
	if (f->value.n > 0 && !host_is_valid(f->value))
		return 400;
	if (h->host.n == 0)
		h->host = f->value;
	return 0;
}

static int
request_judge(struct head *h, const char *p, size_t n, unsigned max_fields)
{
	const char *end = p + n;
	int rc;

	h->bytes = n;
	h->authority = h->host = h->reason = (struct span){ NULL, 0 };
	h->status = 0;
	h->https = false;
	rc = request_line(h, p, end);
	if (rc != 0)
		return rc;
	rc = fields_parse(h, p + h->start_line.n, end, max_fields);
	if (rc != 0)
		return rc;
	if (h->first[NAME_FRAMING_LOOKALIKE] != 0 || (h->repeated & names_with(NAME_SINGLE)) != 0)
		return 400;
	return host_judge(h);
}

int
parse_request(struct head *h, const char *p, size_t n, unsigned max_fields)
{
	int rc = request_judge(h, p, n, max_fields);

	/* What is told of a part of a head is told of the whole: the status may not depend on the pieces. */
	if (rc != 0 && rc != 400 && parse_request_is_hopeless(p, n, 0))
		return 400;
	return rc;
}
