/*
 * The names of an instance: the same for everyone who asks, different for
 * different pidfiles, and never longer than a socket's address may be.
 */
#include "../../src/master/instance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

static char dir[64];

static void
make_dir(void)
{
	strcpy(dir, "/tmp/ballast-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
remove_dir(void)
{
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct instance
named(const char *pidfile, const char *config_file, const char *runtime_dir)
{
	struct instance_place at = {
		.pidfile = pidfile, .config_file = config_file, .runtime_dir = runtime_dir
	};
	struct instance in;

	ck_assert_int_eq(instance_name(&in, &at), 0);
	return in;
}

START_TEST(an_explicit_pidfile_names_everything)
{
	struct instance in = named("/tmp/one.pid", "/etc/x.yaml", "/tmp");
	char expected[PATH_MAX];

	ck_assert_str_eq(in.pidfile, "/tmp/one.pid");
	ck_assert_uint_eq(strlen(in.id), INSTANCE_ID);
	snprintf(expected, sizeof(expected), "/ballast-%s", in.id);
	ck_assert_str_eq(in.shm_name, expected);
	snprintf(expected, sizeof(expected), "/tmp/ballast-%s.sock", in.id);
	ck_assert_str_eq(in.sockets[0], expected);
	ck_assert_str_eq(in.sockets[1], "");
}
END_TEST

START_TEST(every_way_to_write_a_path_is_the_same_instance)
{
	static const char *const forms[] = { "/tmp/one.pid", "/tmp//one.pid", "/tmp/./one.pid",
		"/usr/../tmp/one.pid" };
	struct instance first = named(forms[0], NULL, "/tmp");
	char link[128], through[160];

	for (size_t i = 1; i < sizeof(forms) / sizeof(forms[0]); i++)
		ck_assert_str_eq(named(forms[i], NULL, "/tmp").id, first.id);
	make_dir();
	snprintf(link, sizeof(link), "%s/link", dir);
	ck_assert_int_eq(symlink("/tmp", link), 0);
	snprintf(through, sizeof(through), "%s/one.pid", link);
	ck_assert_str_eq(named(through, NULL, "/tmp").id, first.id);
	unlink(link);
	remove_dir();
}
END_TEST

START_TEST(a_relative_pidfile_belongs_to_the_working_directory)
{
	struct instance in;

	make_dir();
	ck_assert_int_eq(chdir(dir), 0);
	in = named("one.pid", NULL, "/tmp");
	ck_assert_str_eq(in.id, named("./one.pid", NULL, "/tmp").id);
	ck_assert_int_eq(strncmp(in.pidfile, dir, strlen(dir)), 0);
	ck_assert_int_eq(chdir("/"), 0);
	remove_dir();
}
END_TEST

START_TEST(different_pidfiles_are_different_instances)
{
	enum { MANY = 200 };
	static char ids[MANY][INSTANCE_ID + 1];

	for (unsigned i = 0; i < MANY; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/tmp/%u.pid", i);
		strcpy(ids[i], named(path, NULL, "/tmp").id);
		for (unsigned j = 0; j < i; j++)
			ck_assert_str_ne(ids[i], ids[j]);
	}
}
END_TEST

START_TEST(without_a_pidfile_the_configuration_file_decides)
{
	struct instance a = named(NULL, "/etc/passwd", "/tmp");
	struct instance b = named(NULL, "/etc/group", "/tmp");

	ck_assert_str_ne(a.pidfile, b.pidfile);
	ck_assert_str_eq(a.pidfile, named(NULL, "/etc/../etc/passwd", "/tmp").pidfile);
	ck_assert_int_eq(strncmp(a.pidfile, "/tmp/ballast-", 13), 0);
	ck_assert_str_eq(a.pidfile + strlen(a.pidfile) - 4, ".pid");
}
END_TEST

START_TEST(without_any_file_there_is_still_a_name)
{
	struct instance in = named(NULL, NULL, "/tmp");

	ck_assert_str_eq(in.pidfile, named(NULL, NULL, "/tmp").pidfile);
}
END_TEST

START_TEST(workers_of_another_user_get_the_socket_in_runtime_dir_first)
{
	struct instance_place at = { .pidfile = "/usr/one.pid", .runtime_dir = "/tmp" };
	struct instance in;

	ck_assert_int_eq(instance_name(&in, &at), 0);
	ck_assert_int_eq(strncmp(in.sockets[0], "/usr/", 5), 0);
	ck_assert_int_eq(strncmp(in.sockets[1], "/tmp/", 5), 0);
	at.shared_with_user = true;
	ck_assert_int_eq(instance_name(&in, &at), 0);
	ck_assert_int_eq(strncmp(in.sockets[0], "/tmp/", 5), 0);
	ck_assert_int_eq(strncmp(in.sockets[1], "/usr/", 5), 0);
}
END_TEST

START_TEST(a_path_too_long_for_a_socket_leaves_the_other_choice)
{
	char path[200] = "/nowhere/";
	struct instance in;

	memset(path + 9, 'a', 120);
	strcpy(path + 129, "/one.pid");
	in = named(path, NULL, "/tmp");
	ck_assert_str_eq(in.sockets[0], "");
	ck_assert_int_eq(strncmp(in.sockets[1], "/tmp/ballast-", 13), 0);
	in = named("/tmp/one.pid", NULL, path);
	ck_assert_int_eq(strncmp(in.sockets[0], "/tmp/ballast-", 13), 0);
	ck_assert_str_eq(in.sockets[1], "");
}
END_TEST

START_TEST(a_path_too_long_for_the_system_is_an_error)
{
	static char path[2 * PATH_MAX];
	struct instance_place at = { .pidfile = path, .runtime_dir = "/tmp" };
	struct instance in;

	memset(path, 'a', sizeof(path) - 1);
	ck_assert_int_eq(instance_name(&in, &at), -ENAMETOOLONG);
	path[0] = '/';
	ck_assert_int_eq(instance_name(&in, &at), -ENAMETOOLONG);
	at.pidfile = NULL;
	at.runtime_dir = path;
	ck_assert_int_eq(instance_name(&in, &at), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_path_has_a_directory)
{
	static const char *const table[][2] = {
		{ "/a/b", "/a" },
		{ "/a", "/" },
		{ "a", "." },
		{ "a/b", "a" },
		{ "./a", "." },
		{ "/a/b/c", "/a/b" },
		{ "", "." },
	};
	char out[PATH_MAX];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		path_directory(out, table[i][0]);
		ck_assert_str_eq(out, table[i][1]);
	}
}
END_TEST

static Suite *
instance_suite(void)
{
	Suite *s = suite_create("instance");
	TCase *t = tcase_create("instance");

	tcase_add_test(t, an_explicit_pidfile_names_everything);
	tcase_add_test(t, every_way_to_write_a_path_is_the_same_instance);
	tcase_add_test(t, a_relative_pidfile_belongs_to_the_working_directory);
	tcase_add_test(t, different_pidfiles_are_different_instances);
	tcase_add_test(t, without_a_pidfile_the_configuration_file_decides);
	tcase_add_test(t, without_any_file_there_is_still_a_name);
	tcase_add_test(t, workers_of_another_user_get_the_socket_in_runtime_dir_first);
	tcase_add_test(t, a_path_too_long_for_a_socket_leaves_the_other_choice);
	tcase_add_test(t, a_path_too_long_for_the_system_is_an_error);
	tcase_add_test(t, a_path_has_a_directory);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return unit_main(instance_suite());
}
