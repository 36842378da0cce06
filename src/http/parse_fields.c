/*
 * Field lines (RFC 9112 5), the same for requests, responses and trailers, and
 * finding the end of a head.  Pure: spans into the caller's octets, no state
 * but the head given.  Invariant after a parse that succeeded: every line ends
 * in CRLF, every name is a token, no value holds a control character but HTAB.
 * What the fields mean is not judged here, except names that only differ from
 * known ones in ways that somebody behind us may overlook.
 */
#include "private.h"

#include "name_table.h"
#include "scan.h"

static bool
is_letter(char octet)
{
	unsigned lower = (unsigned char)octet | 0x20u;

	return lower >= 'a' && lower <= 'z';
}

/* Do the letters of the name, in order, spell `letters`? */
static bool
letters_are(struct span name, const char *letters)
{
	for (size_t i = 0; i < name.n; i++) {
		if (!is_letter(name.p[i]))
			continue;
		if (((unsigned char)name.p[i] | 0x20) != *letters)
			return false;
		letters++;
	}
	return *letters == '\0';
}

static bool
looks_like_framing(struct span name)
{
	if (name.n < sizeof("contentlength") - 1)
		return false;
	return letters_are(name, "contentlength") || letters_are(name, "transferencoding");
}

/* A CGI-style backend makes the same variable of X_Real_IP and X-Real-IP. */
static bool
masks_known_name(struct span name)
{
	const unsigned guarded = NAME_HOP | NAME_UNTRUSTED | NAME_REWRITTEN;
	char hyphened[32];
	enum name_id id;

	if (name.n > sizeof(hyphened))
		return false;
	for (size_t i = 0; i < name.n; i++)
		hyphened[i] = (char)(name.p[i] == '_' ? '-' : name.p[i]);
	id = name_lookup((struct span){ hyphened, name.n });
	return (name_flags(id) & guarded) != 0;
}

/* Of a name that is not known as it is. */
static enum name_id
name_mimics(struct span name, unsigned classes)
{
	if (looks_like_framing(name))
		return NAME_FRAMING_LOOKALIKE;
	if ((classes & OCTET_UNDER) != 0 && masks_known_name(name))
		return NAME_MASKED;
	return NAME_OTHER;
}

/* Goes over tchars and tells their classes, too. */
static const char *
scan_name(const char *p, const char *end, unsigned *classes)
{
	for (; p < end && (octet_class(*p) & OCTET_TOKEN) != 0; p++)
		*classes |= octet_class(*p);
	return p;
}

/* What lies between a colon and the CR behind it, without blanks at either end. */
static struct span
value_trim(const char *from, const char *cr)
{
	from += *from == ' ';
	/* Of the octets of a value the blanks alone are not above SP; nor is the CR, when it is empty. */
	if ((unsigned char)*from > ' ' && (unsigned char)cr[-1] > ' ')
		return span_between(from, cr);
	return span_trim(span_between(from, cr));
}

/* One line at `line`; returns what follows it, or NULL when it is malformed. */
static const char *
field_parse(struct field *f, const char *line, const char *end)
{
	const char *colon = scan_words(line, end), *cr;
	unsigned classes = 0;

	if (colon == end || *colon != ':') {
		colon = scan_name(colon, end, &classes);
		if (colon == end || *colon != ':')
			return NULL;
	}
	cr = scan_value(colon + 1, end);
	if (colon == line || end - cr < 2 || memcmp(cr, "\r\n", 2) != 0)
		return NULL;
	f->line = span_between(line, cr + 2);
	f->name = span_between(line, colon);
	f->value = value_trim(colon + 1, cr);
	f->next = 0;
	f->id = (uint16_t)name_find(f->name);
	if (f->id == NAME_OTHER)
		f->id = (uint16_t)name_mimics(f->name, classes);
	return cr + 2;
}

static void
field_link(struct head *h, const struct field *f, uint16_t index)
{
	uint16_t id = f->id;

	if (id == NAME_OTHER)
		return;
	if (h->first[id] == 0) {
		h->names |= NAME_BIT(id);
		h->first[id] = index;
	} else {
		h->repeated |= NAME_BIT(id);
		h->fields[h->last[id]].next = index;
	}
	h->last[id] = index;
}

static unsigned
members_count(struct span list)
{
	struct span member;
	unsigned n = 0;

	while (span_next_member(&list, &member))
		n += member.n > 0;
	return n;
}

static bool
connection_is_bounded(const struct head *h)
{
	const struct field *f = head_first(h, NAME_CONNECTION);
	unsigned members = 0;

	/* With the commas between them, members are at least two octets each; a short line has few. */
	if (f == NULL || (f->next == 0 && f->value.n < 2 * CONNECTION_MEMBERS_MAX))
		return true;
	for (; f != NULL; f = head_next(h, f))
		members += members_count(f->value);
	return members <= CONNECTION_MEMBERS_MAX;
}

