/*
 * The control pipe: messages stay apart, the death of an end is heard by the
 * other, and what is not a message is nothing.
 */
#include "ballast/base/control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

START_TEST(messages_arrive_one_by_one_in_order)
{
	static const enum control rows[] = { CONTROL_READY, CONTROL_LEAVING, CONTROL_LEAVING,
		CONTROL_RETIRE, CONTROL_DRAIN };
	int fds[2];

	ck_assert_int_eq(control_pair(fds), 0);
	for (int from = 0; from < 2; from++) { /* both ways */
		for (size_t i = 0; i < N(rows); i++)
			ck_assert_int_eq(control_send(fds[from], rows[i]), 0);
		for (size_t i = 0; i < N(rows); i++)
			ck_assert_int_eq(control_next(fds[1 - from], NULL), rows[i]);
		ck_assert_int_eq(control_next(fds[1 - from], NULL), CONTROL_NONE);
	}
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(the_end_that_is_left_reads_what_was_said_and_then_eof)
{
	int fds[2];

	ck_assert_int_eq(control_pair(fds), 0);
	ck_assert_int_eq(control_send(fds[0], CONTROL_DRAIN), 0);
	close(fds[0]);
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_DRAIN);
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_EOF);
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_EOF);
	ck_assert_int_eq(control_send(fds[1], CONTROL_READY), -EPIPE); /* and no SIGPIPE */
	close(fds[1]);
}
END_TEST

START_TEST(an_end_that_died_with_unread_messages_is_eof_too)
{
	int fds[2];

	ck_assert_int_eq(control_pair(fds), 0);
	ck_assert_int_eq(control_send(fds[1], CONTROL_READY), 0);
	close(fds[0]); /* unread: some sockets answer with a reset */
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_EOF);
	close(fds[1]);
}
END_TEST

