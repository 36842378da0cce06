/*
 * What both writers of heads share: the set of fields that stay behind, and the
 * lines that either direction gets.  Pure.  A name that Connection lists goes
 * unless it is NAME_KEPT: framing and routing are not a client's to remove.
 */
#include "hop.h"

/* A known name; framing and routing stay. */
static void
hop_drop(struct hop *hop, enum name_id id)
{
	if ((name_flags(id) & NAME_KEPT) == 0)
		hop->dropped |= NAME_BIT(id);
}

static void
hop_add(struct hop *hop, struct span member)
{
	enum name_id id = name_lookup(member);

	if (id != NAME_OTHER) {
		hop_drop(hop, id);
		return;
	}
	/* The parser has refused more members than fit. */
	assert(hop->n_listed < CONNECTION_MEMBERS_MAX);
	hop->listed[hop->n_listed++] = member;
}

static void
hop_add_list(struct hop *hop, struct span list)
{
	enum name_id alone = name_lookup(list);
	struct span member;

	if (alone != NAME_OTHER) { /* "keep-alive", mostly */
		hop_drop(hop, alone);
		return;
	}
	while (span_next_member(&list, &member))
		if (member.n > 0 && !span_eq_nocase(member, SPAN("close")))
			hop_add(hop, member);
}

void
hop_init(struct hop *hop, const struct head *h)
{
	const struct field *f;

	hop->dropped = names_with(NAME_HOP);
	hop->n_listed = 0;
	for (f = head_first(h, NAME_CONNECTION); f != NULL; f = head_next(h, f))
		hop_add_list(hop, f->value);
}

static bool
hop_lists(const struct hop *hop, struct span name)
{
	for (unsigned i = 0; i < hop->n_listed; i++)
		if (span_eq_nocase(hop->listed[i], name))
			return true;
	return false;
}

bool
head_bars_trailers(const struct head *h)
{
	for (const struct field *f = head_first(h, NAME_CONNECTION); f != NULL;
		f = head_next(h, f)) {
		struct span list = f->value, member;

		while (span_next_member(&list, &member))
			if (member.n > 0 && !span_eq_nocase(member, SPAN("close")) &&
				(name_flags(name_lookup(member)) & NAME_NO_TRAILER) == 0)
				return true;
	}
	return false;
}

/* Leading zeros are octal to some. */
static bool
length_is_plain(const struct field *f)
{
	return f->value.n < 2 || *f->value.p != '0';
}

/* Content-Length as plain digits.  There may be many of these lines, so none takes room in the scratch. */
static void
write_length(struct slices *s, const struct field *f)
{
	static const char name[] = "Content-Length: ";
	const char *digits = f->value.p;
	const char *last = digits + f->value.n - 1;

	while (digits < last && *digits == '0')
		digits++;
	slices_add(s, name, sizeof(name) - 1);
	slices_add(s, digits, (size_t)(f->line.p + f->line.n - digits));
}

/* The names that need a look at each of their fields; all others pass as they are. */
static uint64_t
hop_touches(const struct hop *hop, const struct head *h)
{
	uint64_t touched = hop->dropped;
	const struct field *f;

	if (hop->n_listed > 0)
		touched |= NAME_BIT(NAME_OTHER);
	for (f = head_first(h, NAME_CONTENT_LENGTH); f != NULL; f = head_next(h, f))
		if (!length_is_plain(f))
			touched |= NAME_BIT(NAME_CONTENT_LENGTH);
	return touched;
}

static bool
hop_passes_as_is(const struct hop *hop, const struct field *f)
{
	if ((hop->dropped & NAME_BIT(f->id)) != 0)
		return false;
	return f->id == NAME_CONTENT_LENGTH ? length_is_plain(f) : !hop_lists(hop, f->name);
}

static bool
hop_rewrites(const struct hop *hop, const struct field *f)
{
	return f->id == NAME_CONTENT_LENGTH && (hop->dropped & NAME_BIT(f->id)) == 0;
}

/* The lines lie one behind the other: those that pass are what is left between the touched ones. */
void
slices_fields(struct slices *s, const struct hop *hop, const struct head *h)
{
	uint64_t touched = hop_touches(hop, h);
	const struct field *f = h->fields + 1, *end = f + h->n_fields;
	const char *run = f->line.p;

	if (h->n_fields == 0)
		return;
	for (; f < end; f++) {
		if ((touched >> f->id & 1) == 0 || hop_passes_as_is(hop, f))
			continue;
		slices_add(s, run, (size_t)(f->line.p - run));
		if (hop_rewrites(hop, f))
			write_length(s, f);
		run = f->line.p + f->line.n;
	}
	slices_add(s, run, (size_t)(end[-1].line.p + end[-1].line.n - run));
}

void
slices_connection(struct slices *s, struct connection c)
{
	struct span comma = SPAN("Connection: ");

	if (!c.close && !c.keep_alive && !c.upgrade)
		return;
	if (c.close) {
		slices_text(s, comma);
		slices_text(s, SPAN("close"));
		comma = SPAN(", ");
	} else if (c.keep_alive) {
		slices_text(s, comma);
		slices_text(s, SPAN("keep-alive"));
		comma = SPAN(", ");
	}
	if (c.upgrade) {
		slices_text(s, comma);
		slices_text(s, SPAN("Upgrade"));
	}
	slices_text(s, SPAN("\r\n"));
}

void
slices_via(struct slices *s, const struct head *h)
{
	if (h->minor == 0)
		slices_text(s, SPAN("Via: 1.0 ballast\r\n"));
	else
		slices_text(s, SPAN("Via: 1.1 ballast\r\n"));
}
