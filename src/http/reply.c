/*
 * Answers of our own.  Pure: the caller brings date, extra fields and room.
 * Written without a formatter, since a flood of refused requests is answered
 * here.  Invariant: what is written is a whole answer with a true
 * Content-Length, or nothing at all.
 */
#include "ballast/http/reply.h"

#include <string.h>

#include "ballast/base/span.h"

struct reason {
	int status;
	const char *text;
};

static const struct reason reasons[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 102, "Processing" },
	{ 103, "Early Hints" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 203, "Non-Authoritative Information" },
	{ 204, "No Content" },
	{ 205, "Reset Content" },
	{ 206, "Partial Content" },
	{ 207, "Multi-Status" },
	{ 208, "Already Reported" },
	{ 226, "IM Used" },
	{ 300, "Multiple Choices" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 305, "Use Proxy" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 423, "Locked" },
	{ 424, "Failed Dependency" },
	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 506, "Variant Also Negotiates" },
	{ 507, "Insufficient Storage" },
	{ 508, "Loop Detected" },
	{ 511, "Network Authentication Required" },
};

const char *
reply_reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

/* Counts all that was put, also what did not fit, so that the end alone needs a look. */
struct writer {
	char *out;
	size_t cap;
	size_t n;
};

static void
put(struct writer *w, struct span text)
{
	if (w->n <= w->cap && text.n <= w->cap - w->n && text.n > 0)
		memcpy(w->out + w->n, text.p, text.n);
	w->n += text.n;
}

static void
put_text(struct writer *w, const char *text)
{
	put(w, span_of(text));
}

static void
put_number(struct writer *w, size_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	put(w, (struct span){ digits + at, sizeof(digits) - at });
}

static void
put_status(struct writer *w, int status)
{
	put_number(w, (size_t)status);
	put_text(w, " ");
	put_text(w, reply_reason(status));
}

static void
put_body(struct writer *w, const struct reply *r)
{
	if (r->body != NULL) {
		put_text(w, r->body);
		return;
	}
	put_status(w, r->status);
	put_text(w, "\n");
}

static size_t
body_length(const struct reply *r)
{
	struct writer counter = { NULL, 0, 0 };

	put_body(&counter, r);
	return counter.n;
}

static void
put_content_fields(struct writer *w, const struct reply *r)
{
	put_text(w, "Content-Type: ");
	put_text(w, r->content_type != NULL ? r->content_type : "text/plain");
	put_text(w, "\r\nContent-Length: ");
	put_number(w, body_length(r));
	put_text(w, "\r\n");
}

size_t
reply_write(char *out, size_t cap, const struct reply *r)
{
	struct writer w = { out, cap, 0 };
	bool has_content = r->status >= 200 && r->status != 204 && r->status != 304;

	put_text(&w, "HTTP/1.1 ");
	put_status(&w, r->status);
	put_text(&w, "\r\n");
	if (r->date != NULL) {
		put_text(&w, "Date: ");
		put_text(&w, r->date);
		put_text(&w, "\r\n");
	}
	if (has_content)
		put_content_fields(&w, r);
	if (r->extra != NULL)
		put_text(&w, r->extra);
	if (r->close)
		put_text(&w, "Connection: close\r\n");
	put_text(&w, "\r\n");
	if (has_content && !r->head_only)
		put_body(&w, r);
	return w.n <= cap ? w.n : 0;
}