START_TEST(an_unknown_message_is_none)
{
	int fds[2];

	ck_assert_int_eq(control_pair(fds), 0);
	ck_assert_int_eq(send(fds[0], "?", 1, 0), 1);
	ck_assert_int_eq(send(fds[0], "\0", 1, 0), 1);
	ck_assert_int_eq(send(fds[0], "\xff", 1, 0), 1); /* as a char it is CONTROL_EOF's number */
	ck_assert_int_eq(send(fds[0], "R and more", 10, 0), 10);
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_NONE);
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_NONE);
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_NONE);
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_READY);
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_NONE);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(a_descriptor_travels_and_a_message_without_one_says_so)
{
	int fds[2], ends[2], passed;
	char octet;

	ck_assert_int_eq(control_pair(fds), 0);
	ck_assert_int_eq(control_pair(ends), 0);
	ck_assert_int_eq(control_send_fd(fds[0], CONTROL_ACCESS_LOG, ends[1]), 0);
	ck_assert_int_eq(control_send(fds[0], CONTROL_DRAIN), 0);
	close(ends[1]); /* the copy on its way lives on */
	ck_assert_int_eq(control_next(fds[1], &passed), CONTROL_ACCESS_LOG);
	ck_assert_int_ge(passed, 0);
	ck_assert_int_ne(fcntl(passed, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(send(passed, "x", 1, 0), 1);
	ck_assert_int_eq(recv(ends[0], &octet, 1, 0), 1);
	close(passed);
	ck_assert_int_eq(control_next(fds[1], &passed), CONTROL_DRAIN);
	ck_assert_int_eq(passed, -1);
	close(ends[0]);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(a_number_travels_with_a_descriptor_and_a_message_without_one_has_0)
{
	const uint64_t number = UINT64_C(0x0123456789abcdef);
	uint64_t got;
	int fds[2], passed;

	ck_assert_int_eq(control_pair(fds), 0);
	ck_assert_int_eq(control_send_fd_with(fds[0], CONTROL_CLIENT, fds[0], number), 0);
	ck_assert_int_eq(control_send_fd(fds[0], CONTROL_NEWCOMER, fds[0]), 0);
	ck_assert_int_eq(control_next_with(fds[1], &passed, &got), CONTROL_CLIENT);
	ck_assert_int_ge(passed, 0);
	ck_assert_uint_eq(got, number);
	close(passed);
	ck_assert_int_eq(control_next_with(fds[1], &passed, &got), CONTROL_NEWCOMER);
	ck_assert_int_ge(passed, 0);
	ck_assert_uint_eq(got, 0);
	close(passed);
	ck_assert_int_eq(control_next_with(fds[1], &passed, &got), CONTROL_NONE);
	ck_assert_uint_eq(got, 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* A program from before there were numbers asks for one octet. */
START_TEST(who_knows_of_no_number_reads_the_message_all_the_same)
{
	int fds[2];
	char octet;

	ck_assert_int_eq(control_pair(fds), 0);
	ck_assert_int_eq(control_send_fd_with(fds[0], CONTROL_CLIENT, fds[0], 7), 0);
	ck_assert_int_eq(control_send_fd_with(fds[0], CONTROL_NEWCOMER, fds[0], 8), 0);
	ck_assert_int_eq(recv(fds[1], &octet, 1, 0), 1);
	ck_assert_int_eq(octet, CONTROL_CLIENT);
	ck_assert_int_eq(recv(fds[1], &octet, 1, 0), 1);
	ck_assert_int_eq(octet, CONTROL_NEWCOMER);
	ck_assert_int_eq(recv(fds[1], &octet, 1, 0), -1);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(a_descriptor_that_nobody_asked_for_is_closed)
{
	int fds[2], ends[2];
	char octet;

	ck_assert_int_eq(control_pair(fds), 0);
	ck_assert_int_eq(control_pair(ends), 0);
	ck_assert_int_eq(control_send_fd(fds[0], CONTROL_LOG, ends[1]), 0);
	close(ends[1]);
	ck_assert_int_eq(recv(ends[0], &octet, 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN); /* open, on its way */
	ck_assert_int_eq(control_next(fds[1], NULL), CONTROL_LOG);
	ck_assert_int_eq(recv(ends[0], &octet, 1, 0), 0);
	close(ends[0]);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static int
lowest_free(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

START_TEST(of_two_descriptors_none_stays_behind)
{
	char octet = CONTROL_LOG;
	struct iovec v = { &octet, 1 };
	union {
		char room[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr aligned;
	} c = { .aligned = { .cmsg_len = CMSG_LEN(2 * sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS } };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = c.room,
		.msg_controllen = sizeof(c.room) };
	const int two[2] = { STDERR_FILENO, STDERR_FILENO };
	int fds[2], passed, before;

	memcpy(CMSG_DATA(&c.aligned), two, sizeof(two));
	ck_assert_int_eq(control_pair(fds), 0);
	before = lowest_free();
	for (int reader = 0; reader < 2; reader++) {
		ck_assert_int_eq(sendmsg(fds[0], &m, 0), 1);
		ck_assert_int_eq(control_next(fds[1], reader == 0 ? NULL : &passed), CONTROL_LOG);
	}
	if (passed >= 0)
		close(passed);
	ck_assert_int_eq(lowest_free(), before);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(a_full_pipe_says_so_and_blocks_nobody)
{
	int fds[2], rc = 0;

	ck_assert_int_eq(control_pair(fds), 0);
	for (int i = 0; i < 1000000 && rc == 0; i++)
		rc = control_send(fds[0], CONTROL_LEAVING);
	ck_assert_int_eq(rc, -EAGAIN);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(both_ends_are_nonblocking_and_do_not_survive_exec)
{
	int fds[2];

	ck_assert_int_eq(control_pair(fds), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_ne(fcntl(fds[i], F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_ne(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, 0);
		close(fds[i]);
	}
	ck_assert_int_eq(control_next(-1, NULL), CONTROL_EOF);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("control");
	TCase *t = tcase_create("control");

	tcase_add_test(t, messages_arrive_one_by_one_in_order);
	tcase_add_test(t, the_end_that_is_left_reads_what_was_said_and_then_eof);
	tcase_add_test(t, an_end_that_died_with_unread_messages_is_eof_too);
	tcase_add_test(t, an_unknown_message_is_none);
	tcase_add_test(t, a_descriptor_travels_and_a_message_without_one_says_so);
	tcase_add_test(t, a_number_travels_with_a_descriptor_and_a_message_without_one_has_0);
	tcase_add_test(t, who_knows_of_no_number_reads_the_message_all_the_same);
	tcase_add_test(t, a_descriptor_that_nobody_asked_for_is_closed);
	tcase_add_test(t, of_two_descriptors_none_stays_behind);
	tcase_add_test(t, a_full_pipe_says_so_and_blocks_nobody);
	tcase_add_test(t, both_ends_are_nonblocking_and_do_not_survive_exec);
	suite_add_tcase(s, t);
	return unit_main(s);
}
