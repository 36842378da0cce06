/*
 * What both writers of heads share: the set of fields that stay behind, and the
 * lines that either direction gets.  Pure.  A name that Connection lists goes
 * unless it is NAME_KEPT: framing and routing are not a client's to remove.
 */
#include "hop.h"

#include <assert.h>

static void
hop_add(struct hop *hop, struct span member)
{
	enum name_id id = name_lookup(member);

	if (id != NAME_OTHER) {
		if ((name_flags(id) & NAME_KEPT) == 0)
			hop->dropped |= NAME_BIT(id);
		return;
	}
	/* The parser has refused more members than fit. */
	assert(hop->n_listed < CONNECTION_MEMBERS_MAX);
	hop->listed[hop->n_listed++] = member;
}

void
hop_init(struct hop *hop, const struct head *h)
{
	const struct field *f;

	hop->dropped = names_with(NAME_HOP);
	hop->n_listed = 0;
	for (f = head_first(h, NAME_CONNECTION); f != NULL; f = head_next(h, f)) {
		struct span list = f->value, member;

		while (span_next_member(&list, &member))
			if (member.n > 0 && !span_eq_nocase(member, SPAN("close")))
				hop_add(hop, member);
	}
}

bool
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

/* Content-Length as plain digits: leading zeros are octal to some. */
static void
write_length(struct slices *s, const struct field *f)
{
	static const char name[] = "Content-Length: ";
	const char *digits = f->value.p;
	const char *last = digits + f->value.n - 1;

	if (f->value.n < 2 || *digits != '0') {
		slices_add(s, f->line.p, f->line.n);
		return;
	}
	while (digits < last && *digits == '0')
		digits++;
	slices_add(s, name, sizeof(name) - 1);
	slices_add(s, digits, (size_t)(f->line.p + f->line.n - digits));
}

void
slices_fields(struct slices *s, const struct hop *hop, const struct head *h)
{
	for (uint32_t i = 1; i <= h->n_fields; i++) {
		const struct field *f = &h->fields[i];

		if (hop_drops(hop, f))
			continue;
		if (f->id == NAME_CONTENT_LENGTH)
			write_length(s, f);
		else
			slices_add(s, f->line.p, f->line.n);
	}
}

void
slices_connection(struct slices *s, struct connection c)
{
	struct span comma = SPAN("Connection: ");

	if (c.close) {
		slices_write(s, comma);
		slices_write(s, SPAN("close"));
		comma = SPAN(", ");
	} else if (c.keep_alive) {
		slices_write(s, comma);
		slices_write(s, SPAN("keep-alive"));
		comma = SPAN(", ");
	}
	if (c.upgrade) {
		slices_write(s, comma);
		slices_write(s, SPAN("Upgrade"));
	}
	if (c.close || c.keep_alive || c.upgrade)
		slices_write(s, SPAN("\r\n"));
}

void
slices_via(struct slices *s, const struct head *h)
{
	slices_write(
		s, h->minor == 0 ? SPAN("Via: 1.0 ballast\r\n") : SPAN("Via: 1.1 ballast\r\n"));
}
