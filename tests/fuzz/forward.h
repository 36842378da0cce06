/*
 * For the targets that write heads: which fields should leave, said by lists
 * of names instead of by the flags of names.def, and the comparison with those
 * that a parser finds in what was written.
 */
#ifndef BALLAST_TESTS_FUZZ_FORWARD_H
#define BALLAST_TESTS_FUZZ_FORWARD_H

#include "ballast/http/head.h"
#include "heads.h"
#include "others.h"

struct pair {
	struct span name, value;
};

/* The fields that should leave, in order. */
struct wanted {
	struct pair pairs[HEAD_FIELDS_MAX + 16];
	unsigned n;
};

static const char *const hop_names[] = { "connection", "keep-alive", "proxy-connection",
	"proxy-authorization", "proxy-authenticate", "te", "upgrade", "http2-settings", "proxy",
	NULL };
static const char *const client_names[] = { "forwarded", "x-real-ip", "x-forwarded-proto",
	"x-forwarded-host", "x-request-id", NULL };

static inline bool
is_one_of(struct span name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (span_eq_nocase(name, span_of(*names)))
			return true;
	return false;
}

static inline bool
is_called(struct span name, const char *text)
{
	return span_eq_nocase(name, span_of(text));
}

/* Read by a CGI-style backend as one of the names that we remove or write. */
static inline bool
is_mask(struct span name)
{
	char hyphened[64];

	if (name.n > sizeof(hyphened) || memchr(name.p, '_', name.n) == NULL)
		return false;
	for (size_t i = 0; i < name.n; i++)
		hyphened[i] = (char)(name.p[i] == '_' ? '-' : name.p[i]);
	name.p = hyphened;
	return is_one_of(name, hop_names) || is_one_of(name, client_names) ||
	       is_called(name, "x-forwarded-for");
}

static inline bool
is_lookalike(struct span name)
{
	if (is_called(name, "content-length") || is_called(name, "transfer-encoding"))
		return false;
	return letters_spell(name, "contentlength") || letters_spell(name, "transferencoding");
}

static inline bool
is_listed(const struct head *h, struct span name)
{
	static const char *const kept[] = { "host", "content-length", "transfer-encoding", "close",
		NULL };

	if (is_one_of(name, kept))
		return false;
	for (uint32_t i = 1; i <= h->n_fields; i++) {
		struct span list = h->fields[i].value, member;

		if (!is_called(h->fields[i].name, "connection"))
			continue;
		while (span_next_member(&list, &member))
			if (span_eq_nocase(member, name))
				return true;
	}
	return false;
}

/* Never travels on, whoever sent it; `upgrade` lets that field pass. */
static inline bool
ends_here(const struct head *h, struct span name, bool upgrade)
{
	if (upgrade && is_called(name, "upgrade"))
		return false;
	return is_one_of(name, hop_names) || is_listed(h, name) || is_mask(name) ||
	       is_lookalike(name);
}

static inline void
want(struct wanted *w, struct span name, struct span value)
{
	HOLDS(w->n < sizeof(w->pairs) / sizeof(*w->pairs));
	w->pairs[w->n++] = (struct pair){ name, value };
}

/* As it came, but a length without leading zeros. */
static inline void
want_field(struct wanted *w, const struct field *f)
{
	struct span value = f->value;

	while (is_called(f->name, "content-length") && value.n > 1 && *value.p == '0') {
		value.p++;
		value.n--;
	}
	want(w, f->name, value);
}

static inline void
want_text(struct wanted *w, const char *name, const char *value)
{
	want(w, span_of(name), span_of(value));
}

static inline void
want_connection(struct wanted *w, bool close, bool keep_alive, bool upgrade)
{
	const char *first = close ? "close" : keep_alive ? "keep-alive" : NULL;
	static char both[32];

	if (first == NULL && upgrade)
		want_text(w, "Connection", "Upgrade");
	else if (first != NULL && !upgrade)
		want_text(w, "Connection", first);
	else if (first != NULL) {
		snprintf(both, sizeof(both), "%s, Upgrade", first);
		want_text(w, "Connection", both);
	}
}

/* Names count as they are written; what was wanted and what is there are the same. */
static inline void
check_wanted(const struct wanted *w, const struct head *written)
{
	HOLDS(written->n_fields == w->n);
	for (unsigned i = 0; i < w->n; i++) {
		HOLDS(span_eq_nocase(written->fields[i + 1].name, w->pairs[i].name));
		HOLDS(span_eq(written->fields[i + 1].value, w->pairs[i].value));
	}
}

/* The slices as one block of exactly their size, and one head, no more: to be freed. */
static inline char *
gather(const struct slices *s)
{
	char *out = exact_block(s->bytes);
	size_t sum = 0;

	for (int i = 0; i < s->n; i++)
		sum += s->v[i].iov_len;
	HOLDS(sum == s->bytes && s->used <= SLICES_SCRATCH);
	slices_copy(s, 0, out);
	HOLDS(end_of_head_plain(out, s->bytes) == s->bytes);
	return out;
}

static inline struct slices *
slices_new(void)
{
	struct slices *s = malloc(sizeof(*s));

	HOLDS(s != NULL);
	memset(s, 0xa5, sizeof(*s));
	return s;
}

#endif