static bool
is_last_line(const char *p, const char *end)
{
	return end - p == 2 && p[0] == '\r' && p[1] == '\n';
}

int
fields_parse(struct head *h, const char *p, const char *end, unsigned max_fields)
{
	uint16_t most = (uint16_t)(max_fields < HEAD_FIELDS_MAX ? max_fields : HEAD_FIELDS_MAX);
	struct field *f = h->fields;
	uint16_t n = 0;

	h->n_fields = 0;
	h->names = h->repeated = 0;
	memset(h->first, 0, sizeof(h->first));
	memset(h->last, 0, sizeof(h->last));
	while (p < end && *p != '\r') {
		if (n == most)
			return 431;
		p = field_parse(++f, p, end);
		if (p == NULL)
			return 400;
		field_link(h, f, ++n);
	}
	if (!is_last_line(p, end))
		return 400;
	h->n_fields = n;
	return connection_is_bounded(h) ? 0 : 400;
}

int
parse_trailers(struct head *h, const char *p, size_t n, unsigned max_fields)
{
	h->bytes = n;
	/* Too many trailers come after the head was answered for; there is no 431 left to send. */
	if (fields_parse(h, p, p + n, max_fields) != 0 || h->first[NAME_FRAMING_LOOKALIKE] != 0)
		return 400;
	return 0;
}

/* The length of an empty line at p, 0 when there is none, -1 when that cannot be told yet. */
static int
empty_line(const char *p, const char *end)
{
	if (p == end)
		return -1;
	if (*p == '\n')
		return 1;
	if (*p != '\r')
		return 0;
	if (end - p < 2)
		return -1;
	return p[1] == '\n' ? 2 : 0;
}

/*
 * *scanned is 0 at the beginning, then where the last LF lies as long as it is not known whether an
 * empty line follows it, else the end of what was seen.
 */
size_t
parse_end_of_head(const char *p, size_t n, size_t *scanned)
{
	const char *end = p + n;
	const char *at = p + *scanned;
	int empty = *scanned == 0 ? empty_line(p, end) : 0;

	if (empty < 0)
		return 0;
	if (empty == 0) {
		const char *lf = scan_empty_line(at, end);

		at = lf + 1;
		empty = lf < end ? empty_line(at, end) : -1;
		if (empty < 0) {
			*scanned = (size_t)(lf - p);
			return 0;
		}
	}
	*scanned = (size_t)(at - p);
	return *scanned + (size_t)empty;
}

/* A control character, an LF without its CR, or the other way round (RFC 9112 2.2). */
static bool
lines_are_broken(const char *p, size_t n, size_t from)
{
	bool after_cr = from > 0 && p[from - 1] == '\r';

	for (size_t i = from; i < n; i++) {
		if (after_cr != (p[i] == '\n'))
			return true;
		after_cr = p[i] == '\r';
		if (!after_cr && p[i] != '\n' && (octet_class(p[i]) & OCTET_VALUE) == 0)
			return true;
	}
	return false;
}

/* No method that anybody speaks is longer: behind that the request line is judged when it is whole. */
enum { METHOD_LOOK_MAX = 64 };

bool
parse_request_is_hopeless(const char *p, size_t n, size_t from)
{
	const char *end = p + (n < METHOD_LOOK_MAX ? n : METHOD_LOOK_MAX);
	const char *method_end = scan_class(p, end, OCTET_TOKEN);

	if (method_end == p && n > 0 && *p != '\r') /* it may become an empty line */
		return true;
	if (method_end > p && method_end < end && *method_end != ' ')
		return true;
	return lines_are_broken(p, n, from);
}

bool
parse_response_is_hopeless(const char *p, size_t n, size_t from)
{
	static const struct span begin = { "HTTP/1.", 7 };

	return memcmp(p, begin.p, n < begin.n ? n : begin.n) != 0 || lines_are_broken(p, n, from);
}

size_t
parse_skip_empty_line(const char *p, size_t n)
{
	return n >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

int
parse_too_large(const char *p, size_t n)
{
	if (parse_request_is_hopeless(p, n, 0))
		return 400;
	return n > 0 && memchr(p, '\n', n) != NULL ? 431 : 414;
}

int
head_has_token(const struct head *h, enum name_id id, struct span token)
{
	for (const struct field *f = head_first(h, id); f != NULL; f = head_next(h, f)) {
		struct span list = f->value, member;

		while (span_next_member(&list, &member))
			if (span_eq_nocase(member, token))
				return 1;
	}
	return 0;
}
