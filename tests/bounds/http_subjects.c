/*
 * The pure parsers and writers of http/: whatever a peer sends, the work is in
 * proportion to its octets.  Each row makes a message whose one part grows.
 * Where a cap of the product bounds that part, the sizes stay below the cap.
 */
#include "bounds.h"

#include <stdlib.h>
#include <string.h>

#include "ballast/http/chunk.h"
#include "ballast/http/framing.h"
#include "ballast/http/head.h"

static struct head head;
static struct slices slices;

#define GET    "GET / HTTP/1.1\r\nHost: a\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\n"

static void
fields(struct input *in, const char *start, const char *line, const char *end)
{
	put(in, "%s", start);
	put_times(in, in->size, line);
	put(in, "%s\r\n", end);
}

/* Everything that is asked of a request's head. */
static void
request(const struct input *in)
{
	static const struct forward_request fr = {
		.client_ip = { "127.0.0.1", 9 },
		.request_id = { "0123456789abcdef", 16 },
		.trusted = true,
	};
	struct framing framing;
	size_t scanned = 0;

	must(parse_end_of_head(in->text, in->n, &scanned) == in->n, "one whole head");
	if (parse_request(&head, in->text, in->n, HEAD_FIELDS_MAX) != 0)
		return;
	framing_request(&head, &framing);
	head_keeps_alive(&head);
	head_wants_upgrade(&head);
	head_ends_here(&head);
	slices_reset(&slices);
	head_write_request(&slices, &head, &fr);
}

static void
response(const struct input *in)
{
	struct forward_response fr = { .close = true };

	must(parse_response(&head, in->text, in->n, HEAD_FIELDS_MAX) == 0, "a good response");
	framing_response(&head, METHOD_GET, &fr.framing);
	head_keeps_alive(&head);
	slices_reset(&slices);
	head_write_response(&slices, &head, &fr);
}

static void
trailers(const struct input *in)
{
	must(parse_trailers(&head, in->text, in->n, HEAD_FIELDS_MAX) == 0, "good trailers");
	slices_reset(&slices);
	head_write_trailers(&slices, &head);
}

/* As a client drips it: the search for its end is asked anew after every octet. */
static void
dripped_head(const struct input *in)
{
	size_t scanned = 0, length = 0;

	for (size_t n = 1; n <= in->n && length == 0; n++)
		length = parse_end_of_head(in->text, n, &scanned);
	must(length == in->n, "one whole head");
}

static void
chunks_by(const struct input *in, size_t step)
{
	struct chunk c;
	size_t at = 0, run;

	chunk_init(&c);
	while (at < in->n) {
		size_t here = in->n - at < step ? in->n - at : step;
		enum chunk_run kind = chunk_next(&c, in->text + at, here, &run);

		must(kind != CHUNK_BAD, "good chunks");
		if (kind == CHUNK_TRAILERS)
			return;
		at += run;
	}
}

static void
chunks(const struct input *in)
{
	chunks_by(in, in->n);
}

static void
dripped_chunks(const struct input *in)
{
	chunks_by(in, 1);
}

/* ---- inputs */

static void
make_fields(struct input *in)
{
	fields(in, GET, "X-Some: value\r\n", "");
}

static void
make_short_lines(struct input *in)
{
	fields(in, GET, "a:\r\n", "");
}

static void
make_hosts(struct input *in)
{
	fields(in, GET, "Host: a\r\n", "");
}

static void
make_vias(struct input *in)
{
	fields(in, GET, "Via: 1.1 a\r\n", "");
}

static void
make_forwarded_for_lines(struct input *in)
{
	fields(in, GET, "X-Forwarded-For: 10.0.0.1\r\n", "");
}

static void
make_lookalikes(struct input *in)
{
	fields(in, GET, "Content_Lengt: 1\r\n", "");
}

static void
make_masked(struct input *in)
{
	fields(in, GET, "X_Forwarded_Fo: 1\r\n", "");
}

static void
make_max_forwards(struct input *in)
{
	fields(in, "OPTIONS / HTTP/1.1\r\nHost: a\r\n", "Max-Forwards: 7\r\n", "");
}

static void
make_connection_lines(struct input *in)
{
	fields(in, GET, "Connection: x\r\n", "");
}

static void
make_connection_members(struct input *in)
{
	put(in, GET);
	put_times(in, 500, "X-Some: value\r\n");
	put(in, "Connection: x0");
	put_times(in, in->size - 1, ", x1");
	put(in, "\r\n\r\n");
}

static void
make_connection_and_fields(struct input *in)
{
	put(in, GET "Connection: x0");
	put_times(in, CONNECTION_MEMBERS_MAX - 1, ", x1");
	fields(in, "\r\n", "X-Some: value\r\n", "");
}

static void
one_value(struct input *in, const char *before, const char *piece)
{
	put(in, GET "%s", before);
	put_times(in, in->size, piece);
	put(in, "\r\n\r\n");
}

static void
make_connection_commas(struct input *in)
{
	one_value(in, "Connection: close", ",");
}

