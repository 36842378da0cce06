/*
 * The head of a request: any octets, as a client may send them.  What is
 * accepted is a request line and fields, accounted for to the last octet, with
 * one method, one target and one host; the end of the head is found at the same
 * place however the octets are cut.
 */
#include "heads.h"

#include "ballast/base/addr.h"
#include "ballast/http/head.h"

enum { FIELDS = 100 };

static bool
is_visible(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '#')
			return false;
	return s.n > 0;
}

/* method SP target SP "HTTP/1." DIGIT CRLF */
static void
check_line(const struct head *h, struct span whole)
{
	const char *p = whole.p;
	const char *version;

	HOLDS(h->start_line.p == p && is_inside(h->start_line, whole));
	HOLDS(h->method_text.p == p && is_token(h->method_text));
	HOLDS(p[h->method_text.n] == ' ');
	HOLDS(h->target.p == p + h->method_text.n + 1 && is_visible(h->target));
	version = h->target.p + h->target.n;
	HOLDS(version + 11 == h->start_line.p + h->start_line.n);
	HOLDS(memcmp(version, " HTTP/1.", 8) == 0 && memcmp(version + 9, "\r\n", 2) == 0);
	HOLDS(version[8] >= '0' && version[8] <= '9' && h->minor == (version[8] != '0'));
	HOLDS(h->method != METHOD_CONNECT);
}

static void
check_host(const struct head *h, struct span whole)
{
	unsigned hosts = 0;

	for (uint32_t i = 1; i <= h->n_fields; i++)
		hosts += span_eq_nocase(h->fields[i].name, SPAN("Host"));
	HOLDS(hosts <= 1 && (h->minor == 0 || hosts == 1));
	HOLDS(is_inside(h->host, whole));
	for (size_t i = 0; i < h->host.n; i++)
		HOLDS(strchr("/?#@,\\\"<>^`{|} \t", h->host.p[i]) == NULL);
	if (h->authority.n > 0)
		HOLDS(span_eq(h->host, h->authority));
	else if (hosts == 1)
		HOLDS(span_eq(h->host, head_first(h, NAME_HOST)->value));
	else
		HOLDS(h->host.n == 0);
}

static void
check_path(const struct head *h)
{
	HOLDS(h->path.n > 0);
	if (h->path.p[0] == '*')
		HOLDS(h->path.n == 1 && h->method == METHOD_OPTIONS);
	else
		HOLDS(h->path.p[0] == '/' || (h->path.p[0] == '?' && h->authority.n > 0));
	if (h->target.p[0] == '/')
		HOLDS(span_eq(h->path, h->target));
}

static void
check_addresses(const struct head *h)
{
	const struct field *f = head_first(h, NAME_X_FORWARDED_FOR);

	for (; f != NULL; f = head_next(h, f)) {
		struct span list = f->value, member;
		char text[IP_TEXT];
		struct ip ip, again;

		while (span_next_member(&list, &member)) {
			if (!ip_parse(&ip, member.p, member.n))
				continue;
			HOLDS(ip_parse(&again, text, ip_text(&ip, text)));
			HOLDS(memcmp(&ip, &again, sizeof(ip)) == 0);
		}
	}
}

static void
check_wishes(const struct head *h)
{
	if (head_wants_upgrade(h))
		HOLDS(h->minor == 1 && h->first[NAME_UPGRADE] != 0 &&
			h->first[NAME_CONNECTION] != 0);
	if (head_ends_here(h))
		HOLDS(h->method == METHOD_OPTIONS || h->method == METHOD_TRACE);
	if (head_keeps_alive(h))
		HOLDS(!head_has_token(h, NAME_CONNECTION, SPAN("close")));
}

static bool
is_refusal(int status)
{
	return status == 400 || status == 405 || status == 431 || status == 505;
}

static void
check_request(struct head *h, const uint8_t *data, size_t size, size_t end)
{
	char *p = exact_copy(data, end);
	struct span whole = { p, end };
	struct head *other = head_new(0);
	int status = parse_request(h, p, end, FIELDS);

	HOLDS(parse_request(other, p, end, FIELDS) == status);
	HOLDS(status == 0 || is_refusal(status));
	if (status == 0) {
		check_line(h, whole);
		check_fields(h, whole, p + h->start_line.n);
		check_host(h, whole);
		check_path(h);
		check_addresses(h);
		check_wishes(h);
		HOLDS(h->first[NAME_FRAMING_LOOKALIKE] == 0);
		HOLDS(other->n_fields == h->n_fields && span_eq(other->host, h->host));
		check_limit(parse_request, whole, h->n_fields, 431);
	}
	check_hopeless(parse_request_is_hopeless, data, end - 1, status != 400);
	check_whole_only(parse_request, h, data, size, end);
	free(other);
	free(p);
}

/* The beginning of a head, and what is said of it when no more of it may come. */
static void
check_part(const uint8_t *data, size_t size)
{
	char *p = exact_copy(data, size);
	bool hopeless = parse_request_is_hopeless(p, size, 0);
	bool line = size > 0 && memchr(p, '\n', size) != NULL;

	HOLDS(parse_too_large(p, size) == (hopeless ? 400 : line ? 431 : 414));
	check_hopeless(parse_request_is_hopeless, data, size, !hopeless);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t skipped = parse_skip_empty_line((const char *)data, size);
	size_t end;
	struct head *h;

	HOLDS(skipped == 0 || (skipped == 2 && size >= 2));
	data += skipped;
	size -= skipped;
	end = end_of_head(data, size);
	if (end == 0) {
		check_part(data, size);
		return 0;
	}
	h = head_new(0xa5);
	check_request(h, data, size, end);
	free(h);
	return 0;
}
