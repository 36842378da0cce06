/*
 * Kinds of options that are addresses, networks, or sets of HTTP statuses:
 * read and printed.  The texts are judged by base/addr; here they get a place.
 * Runs in the master at load.
 */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "ballast/base/span.h"
#include "units.h"

void
print_quoted(const char *text, FILE *f)
{
	fputc('"', f);
	for (; text != NULL && *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		fputc(*text, f);
	}
	fputc('"', f);
}

static bool
parse_address(struct reading *r, const struct node *n, struct addr *a)
{
	const char *why = addr_parse_listen(a, n->text);

	return why == NULL ||
	       complain(r, source_of(r, n), "%s \"%.120s\": %s", r->option->path, n->text, why);
}

bool
read_listen(struct reading *r, const struct node *n, void *member)
{
	struct addr a;

	if (!parse_address(r, n, &a))
		return false;
	memcpy(member, &a, sizeof(a));
	set_text(option_member(r->base, r->option->beside), n->text);
	return true;
}

bool
read_admin(struct reading *r, const struct node *n, void *member)
{
	bool *on = option_member(r->base, r->option->beside);
	bool off = strcasecmp(n->text, "off") == 0 || strcasecmp(n->text, "false") == 0;
	struct addr a = { 0 };

	if (!off && !parse_address(r, n, &a))
		return false;
	memcpy(member, &a, sizeof(a));
	*on = !off;
	return true;
}

bool
read_cidrs(struct reading *r, const struct node *n, void *member)
{
	size_t *count = option_member(r->base, r->option->beside);
	struct cidr *set = calloc(n->n + 1, sizeof(*set));
	struct cidr **at = member;
	const struct node *item;
	const char *why;
	size_t used = 0;

	if (set == NULL)
		return complain(r, source_of(r, n), "out of memory");
	for (item = n->first; item != NULL; item = item->next) {
		why = item->kind == NODE_SCALAR ? cidr_parse(&set[used], item->text)
						: "not a network; write one as in 10.0.0.0/8";
		if (why == NULL)
			used++;
		else if (!item->repeated)
			complain(r, source_of(r, item), "%s \"%.80s\": %s", r->option->path,
				item->text != NULL ? item->text : "", why);
	}
	free(*at);
	*at = set;
	*count = used;
	return true;
}

/* Three digits, which is what a status has; 0 when it is something else. */
static unsigned
status_of(struct span s)
{
	unsigned value = 0;
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		value = value * 10 + (unsigned)(s.p[i] - '0');
	}
	return s.n == 3 && value <= EXPECT_LAST ? value : 0;
}

/* "200" or "200-399". */
static bool
add_statuses(uint8_t *bitmap, struct span word)
{
	const char *dash = memchr(word.p, '-', word.n);
	const char *end = word.p + word.n;
	unsigned first = status_of(span_trim(span_between(word.p, dash != NULL ? dash : end)));
	unsigned last = dash != NULL ? status_of(span_trim(span_between(dash + 1, end))) : first;
	unsigned bit;

	if (first < EXPECT_FIRST || last < first)
		return false;
	for (bit = first - EXPECT_FIRST; bit <= last - EXPECT_FIRST; bit++)
		bitmap[bit / 8] |= (uint8_t)(1 << bit % 8);
	return true;
}

static bool
read_status_words(struct reading *r, const struct node *n, uint8_t *bitmap)
{
	struct span rest = span_of(n->text != NULL ? n->text : ""), word;
	char range[RANGE_TEXT];

	while (span_next_member(&rest, &word))
		if (!add_statuses(bitmap, word))
			return refuse(r, n, "is not a set of statuses; %s",
				option_range(r->option, NULL, range));
	return true;
}

bool
read_statuses(struct reading *r, const struct node *n, void *member)
{
	uint8_t bitmap[sizeof(((struct config_health *)0)->expect)] = { 0 };
	const struct node *item = n->kind == NODE_LIST ? n->first : n;
	bool ok = item != NULL && n->kind != NODE_MAP;

	if (!ok)
		refuse(r, n, "is not a set of statuses; 200-399, or several with commas");
	for (; ok && item != NULL; item = n->kind == NODE_LIST ? item->next : NULL)
		ok = read_status_words(r, item, bitmap);
	if (ok)
		memcpy(member, bitmap, sizeof(bitmap));
	return ok;
}

void
print_listen(const struct option *o, const void *base, FILE *f)
{
	print_quoted(option_text(base, o->beside), f);
}

void
print_admin(const struct option *o, const void *base, FILE *f)
{
	char text[ADDR_TEXT];
	struct addr a;

	memcpy(&a, option_member_const(base, o->at), sizeof(a));
	if (*(const bool *)option_member_const(base, o->beside))
		print_quoted(addr_text(&a, text), f);
	else
		fputs("off", f);
}

static void
print_cidr(const struct cidr *c, FILE *f)
{
	char text[IP_TEXT];

	ip_text(&c->ip, text);
	fprintf(f, "\"%s/%d\"", text, strchr(text, ':') == NULL ? c->bits - 96 : c->bits);
}

void
print_cidrs(const struct option *o, const void *base, FILE *f)
{
	const struct cidr *set = *(struct cidr *const *)option_member_const(base, o->at);
	size_t n = *(const size_t *)option_member_const(base, o->beside);
	size_t i;

	fputc('[', f);
	for (i = 0; i < n; i++) {
		fputs(i > 0 ? ", " : "", f);
		print_cidr(&set[i], f);
	}
	fputc(']', f);
}

void
print_statuses(const struct option *o, const void *base, FILE *f)
{
	const struct config_health *h = &((const struct config *)base)->health;
	const char *comma = "";
	int first, last;

	(void)o;
	fputc('"', f);
	for (first = EXPECT_FIRST; first <= EXPECT_LAST; first = last + 1) {
		last = first;
		if (!config_expects(h, first))
			continue;
		while (config_expects(h, last + 1))
			last++;
		fprintf(f, last > first ? "%s%d-%d" : "%s%d", comma, first, last);
		comma = ",";
	}
	fputc('"', f);
}
