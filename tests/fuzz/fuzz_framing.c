/*
 * Framing: the input is the field lines of a message.  The judge is compared
 * with one that is written another way; what a request's framing accepts means
 * the same to all other readers; neither the order of the fields nor one more
 * that says nothing changes the verdict.
 */
#include "heads.h"
#include "others.h"

enum { LINES_MAX = 8192 };

static const char request_0[] = "POST / HTTP/1.0\r\nHost: a.test\r\n";
static const char request_1[] = "POST / HTTP/1.1\r\nHost: a.test\r\n";
static const char *const responses[] = { "HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\n",
	"HTTP/1.1 304 \r\n", "HTTP/1.1 204 \r\n", "HTTP/1.1 101 \r\n", "HTTP/1.1 100 \r\n" };

/* start, lines, empty line: to be freed. */
static struct span
message(const char *start, struct span lines)
{
	size_t before = strlen(start);
	char *p = exact_block(before + lines.n + 2);

	memcpy(p, start, before);
	memcpy(p + before, lines.p, lines.n);
	memcpy(p + before + lines.n, "\r\n", 2);
	return (struct span){ p, before + lines.n + 2 };
}

static void
message_free(struct span m)
{
	char *p;

	memcpy(&p, &m.p, sizeof(p));
	free(p);
}

static bool
is_length(struct span value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < '0' || value.p[i] > '9')
			return false;
	return value.n >= 1 && value.n <= 18;
}

/* The rules of framing.h, by counting: one field at most, once, with the one right value. */
static bool
is_acceptable(const struct head *h, struct framing *want)
{
	unsigned lengths = 0, codings = 0;
	struct span value = { NULL, 0 };

	*want = (struct framing){ .kind = BODY_NONE };
	for (uint32_t i = 1; i <= h->n_fields; i++) {
		bool length = span_eq_nocase(h->fields[i].name, SPAN("content-length"));
		bool coding = span_eq_nocase(h->fields[i].name, SPAN("transfer-encoding"));

		lengths += length;
		codings += coding;
		if (length || coding)
			value = h->fields[i].value;
	}
	if (lengths + codings == 0)
		return true;
	if (lengths + codings > 1)
		return false;
	if (lengths == 0) {
		want->kind = BODY_CHUNKED;
		return h->minor > 0 && span_eq_nocase(value, SPAN("chunked"));
	}
	want->kind = BODY_LENGTH;
	for (size_t i = 0; is_length(value) && i < value.n; i++)
		want->length = want->length * 10 + (uint64_t)(value.p[i] - '0');
	return is_length(value);
}

static int
judge(struct head *h, struct span m, struct framing *f)
{
	*f = (struct framing){ BODY_TUNNEL, 77 };
	return parse_request(h, m.p, m.n, HEAD_FIELDS_MAX) != 0 ? -1 : framing_request(h, f);
}

/* The lines of a head that was accepted, last first. */
static struct span
lines_reversed(const struct head *h, char *room)
{
	size_t n = 0;

	for (uint32_t i = h->n_fields; i > 1; i--) { /* without Host, which is in the start */
		memcpy(room + n, h->fields[i].line.p, h->fields[i].line.n);
		n += h->fields[i].line.n;
	}
	return (struct span){ room, n };
}

static void
check_same_verdict(const char *start, struct span lines, int status, const struct framing *want)
{
	struct head *h = head_new(0);
	struct span m = message(start, lines);
	struct framing f;
	int again = judge(h, m, &f);

	HOLDS((again == 0) == (status == 0));
	if (status == 0)
		HOLDS(f.kind == want->kind && f.length == want->length);
	message_free(m);
	free(h);
}

static void
check_varied(const char *start, const struct head *h, struct span lines, int status,
	const struct framing *want)
{
	static const char more[] = "X-More: 5\r\n";
	static char room[LINES_MAX + sizeof(more)];

	check_same_verdict(start, lines_reversed(h, room), status, want);
	memcpy(room, more, sizeof(more) - 1);
	memcpy(room + sizeof(more) - 1, lines.p, lines.n);
	check_same_verdict(start, (struct span){ room, sizeof(more) - 1 + lines.n }, status, want);
}

static void
check_request(struct head *h, const char *start, struct span lines)
{
	struct span m = message(start, lines);
	struct framing f, want;
	int status = judge(h, m, &f);

	if (status >= 0) {
		HOLDS(status == 0 || status == 400 || status == 501);
		HOLDS(is_acceptable(h, &want) == (status == 0));
		if (status == 0) {
			HOLDS(f.kind == want.kind && f.length == want.length);
			others_agree(m, &f, OTHER_ANY_BASE);
		}
		if (status == 501)
			HOLDS(h->minor > 0 && h->first[NAME_TRANSFER_ENCODING] != 0 &&
				h->first[NAME_CONTENT_LENGTH] == 0);
		check_varied(start, h, lines, status, &want);
	}
	message_free(m);
}

static enum body_kind
kind_of_response(const struct head *h, enum method method, enum body_kind by_fields)
{
	if (h->status == 101)
		return BODY_TUNNEL;
	if (method == METHOD_HEAD || h->status < 200 || h->status == 204 || h->status == 304)
		return BODY_NONE;
	return by_fields == BODY_NONE ? BODY_UNTIL_CLOSE : by_fields;
}

static void
check_response(struct head *h, const char *start, struct span lines, enum method method)
{
	struct span m = message(start, lines);
	struct framing f, want;
	int status;

	if (parse_response(h, m.p, m.n, HEAD_FIELDS_MAX) == 0) {
		status = framing_response(h, method, &f);
		HOLDS(status == 0 || status == 502);
		HOLDS(is_acceptable(h, &want) == (status == 0));
		if (status == 0)
			HOLDS(f.kind == kind_of_response(h, method, want.kind));
		if (status == 0 && f.kind == BODY_LENGTH)
			HOLDS(f.length == want.length);
		if (status == 0 && method == METHOD_GET && h->status == 200)
			others_agree(m, &f, OTHER_ANY_BASE | OTHER_LETTERS);
	}
	message_free(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span lines = { (const char *)data, size };
	struct head *h;

	if (size > LINES_MAX)
		return 0;
	h = head_new(0xa5);
	check_request(h, request_0, lines);
	check_request(h, request_1, lines);
	for (size_t i = 0; i < sizeof(responses) / sizeof(*responses); i++) {
		check_response(h, responses[i], lines, METHOD_GET);
		check_response(h, responses[i], lines, METHOD_HEAD);
	}
	free(h);
	return 0;
}
