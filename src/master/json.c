/*
 * JSON for /status, in the master.  Escaping is the log's.  Owns nothing.
 * Invariant: with begin and end in pairs the output is one valid document,
 * whatever octets the texts hold.  Does not indent and does not check names,
 * which are constants of ours.
 */
#include "json.h"

#include <inttypes.h>

#include "ballast/base/log.h"

enum { TEXT_MAX = 4096, ESCAPED_MAX = 6 * TEXT_MAX };

static void
lead(struct json *j, const char *name)
{
	if (j->follows)
		fputc(',', j->out);
	j->follows = true;
	if (name != NULL)
		fprintf(j->out, "\"%s\":", name);
}

void
json_begin(struct json *j, const char *name, char bracket)
{
	lead(j, name);
	fputc(bracket, j->out);
	j->follows = false;
}

void
json_end(struct json *j, char bracket)
{
	fputc(bracket, j->out);
	j->follows = true;
}

void
json_text(struct json *j, const char *name, struct span text)
{
	char escaped[ESCAPED_MAX];
	size_t n = text.n < TEXT_MAX ? text.n : TEXT_MAX;

	n = log_escape_json(escaped, sizeof(escaped), text.p, n);
	lead(j, name);
	fputc('"', j->out);
	fwrite(escaped, 1, n, j->out);
	fputc('"', j->out);
}

void
json_number(struct json *j, const char *name, uint64_t value)
{
	lead(j, name);
	fprintf(j->out, "%" PRIu64, value);
}

void
json_decimal(struct json *j, const char *name, uint64_t value, unsigned decimals)
{
	uint64_t unit = 1;

	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	lead(j, name);
	fprintf(j->out, "%" PRIu64, value / unit);
	if (value % unit != 0)
		fprintf(j->out, ".%0*" PRIu64, (int)decimals, value % unit);
}

void
json_real(struct json *j, const char *name, double value)
{
	lead(j, name);
	fprintf(j->out, "%.15g", value);
}

void
json_bool(struct json *j, const char *name, bool value)
{
	lead(j, name);
	fputs(value ? "true" : "false", j->out);
}

void
json_null(struct json *j, const char *name)
{
	lead(j, name);
	fputs("null", j->out);
}
