/*
 * The text formats of Prometheus (0.0.4) and OpenMetrics (1.0), in the master:
 * how a family and a sample are written, and docs/metrics.md from the same
 * table.  Owns nothing; one pass over the families, each reads the segment for
 * itself.  A scrape of 1,000 backends is some 30,000 lines, so numbers and
 * labels are put without a formatter and without locking the stream.
 * What there is to tell is in exposition_families.c, the JSON in exposition_status.c.
 */
#include "exposition.h"

#include <inttypes.h>

#include "exposition_page.h"

static const char *const type_names[] = {
	[FAMILY_COUNTER] = "counter",
	[FAMILY_GAUGE] = "gauge",
	[FAMILY_HISTOGRAM] = "histogram",
};

struct number
number_of(uint64_t value)
{
	struct number n;
	char digits[NUMBER_TEXT];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	memcpy(n.text, digits + at, sizeof(digits) - at);
	return n;
}

struct number
number_of_seconds(uint64_t us)
{
	struct number n = number_of(us / 1000000);
	uint32_t rest = (uint32_t)(us % 1000000);
	char *at = n.text + strlen(n.text);

	if (rest == 0)
		return n;
	*at++ = '.';
	for (; rest > 0; rest = rest % 100000 * 10)
		*at++ = (char)('0' + rest / 100000);
	*at = '\0';
	return n;
}

struct number
number_of_bound(uint64_t us, bool openmetrics)
{
	struct number n = number_of_seconds(us);

	if (openmetrics && us % 1000000 == 0)
		memcpy(n.text + strlen(n.text), ".0", sizeof(".0"));
	return n;
}

static void
put_text(FILE *out, const char *text)
{
	fputs_unlocked(text, out);
}

static void
put_span(FILE *out, struct span s)
{
	fwrite_unlocked(s.p, 1, s.n, out);
}

static bool
needs_escape(char c)
{
	return c == '\\' || c == '"' || c == '\n';
}

/* The value of a label: backslash, quote and line feed are escaped in both formats. */
static void
put_label_value(FILE *out, struct span value)
{
	const char *end = value.p + value.n, *run = value.p;

	for (const char *p = value.p; p < end; p++) {
		if (!needs_escape(*p))
			continue;
		put_span(out, span_between(run, p));
		putc_unlocked('\\', out);
		putc_unlocked(*p == '\n' ? 'n' : *p, out);
		run = p + 1;
	}
	put_span(out, span_between(run, end));
}

static void
put_labels(FILE *out, const struct label *l)
{
	char before = '{';

	for (; l->name != NULL; l++) {
		putc_unlocked(before, out);
		put_text(out, l->name);
		put_text(out, "=\"");
		put_label_value(out, l->value);
		putc_unlocked('"', out);
		before = ',';
	}
	if (before == ',')
		putc_unlocked('}', out);
}

void
page_sample(
	const struct page *p, const char *suffix, const struct label *labels, struct number value)
{
	put_text(p->out, p->family->name);
	put_text(p->out, suffix);
	if (labels != NULL)
		put_labels(p->out, labels);
	putc_unlocked(' ', p->out);
	put_text(p->out, value.text);
	putc_unlocked('\n', p->out);
}

/* In OpenMetrics a counter's family has the name without _total, only its sample has it. */
static struct span
family_title(const struct page *p)
{
	static const struct span total = { "_total", 6 };
	struct span name = span_of(p->family->name);

	if (p->openmetrics && p->family->type == FAMILY_COUNTER && name.n > total.n)
		name.n -= total.n;
	return name;
}

static void
put_meta(const struct page *p, const char *keyword, const char *text)
{
	put_text(p->out, "# ");
	put_text(p->out, keyword);
	putc_unlocked(' ', p->out);
	put_span(p->out, family_title(p));
	putc_unlocked(' ', p->out);
	put_text(p->out, text);
	putc_unlocked('\n', p->out);
}

static void
write_page(struct page *p)
{
	p->shm = p->view->shm;
	process_use_read(&p->use, p->shm);
	for (unsigned i = 0; (p->family = family_at(i)) != NULL; i++) {
		put_meta(p, "HELP", p->family->help);
		put_meta(p, "TYPE", type_names[p->family->type]);
		p->family->write(p);
	}
}

void
exposition_prometheus(const struct admin_view *view, FILE *out)
{
	struct page p = { .out = out, .view = view };

	write_page(&p);
}

void
exposition_openmetrics(const struct admin_view *view, FILE *out)
{
	struct page p = { .out = out, .view = view, .openmetrics = true };

	write_page(&p);
	put_text(out, "# EOF\n");
}

void
exposition_print_markdown(FILE *out)
{
	const struct family *f;

	fputs("# Metrics\n\n"
	      "`GET /metrics` on the load balancer's port (`metrics.public`), on `admin.listen` "
	      "and on the\n"
	      "Unix socket: Prometheus text 0.0.4, or OpenMetrics 1.0 when the client's `Accept` "
	      "asks for it.\n"
	      "Printed from the program's own table by `make docs`; do not edit.\n\n"
	      "Counters survive crashes, reloads and the removal of a backend; they begin anew "
	      "when the\n"
	      "master does. Series whose labels are known beforehand are there from the start, "
	      "with 0.\n"
	      "Scrapes and health endpoints are not counted as requests.\n\n"
	      "| metric | type | labels | meaning |\n|---|---|---|---|\n",
		out);
	for (unsigned i = 0; (f = family_at(i)) != NULL; i++)
		fprintf(out, "| `%s` | %s | %s | %s |\n", f->name, type_names[f->type], f->labels,
			f->help);
}
