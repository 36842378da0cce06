/*
 * From one segment to another through text, in masters, while a program is
 * replaced by one of another layout.  The writer sums over its slots; the reader
 * keeps the sums as the counters of one slot of its own, set and not added, so
 * that a later text simply replaces an earlier one and no sum ever falls.
 * Owns nothing.  Invariant: of what it does not know, a reader changes nothing.
 */
#include "ballast/shm/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ballast/shm/backend.h"
#include "ballast/shm/metrics.h"
#include "ballast/shm/rate.h"
#include "block.h"
#include "requests.h"

static const char first_line[] = "ballast 1\n", last_line[] = "end\n";

/* ---- writing */

static uint64_t
get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static uint32_t
get_32(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void
write_numbers(const struct shm *s, FILE *f)
{
	fputs("key ", f);
	for (size_t i = 0; i < sizeof(s->head->rate_key); i++)
		fprintf(f, "%02x", s->head->rate_key[i]);
	fprintf(f, "\ngeneration %" PRIu32 "\n", get_32(&s->shared->last_generation));
	fprintf(f, "cursor %" PRIu64 "\n", get(&s->shared->cursor));
	for (int i = 0; i < N_COUNTERS; i++)
		fprintf(f, "counter %s %" PRIu64 "\n", metrics_counter_info((enum counter)i)->name,
			metrics_sum(s, (enum counter)i));
}

static void
write_verdict(const struct shm *s, unsigned row, FILE *f)
{
	const struct backend *b = &s->backends[row];

	fprintf(f, "verdict %d %" PRIu32 " %" PRIu32 " %" PRIu32, backend_is_up(s, row),
		get_32(&b->configured), get_32(&b->successes), get_32(&b->fails));
	fprintf(f, " %" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRIu64 "\n", get(&b->since_us),
		get(&b->last_probe_us), get_32(&b->last_status), get(&b->failures));
}

static void
write_counts(const struct shm *s, unsigned row, FILE *f)
{
	struct duration_sum d;

	metrics_sum_durations(s, row, &d);
	fprintf(f, "duration %" PRIu64, d.sum_us);
	for (unsigned i = 0; i <= DURATION_BUCKETS; i++)
		fprintf(f, " %" PRIu64, d.bucket[i]);
	fprintf(f, "\ncheck %" PRIu64 " %" PRIu64 "\n", metrics_sum_health_checks(s, row, false),
		metrics_sum_health_checks(s, row, true));
	for (int i = 0; i < N_BACKEND_ERRORS; i++)
		fprintf(f, "error %s %" PRIu64 "\n", backend_error_name((enum backend_error)i),
			metrics_sum_backend_error(s, row, (enum backend_error)i));
}

/* Configured ones first: where the reader has fewer rows, they have theirs. */
static void
write_backends(const struct shm *s, bool configured, FILE *f)
{
	for (unsigned row = 0; row < s->max_backends && s->backends[row].url_hash != 0; row++) {
		if ((get_32(&s->backends[row].configured) != 0) != configured)
			continue;
		fprintf(f, "backend %s\n", s->backends[row].url);
		write_verdict(s, row, f);
		write_counts(s, row, f);
	}
}

/* Sorted by row, so each backend is named again once. */
static void
write_requests(const struct shm *s, FILE *f)
{
	size_t n;
	struct request_sum *sums = metrics_sum_requests(s, &n);
	unsigned row = UINT_MAX;

	for (size_t i = 0; sums != NULL && i < n; i++) {
		if (sums[i].row != row)
			fprintf(f, "backend %s\n",
				sums[i].row == BACKEND_NONE ? "-" : s->backends[sums[i].row].url);
		row = sums[i].row;
		fprintf(f, "request %s %u %" PRIu64 "\n", method_text((enum method)sums[i].method),
			sums[i].status, sums[i].count);
	}
	free(sums);
}

static void
write_buckets(const struct shm *s, uint64_t now_us, FILE *f)
{
	for (uint32_t i = 0; i < s->rate_sets * RATE_WAYS; i++) {
		uint64_t word = get(&s->rate[i]);

		if (rate_owes(word, now_us))
			fprintf(f, "bucket %" PRIu32 " %" PRIu32 " %" PRIx64 "\n", s->rate_sets,
				i / RATE_WAYS, word);
	}
}

char *
transfer_write(const struct shm *s, uint64_t now_us, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	bool whole;

	if (f == NULL)
		return NULL;
	fputs(first_line, f);
	write_numbers(s, f);
	write_backends(s, true, f);
	write_backends(s, false, f);
	write_requests(s, f);
	write_buckets(s, now_us, f);
	fputs(last_line, f);
	whole = !ferror(f);
	if (fclose(f) == 0 && whole)
		return text;
	free(text);
	return NULL;
}

/* ---- reading */

struct reader {
	struct shm *shm;
	struct slot *slot;
	uint64_t now_us;
	uint64_t folded[STATUS_CLASSES]; /* requests that the table has no row for */
	int row; /* of the backend that the lines are about; BACKEND_NONE, or -1: it has none here */
};

/* 0 where there is none. */
static uint64_t
number(const char **at)
{
	char *end;
	uint64_t value = strtoull(*at, &end, 10);

	*at = end;
	return value;
}

static uint32_t
number_32(const char **at)
{
	return (uint32_t)number(at);
}

static struct span
word(const char **at)
{
	struct span w;

	*at += strspn(*at, " ");
	w = (struct span){ *at, strcspn(*at, " ") };
	*at += w.n;
	return w;
}

static bool
is_word(struct span w, const char *text)
{
	return w.n == strlen(text) && memcmp(w.p, text, w.n) == 0;
}

static void
set(_Atomic uint64_t *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

static void
set_32(_Atomic uint32_t *to, uint32_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

static void
read_key(struct reader *r, const char *at)
{
	uint8_t *key = r->shm->head->rate_key;

	if (strlen(at) != 2 * sizeof(r->shm->head->rate_key))
		return;
	for (size_t i = 0; i < sizeof(r->shm->head->rate_key); i++) {
		char octet[3] = { at[2 * i], at[2 * i + 1], '\0' };

		key[i] = (uint8_t)strtoul(octet, NULL, 16);
	}
}

static void
read_generation(struct reader *r, const char *at)
{
	set_32(&r->shm->shared->last_generation, number_32(&at));
}

static void
read_cursor(struct reader *r, const char *at)
{
	set(&r->shm->shared->cursor, number(&at));
}

static void
read_counter(struct reader *r, const char *at)
{
	struct span name = word(&at);

	for (int i = 0; i < N_COUNTERS; i++) {
		if (is_word(name, metrics_counter_info((enum counter)i)->name))
			set(&ledger_of(r->shm, r->slot)->counter[i], number(&at));
	}
}

static void
find_backend(struct reader *r, const char *at)
{
	r->row = strcmp(at, "-") == 0 ? BACKEND_NONE : backend_find(r->shm, at);
}

/* For a generation before the first: the configuration names those that it still has.  A backend may be named again. */
static void
assign_backend(struct reader *r, const char *at)
{
	find_backend(r, at);
	if (r->row < 0)
		r->row = backend_assign(r->shm, at, 0, 0);
}

static bool
has_row(const struct reader *r)
{
	return r->row >= 0 && r->row != BACKEND_NONE;
}

static void
read_verdict(struct reader *r, const char *at)
{
	struct backend *b;

	if (!has_row(r))
		return;
	b = &r->shm->backends[r->row];
	set_32(&r->shm->verdicts[r->row], number(&at) != 0);
	set_32(&b->configured, number(&at) != 0);
	set_32(&b->successes, number_32(&at));
	set_32(&b->fails, number_32(&at));
	set(&b->since_us, number(&at));
	set(&b->last_probe_us, number(&at));
	set_32(&b->last_status, number_32(&at));
	set(&b->failures, number(&at));
}

static struct backend_ledger *
ledger_here(const struct reader *r)
{
	return backend_ledger_of(r->shm, r->slot, (unsigned)r->row);
}

static void
read_duration(struct reader *r, const char *at)
{
	struct duration_row *d;

	if (!has_row(r))
		return;
	d = &ledger_here(r)->durations;
	set(&d->sum_us, number(&at));
	for (unsigned i = 0; i <= DURATION_BUCKETS; i++)
		set(&d->bucket[i], number(&at));
}

static void
read_error(struct reader *r, const char *at)
{
	struct span reason = word(&at);

	for (int i = 0; has_row(r) && i < N_BACKEND_ERRORS; i++) {
		if (is_word(reason, backend_error_name((enum backend_error)i)))
			set(&ledger_here(r)->error[i], number(&at));
	}
}

static void
read_check(struct reader *r, const char *at)
{
	for (unsigned success = 0; has_row(r) && success < 2; success++)
		set(&ledger_here(r)->check[success], number(&at));
}

static void
read_request(struct reader *r, const char *at)
{
	enum method method = method_lookup(word(&at));
	uint32_t status = number_32(&at);

	uint64_t count = number(&at);

	if (r->row >= 0 && status < 1000 &&
		!requests_set(r->shm, r->slot, (unsigned)r->row, method, status, count))
		r->folded[status / 100] += count;
}

static void
read_bucket(struct reader *r, const char *at)
{
	uint32_t sets = number_32(&at), set_there = number_32(&at);

	rate_bring(r->shm, sets, set_there, strtoull(at, NULL, 16), r->now_us);
}

typedef void line_reader(struct reader *, const char *rest);

struct line {
	const char *word;
	line_reader *read;
};

static const struct line state_lines[] = {
	{ "key", read_key },
	{ "generation", read_generation },
	{ "cursor", read_cursor },
	{ "backend", assign_backend },
	{ "verdict", read_verdict },
	{ "bucket", read_bucket },
	{ NULL, NULL },
};

static const struct line counter_lines[] = {
	{ "counter", read_counter },
	{ "backend", find_backend },
	{ "duration", read_duration },
	{ "error", read_error },
	{ "check", read_check },
	{ "request", read_request },
	{ "bucket", read_bucket },
	{ NULL, NULL },
};

static void
read_line(struct reader *r, const struct line *lines, const char *line)
{
	size_t n = strcspn(line, " ");

	for (; lines->word != NULL; lines++) {
		if (strlen(lines->word) == n && memcmp(lines->word, line, n) == 0)
			lines->read(r, line[n] == '\0' ? line + n : line + n + 1);
	}
}

static bool
is_whole(const char *text, size_t len)
{
	size_t first = sizeof(first_line) - 1, last = sizeof(last_line) - 1;

	return len >= first + last && memcmp(text, first_line, first) == 0 &&
	       memcmp(text + len - last, last_line, last) == 0 && memchr(text, '\0', len) == NULL;
}

static int
read_text(struct reader *r, const struct line *lines, const char *text, size_t len)
{
	char *copy = is_whole(text, len) ? strndup(text, len) : NULL;
	char *rest = copy, *line;

	if (copy == NULL)
		return is_whole(text, len) ? -ENOMEM : -EPROTO;
	while ((line = strsep(&rest, "\n")) != NULL)
		read_line(r, lines, line);
	free(copy);
	return 0;
}

int
transfer_state(struct shm *s, const char *text, size_t len, uint64_t now_us)
{
	struct reader r = { .shm = s, .now_us = now_us, .row = -1 };

	return read_text(&r, state_lines, text, len);
}

int
transfer_counters(struct shm *s, struct slot *slot, const char *text, size_t len, uint64_t now_us)
{
	struct reader r = { .shm = s, .slot = slot, .now_us = now_us, .row = -1 };

	int rc = read_text(&r, counter_lines, text, len);

	for (unsigned i = 0; rc == 0 && i < STATUS_CLASSES; i++)
		set(&ledger_of(s, slot)->folded[i], r.folded[i]);
	return rc;
}
