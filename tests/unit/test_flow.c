/*
 * One direction of a body: what goes in, in pieces cut at every octet, and what
 * comes out at the other end of a socket.
 */
#include "../../src/proxy/private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "harness.h"

static struct proxy proxy;
static struct config config;

static void
set_up(void)
{
	memset(&proxy, 0, sizeof(proxy));
	memset(&config, 0, sizeof(config));
	config.limits.header_bytes = 4096;
	config.limits.headers = 20;
	proxy.config = &config;
	proxy.buffer_bytes = 4096 + SLICES_SCRATCH + BUFFER_FRONT + BUFFER_TAIL;
	ck_assert_int_eq(
		slab_init(&proxy.buffers, 8, sizeof(struct buffer) + proxy.buffer_bytes), 0);
	proxy.head = malloc(sizeof(*proxy.head));
	proxy.slices = malloc(sizeof(*proxy.slices));
}

static void
tear_down(void)
{
	ck_assert_uint_eq(proxy.buffers.in_use, 0);
	slab_free_all(&proxy.buffers);
	free(proxy.head);
	free(proxy.slices);
}

struct sink {
	int fds[2];
	struct watch watch;
	char got[8192];
	size_t n;
};

static void
sink_open(struct sink *s)
{
	memset(s, 0, sizeof(*s));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s->fds), 0);
	s->watch.fd = s->fds[0];
	s->watch.ready = POLLER_OUT;
}

static void
sink_read(struct sink *s)
{
	ssize_t n = sock_recv(s->fds[1], s->got + s->n, sizeof(s->got) - s->n);

	if (n > 0)
		s->n += (size_t)n;
}

static void
send_all(struct flow *f, struct buffer *b, struct sink *s)
{
	uint64_t moved = 0;

	ck_assert_int_eq(flow_send(f, &proxy, b, &s->watch, &moved), 1);
	b->start = b->sent;
	sink_read(s);
}

/* Feeds in[0..n) in pieces that end at `cut` and then every `step` octets; stops when the body is over. */
static enum flow_state
feed(struct flow *f, struct buffer *b, struct sink *s, struct span in, size_t cut, size_t step)
{
	size_t at = 0;
	enum flow_state state = (enum flow_state)f->state;

	while (at < in.n && state == FLOW_MORE) {
		size_t to = at < cut ? cut : at + step;
		size_t room = buffer_room(&proxy, b);

		if (to > in.n)
			to = in.n;
		ck_assert_uint_ge(room, to - at);
		memcpy(b->data + b->end, in.p + at, to - at);
		buffer_received(b, to - at);
		at = to;
		state = flow_judge(f, &proxy, b);
		if (state != FLOW_BAD)
			send_all(f, b, s);
	}
	return state;
}

struct row {
	const char *in, *out;
	enum body_kind kind;
	enum flow_coding coding;
	uint64_t length;
	enum flow_state end;
	const char *left; /* in the buffer afterwards */
};

static const struct row rows[] = {
	{ "hello", "hello", BODY_LENGTH, FLOW_AS_IS, 5, FLOW_END, "" },
	{ "helloGET / ", "hello", BODY_LENGTH, FLOW_AS_IS, 5, FLOW_END, "GET / " },
	{ "hel", "hel", BODY_LENGTH, FLOW_AS_IS, 5, FLOW_MORE, "" },
	{ "5\r\nhello\r\n0\r\n\r\nrest", "5\r\nhello\r\n0\r\n\r\n", BODY_CHUNKED, FLOW_AS_IS, 0,
		FLOW_END, "rest" },
	{ "5;a=b\r\nhello\r\n0 ; c=\"d\"\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", BODY_CHUNKED,
		FLOW_AS_IS, 0, FLOW_END, "" },
	{ "1\r\nx\r\n0\r\nX-T: 1\r\nHost: evil\r\nX-U: 2\r\n\r\nrest",
		"1\r\nx\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n", BODY_CHUNKED, FLOW_AS_IS, 0, FLOW_END,
		"rest" },
	{ "1\r\nx\r\n0\r\nX-T: 1\r\n\r\nrest", "x", BODY_CHUNKED, FLOW_DECHUNK, 0, FLOW_END,
		"rest" },
	{ "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", "hello0123456789", BODY_CHUNKED,
		FLOW_DECHUNK, 0, FLOW_END, "" },
	{ "5\nhello\r\n0\r\n\r\n", NULL, BODY_CHUNKED, FLOW_AS_IS, 0, FLOW_BAD, NULL },
	{ "5\r\nhelloo\r\n0\r\n\r\n", NULL, BODY_CHUNKED, FLOW_AS_IS, 0, FLOW_BAD, NULL },
	{ "0\r\nbad trailer\r\n\r\n", NULL, BODY_CHUNKED, FLOW_AS_IS, 0, FLOW_BAD, NULL },
	{ "0\r\nContent-Length: 5\r\n\r\n", NULL, BODY_CHUNKED, FLOW_AS_IS, 0, FLOW_BAD, NULL },
	{ "0\r\nX-T: 1\r\nTransfer-Encoding: chunked\r\n\r\n", NULL, BODY_CHUNKED, FLOW_AS_IS, 0,
		FLOW_BAD, NULL },
	{ "5 \r\nhello\r\n0\r\n\r\n", NULL, BODY_CHUNKED, FLOW_AS_IS, 0, FLOW_BAD, NULL },
	{ "0\r\n\n", NULL, BODY_CHUNKED, FLOW_AS_IS, 0, FLOW_BAD, NULL },
	{ "all of it", "all of it", BODY_UNTIL_CLOSE, FLOW_AS_IS, 0, FLOW_MORE, "" },
	{ "\0\1\2", "", BODY_TUNNEL, FLOW_AS_IS, 0, FLOW_MORE, "" },
};

