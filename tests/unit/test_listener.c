/*
 * Listeners: kept as long as somebody holds them, closed with the last hold, and
 * an address that is taken is an error that names it.
 */
#include "../../src/master/listener.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ballast/base/sock.h"

#include "harness.h"

static struct addr
address(const char *text)
{
	struct addr a;

	ck_assert_ptr_null(addr_parse_listen(&a, text));
	return a;
}

static struct listener *
open_good(const struct addr *a)
{
	struct listener *l;
	struct err err;

	err_init(&err);
	l = listener_open(a, "lb_port", &err);
	ck_assert_ptr_nonnull(l);
	ck_assert(!err_any(&err));
	return l;
}

START_TEST(a_free_port_is_known_but_remembered_as_any)
{
	struct addr any = address("127.0.0.1:0");
	struct listener *l = open_good(&any);

	ck_assert_uint_ne(addr_port(&l->bound), 0);
	ck_assert(addr_eq(&l->configured, &any));
	listener_release(&l);
	ck_assert_ptr_null(l);
}
END_TEST

/* The file belongs to whoever has the instance, however many masters have the socket. */
START_TEST(a_shared_unix_socket_keeps_its_file)
{
	char path[64], text[80];
	struct addr a, bound;
	struct listener *first, *next;

	snprintf(path, sizeof(path), "/tmp/ballast-unit-%ld", (long)getpid());
	snprintf(text, sizeof(text), "unix:%s", path);
	a = address(text);
	first = open_good(&a);
	next = listener_inherit(dup(first->fd), &a);
	ck_assert_ptr_nonnull(next);
	ck_assert(addr_eq(&next->configured, &a) && addr_eq(&next->bound, &first->bound));
	ck_assert_int_eq(sock_name(next->fd, &bound), 0);
	first->shared = true;
	listener_release(&first);
	ck_assert_int_eq(access(path, F_OK), 0);
	next->shared = false;
	listener_release(&next);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(it_is_open_until_the_last_hold_is_released)
{
	struct addr any = address("127.0.0.1:0");
	struct listener *l = open_good(&any), *other = listener_hold(l);
	int fd = l->fd;

	listener_release(&l);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	listener_release(&other);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	listener_release(&other); /* nothing is held: nothing happens */
}
END_TEST

START_TEST(a_taken_port_is_an_error_that_names_option_and_address)
{
	struct addr any = address("127.0.0.1:0");
	struct listener *l = open_good(&any);
	char text[ADDR_TEXT], expected[256];
	struct err err;

	err_init(&err);
	ck_assert_ptr_null(listener_open(&l->bound, "lb_port", &err));
	snprintf(expected, sizeof(expected), "lb_port: cannot listen on %s: Address already in use",
		addr_text(&l->bound, text));
	ck_assert_str_eq(err.first->text, expected);
	err_free(&err);
	listener_release(&l);
}
END_TEST

START_TEST(the_file_of_a_unix_socket_goes_with_it)
{
	char path[64], text[80];
	struct addr a;
	struct listener *l;

	snprintf(path, sizeof(path), "/tmp/ballast-unit-%ld.sock", (long)getpid());
	snprintf(text, sizeof(text), "unix:%s", path);
	a = address(text);
	l = open_good(&a);
	ck_assert_int_eq(access(path, F_OK), 0);
	listener_release(&l);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

static Suite *
listener_suite(void)
{
	Suite *s = suite_create("listener");
	TCase *t = tcase_create("listener");

	tcase_add_test(t, a_free_port_is_known_but_remembered_as_any);
	tcase_add_test(t, a_shared_unix_socket_keeps_its_file);
	tcase_add_test(t, it_is_open_until_the_last_hold_is_released);
	tcase_add_test(t, a_taken_port_is_an_error_that_names_option_and_address);
	tcase_add_test(t, the_file_of_a_unix_socket_goes_with_it);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return unit_main(listener_suite());
}
