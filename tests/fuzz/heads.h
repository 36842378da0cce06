/*
 * For the targets that parse heads: what must be true of every head that was
 * accepted, said in another way than the parser says it.  A head's octets are
 * accounted for to the last one, so nothing in it can mean something to a
 * recipient that it does not mean to us.
 */
#ifndef BALLAST_TESTS_FUZZ_HEADS_H
#define BALLAST_TESTS_FUZZ_HEADS_H

#include "ballast/http/parse.h"
#include "fuzz.h"

typedef int head_parser(struct head *, const char *p, size_t n, unsigned max_fields);

/* Full of junk: what an earlier head left there must not matter. */
static inline struct head *
head_new(int junk)
{
	struct head *h = malloc(sizeof(*h));

	HOLDS(h != NULL);
	memset(h, junk, sizeof(*h));
	return h;
}

/* Line by line, without memory: the length of the head, or 0. */
static inline size_t
end_of_head_plain(const char *p, size_t n)
{
	size_t line = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != '\n')
			continue;
		if (i == line || (i == line + 1 && p[line] == '\r'))
			return i + 1;
		line = i + 1;
	}
	return 0;
}

/* Found as soon as it is there and not before, however the octets arrive. */
static inline size_t
end_of_head(const uint8_t *data, size_t size)
{
	struct cuts cuts = { data, size, 0 };
	size_t end = end_of_head_plain((const char *)data, size);
	size_t scanned = 0, n = 0;

	while (n < size && (end == 0 || n < end)) {
		size_t piece = cuts_next(&cuts);
		char *p;

		n = piece < size - n ? n + piece : size;
		p = exact_copy(data, n);
		HOLDS(parse_end_of_head(p, n, &scanned) == (n >= end ? end : 0));
		HOLDS(scanned <= n);
		free(p);
	}
	scanned = 0;
	HOLDS(parse_end_of_head((const char *)data, size, &scanned) == end);
	return end;
}

typedef bool hopeless_judge(const char *p, size_t n, size_t from);

/*
 * What is called hopeless while it is not whole is refused when it is, with the same status; and
 * the same is said of the same octets however they arrive.
 */
static inline void
check_hopeless(hopeless_judge *judge, const uint8_t *data, size_t size, bool may_be_good)
{
	struct cuts cuts = { data, size, 0 };
	bool hopeless = false;

	for (size_t n = 0, from = 0; n < size; from = n) {
		size_t piece = cuts_next(&cuts);
		char *p;

		n = piece < size - n ? n + piece : size;
		p = exact_copy(data, n);
		hopeless |= judge(p, n, from);
		HOLDS(judge(p, n, 0) == hopeless);
		free(p);
	}
	HOLDS(!hopeless || !may_be_good);
}

static inline bool
is_inside(struct span part, struct span whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static inline bool
is_tchar(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static inline bool
is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_tchar(s.p[i]))
			return false;
	return s.n > 0;
}

static inline bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	return false;
}

/* Its letters alone, in lower case: what is left of a name for those who read it carelessly. */
static inline bool
letters_spell(struct span name, const char *word)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = (char)(name.p[i] | 0x20);

		if (c < 'a' || c > 'z')
			continue;
		if (c != *word)
			return false;
		word++;
	}
	return *word == '\0';
}

static inline enum name_id
name_by_table(struct span name)
{
#define NAME(id, text, flags)                                                                      \
	if (sizeof(text) > 1 && span_eq_nocase(name, SPAN(text)))                                  \
		return NAME_##id;
#include "ballast/http/names.def"
#undef NAME
	return NAME_OTHER;
}

static inline void
check_name(const struct field *f)
{
	enum name_id id = name_by_table(f->name);
	bool framing = letters_spell(f->name, "contentlength") ||
		       letters_spell(f->name, "transferencoding");

	HOLDS(is_token(f->name));
	if (id != NAME_OTHER)
		HOLDS(f->id == id);
	else if (framing)
		HOLDS(f->id == NAME_FRAMING_LOOKALIKE);
	else
		HOLDS(f->id == NAME_OTHER || f->id == NAME_MASKED);
}

/* name ":" OWS value OWS CRLF and not an octet more. */
static inline void
check_field(const struct field *f)
{
	const char *colon = f->line.p + f->name.n;
	struct span rest;

	check_name(f);
	HOLDS(f->name.p == f->line.p && f->line.n >= f->name.n + 3 && *colon == ':');
	HOLDS(memcmp(f->line.p + f->line.n - 2, "\r\n", 2) == 0);
	rest = span_between(colon + 1, f->line.p + f->line.n - 2);
	HOLDS(!has_control(rest));
	HOLDS(span_eq(span_trim(rest), f->value));
	HOLDS(is_inside(f->value, rest));
}

/* All fields of a known name, in order, are found from its first. */
static inline void
check_chains(const struct head *h)
{
	uint16_t before[N_NAMES] = { 0 };

	for (uint16_t i = 1; i <= h->n_fields; i++) {
		uint16_t id = h->fields[i].id;

		HOLDS(id < N_NAMES);
		if (id == NAME_OTHER)
			continue;
		if (before[id] == 0)
			HOLDS(h->first[id] == i);
		else
			HOLDS(h->fields[before[id]].next == i);
		before[id] = i;
	}
	for (unsigned id = 1; id < N_NAMES; id++) {
		if (before[id] == 0)
			HOLDS(h->first[id] == 0);
		else
			HOLDS(h->last[id] == before[id] && h->fields[before[id]].next == 0);
	}
}

/* From `at` on the head is its fields, one behind the other, and an empty line. */
static inline void
check_fields(const struct head *h, struct span whole, const char *at)
{
	for (uint32_t i = 1; i <= h->n_fields; i++) {
		HOLDS(h->fields[i].line.p == at);
		HOLDS(is_inside(h->fields[i].line, whole));
		check_field(&h->fields[i]);
		at += h->fields[i].line.n;
	}
	HOLDS(at + 2 == whole.p + whole.n && memcmp(at, "\r\n", 2) == 0);
	HOLDS(h->bytes == whole.n);
	check_chains(h);
}

/* A part of a head, and a head with something behind it, are not heads. */
static inline void
check_whole_only(head_parser *parse, struct head *h, const uint8_t *data, size_t size, size_t end)
{
	struct cuts cuts = { data, size, 0 };
	size_t n = cuts_next(&cuts) * 7919 % end;
	char *p = exact_copy(data, n);

	HOLDS(parse(h, p, n, HEAD_FIELDS_MAX) != 0);
	free(p);
	if (size == end)
		return;
	p = exact_copy(data, end + 1);
	HOLDS(parse(h, p, end + 1, HEAD_FIELDS_MAX) != 0);
	free(p);
}

/* Refused for their number when there are more fields than allowed, and only then. */
static inline void
check_limit(head_parser *parse, struct span head, uint32_t n_fields, int too_many)
{
	struct head *h = head_new(0x5a);

	HOLDS(parse(h, head.p, head.n, n_fields) == 0);
	HOLDS(h->n_fields == n_fields);
	if (n_fields > 0)
		HOLDS(parse(h, head.p, head.n, n_fields - 1) == too_many);
	free(h);
}

#endif
