/*
 * The head of a response as it goes to the client, and the trailers of either
 * direction.  Pure; lines that stay are slices.  Invariant: whatever
 * parse_response and framing_response accept comes out as one HTTP/1.1 response
 * whose framing fields agree with the body that follows.
 */
#include "hop.h"

/* Unchanged when it says HTTP/1.1 and has the space that the grammar wants before any reason. */
static void
write_status_line(struct slices *s, const struct head *h)
{
	static const size_t version_and_status = sizeof("HTTP/1.1 200") - 1;

	if (h->start_line.p[version_and_status] != ' ') {
		slices_text(s, SPAN("HTTP/1.1 "));
		slices_text(s, (struct span){ h->start_line.p + 9, 3 });
		slices_text(s, SPAN(" \r\n"));
		return;
	}
	if (h->start_line.p[7] == '1') {
		slices_add(s, h->start_line.p, h->start_line.n);
		return;
	}
	slices_text(s, SPAN("HTTP/1.1"));
	slices_add(s, h->start_line.p + 8, h->start_line.n - 8);
}

/* RFC 9110 8.6 and RFC 9112 6.1: these say nothing of a length, not even a true one. */
static bool
bars_framing(int status)
{
	return status < 200 || status == 204;
}

static uint64_t
framing_dropped(const struct head *h, const struct forward_response *fr)
{
	uint64_t dropped = 0;

	if (bars_framing(h->status))
		dropped |= NAME_BIT(NAME_CONTENT_LENGTH) | NAME_BIT(NAME_TRANSFER_ENCODING);
	if (fr->dechunk) /* and with the coding go the trailers */
		dropped |= NAME_BIT(NAME_TRANSFER_ENCODING) | NAME_BIT(NAME_TRAILER);
	return dropped;
}

static bool
keeps_upgrade(const struct head *h, const struct forward_response *fr)
{
	return h->first[NAME_UPGRADE] != 0 && (fr->upgrade || h->status == 426);
}

void
head_write_response(struct slices *s, const struct head *h, const struct forward_response *fr)
{
	bool upgrade = keeps_upgrade(h, fr);
	struct hop hop;

	hop_init(&hop, h);
	hop.dropped |= framing_dropped(h, fr);
	if (upgrade)
		hop.dropped &= ~NAME_BIT(NAME_UPGRADE);
	write_status_line(s, h);
	slices_fields(s, &hop, h);
	if (fr->chunk_it)
		slices_text(s, SPAN("Transfer-Encoding: chunked\r\n"));
	slices_connection(s,
		(struct connection){
			.close = fr->close, .keep_alive = fr->keep_alive_10, .upgrade = upgrade });
	if (fr->date.n > 0 && !hop_passes(&hop, h, NAME_DATE)) {
		slices_text(s, SPAN("Date: "));
		slices_text(s, fr->date);
		slices_text(s, SPAN("\r\n"));
	}
	slices_via(s, h);
	slices_text(s, SPAN("\r\n"));
	slices_close(s);
}

/* RFC 9110 6.5.1: what a recipient needs before the body is of no use, or of harm, behind it. */
void
head_write_trailers(struct slices *s, const struct head *h)
{
	struct hop hop;

	hop.dropped = names_with(NAME_NO_TRAILER);
	hop.n_listed = 0;
	slices_fields(s, &hop, h);
	slices_text(s, SPAN("\r\n"));
	slices_close(s);
}