static void
check_row(const struct row *r, size_t cut, size_t step)
{
	const struct framing framing = { .kind = r->kind, .length = r->length };
	struct buffer *b = buffer_take(&proxy);
	struct flow f = { .rest = NULL };
	struct sink s;

	sink_open(&s);
	flow_begin(&f, &framing, r->coding);
	ck_assert_int_eq(feed(&f, b, &s, span_of(r->in), cut, step), r->end);
	if (r->out != NULL) {
		ck_assert_msg(s.n == strlen(r->out) && memcmp(s.got, r->out, s.n) == 0,
			"cut %zu step %zu of \"%s\" gave \"%.*s\"", cut, step, r->in, (int)s.n,
			s.got);
	}
	/* What follows the end is left alone, if it had come by then. */
	if (r->left != NULL && cut >= strlen(r->in))
		ck_assert_mem_eq(b->data + b->start, r->left, strlen(r->left));
	buffer_give(&proxy, &b);
	fd_close(&s.fds[0]);
	fd_close(&s.fds[1]);
}

START_TEST(every_body_comes_out_the_same_however_it_is_cut)
{
	const struct row *r = &rows[_i];

	for (size_t cut = 1; cut <= strlen(r->in); cut++) {
		check_row(r, cut, 1);
		check_row(r, cut, 3);
		check_row(r, cut, strlen(r->in));
	}
}
END_TEST

START_TEST(a_close_delimited_body_becomes_chunks)
{
	const struct framing framing = { .kind = BODY_UNTIL_CLOSE };
	struct buffer *b = buffer_take(&proxy);
	struct flow f = { .rest = NULL };
	struct sink s;

	sink_open(&s);
	flow_begin(&f, &framing, FLOW_CHUNK);
	ck_assert_int_eq(feed(&f, b, &s, SPAN("hello world, all"), 11, 2), FLOW_MORE);
	buffer_room(&proxy, b);
	ck_assert_int_eq(flow_input_ended(&f, b), FLOW_END);
	send_all(&f, b, &s);
	s.got[s.n] = '\0';
	ck_assert_str_eq(s.got, "b\r\nhello world\r\n2\r\n, \r\n2\r\nal\r\n1\r\nl\r\n0\r\n\r\n");
	ck_assert_uint_eq(f.bytes, 16);
	buffer_give(&proxy, &b);
	fd_close(&s.fds[0]);
	fd_close(&s.fds[1]);
}
END_TEST

START_TEST(what_a_backend_pads_and_frames_too_late_is_dropped)
{
	static const char in[] =
		"5 \r\nhello\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n";
	const struct framing framing = { .kind = BODY_CHUNKED };
	struct buffer *b = buffer_take(&proxy);
	struct flow f = { .rest = NULL };
	struct sink s;

	sink_open(&s);
	flow_begin_response(&f, &framing, FLOW_AS_IS);
	ck_assert_int_eq(feed(&f, b, &s, SPAN(in), 1, 1), FLOW_END);
	ck_assert_str_eq(s.got, "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n");
	buffer_give(&proxy, &b);
	fd_close(&s.fds[0]);
	fd_close(&s.fds[1]);
}
END_TEST

