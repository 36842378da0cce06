/*
 * The only judge of Content-Length and Transfer-Encoding (RFC 9112 6).  Pure,
 * over a parsed head.  One rule above the RFC's: whatever two readers could
 * understand differently is refused, also where a recipient may repair it,
 * because the proxy in front of us or the backend behind may repair it another
 * way.  Nobody else looks at these two fields to find where a body ends.
 */
#include "ballast/http/framing.h"

#include "scan.h"

enum coding { CODING_NONE, CODING_CHUNKED, CODING_UNKNOWN, CODING_BAD };

enum { LENGTH_DIGITS_MAX = 18 };

/* One number in at most 18 digits, so that it cannot overflow here or in any 63-bit reader. */
static bool
length_parse(struct span text, uint64_t *length)
{
	uint64_t value = 0;

	if (text.n == 0 || text.n > LENGTH_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (!is_digit(text.p[i]))
			return false;
		value = value * 10 + (uint64_t)(text.p[i] - '0');
	}
	*length = value;
	return true;
}

/* token *( OWS ";" OWS transfer-parameter ) (RFC 9112 7): the parameters are not our matter. */
static bool
is_coding(struct span member)
{
	const char *end = member.p + member.n;
	const char *p = scan_class(member.p, end, OCTET_TOKEN);

	if (p == member.p)
		return false;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p == end || *p == ';';
}

/* Several codings: well-formed, but not understood, only when chunked comes once and last. */
static enum coding
codings_judge(const struct head *h)
{
	bool chunked = false;
	unsigned members = 0;

	for (const struct field *f = head_first(h, NAME_TRANSFER_ENCODING); f != NULL;
		f = head_next(h, f)) {
		struct span list = f->value, member;

		while (span_next_member(&list, &member)) {
			if (chunked || !is_coding(member))
				return CODING_BAD;
			chunked = span_eq_nocase(member, SPAN("chunked"));
			members++;
		}
	}
	return chunked && members > 1 ? CODING_UNKNOWN : CODING_BAD;
}

static enum coding
coding_judge(const struct head *h)
{
	const struct field *f = head_first(h, NAME_TRANSFER_ENCODING);

	if (f == NULL)
		return CODING_NONE;
	if (f->next == 0 && span_eq_nocase(f->value, SPAN("chunked")))
		return CODING_CHUNKED;
	return codings_judge(h);
}

/* What both directions have in common: 0, 400 or 501; BODY_NONE when neither field is there. */
static int
fields_judge(const struct head *h, struct framing *framing)
{
	const struct field *length = head_first(h, NAME_CONTENT_LENGTH);
	enum coding coding = coding_judge(h);

	*framing = (struct framing){ .kind = BODY_NONE };
	if (length != NULL) {
		framing->kind = BODY_LENGTH;
		if (coding != CODING_NONE || length->next != 0)
			return 400;
		return length_parse(length->value, &framing->length) ? 0 : 400;
	}
	if (coding == CODING_NONE)
		return 0;
	/* HTTP/1.0 knows no transfer coding: whoever forwarded this did not understand it (6.1). */
	if (h->minor == 0 || coding == CODING_BAD)
		return 400;
	framing->kind = BODY_CHUNKED;
	return coding == CODING_CHUNKED ? 0 : 501;
}

int
framing_request(const struct head *h, struct framing *framing)
{
	return fields_judge(h, framing);
}

int
framing_trailers(const struct head *h)
{
	bool framed = h->first[NAME_CONTENT_LENGTH] != 0 || h->first[NAME_TRANSFER_ENCODING] != 0;

	return framed ? 400 : 0;
}

static bool
has_no_body(int status, enum method method)
{
	return method == METHOD_HEAD || status < 200 || status == 204 || status == 304;
}

int
framing_response(const struct head *h, enum method method, struct framing *framing)
{
	if (fields_judge(h, framing) != 0)
		return 502;
	if (h->status == 101)
		*framing = (struct framing){ .kind = BODY_TUNNEL };
	else if (has_no_body(h->status, method))
		*framing = (struct framing){ .kind = BODY_NONE };
	else if (framing->kind == BODY_NONE)
		framing->kind = BODY_UNTIL_CLOSE;
	return 0;
}