static void
make_upgrade_members(struct input *in)
{
	one_value(in, "Connection: upgrade\r\nUpgrade: a", ", websocket/13");
}

static void
make_codings(struct input *in)
{
	one_value(in, "Transfer-Encoding: gzip", ", gzip;q=1");
}

static void
make_coding_commas(struct input *in)
{
	one_value(in, "Transfer-Encoding: chunked", " , ");
}

static void
make_length_members(struct input *in)
{
	one_value(in, "Content-Length: 1", ", 1");
}

static void
make_long_value(struct input *in)
{
	one_value(in, "X-Some: a", "b");
}

static void
make_blank_value(struct input *in)
{
	one_value(in, "X-Some: a", " ");
}

static void
make_long_name(struct input *in)
{
	put(in, GET);
	put_times(in, in->size, "content-length_");
	put(in, ": 1\r\n\r\n");
}

static void
make_long_target(struct input *in)
{
	put(in, "GET /");
	put_times(in, in->size, "a?");
	put(in, " HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void
make_long_authority(struct input *in)
{
	put(in, "GET http://a");
	put_times(in, in->size, "%%41");
	put(in, "/ HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void
make_answer_fields(struct input *in)
{
	fields(in, ANSWER, "Set-Cookie: a=b\r\n", "Content-Length: 0\r\n");
}

static void
make_answer_connection(struct input *in)
{
	put(in, ANSWER "Connection: x0");
	put_times(in, CONNECTION_MEMBERS_MAX - 1, ", x1");
	fields(in, "\r\n", "X-Some: value\r\n", "Content-Length: 0\r\n");
}

static void
make_trailers(struct input *in)
{
	fields(in, "", "X-Some: value\r\n", "");
}

static void
make_dropped_trailers(struct input *in)
{
	put_times(in, in->size, "X-Some: 1\r\nAuthorization: x\r\n");
	put(in, "\r\n");
}

static void
make_tiny_chunks(struct input *in)
{
	put_times(in, in->size, "1\r\na\r\n");
	put(in, "0\r\n\r\n");
}

static void
make_one_extension(struct input *in)
{
	put(in, "1;a=\"");
	put_times(in, in->size, "\\b");
	put(in, "\"\r\na\r\n0\r\n\r\n");
}

static void
make_extensions(struct input *in)
{
	put_times(in, in->size, "1;a=b;c=\"d\"\r\na\r\n");
	put(in, "0\r\n\r\n");
}

static const struct subject rows[] = {
	{ "a-request-with-many-fields", 200, make_fields, request },
	{ "a-request-with-many-short-lines", 200, make_short_lines, request },
	{ "Host-repeated", 200, make_hosts, request },
	{ "Via-repeated", 200, make_vias, request },
	{ "X-Forwarded-For-repeated", 200, make_forwarded_for_lines, request },
	{ "names-that-nearly-are-framing", 200, make_lookalikes, request },
	{ "names-that-nearly-mask-others", 200, make_masked, request },
	{ "Max-Forwards-repeated", 200, make_max_forwards, request },
	{ "Connection-repeated", 200, make_connection_lines, request },
	{ "members-of-Connection-beside-many-fields", 16, make_connection_members, request },
	{ "fields-beside-a-full-Connection", 200, make_connection_and_fields, request },
	{ "empty-members-of-Connection", 4000, make_connection_commas, request },
	{ "members-of-Upgrade", 500, make_upgrade_members, request },
	{ "members-of-Transfer-Encoding", 500, make_codings, request },
	{ "empty-members-of-Transfer-Encoding", 2000, make_coding_commas, request },
	{ "members-of-Content-Length", 2000, make_length_members, request },
	{ "a-long-value", 16000, make_long_value, request },
	{ "a-value-that-ends-in-blanks", 16000, make_blank_value, request },
	{ "a-long-name", 1000, make_long_name, request },
	{ "a-long-target", 8000, make_long_target, request },
	{ "a-long-authority", 25, make_long_authority, request },
	{ "a-response-with-many-fields", 200, make_answer_fields, response },
	{ "fields-of-a-response-beside-a-full-Connection", 200, make_answer_connection, response },
	{ "many-trailers", 200, make_trailers, trailers },
	{ "many-trailers-that-are-dropped", 100, make_dropped_trailers, trailers },
	{ "a-long-head-octet-by-octet", 4000, make_long_value, dripped_head },
	{ "short-lines-octet-by-octet", 2000, make_short_lines, dripped_head },
	{ "many-one-octet-chunks", 2000, make_tiny_chunks, chunks },
	{ "many-one-octet-chunks-octet-by-octet", 2000, make_tiny_chunks, dripped_chunks },
	{ "a-long-chunk-extension", 500, make_one_extension, chunks },
	{ "a-long-chunk-extension-octet-by-octet", 500, make_one_extension, dripped_chunks },
	{ "many-chunk-extensions", 1000, make_extensions, chunks },
};

struct subjects
subjects_http(void)
{
	return (struct subjects){ rows, sizeof(rows) / sizeof(rows[0]) };
}