START_TEST(barred_trailers_are_judged_and_dropped)
{
	static const char in[] = "5\r\nhello\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\nGET /";
	const struct framing framing = { .kind = BODY_CHUNKED };

	for (size_t cut = 1; cut < sizeof(in); cut++) {
		struct buffer *b = buffer_take(&proxy);
		struct flow f = { .rest = NULL };
		struct sink s;

		sink_open(&s);
		flow_begin(&f, &framing, FLOW_AS_IS);
		f.no_trailers = true;
		ck_assert_int_eq(feed(&f, b, &s, SPAN(in), cut, sizeof(in)), FLOW_END);
		ck_assert_str_eq(s.got, "5\r\nhello\r\n0\r\n\r\n");
		if (cut == sizeof(in) - 1)
			ck_assert_mem_eq(b->data + b->start, "GET /", 5);
		buffer_give(&proxy, &b);
		fd_close(&s.fds[0]);
		fd_close(&s.fds[1]);
	}
}
END_TEST

START_TEST(an_end_inside_a_length_or_a_chunk_is_a_cut)
{
	static const enum body_kind kinds[] = { BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE,
		BODY_TUNNEL };
	static const enum flow_state ends[] = { FLOW_BAD, FLOW_BAD, FLOW_END, FLOW_END };

	for (int i = 0; i < 4; i++) {
		const struct framing framing = { .kind = kinds[i], .length = 5 };
		struct buffer *b = buffer_take(&proxy);
		struct flow f = { .rest = NULL };

		flow_begin(&f, &framing, FLOW_AS_IS);
		ck_assert_int_eq(flow_input_ended(&f, b), ends[i]);
		buffer_give(&proxy, &b);
	}
}
END_TEST

START_TEST(a_head_that_the_socket_takes_in_pieces_arrives_whole)
{
	static char big[3000];
	const struct framing framing = { .kind = BODY_LENGTH, .length = 4 };
	struct buffer *b = buffer_take(&proxy);
	struct flow f = { .rest = NULL };
	uint64_t moved = 0;
	struct sink s;
	int small = 1;
	size_t filled = 0;

	sink_open(&s);
	ck_assert_int_eq(setsockopt(s.fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	memset(big, 'h', sizeof(big));
	while (send(s.fds[0], "x", 1, 0) == 1) /* until not one octet fits */
		filled++;
	ck_assert_uint_gt(filled, 0);
	flow_begin(&f, &framing, FLOW_AS_IS);
	memcpy(b->data, "body", 4);
	buffer_received(b, 4);
	ck_assert_int_eq(flow_judge(&f, &proxy, b), FLOW_END);
	slices_reset(proxy.slices);
	slices_add(proxy.slices, big, sizeof(big));
	ck_assert_int_eq(flow_send_head(&f, &proxy, b, &s.watch, &moved), 0);
	ck_assert_ptr_nonnull(f.rest);
	ck_assert(!(s.watch.ready & POLLER_OUT));
	for (int i = 0; i < 100000 && s.n < filled + sizeof(big) + 4; i++) {
		sink_read(&s);
		ck_assert_int_ge(flow_send(&f, &proxy, b, &s.watch, &moved), 0);
	}
	ck_assert_uint_eq(s.n, filled + sizeof(big) + 4);
	ck_assert_mem_eq(s.got + filled, big, sizeof(big));
	ck_assert_mem_eq(s.got + filled + sizeof(big), "body", 4);
	ck_assert_uint_eq(moved, sizeof(big) + 4);
	buffer_give(&proxy, &b);
	fd_close(&s.fds[0]);
	fd_close(&s.fds[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("flow");
	TCase *tc = tcase_create("flow");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, every_body_comes_out_the_same_however_it_is_cut, 0,
		(int)(sizeof(rows) / sizeof(*rows)));
	tcase_add_test(tc, a_close_delimited_body_becomes_chunks);
	tcase_add_test(tc, what_a_backend_pads_and_frames_too_late_is_dropped);
	tcase_add_test(tc, barred_trailers_are_judged_and_dropped);
	tcase_add_test(tc, an_end_inside_a_length_or_a_chunk_is_a_cut);
	tcase_add_test(tc, a_head_that_the_socket_takes_in_pieces_arrives_whole);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
